"""1×1 convolutions as products: in memory (N, C, T, V), the channels of one body are the rows of a matrix."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


def pointwise(x: Tensor, *weights: Tensor, mean: bool = False) -> tuple[Tensor, ...]:
    """``x`` convolved by each of ``weights`` (O, C), no bias; with ``mean``, also its means over time (N, C, V).

    Shapes: (N, C, T, V) -> (N, O, T, V) for every weight.
    """
    found: tuple[Tensor, ...] = _Pointwise.apply(x, mean, *weights)  # type: ignore[no-untyped-call]
    return found


class _Pointwise(torch.autograd.Function):
    """Kept is x alone."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, mean: bool, *weights: Tensor) -> tuple[Tensor, ...]:
        x = x.contiguous()
        ctx.save_for_backward(x, *weights)
        ctx.mean = mean
        found = [x.new_empty(len(x), len(weight), *x.shape[2:]) for weight in weights]
        for weight, out in zip(weights, found, strict=True):
            for body, of_body in zip(x.flatten(2), out.flatten(2), strict=True):
                torch.mm(weight, body, out=of_body)
        return *found, *([x.mean(dim=2)] if mean else [])

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        x, *weights = ctx.saved_tensors
        dx, d_weights = torch.empty_like(x), [torch.zeros_like(weight) for weight in weights]
        through = [gradient.flatten(2) for gradient in gradients[: len(weights)]]
        for body, d_body, *behind in zip(x.flatten(2), dx.flatten(2), *through, strict=True):
            for number, (weight, d_weight, dz) in enumerate(zip(weights, d_weights, behind, strict=True)):
                d_weight.addmm_(dz, body.t())
                torch.addmm(d_body, weight.t(), dz, beta=min(number, 1), out=d_body)
        if ctx.mean:
            dx.add_((gradients[-1] / x.shape[2]).unsqueeze(2))
        return dx, None, *d_weights
