"""EdgeConv: each joint and its nearest joints in feature space (DGCNN; in MSA-GCN beside the graph convolution)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

NEIGHBOURS = 5


class EdgeConv(nn.Module):
    """Features averaged over time; the largest response over the five nearest joints, the joint itself among them.

    Shapes: (B, in_channels, T, V) -> (B, out_channels, 1, V).
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv = nn.Sequential(
            nn.Conv2d(2 * in_channels, out_channels, kernel_size=1, bias=False),
            nn.BatchNorm2d(out_channels),
            nn.LeakyReLU(0.2),
        )

    def forward(self, x: Tensor) -> Tensor:
        h = x.mean(dim=2)  # (B, C, V)
        nearest = nearest_joints(h, min(NEIGHBOURS, h.shape[2]))  # (B, V, n)
        index = nearest.flatten(1).unsqueeze(1).expand(-1, h.shape[1], -1)
        neighbours = h.gather(2, index).unflatten(2, nearest.shape[1:])  # (B, C, V, n)
        own = h.unsqueeze(3).expand_as(neighbours)
        edges = torch.cat([neighbours - own, own], dim=1)  # (B, 2C, V, n)
        return self.conv(edges).amax(dim=3).unsqueeze(2)


def nearest_joints(h: Tensor, count: int) -> Tensor:
    """Indices of the ``count`` nearest joints by Euclidean distance: (B, C, V) -> (B, V, count)."""
    products = h.transpose(1, 2) @ h
    squares = h.square().sum(dim=1)
    distance = squares.unsqueeze(1) - 2 * products + squares.unsqueeze(2)
    return distance.topk(count, dim=2, largest=False).indices
