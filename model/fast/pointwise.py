"""1×1 convolutions as products: in memory (N, C, T, V), the channels of one body are the rows of a matrix."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from model.fast.matmul import add_product, product
from model.fast.one_body import Standard
from model.normalize import How, how_now, moments, settle, update


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
                product(weight, body, out=of_body)
        return *found, *([x.mean(dim=2)] if mean else [])

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        x, *weights = ctx.saved_tensors
        dx, d_weights = torch.empty_like(x), [torch.zeros_like(weight) for weight in weights]
        through = [gradient.flatten(2) for gradient in gradients[: len(weights)]]
        for body, d_body, *behind in zip(x.flatten(2), dx.flatten(2), *through, strict=True):
            for number, (weight, d_weight, dz) in enumerate(zip(weights, d_weights, behind, strict=True)):
                add_product(d_weight, dz, body.t())
                if number:
                    add_product(d_body, weight.t(), dz)
                else:
                    product(weight.t(), dz, out=d_body)
        if ctx.mean:
            dx.add_((gradients[-1] / x.shape[2]).unsqueeze(2))
        return dx, None, *d_weights


def after_norm(x: Tensor, norm: Any, weight: Tensor) -> Tensor:
    """``x`` through ``norm``, ReLU and the 1×1 convolution by ``weight`` (O, C) without bias.

    Shapes: (N, C, T, V) -> (N, O, T, V).
    """
    how = how_now([norm])
    y, mean, var, count = _AfterNorm.apply(x, norm.weight, norm.bias, weight, how)  # type: ignore[no-untyped-call]
    update([norm], how, mean, var, count, None)
    mixed: Tensor = y
    return mixed


class _AfterNorm(torch.autograd.Function):
    """Kept is x alone: what BatchNorm lets through is computed again."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, convolution: Tensor, how: How) -> tuple[Tensor, ...]:
        """Also mean, variance and count."""
        x = x.contiguous()
        mean, var, count = moments(x, how)
        norm = Standard(x[0].flatten(1), mean, var, weight, bias, how.eps)
        out = x.new_empty(len(x), len(convolution), *x.shape[2:])
        for body, of_body in zip(x.flatten(2), out.flatten(2), strict=True):
            product(convolution, norm.activated(body), out=of_body)
        ctx.save_for_backward(x, weight, bias, convolution, mean, var, count)
        ctx.how = how
        ctx.mark_non_differentiable(mean, var, count)
        ctx.set_materialize_grads(False)
        return out, mean, var, count

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, bias, convolution, mean, var, count = ctx.saved_tensors
        norm = Standard(x[0].flatten(1), mean, var, weight, bias, ctx.how.eps)
        dx, d_convolution, sums = torch.empty_like(x), torch.zeros_like(convolution), mean.new_zeros(2, len(mean))
        for body, d, d_body in zip(x.flatten(2), gradients[0].flatten(2), dx.flatten(2), strict=True):
            let_through = norm.activated(body)
            add_product(d_convolution, d, let_through.t())
            product(convolution.t(), d, out=d_body)
            torch.ops.aten.threshold_backward.grad_input(d_body, let_through, 0, grad_input=d_body)
            norm.back(d_body, body, sums)
        settle(dx, x, mean, var, count, weight, sums, ctx.how)
        return dx, *sums, d_convolution, None
