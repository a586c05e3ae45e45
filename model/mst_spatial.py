"""The spatial layers of MST-GCN: graph convolution over three subsets of neighbours, in five arrangements."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from model.mst_common import Options, group_width, grouped, residual_of
from model.outline import outline
from model.temporal_conv import FramewiseConv


class AdaptivePartition(nn.Module):
    """The adjacency of the subsets: fixed ``A`` plus learned ``PA``, which starts as a copy of it.

    Shapes: ``partition`` (K, V, V).
    """

    A: Tensor

    def __init__(self, partition: np.ndarray) -> None:
        super().__init__()
        fixed = torch.tensor(partition, dtype=torch.float32)
        self.PA = nn.Parameter(fixed.clone())
        self.register_buffer("A", fixed)

    def adjacency(self) -> Tensor:
        """The adjacency in use: (K, V, V)."""
        return self.A + self.PA


class SpatialGraphConv(AdaptivePartition):
    """1×1 convolution to K maps, each gathered over its subset of neighbours, summed ("SpatialGraphCov").

    Shapes: (N, in_channels, T, V) -> (N, out_channels, T, V).
    """

    def __init__(self, in_channels: int, out_channels: int, partition: np.ndarray) -> None:
        super().__init__(partition)
        self.gcn = FramewiseConv(in_channels, out_channels * len(partition))

    def forward(self, x: Tensor) -> Tensor:
        z = self.gcn(x).unflatten(1, (len(self.A), -1))  # (N, K, C, T, V)
        return torch.einsum("nkctv,kvw->nctw", z, self.adjacency())


def _conv_bn(in_channels: int, out_channels: int, partition: np.ndarray) -> nn.Sequential:
    return nn.Sequential(SpatialGraphConv(in_channels, out_channels, partition), nn.BatchNorm2d(out_channels))


class BasicSpatial(nn.Module):
    """Graph convolution, BatchNorm, residual.

    Shapes: (N, in_channels, T, V) -> (N, out_channels, T, V), as of all layers here.
    """

    def __init__(
        self, in_channels: int, out_channels: int, partition: np.ndarray, options: Options, *, residual: bool = True
    ) -> None:
        super().__init__()
        self.conv = SpatialGraphConv(in_channels, out_channels, partition)
        self.bn = nn.BatchNorm2d(out_channels)
        self.residual = residual_of(in_channels, out_channels, residual=residual)
        self.act = options.activation()
        self.built = outline(self)

    def forward(self, x: Tensor) -> Tensor:
        return self.act(self.bn(self.conv(x)) + self.residual(x))


class SeparableSpatial(AdaptivePartition):
    """Depthwise: every channel makes its own K maps; a 1×1 convolution mixes channels afterwards.

    No activation at the end.
    """

    def __init__(
        self, in_channels: int, out_channels: int, partition: np.ndarray, options: Options, *, residual: bool = True
    ) -> None:
        super().__init__(partition)
        inner = in_channels * (options.expand_ratio or 1)
        self.expand_conv: nn.Module = nn.Identity()
        if options.expand_ratio:
            self.expand_conv = nn.Sequential(
                FramewiseConv(in_channels, inner), nn.BatchNorm2d(inner), options.activation()
            )
        self.depth_gcn = nn.Conv2d(inner, inner * len(partition), kernel_size=1, groups=inner)
        self.depth_bn = nn.BatchNorm2d(inner)
        self.point_gcn_bn = nn.Sequential(FramewiseConv(inner, out_channels), nn.BatchNorm2d(out_channels))
        self.residual = residual_of(in_channels, out_channels, residual=residual)
        self.act = options.activation()

    def forward(self, x: Tensor) -> Tensor:
        z = self.depth_gcn(self.expand_conv(x)).unflatten(1, (-1, len(self.A)))  # (N, C, K, T, V)
        y = torch.einsum("ncktv,kvw->nctw", z, self.adjacency())
        return self.point_gcn_bn(self.act(self.depth_bn(y))) + self.residual(x)


class MultiScaleSpatial(nn.Module):
    """The published layer: groups of channels, each with a graph convolution of its own.

    Where the width stays, the groups are chained: each adds the output of the one before to its input.
    """

    def __init__(
        self, in_channels: int, out_channels: int, partition: np.ndarray, options: Options, *, residual: bool = True
    ) -> None:
        super().__init__()
        width_in = group_width(in_channels, options.s_scale, "s_scale")
        width_out = group_width(out_channels, options.s_scale, "s_scale")
        self.chained = in_channels == out_channels
        self.bn_in = nn.BatchNorm2d(in_channels)
        self.conv_bn = nn.ModuleList(
            SeparableSpatial(width_in, width_out, partition, options, residual=False)
            if options.layer_type == "sep"
            else _conv_bn(width_in, width_out, partition)
            for _ in range(options.s_scale)
        )
        self.residual = residual_of(in_channels, out_channels, residual=residual)
        self.act = options.activation()
        self.built = outline(self)

    def forward(self, x: Tensor) -> Tensor:
        y = grouped(self.bn_in(x), self.conv_bn, chained=self.chained)
        return self.act(y + self.residual(x))


class BottleneckSpatial(nn.Module):
    """Narrow, convolve over the graph, widen."""

    def __init__(
        self, in_channels: int, out_channels: int, partition: np.ndarray, options: Options, *, residual: bool = True
    ) -> None:
        super().__init__()
        inner = _inner_width(in_channels, out_channels, options)
        self.reduct_conv = nn.Sequential(FramewiseConv(in_channels, inner), nn.BatchNorm2d(inner))
        self.conv = self._conv(inner, partition, options)
        self.expand_conv = nn.Sequential(FramewiseConv(inner, out_channels), nn.BatchNorm2d(out_channels))
        self.residual = residual_of(in_channels, out_channels, residual=residual)
        self.act = options.activation()

    def _conv(self, width: int, partition: np.ndarray, options: Options) -> nn.Module:
        return _conv_bn(width, width, partition)

    def inner(self, x: Tensor) -> Tensor:
        """The part at the narrow width: (N, inner, T, V) -> the same."""
        return self.act(self.conv(x))

    def forward(self, x: Tensor) -> Tensor:
        y = self.inner(self.act(self.reduct_conv(x)))
        return self.act(self.expand_conv(y) + self.residual(x))


class MultiScaleBottleneckSpatial(BottleneckSpatial):
    """Narrow, convolve over the graph in groups (chained where the width stays), widen."""

    conv: nn.ModuleList

    def __init__(
        self, in_channels: int, out_channels: int, partition: np.ndarray, options: Options, *, residual: bool = True
    ) -> None:
        super().__init__(in_channels, out_channels, partition, options, residual=residual)
        self.chained = in_channels == out_channels

    def _conv(self, width: int, partition: np.ndarray, options: Options) -> nn.Module:
        group = group_width(width, options.s_scale, "s_scale")
        return nn.ModuleList(_conv_bn(group, group, partition) for _ in range(options.s_scale))

    def inner(self, x: Tensor) -> Tensor:
        return grouped(x, self.conv, chained=self.chained, activation=self.act)


def _inner_width(in_channels: int, out_channels: int, options: Options) -> int:
    widened = in_channels if in_channels == out_channels else 2 * in_channels
    return max(widened // options.reduct_ratio, 1)


SPATIAL: dict[str, type[nn.Module]] = {
    "basic": BasicSpatial,
    "sep": SeparableSpatial,
    "ms": MultiScaleSpatial,
    "bottle": BottleneckSpatial,
    "ms_bottle": MultiScaleBottleneckSpatial,
}
