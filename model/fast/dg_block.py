"""A block of DG-STGCN, faster: its residual is one product, and added in place."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from model.dgstgcn import Block
from model.fast.matmul import add_product
from model.fast.pointwise import pointwise
from model.fast.rows import folded, frozen, once, tracing, usual
from model.normalize import normalize
from model.temporal_conv import Nothing, Projection


class FastBlock(Block):
    """The same numbers as ``Block``, same weights.

    Shapes: (N, in_channels, T, V) -> (N, out_channels, ceil(T / stride), V).
    """

    def forward(self, x: Tensor) -> Tensor:
        residual: Any = self.residual
        projects = isinstance(residual, Projection)
        if tracing() or (projects and not usual(x, [residual.bn])):
            return super().forward(x)
        y = self.tcn(self.gcn(x))
        if not projects:
            return F.relu(y) if isinstance(residual, Nothing) else (y + residual(x)).relu_()
        frames = x[:, :, :: residual.conv.step]
        if frozen([residual.bn]):
            return _added(y, frames, *once(self, lambda: _fold(residual)))
        (projected,) = pointwise(frames, residual.conv.weight.flatten(1))
        return normalize(projected, [residual.bn], shift=residual.conv.bias, plus=y, relu=True)


def _fold(residual: Any) -> tuple[Tensor, Tensor]:
    weight, bias = folded(residual.conv.weight, residual.conv.bias, residual.bn)
    return weight.flatten(1), bias[:, None]


def _added(y: Tensor, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """ReLU of ``y`` (N, O, T, V) and ``x`` (N, C, T, V), convolved."""
    out = y.new_empty(y.shape)
    for body, frames, of_body in zip(y.flatten(2), x.flatten(2), out.flatten(2), strict=True):
        add_product(torch.add(body, bias, out=of_body), weight, frames).relu_()
    return out
