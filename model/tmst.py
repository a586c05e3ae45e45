"""TMST: gated convolutions, pooling, attention and gating over time, side by side (MSA-GCN)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from errors import InputError
from model.outline import outline
from model.temporal_conv import FrameConv, FramewiseConv

BRANCHES = 5
DILATIONS = (2, 4)


class GatedTemporalConv(nn.Module):
    """Two dilated convolutions, each gated by itself (tanh times sigmoid), summed.

    Both go through the same BatchNorm, one after the other, so its statistics move twice in a step, as released.

    Shapes: (B, C, T, V) -> (B, C, ceil(T / stride), V).
    """

    def __init__(self, channels: int, *, stride: int, dilation: int) -> None:
        super().__init__()
        self.conv1 = FrameConv(channels, channels, 5, stride=stride, dilation=dilation)
        self.conv2 = FrameConv(channels, channels, 5, stride=stride, dilation=dilation)
        self.bn = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        a, b = self.bn(self.conv1(x)), self.bn(self.conv2(x))
        return a.tanh() * a.sigmoid() + b.tanh() * b.sigmoid()


class TemporalAttention(nn.Module):
    """Every frame listens to every other; the linear map between frames ties it to one number of ``frames``.

    With several ``heads`` the channels fall into as many groups, each with an attention of its own; the released
    network has one.

    Shapes: (B, in_channels, T, V) -> (B, out_channels, ceil(T / stride), V), which must be ``frames``.
    """

    def __init__(self, in_channels: int, out_channels: int, *, stride: int, frames: int, heads: int = 1) -> None:
        super().__init__()
        if heads < 1 or out_channels % (2 * heads):
            raise InputError(
                f"model_args: heads is {heads}, but {out_channels} channels do not fall into {heads} even groups"
            )
        self.heads = heads
        self.conv = FramewiseConv(in_channels, out_channels, step=stride)
        self.bn = nn.BatchNorm2d(out_channels)
        self.linear = nn.Linear(frames, frames)

    def forward(self, x: Tensor) -> Tensor:
        h = self.conv(x).unflatten(1, (self.heads, -1))  # (B, H, C, T, V)
        first, second = h.chunk(2, dim=2)
        q = self.linear(first.mean(dim=(2, 4))).relu()  # (B, H, T)
        k = self.linear(second.amax(dim=(2, 4))).relu()
        attention = (q.unsqueeze(3) * k.unsqueeze(2)).sigmoid()  # (B, H, T, T)
        return self.bn(torch.einsum("bhctv,bhtm->bhcmv", h, attention).flatten(1, 2))


class FrameGate(nn.Module):
    """Each frame weighed by its own mean and maximum. ``bn`` is in the published weights and never used.

    Shapes: (B, in_channels, T, V) -> (B, out_channels, ceil(T / stride), V).
    """

    def __init__(self, in_channels: int, out_channels: int, *, stride: int) -> None:
        super().__init__()
        self.conv = FramewiseConv(in_channels, out_channels, step=stride)
        self.bn = nn.BatchNorm2d(out_channels)
        self.combine_conv = nn.Conv2d(2, 1, kernel_size=1)

    def forward(self, x: Tensor) -> Tensor:
        h = self.conv(x)
        summary = torch.stack([h.mean(dim=(1, 3)), h.amax(dim=(1, 3))], dim=1)  # (B, 2, T)
        return h * self.combine_conv(summary.unsqueeze(3)).sigmoid()


class TMST(nn.Module):
    """Five branches of a fifth of the channels: two gated convolutions, a max-pool, an attention, a gate.

    Shapes: (B, channels, T, V) -> (B, channels, ceil(T / stride), V), which must be ``frames``.
    """

    def __init__(self, channels: int, *, stride: int, frames: int, heads: int = 1) -> None:
        super().__init__()
        width = channels // BRANCHES
        pool = nn.MaxPool2d(kernel_size=(3, 1), stride=(stride, 1), padding=(1, 0))
        attention = TemporalAttention(channels, width, stride=stride, frames=frames, heads=heads)
        self.branches = nn.ModuleList(
            [
                *[
                    nn.Sequential(*_reduce(channels, width), GatedTemporalConv(width, stride=stride, dilation=d))
                    for d in DILATIONS
                ],
                nn.Sequential(*_reduce(channels, width), pool, nn.BatchNorm2d(width)),
                nn.Sequential(attention, nn.BatchNorm2d(width)),
                nn.Sequential(FrameGate(channels, width, stride=stride), nn.BatchNorm2d(width)),
            ]
        )
        self.built = outline(self)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([branch(x) for branch in self.branches], dim=1).relu()


def _reduce(channels: int, width: int) -> tuple[nn.Module, ...]:
    return nn.Conv2d(channels, width, kernel_size=1), nn.BatchNorm2d(width), nn.ReLU()
