"""MS-GCN, faster: its products in the best order, aggregation computed again rather than kept."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from model.fast.products import Product, best_product
from model.fast.rows import channels, folded, frozen, once, rows, usual
from model.ms_gcn import MultiScaleGraphConv
from model.normalize import normalize


class FastMultiScaleGraphConv(MultiScaleGraphConv):
    """The same numbers as ``MultiScaleGraphConv``, same weights. Kept for backward: its input and what BatchNorm sees.

    Shapes: (N, in_channels, T, V) -> (N, out_channels, T, V).
    """

    def forward(self, x: Tensor) -> Tensor:
        conv: Any
        conv, norm, activation = self.mlp.layers
        if not usual(x, [norm]):
            return self.mlp(self.aggregate(x))
        relu = isinstance(activation, nn.ReLU)
        form = best_product(len(self.A), 1, 1, x.shape[1], conv.out_channels)
        x, weight = rows(x), conv.weight.flatten(1)
        if frozen([norm]):

            def fold() -> tuple[Tensor, Tensor, Tensor]:
                w, bias = folded(weight, conv.bias, norm)
                return *form.arranged(self.adjacency(), w), bias

            a, w, bias = once(self, fold)

            def finish(z: Tensor) -> Tensor:
                return z.add_(bias).relu_() if relu else z.add_(bias)

            return channels(form.forward(x, a, w, conv.out_channels, finish))
        a, w = form.arranged(self.adjacency(), weight)
        z = _Aggregated.apply(x, a, w, form, conv.out_channels)  # type: ignore[no-untyped-call]
        return normalize(channels(z), [norm], shift=conv.bias, relu=relu)


class _Aggregated(torch.autograd.Function):
    """Z = sum_k A_k x W_k of one of the ``products``; kept is x alone."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, a: Tensor, w: Tensor, form: Product, width: int) -> Tensor:
        ctx.save_for_backward(x, a, w)
        ctx.form = form
        return form.forward(x, a, w, width)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        x, a, w = ctx.saved_tensors
        return *ctx.form.backward(x, a, w, gradients[0].contiguous()), None, None
