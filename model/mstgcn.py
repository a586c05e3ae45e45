"""MST-GCN (Chen et al., AAAI 2021): channel groups that each see one step farther than the one before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from torch import Tensor, nn

from errors import InputError, one_of
from graph.build import build_graph
from model.mst_attention import AttentionLayer, check_attention
from model.mst_common import Options
from model.mst_spatial import SPATIAL, AdaptivePartition
from model.mst_temporal import TEMPORAL
from model.outline import outline

BlockRow = tuple[int, int, bool, int]
"""(in_channels, out_channels, residual, stride) of a block."""


class Block(nn.Module):
    """A spatial layer, a temporal layer, and an attention if there is one.

    Shapes: (N, in_channels, T, V) -> (N, out_channels, ceil(T / stride), V).
    """

    def __init__(
        self,
        row: BlockRow,
        partition: np.ndarray,
        options: Options,
        *,
        block_type: str,
        atten: str | None,
        parts: Sequence[Sequence[int]],
    ) -> None:
        super().__init__()
        in_channels, out_channels, residual, stride = row
        self.msgcn = SPATIAL[block_type](in_channels, out_channels, partition, options, residual=residual)
        self.mstcn = TEMPORAL[block_type](out_channels, options, stride=stride, residual=residual)
        self.att = nn.Identity() if atten is None else AttentionLayer(out_channels, atten, options, parts)

    def forward(self, x: Tensor) -> Tensor:
        return self.att(self.mstcn(self.msgcn(x)))


class Model(nn.Module):
    """The published network, state-dict keys included.

    Args:
        num_class: classes to tell apart.
        num_point: joints V of a body; must be those of ``graph``.
        num_person: bodies M of a clip.
        graph: dotted path of a graph class, such as ``graph.ntu_rgb_d.Graph``; its ``A`` (K, V, V) are the subsets.
        block_args: a row [in_channels, out_channels, residual, stride] for each block; left out, the ten published
            ones at ``widths``. The first block is always plain: ``basic``, without attention.
        graph_args: arguments of the graph class.
        in_channels: channels C of a clip, where ``block_args`` does not say.
        widths: channels of the three stages, where ``block_args`` does not say.
        block_type: ``basic``, ``ms`` (published), ``bottle``, ``ms_bottle`` or ``sep``.
        atten: ``stja``, ``stcja``, ``pa``, ``ca``, ``fa``, ``ja`` or None (published).
        parts: joints of each part of the body, for ``pa``.
        kernel_size, reduct_ratio, expand_ratio, s_scale, t_scale, layer_type, act, bias: see ``mst_common.Options``.

    Shapes: (N, C, T, V, M) -> logits (N, num_class). T is free.

    Raises:
        InputError: an argument that does not work, in a sentence.
    """

    def __init__(
        self,
        num_class: int,
        num_point: int,
        num_person: int,
        graph: str,
        block_args: Sequence[Sequence[Any]] | None = None,
        graph_args: Mapping[str, Any] | None = None,
        in_channels: int = 3,
        widths: tuple[int, int, int] = (112, 224, 448),
        block_type: str = "ms",
        atten: str | None = None,
        parts: Sequence[Sequence[int]] | None = None,
        kernel_size: int = 9,
        reduct_ratio: int = 2,
        expand_ratio: int = 0,
        s_scale: int = 4,
        t_scale: int = 4,
        layer_type: str = "basic",
        act: str = "relu",
        bias: bool = True,
    ) -> None:
        super().__init__()
        partition = build_graph(graph, graph_args, num_point).partition
        options = Options(kernel_size, reduct_ratio, expand_ratio, s_scale, t_scale, layer_type, act, bias)
        one_of("model_args: block_type", block_type, SPATIAL)
        atten = check_attention(atten, parts, num_point)
        rows = _rows(block_args) if block_args is not None else published_rows(in_channels, widths)

        self.data_bn = nn.BatchNorm1d(num_person * num_point * rows[0][0])
        self.layers = nn.ModuleList(
            Block(
                row,
                partition,
                options,
                block_type=block_type if number else "basic",
                atten=atten if number else None,
                parts=parts or [list(range(num_point))],
            )
            for number, row in enumerate(rows)
        )
        self.fc = nn.Linear(rows[-1][1], num_class)
        self._initialise(num_class)
        self.built = outline(self)

    def _initialise(self, num_class: int) -> None:
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out")
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
        nn.init.normal_(self.fc.weight, 0, (2 / num_class) ** 0.5)

    def forward(self, x: Tensor) -> Tensor:
        return self.classify(self.features(self.bodies(x)), x.shape[0])

    def bodies(self, x: Tensor) -> Tensor:
        """Every body on its own, normalised: (N, C, T, V, M) -> (NM, C, T, V)."""
        n, c, t, v, m = x.shape
        x = x.permute(0, 4, 3, 1, 2).reshape(n, m * v * c, t)  # -> (N, MVC, T): what BatchNorm sees
        x = self.data_bn(x)
        return x.view(n * m, v, c, t).permute(0, 2, 3, 1).contiguous()

    def features(self, x: Tensor) -> Tensor:
        """The blocks, and the mean over frames and joints: (NM, C, T, V) -> (NM, C')."""
        for layer in self.layers:
            x = layer(x)
        return x.mean(dim=(2, 3))

    def classify(self, x: Tensor, clips: int) -> Tensor:
        """The mean over the bodies of each of ``clips`` clips, classified: (NM, C') -> logits (N, num_class)."""
        return self.fc(x.view(clips, -1, x.shape[1]).mean(dim=1))

    def graphs(self) -> dict[str, Tensor]:
        """The adjacencies in use (fixed plus learned) by module name, each (K, V, V)."""
        return {
            name: module.adjacency().detach()
            for name, module in self.named_modules()
            if isinstance(module, AdaptivePartition)
        }


def published_rows(in_channels: int, widths: Sequence[int]) -> list[BlockRow]:
    """The published blocks: ten, the fifth and the eighth of twice the width and half the frames."""
    c1, c2, c3 = widths
    return [
        (in_channels, c1, False, 1),
        *[(c1, c1, True, 1)] * 3,
        (c1, c2, True, 2),
        *[(c2, c2, True, 1)] * 2,
        (c2, c3, True, 2),
        *[(c3, c3, True, 1)] * 2,
    ]


def _rows(block_args: Sequence[Sequence[Any]]) -> list[BlockRow]:
    rows: list[BlockRow] = []
    for row in block_args:
        if len(row) != 4:
            raise InputError(f"model_args: block_args holds {row}, wanted [in, out, residual, stride]")
        if not all(type(value) is kind for value, kind in zip(row, (int, int, bool, int), strict=True)) or row[3] < 1:
            raise InputError(f"model_args: block_args holds {row}, wanted whole numbers, and True or False third")
        if rows and rows[-1][1] != row[0]:
            raise InputError(f"model_args: block_args: {list(row)} does not take the {rows[-1][1]} channels before it")
        rows.append((row[0], row[1], row[2], row[3]))
    if not rows:
        raise InputError("model_args: block_args is empty")
    return rows
