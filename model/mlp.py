"""A shared multi-layer perceptron on every joint of every frame: the update step of the graph convolutions."""

from __future__ import annotations

from torch import Tensor, nn


class MLP(nn.Module):
    """Linear map over channels, BatchNorm, and ReLU unless ``activation`` is off.

    Shapes: (N, in_channels, T, V) -> (N, out_channels, T, V).
    """

    def __init__(self, in_channels: int, out_channels: int, *, activation: bool = True) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(in_channels, out_channels, kernel_size=1),
            nn.BatchNorm2d(out_channels),
            nn.ReLU() if activation else nn.Identity(),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)
