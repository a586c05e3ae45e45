"""MST-GCN's graph convolutions, faster: neighbours are gathered first, and then all subsets mixed in one product."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from model.fast.cascade import Folded, Group, Map, evaluated, every_norm, folded_projection, trained
from model.fast.matmul import add_product, product
from model.fast.products import AggregateFirst, Product, best_product
from model.fast.rows import channels, folded, frozen, once, rows, usual
from model.mst_common import grouped
from model.mst_spatial import BasicSpatial, MultiScaleSpatial, SpatialGraphConv
from model.normalize import normalize


class FastMultiScaleSpatial(MultiScaleSpatial):
    """The same numbers as ``MultiScaleSpatial``, same weights.

    Shapes: (N, in_channels, T, V) -> (N, out_channels, T, V).
    """

    def forward(self, x: Tensor) -> Tensor:
        groups: list[Any] = list(self.conv_bn)
        plain = all(isinstance(group, nn.Sequential) for group in groups)
        y = _faster(self, x, groups, self.bn_in, chained=self.chained) if plain else None
        return super().forward(x) if y is None else y

    def of_groups(self, x: Tensor) -> Tensor:
        """What comes before residual and activation."""
        return grouped(self.bn_in(x), self.conv_bn, chained=self.chained)


class FastBasicSpatial(BasicSpatial):
    """The same numbers as ``BasicSpatial``, same weights.

    Shapes: (N, in_channels, T, V) -> (N, out_channels, T, V).
    """

    def forward(self, x: Tensor) -> Tensor:
        y = _faster(self, x, [(self.conv, self.bn)], None, chained=False)
        return super().forward(x) if y is None else y

    def of_groups(self, x: Tensor) -> Tensor:
        """What comes before residual and activation."""
        return self.bn(self.conv(x))


def _faster(layer: Any, x: Tensor, groups: Sequence[Any], norm_in: Any, *, chained: bool) -> Tensor | None:
    """What the layer of convolutions and BatchNorms ``groups`` gives; None where that is not to be sped up."""
    norms = every_norm([norm for _, norm in groups], layer.residual)
    norms = [*norms, *([] if norm_in is None else [norm_in])]
    if not usual(x, norms):
        return None
    conv, x, relu = groups[0][0], rows(x), isinstance(layer.act, nn.ReLU)
    inside, out = conv.gcn.in_channels, conv.gcn.out_channels // len(conv.A)
    linear = _OverGraph(_form(len(conv.A), inside, out), out)
    if frozen(norms):
        f = once(layer, lambda: _fold(layer, linear.form, groups, norm_in, chained))
        y = evaluated(x, linear, f, layer.residual, chained=chained)
        return channels(y).relu_() if relu else layer.act(channels(y))
    seen = x if norm_in is None else rows(normalize(channels(x), [norm_in]))
    given = []
    for conv, norm in groups:
        a, w = linear.form.arranged(conv.adjacency().transpose(1, 2), _weight(conv))
        given.append(Group((a, w, _offset(conv)), norm))
    y = trained(seen, linear, given, x, layer.residual, chained=chained, relu=relu)
    return channels(y) if relu else layer.act(channels(y))


def _weight(conv: SpatialGraphConv) -> Tensor:
    """(K·O, C, 1, 1) -> (O, K·C)."""
    return conv.gcn.weight.flatten(1).unflatten(0, (len(conv.A), -1)).transpose(0, 1).flatten(1)


def _offset(conv: SpatialGraphConv) -> Tensor:
    """What the bias becomes on its way over the graph: (V, O)."""
    bias = conv.gcn.bias
    assert bias is not None
    return conv.adjacency().sum(1).t() @ bias.view(len(conv.A), -1)


def _fold(layer: Any, form: Product, groups: Sequence[Any], norm_in: Any, chained: bool) -> Folded:
    """Everything that is added along the way is what the groups make of a frame of zeros."""
    weights, scales = [folded(_weight(conv), None, norm)[0] for conv, norm in groups], None
    if norm_in is not None:
        scale = norm_in.weight * torch.rsqrt(norm_in.running_var + norm_in.eps)
        scales = scale.chunk(len(groups))
        for number, (w, s) in enumerate(zip(weights, scale.chunk(len(groups)), strict=True)):
            if number == 0 or not chained:
                weights[number] = w * s.repeat(w.shape[1] // len(s))
    first = groups[0][0]
    arranged = [
        form.arranged(conv.adjacency().transpose(1, 2), w) for (conv, _), w in zip(groups, weights, strict=True)
    ]
    zeros = first.PA.new_zeros(1, len(groups) * first.gcn.in_channels, 1, first.PA.shape[1])
    constant = rows(layer.of_groups(zeros))[0, 0]
    straight, bias = folded_projection(layer.residual)
    if straight is not None:
        constant = constant + bias
    return Folded(arranged, straight, scales, constant)


@dataclass(frozen=True)
class JointsFirst(AggregateFirst):
    """Neighbours gathered by one product for all frames, whose rows are joints.

    A product for each frame is so small that with AVX-512 it takes twice as long, copies to and fro included.
    """

    in_cache = 2**22  # one piece of what is evaluated at once

    def gathered(self, rows: Tensor, a: Tensor, frames: int) -> Tensor:
        """A times ``rows`` (V, F·C): (F·V, K·C)."""
        y = product(a, rows).view(-1, self.scales, frames, rows.shape[1] // frames)
        return y.permute(2, 0, 1, 3).flatten(2).flatten(0, 1)

    def aggregated(self, frames: Tensor, a: Tensor, w: Tensor) -> Tensor:
        return self.gathered(frames.transpose(0, 1).flatten(1), a, len(frames))

    def piece_back(
        self, clip: Tensor, frames: slice, a: Tensor, w: Tensor, dz: Tensor, d_clip: Tensor, da: Tensor, dw: Tensor
    ) -> None:
        x, dz = clip[frames], dz.reshape(-1, len(w))
        rows = x.transpose(0, 1).flatten(1)
        add_product(dw, dz.t(), self.gathered(rows, a, len(x)))
        dy = product(dz, w).view(len(x), -1, x.shape[2]).transpose(0, 1).flatten(1)  # (V·K, F·C)
        add_product(da, dy, rows.t())
        d_clip[frames] = product(a.t(), dy).view(-1, len(x), x.shape[2]).transpose(0, 1)


def _form(scales: int, channels: int, hidden: int) -> Product:
    """The form that is fastest for ``channels`` before and ``hidden`` ones after."""
    best = best_product(scales, 1, 1, channels, hidden)
    wide = torch.backends.cpu.get_cpu_capability() == "AVX512"
    return JointsFirst(scales) if wide and isinstance(best, AggregateFirst) else best


@dataclass(frozen=True)
class _OverGraph(Map):
    """Sum over subsets k of A_k x W_k, arranged as one of the ``products`` wants them, and an offset (V, O)."""

    form: Product
    width: int

    def forward(self, x: Tensor, *weights: Tensor) -> Tensor:
        a, w, *offset = weights
        z = self.form.forward(x, a, w, self.width)
        return z.add_(offset[0]) if offset else z

    def backward(self, x: Tensor, dz: Tensor, *weights: Tensor) -> tuple[Tensor, ...]:
        a, w, _ = weights
        return *self.form.backward(x, a, w, dz), dz.sum((0, 1))
