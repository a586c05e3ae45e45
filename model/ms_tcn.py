"""Multi-scale temporal convolution: parallel branches with different receptive fields in time (MS-G3D, section 3.4)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from model.outline import outline
from model.temporal_conv import FramewiseConv, TemporalConv, shortcut

DILATIONS = (1, 2, 3, 4)


class MultiScaleTemporalConv(nn.Module):
    """Six branches side by side: four dilated convolutions, a max-pool and a 1×1; with a residual ("MS-TCN").

    Every branch first reduces to a sixth of the channels; what the division leaves over goes to the last one.

    Shapes: (N, in_channels, T, V) -> (N, out_channels, ceil(T / stride), V).
    """

    def __init__(self, in_channels: int, out_channels: int, *, stride: int = 1, activation: bool = True) -> None:
        super().__init__()
        width = out_channels // (len(DILATIONS) + 2)
        last = out_channels - width * (len(DILATIONS) + 1)
        dilated = [
            nn.Sequential(
                *_reduce(in_channels, width), TemporalConv(width, width, kernel_size=3, stride=stride, dilation=d)
            )
            for d in DILATIONS
        ]
        pooled = nn.Sequential(
            *_reduce(in_channels, width),
            nn.MaxPool2d(kernel_size=(3, 1), stride=(stride, 1), padding=(1, 0)),
            nn.BatchNorm2d(width),
        )
        plain = nn.Sequential(FramewiseConv(in_channels, last, step=stride), nn.BatchNorm2d(last))
        self.branches = nn.ModuleList([*dilated, pooled, plain])
        self.residual = shortcut(in_channels, out_channels, stride=stride)
        self.activation = activation
        self.built = outline(self)

    def forward(self, x: Tensor) -> Tensor:
        y = torch.cat([branch(x) for branch in self.branches], dim=1) + self.residual(x)
        return F.relu(y) if self.activation else y


def _reduce(in_channels: int, width: int) -> tuple[nn.Module, ...]:
    return nn.Conv2d(in_channels, width, kernel_size=1), nn.BatchNorm2d(width), nn.ReLU()
