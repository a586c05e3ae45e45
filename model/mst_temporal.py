"""The temporal layers of MST-GCN: convolution over time, in the same five arrangements as the spatial ones."""

from __future__ import annotations

from torch import Tensor, nn

from model.mst_common import Options, group_width, grouped, residual_of
from model.outline import outline
from model.temporal_conv import FrameConv, FramewiseConv


def _conv_bn(channels: int, options: Options, stride: int) -> nn.Sequential:
    conv = FrameConv(channels, channels, options.kernel_size, stride=stride)
    return nn.Sequential(conv, nn.BatchNorm2d(channels))


class BasicTemporal(nn.Module):
    """Convolution over time, BatchNorm, residual.

    Shapes: (N, C, T, V) -> (N, C, ceil(T / stride), V), as of all layers here.
    """

    def __init__(self, channels: int, options: Options, *, stride: int = 1, residual: bool = True) -> None:
        super().__init__()
        self.conv = FrameConv(channels, channels, options.kernel_size, stride=stride)
        self.bn = nn.BatchNorm2d(channels)
        self.residual = residual_of(channels, channels, stride=stride, residual=residual)
        self.act = options.activation()
        self.built = outline(self)

    def forward(self, x: Tensor) -> Tensor:
        return self.act(self.bn(self.conv(x)) + self.residual(x))


class SeparableTemporal(nn.Module):
    """Depthwise convolution over time, then a 1×1 convolution that mixes channels; no activation at the end."""

    def __init__(self, channels: int, options: Options, *, stride: int = 1, residual: bool = True) -> None:
        super().__init__()
        inner = channels * (options.expand_ratio or 1)
        self.expand_conv: nn.Module = nn.Identity()
        if options.expand_ratio:
            self.expand_conv = nn.Sequential(
                FramewiseConv(channels, inner), nn.BatchNorm2d(inner), options.activation()
            )
        depthwise = FrameConv(inner, inner, options.kernel_size, stride=stride, groups=inner)
        self.depth_conv = nn.Sequential(depthwise, nn.BatchNorm2d(inner), options.activation())
        self.point_conv = nn.Sequential(FramewiseConv(inner, channels), nn.BatchNorm2d(channels))
        self.residual = residual_of(channels, channels, stride=stride, residual=residual)

    def forward(self, x: Tensor) -> Tensor:
        return self.point_conv(self.depth_conv(self.expand_conv(x))) + self.residual(x)


class MultiScaleTemporal(nn.Module):
    """The published layer: groups of channels, each with a convolution of its own, chained where the length stays.

    ``bn_in`` is in the published weights, but the published network never uses it.
    """

    def __init__(self, channels: int, options: Options, *, stride: int = 1, residual: bool = True) -> None:
        super().__init__()
        width = group_width(channels, options.t_scale, "t_scale")
        self.chained = stride == 1
        self.bn_in = nn.BatchNorm2d(channels)
        self.conv_bn = nn.ModuleList(
            SeparableTemporal(width, options, stride=stride, residual=False)
            if options.layer_type == "sep"
            else _conv_bn(width, options, stride)
            for _ in range(options.t_scale)
        )
        self.residual = residual_of(channels, channels, stride=stride, residual=residual)
        self.act = options.activation()
        self.built = outline(self)

    def forward(self, x: Tensor) -> Tensor:
        return self.act(grouped(x, self.conv_bn, chained=self.chained) + self.residual(x))


class BottleneckTemporal(nn.Module):
    """Narrow, convolve over time, widen."""

    def __init__(self, channels: int, options: Options, *, stride: int = 1, residual: bool = True) -> None:
        super().__init__()
        inner = max(channels // options.reduct_ratio, 1)
        self.reduct_conv = nn.Sequential(FramewiseConv(channels, inner), nn.BatchNorm2d(inner))
        self.conv = _conv_bn(inner, options, stride)
        self.expand_conv = nn.Sequential(FramewiseConv(inner, channels), nn.BatchNorm2d(channels))
        self.residual = residual_of(channels, channels, stride=stride, residual=residual)
        self.act = options.activation()

    def forward(self, x: Tensor) -> Tensor:
        y = self.act(self.conv(self.act(self.reduct_conv(x))))
        return self.act(self.expand_conv(y) + self.residual(x))


class MultiScaleBottleneckTemporal(nn.Module):
    """Narrow, convolve over time in groups (chained where the length stays), widen."""

    def __init__(self, channels: int, options: Options, *, stride: int = 1, residual: bool = True) -> None:
        super().__init__()
        inner = max(channels // options.reduct_ratio, 1)
        width = group_width(inner, options.t_scale, "t_scale")
        self.chained = stride == 1
        self.reduct_conv = nn.Sequential(FramewiseConv(channels, inner), nn.BatchNorm2d(inner))
        self.convs = nn.ModuleList(_conv_bn(width, options, stride) for _ in range(options.t_scale))
        self.expand_conv = nn.Sequential(FramewiseConv(inner, channels), nn.BatchNorm2d(channels))
        self.residual = residual_of(channels, channels, stride=stride, residual=residual)
        self.act = options.activation()

    def forward(self, x: Tensor) -> Tensor:
        y = grouped(self.act(self.reduct_conv(x)), self.convs, chained=self.chained, activation=self.act)
        return self.act(self.expand_conv(y) + self.residual(x))


TEMPORAL: dict[str, type[nn.Module]] = {
    "basic": BasicTemporal,
    "sep": SeparableTemporal,
    "ms": MultiScaleTemporal,
    "bottle": BottleneckTemporal,
    "ms_bottle": MultiScaleBottleneckTemporal,
}
