"""Disentangled multi-scale graph convolution (MS-G3D, section 3.2)."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from graph.adjacency import disentangled
from model.mlp import MLP
from model.outline import outline


class MultiScaleAggregation(nn.Module):
    """Sum, for every scale k, over the neighbours at distance k: (A_k + A_res_k) x (MS-G3D eq. 5).

    ``A`` holds the fixed normalised adjacencies (K, V, V) and is not part of the weights; ``A_res``, their learned
    correction, is stored as the published weights have it: row k·V + v.

    Shapes: (N, C, T, V) -> (N, K·C, T, V), channel k·C + c.
    """

    A: Tensor

    def __init__(self, adjacency: np.ndarray, num_scales: int, normalization: str = "symmetric") -> None:
        super().__init__()
        scales = torch.from_numpy(disentangled(adjacency, num_scales, normalization))
        self.register_buffer("A", scales, persistent=False)
        self.A_res = nn.Parameter(torch.empty(num_scales * len(adjacency), len(adjacency)).uniform_(-1e-6, 1e-6))

    def adjacency(self) -> Tensor:
        """The adjacency in use, fixed plus learned: (K, V, V)."""
        return self.A + self.A_res.view_as(self.A)

    def aggregate(self, x: Tensor) -> Tensor:
        n, c, t, v = x.shape
        rows = self.adjacency().transpose(0, 1).flatten(0, 1)  # (K, V, V) -> (VK, V)
        y = rows @ x.permute(0, 2, 3, 1)  # on (N, T, V, C): -> (N, T, VK, C), which reads as (N, T, V, KC)
        return y.view(n, t, v, -1).permute(0, 3, 1, 2)


class MultiScaleGraphConv(MultiScaleAggregation):
    """Aggregation over K scales, then one MLP that mixes them ("MS-GCN").

    Shapes: (N, in_channels, T, V) -> (N, out_channels, T, V).
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        adjacency: np.ndarray,
        num_scales: int,
        *,
        activation: bool = True,
        normalization: str = "symmetric",
    ) -> None:
        super().__init__(adjacency, num_scales, normalization)
        self.mlp = MLP(in_channels * num_scales, out_channels, activation=activation)
        self.built = outline(self)

    def forward(self, x: Tensor) -> Tensor:
        return self.mlp(self.aggregate(x))
