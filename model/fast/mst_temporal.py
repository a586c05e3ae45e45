"""MST-GCN's convolutions over time, faster: their groups without copies, on channels-last memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from model.fast.cascade import Folded, Group, Map, evaluated, every_norm, folded_projection, trained
from model.fast.rows import channels, folded, frozen, once, rows, usual
from model.mst_temporal import BasicTemporal, MultiScaleTemporal


class FastMultiScaleTemporal(MultiScaleTemporal):
    """The same numbers as ``MultiScaleTemporal``, same weights.

    Shapes: (N, C, T, V) -> (N, C, ceil(T / stride), V).
    """

    def forward(self, x: Tensor) -> Tensor:
        groups: list[Any] = list(self.conv_bn)
        plain = all(isinstance(group, nn.Sequential) for group in groups)
        y = _faster(self, x, groups, chained=self.chained) if plain else None
        return super().forward(x) if y is None else y


class FastBasicTemporal(BasicTemporal):
    """The same numbers as ``BasicTemporal``, same weights.

    Shapes: (N, C, T, V) -> (N, C, ceil(T / stride), V).
    """

    def forward(self, x: Tensor) -> Tensor:
        y = _faster(self, x, [(self.conv, self.bn)], chained=False)
        return super().forward(x) if y is None else y


def _faster(layer: Any, x: Tensor, groups: Sequence[Any], *, chained: bool) -> Tensor | None:
    """What the layer of convolutions and BatchNorms ``groups`` gives; None where that is not to be sped up."""
    convs, norms = zip(*groups, strict=True)
    every, stride = every_norm(norms, layer.residual), convs[0].stride[0]
    if not usual(x, every):
        return None
    x, linear = rows(x), _OverTime(stride)
    if frozen(every):

        def fold() -> Folded:
            straight, more = folded_projection(layer.residual)
            weights, biases = zip(*(folded(conv.weight, conv.bias, norm) for conv, norm in groups), strict=True)
            if straight is not None:  # and then groups are not chained
                biases = (torch.cat(biases) + more).chunk(len(groups))
            pairs = [(_last(w), bias) for w, bias in zip(weights, biases, strict=True)]
            return Folded(pairs, straight)

        y = evaluated(x, linear, once(layer, fold), layer.residual, chained=chained, stride=stride)
        return channels(y).relu_() if isinstance(layer.act, nn.ReLU) else layer.act(channels(y))
    given = [Group((_last(conv.weight),), norm, conv.bias) for conv, norm in groups]
    relu = isinstance(layer.act, nn.ReLU)
    y = trained(x, linear, given, x, layer.residual, chained=chained, stride=stride, relu=relu)
    return channels(y) if relu else layer.act(channels(y))


def _last(weight: Tensor) -> Tensor:
    return weight.contiguous(memory_format=torch.channels_last)


@dataclass(frozen=True)
class _OverTime(Map):
    """A convolution over time, of weights (O, C, kernel, 1) in channels-last memory."""

    stride: int

    def forward(self, x: Tensor, *weights: Tensor) -> Tensor:
        weight = weights[0]
        bias = weights[1] if len(weights) > 1 else None
        y = F.conv2d(channels(x), weight, bias, stride=(self.stride, 1), padding=(weight.shape[2] // 2, 0))
        return rows(y)

    def backward(self, x: Tensor, dz: Tensor, *weights: Tensor) -> tuple[Tensor, ...]:
        (weight,) = weights
        steps, margin = [self.stride, 1], [weight.shape[2] // 2, 0]
        dx, dw, _ = torch.ops.aten.convolution_backward(
            channels(dz), channels(x), weight, None, steps, margin, [1, 1], False, [0, 0], 1, [True, True, False]
        )
        return rows(dx), dw
