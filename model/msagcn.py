"""MSA-GCN (Alowonou and Han, IEEE Access 2024): adaptive graphs within and across sequences, temporal transformer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from errors import InputError, one_of
from graph.adjacency import khop_relative, spatial_partition
from graph.build import build_graph
from graph.layout import turned_towards
from graph.layouts import KHOP_ROOTS
from model.msa_gc import GROUPS, MSAGC
from model.outline import outline
from model.temporal_conv import shortcut
from model.tmst import BRANCHES, TMST

RELEASED_K = 2


class Block(nn.Module):
    """MSA-GC, then TMST, with a residual around both.

    Shapes: (B, in_channels, T, V) -> (B, out_channels, ceil(T / stride), V), which must be ``frames``.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        partition: np.ndarray,
        *,
        frames: int,
        stride: int = 1,
        residual: bool = True,
        heads: int = 1,
        stage_attention: str = "released",
        correlation: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__()
        self.mscam = MSAGC(
            in_channels, out_channels, partition, stage_attention=stage_attention, correlation=correlation
        )
        self.tmst = TMST(out_channels, stride=stride, frames=frames, heads=heads)
        self.residual = shortcut(in_channels, out_channels, stride=stride, residual=residual)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.tmst(self.mscam(x)) + self.residual(x))


class Model(nn.Module):
    """The published network, state-dict keys included; ``notes`` holds what a user should be told about it.

    Args:
        num_class: classes to tell apart.
        num_point: joints V of a body; must be those of ``graph``.
        num_person: bodies M of a clip.
        graph: dotted path of a graph class; its skeleton supplies the edges.
        graph_args: arguments of the graph class.
        k: every joint enters relative to its ancestor ``k`` edges up; joints without one stay where they are. The
            published configurations say 0 and the published code takes 2 all the same; so does 0 here.
        in_channels: channels C of a clip.
        window_size: frames T of a clip; the temporal attention ties the network to it.
        widths: channels of the three stages, each a multiple of 40.
        heads: of the temporal attention (released: 1).
        global_context: ``batch`` (released) or ``ema``, see ``ChannelCorrelation``.
        stage_attention: ``released`` or ``figure``, see ``MSAGC``.
        corr: ``mean`` (released) or ``per_channel``, see ``ChannelCorrelation``.
        root: joint that the skeleton hangs from; left out, its centre (for NTU RGB+D the middle of the spine).

    Shapes: (N, C, T, V, M) -> logits (N, num_class).

    Raises:
        InputError: an argument that does not work, or clips of another length, in a sentence.
    """

    def __init__(
        self,
        num_class: int,
        num_point: int,
        num_person: int,
        graph: str,
        graph_args: Mapping[str, Any] | None = None,
        k: int = 0,
        in_channels: int = 3,
        window_size: int = 64,
        widths: tuple[int, int, int] = (80, 160, 320),
        heads: int = 1,
        global_context: str = "batch",
        stage_attention: str = "released",
        corr: str = "mean",
        root: int | None = None,
    ) -> None:
        super().__init__()
        one_of("model_args: global_context", global_context, ("batch", "ema"))
        one_of("model_args: stage_attention", stage_attention, ("released", "figure"))
        one_of("model_args: corr", corr, ("mean", "per_channel"))
        if window_size < 1:
            raise InputError(f"model_args: window_size is {window_size}, wanted at least 1")
        for width in widths:
            if width < 1 or width % (BRANCHES * GROUPS):
                raise InputError(f"model_args: widths has {width}, wanted multiples of {BRANCHES * GROUPS}")
        layout = build_graph(graph, graph_args, num_point).layout
        root = KHOP_ROOTS.get(layout.name, layout.center) if root is None else root
        if not 0 <= root < num_point:
            raise InputError(f"model_args: root is {root}, but joints are 0 to {num_point - 1}")
        edges = turned_towards(root, num_point, layout.edges)
        partition = spatial_partition(
            num_point, [(parent, child) for child, parent in edges]
        )  # InfoGCN's outward is up
        self.notes = [f"model_args: k is 0, which means {RELEASED_K}, as in the published code"] if k == 0 else []
        self.window_size = window_size

        c1, c2, c3 = widths
        t1, t2 = window_size, -(-window_size // 2)
        t3 = -(-t2 // 2)
        shared: dict[str, Any] = {
            "heads": heads,
            "stage_attention": stage_attention,
            "correlation": {"context": global_context, "corr": corr},
        }
        relative = khop_relative(num_point, edges, RELEASED_K if k == 0 else k)
        self.register_buffer("relative", torch.from_numpy(relative).float(), persistent=False)
        self.pos_embedding = nn.Parameter(torch.randn(1, num_point, c1))
        self.data_bn = nn.BatchNorm1d(num_person * num_point * c1)
        self.to_joint_embedding = nn.Linear(in_channels, c1)
        self.l1 = Block(c1, c1, partition, frames=t1, residual=False, **shared)
        self.l2 = Block(c1, c1, partition, frames=t1, **shared)
        self.l3 = Block(c1, c1, partition, frames=t1, **shared)
        self.l4 = Block(c1, c1, partition, frames=t1, **shared)
        self.l5 = Block(c1, c2, partition, frames=t2, stride=2, **shared)
        self.l6 = Block(c2, c2, partition, frames=t2, **shared)
        self.l7 = Block(c2, c2, partition, frames=t2, **shared)
        self.l8 = Block(c2, c3, partition, frames=t3, stride=2, **shared)
        self.l9 = Block(c3, c3, partition, frames=t3, **shared)
        self.l10 = Block(c3, c3, partition, frames=t3, **shared)
        self.fc = nn.Linear(c3, num_class)
        self.first_tram = _retrospect(c1, c3, t3)
        self.second_tram = _retrospect(c2, c3, t3)
        self._initialise(num_class)
        self.built = outline(self)

    relative: Tensor

    def _initialise(self, num_class: int) -> None:
        for name, module in self.named_modules():
            if isinstance(module, nn.Conv1d | nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out")
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
            elif isinstance(module, nn.Linear) and name.endswith(".linear"):
                nn.init.xavier_uniform_(module.weight, gain=nn.init.calculate_gain("relu"))
        nn.init.normal_(self.fc.weight, 0, (2 / num_class) ** 0.5)

    def forward(self, x: Tensor) -> Tensor:
        return self.classify(self.features(self.bodies(x)), x.shape[0])

    def bodies(self, x: Tensor) -> Tensor:
        """Every body on its own, embedded and normalised: (N, C, T, V, M) -> (NM, c1, T, V).

        Raises:
            InputError: clips of another length than ``window_size``.
        """
        n, c, t, v, m = x.shape
        if t != self.window_size:
            raise InputError(f"MSA-GCN was built for clips of {self.window_size} frames (window_size), not {t}")
        x = self.relative @ x.permute(0, 4, 2, 3, 1)  # -> (N, M, T, V, C)
        x = self.to_joint_embedding(x) + self.pos_embedding
        x = x.permute(0, 1, 3, 4, 2).reshape(n, -1, t)  # -> (N, MVC, T): what BatchNorm sees
        x = self.data_bn(x)
        return x.view(n * m, v, -1, t).permute(0, 2, 3, 1).contiguous()

    def features(self, x: Tensor) -> Tensor:
        """The blocks, and the mean over frames and joints: (NM, c1, T, V) -> (NM, c3)."""
        early = self.l4(self.l3(self.l2(self.l1(x))))
        middle = self.l7(self.l6(self.l5(early)))
        x = self.l10(self.l9(self.l8(middle)))
        x = x + self.first_tram(early) + self.second_tram(middle)  # in retrospect
        return x.mean(dim=(2, 3))

    def classify(self, x: Tensor, clips: int) -> Tensor:
        """The mean over the bodies of each of ``clips`` clips, classified: (NM, c3) -> logits (N, num_class)."""
        return self.fc(x.view(clips, -1, x.shape[1]).mean(dim=1))

    def graphs(self) -> dict[str, Tensor]:
        """The prescribed adjacencies with their learned correction, by module name, averaged over groups: (K, V, V)."""
        return {
            name: module.adjacency().mean(dim=1).detach()
            for name, module in self.named_modules()
            if isinstance(module, MSAGC)
        }


def _retrospect(in_channels: int, out_channels: int, frames: int) -> nn.Sequential:
    """Features of an earlier block at the length and width of the last."""
    return nn.Sequential(
        nn.AdaptiveAvgPool2d((frames, None)),
        nn.Conv2d(in_channels, out_channels, kernel_size=1),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(),
    )
