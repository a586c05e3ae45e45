"""MSA-GC: graph convolution whose adjacency is prescribed, drawn from the clip, and drawn from all clips at once.

MSA-GCN (Alowonou and Han, 2024). Letters: B bodies (of all clips), K subsets of the partition, S stages (quarters of
the channels), G groups of learned matrices.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from model.channel_correlation import ChannelCorrelation
from model.edge_conv import EdgeConv
from model.outline import outline

STAGES = 4
GROUPS = 8  # channel c uses the learned matrix of group c mod 8


class StageAttention(nn.Module):
    """The linear map of the attentions between stages. Its ``bn`` is in the published weights and never used.

    Shapes: (..., V) -> (..., V).
    """

    def __init__(self, num_joints: int, channels: int) -> None:
        super().__init__()
        self.bn = nn.BatchNorm2d(channels // STAGES)
        self.linear = nn.Linear(num_joints, num_joints)

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(x).relu()


class MSAGC(nn.Module):
    """Multi-stage adaptive graph convolution ("MSCAM" in the published code).

    y = sum over subsets k of z_k (M_k / 2 + 2 P_k + G): M is an attention between joints, one for each stage, drawn
    from the body itself; P the prescribed matrices with their learned correction; G the correlation of channels over
    all bodies. Then the channels are gated by their neighbours, an edge convolution over the nearest joints in
    feature space is added, and a residual.

    ``alpha`` is in the published weights and never used.

    Args:
        in_channels, out_channels: of the features; ``out_channels`` divides by 8.
        partition: the prescribed matrices (K, V, V).
        stage_attention: ``released``, or ``figure``: the attention as the paper's figure draws it.
        correlation: arguments of ``ChannelCorrelation``.

    Shapes: (B, in_channels, T, V) -> (B, out_channels, T, V).
    """

    A: Tensor

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        partition: np.ndarray,
        *,
        stage_attention: str = "released",
        correlation: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__()
        subsets, joints, _ = partition.shape
        self.as_drawn = stage_attention == "figure"
        prescribed = torch.tensor(partition, dtype=torch.float32)
        self.register_buffer("A", prescribed, persistent=False)
        self.alpha = nn.Parameter(torch.zeros(1))
        self.Pre_def = nn.Parameter(prescribed[:, None].repeat(1, GROUPS, 1, 1))  # (K, G, V, V)
        self.linear = nn.Linear(joints, joints)
        self.Att = StageAttention(joints, out_channels)
        self.Ref_conv = nn.Conv1d(1, 1, kernel_size=3, padding=1, bias=False)
        self.Channelcorrelation = ChannelCorrelation(in_channels, out_channels, joints, **(correlation or {}))
        self.conv = nn.Conv2d(in_channels, out_channels * subsets, kernel_size=1)
        self.edgeConv = EdgeConv(in_channels, out_channels)
        self.conv_down_edge = nn.Conv2d(out_channels, out_channels, kernel_size=1)
        self.down: nn.Module = nn.Identity()
        if in_channels != out_channels:
            self.down = nn.Sequential(nn.Conv2d(in_channels, out_channels, kernel_size=1), nn.BatchNorm2d(out_channels))
        self.bn = nn.BatchNorm2d(out_channels)
        self.built = outline(self)

    def adjacency(self) -> Tensor:
        """The prescribed matrices and their learned correction: (K, G, V, V)."""
        return self.A[:, None] + self.Pre_def

    def forward(self, x: Tensor) -> Tensor:
        z = self.conv(x).unflatten(1, (len(self.A), -1))  # (B, K, C, T, V)
        y = self._aggregate(z, self.attention(z), self.Channelcorrelation(x))
        y = y + y * self._gate(y.mean(dim=(2, 3)))
        y = y + self.conv_down_edge(self.edgeConv(x))  # (B, C, 1, V): the same in all frames
        return torch.relu(self.bn(y) + self.down(x))

    def attention(self, z: Tensor) -> Tensor:
        """How much each joint listens to each other in this body: (B, K, C, T, V) -> M (B, K, S, V, V)."""
        queries, keys = z.mean(dim=3).unflatten(2, (STAGES, 2, -1)).mean(dim=4).unbind(dim=3)  # (B, K, S, V) each
        return self._figure(queries, keys) if self.as_drawn else self._released(queries, keys)

    def _released(self, queries: Tensor, keys: Tensor) -> Tensor:
        """Every stage looks at itself, and each at the one after."""
        own = _softmax(self.Att(queries), self.Att(keys)) / 2
        cross = _softmax(self.linear(keys[:, :, :-1]).relu(), self.linear(queries[:, :, 1:]).relu()) / 4
        return own + F.pad(cross, (0, 0, 0, 0, 1, 0)) + F.pad(cross, (0, 0, 0, 0, 0, 1))  # both stages of a pair

    def _figure(self, queries: Tensor, keys: Tensor) -> Tensor:
        """Two rounds in which every stage's keys take in those of the one before, in a circle (figure 1)."""
        q, k = self.Att(queries), self.linear(keys).relu()
        once = k + k.roll(1, dims=2)
        twice = once + once.roll(1, dims=2)
        found = _softmax(q, once) + _softmax(q, twice)
        return found + found.roll(-1, dims=2)

    def _aggregate(self, z: Tensor, attention: Tensor, correlation: Tensor) -> Tensor:
        """Sum over k of z_k (M_k / 2 + 2 P_k + G), each term on its own, so that no (B, K, C, V, V) arises."""
        by_stage = torch.einsum("bksctv,bksvw->bsctw", z.unflatten(2, (STAGES, -1)), attention / 2).flatten(1, 2)
        by_group = torch.einsum("bkcgtv,kgvw->bcgtw", z.unflatten(2, (-1, GROUPS)), 2 * self.adjacency()).flatten(1, 2)
        return by_stage + by_group + z.sum(dim=1) @ correlation

    def _gate(self, means: Tensor) -> Tensor:
        """Each channel's gate from its own mean and those of its neighbours: (B, C) -> (B, C, 1, 1)."""
        return self.Ref_conv(means.unsqueeze(1)).sigmoid().transpose(1, 2).unsqueeze(3)


def _softmax(a: Tensor, b: Tensor) -> Tensor:
    """Softmax over w of a[v]·b[w]: (..., V) twice -> (..., V, V)."""
    return (a.unsqueeze(-1) * b.unsqueeze(-2)).softmax(dim=-1)
