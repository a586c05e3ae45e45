"""Convolutions along time, and the residual of another shape: what the temporal parts of all four networks share."""

from __future__ import annotations

from torch import Tensor, nn


class FramewiseConv(nn.Conv2d):
    """1×1 convolution of every ``step``-th frame.

    The frames are picked before the convolution, not by its stride: the values are the same, and oneDNN's weight
    gradient of strided 1×1 convolutions on channels-last input writes past its memory when there are few channels
    (uxlfoundation/oneDNN#6035).

    Shapes: (N, in_channels, T, V) -> (N, out_channels, ceil(T / step), V).
    """

    def __init__(self, in_channels: int, out_channels: int, *, step: int = 1) -> None:
        super().__init__(in_channels, out_channels, kernel_size=1)
        self.step = step

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x[:, :, :: self.step] if self.step > 1 else x)


class FrameConv(nn.Conv2d):
    """Convolution over ``kernel_size`` frames around every ``stride``-th one.

    Shapes: (N, in_channels, T, V) -> (N, out_channels, ceil(T / stride), V) for an odd ``kernel_size``.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        *,
        stride: int = 1,
        dilation: int = 1,
        groups: int = 1,
    ) -> None:
        super().__init__(
            in_channels,
            out_channels,
            kernel_size=(kernel_size, 1),
            padding=((kernel_size - 1) * dilation // 2, 0),
            stride=(stride, 1),
            dilation=(dilation, 1),
            groups=groups,
        )


class TemporalConv(nn.Module):
    """Convolution over time and BatchNorm, no activation.

    Shapes: (N, in_channels, T, V) -> (N, out_channels, ceil(T / stride), V).
    """

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: int, *, stride: int = 1, dilation: int = 1
    ) -> None:
        super().__init__()
        self.conv = FrameConv(in_channels, out_channels, kernel_size, stride=stride, dilation=dilation)
        self.bn = nn.BatchNorm2d(out_channels)

    def forward(self, x: Tensor) -> Tensor:
        return self.bn(self.conv(x))


class Projection(nn.Module):
    """1×1 convolution of every ``stride``-th frame and BatchNorm: a residual of another shape.

    Shapes: (N, in_channels, T, V) -> (N, out_channels, ceil(T / stride), V).
    """

    def __init__(self, in_channels: int, out_channels: int, *, stride: int = 1) -> None:
        super().__init__()
        self.conv = FramewiseConv(in_channels, out_channels, step=stride)
        self.bn = nn.BatchNorm2d(out_channels)

    def forward(self, x: Tensor) -> Tensor:
        return self.bn(self.conv(x))


class Nothing(nn.Module):
    """No residual: zero, whatever comes in."""

    def forward(self, x: Tensor) -> float:
        return 0.0


def shortcut(in_channels: int, out_channels: int, *, stride: int = 1, residual: bool = True) -> nn.Module:
    """What is added to a block's output: nothing, its input, or a projection of it to the other shape."""
    if not residual:
        return Nothing()
    if in_channels == out_channels and stride == 1:
        return nn.Identity()
    return Projection(in_channels, out_channels, stride=stride)
