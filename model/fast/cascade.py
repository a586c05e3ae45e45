"""Groups of channels one after the other, as in the layers of MST-GCN, with nothing copied and little kept.

Every group goes through a linear map of its own (``Map``) and a BatchNorm. Where groups are chained, the input of each
is joined by what came out of the one before. Residual and ReLU come last. Tensors are rows: (N, T, V, C).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from model.fast.matmul import add_product, product
from model.fast.rows import channels, folded, rows
from model.normalize import (
    How,
    Norms,
    backward,
    how_now,
    moments,
    normalize,
    shift_gradient,
    standardized,
    update,
)


class Map:
    """What is linear in a group: (N, T, V, C) -> (N, T', V, C')."""

    def forward(self, x: Tensor, *weights: Tensor) -> Tensor:
        raise NotImplementedError

    def backward(self, x: Tensor, dz: Tensor, *weights: Tensor) -> tuple[Tensor, ...]:
        """The gradients of x and of every weight."""
        raise NotImplementedError


def every_norm(norms: Norms, residual: nn.Module) -> Norms:
    """``norms`` and that of the residual's projection, where it has one."""
    return [*norms, residual[1]] if isinstance(residual, nn.Sequential) else norms


class Folded(NamedTuple):
    """Weights that have taken in the BatchNorms behind them."""

    groups: Sequence[tuple[Tensor, ...]]
    straight: Tensor | None
    """The residual's projection (C, O)."""
    scales: Sequence[Tensor] | None = None
    """What the input of each group is multiplied by before the group before joins it."""
    constant: Tensor | None = None
    """Added at the end: (V, O)."""


def folded_projection(residual: nn.Module) -> tuple[Tensor | None, Any]:
    """The weight (C, O) and bias (O,) of the residual's projection; None where it is none."""
    if not isinstance(residual, nn.Sequential):
        return None, None
    conv: Any
    conv, norm = residual
    weight, bias = folded(conv.weight, conv.bias, norm)
    return weight.flatten(1).t(), bias


def evaluated(x: Tensor, linear: Map, f: Folded, residual: nn.Module, *, chained: bool, stride: int = 1) -> Tensor:
    """All but the activation, every BatchNorm folded: (N, T, V, C) -> (N, T', V, O)."""
    found: list[Tensor] = []
    for g, (some, weights) in enumerate(zip(x.chunk(len(f.groups), 3), f.groups, strict=True)):
        if chained and g:
            some = some + found[-1] if f.scales is None else torch.addcmul(found[-1], some, f.scales[g])
        found.append(linear.forward(some, *weights))
    out = _together(found)
    if f.straight is not None:
        add_product(out.view(-1, out.shape[3]), _each(x, stride).flatten(0, 2), f.straight)
    elif isinstance(residual, nn.Identity):
        out += x
    return out if f.constant is None else out.add_(f.constant)


def _each(x: Tensor, stride: int) -> Tensor:
    """Every ``stride``-th frame of x (N, T, V, C), side by side in memory."""
    return x[:, ::stride].contiguous()


def _together(groups: list[Tensor]) -> Tensor:
    return torch.cat(groups, 3) if len(groups) > 1 else groups[0]


class Group(NamedTuple):
    """A group in training: the weights of its map, its BatchNorm, and the bias before that, which then cancels."""

    weights: tuple[Tensor, ...]
    norm: Any
    shift: Tensor | None = None


def trained(
    x: Tensor,
    linear: Map,
    groups: Sequence[Group],
    straight: Tensor,
    residual: nn.Module,
    *,
    chained: bool,
    stride: int = 1,
    relu: bool,
) -> Tensor:
    """The whole layer on x, the residual on ``straight``, with everything that gradients need."""
    plus = None
    if isinstance(residual, nn.Identity):
        plus = straight
    elif isinstance(residual, nn.Sequential):
        conv: Any
        conv, norm = residual
        weight = conv.weight.flatten(1)
        projected: Tensor = _Projected.apply(_each(straight, stride), weight)  # type: ignore[no-untyped-call]
        plus = rows(normalize(channels(projected), [norm], shift=conv.bias))
    hows = [how_now([group.norm]) for group in groups]
    flat = [tensor for group in groups for tensor in (*group.weights, group.norm.weight, group.norm.bias, group.shift)]
    out, *statistics = _Cascade.apply(  # type: ignore[no-untyped-call]
        x, plus, linear, hows, chained, relu, *flat
    )
    for group, how, mean, var, count in zip(groups, hows, *(s.unbind() for s in statistics), strict=True):
        update([group.norm], how, mean, var, count, group.shift)
    return out


class _Projected(torch.autograd.Function):
    """(N, T, V, C) by a weight (O, C) -> (N, T, V, O)."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor) -> Tensor:
        ctx.save_for_backward(x, weight)
        return product(x.flatten(0, 2), weight.t()).view(*x.shape[:3], -1)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor]:
        x, weight = ctx.saved_tensors
        d = gradients[0].reshape(-1, len(weight))
        return product(d, weight).view_as(x), product(d.t(), x.flatten(0, 2))


class _Cascade(torch.autograd.Function):
    """Of every group are kept the input of its map, and what its BatchNorm sees; of ReLU, what comes out."""

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        plus: Tensor | None,
        linear: Map,
        hows: list[How],
        chained: bool,
        relu: bool,
        *flat: Any,
    ) -> tuple[Tensor, ...]:
        """(N, T, V, C) -> (N, T', V, O); means (G, O / G), variances and counts (G,) of what the BatchNorms see."""
        groups, each = len(hows), len(flat) // len(hows)
        found: list[Tensor] = []
        saved, statistics = [], []
        for g, some in enumerate(x.chunk(groups, 3)):
            *weights, scale, bias, shift = flat[g * each : (g + 1) * each]
            if chained and g:
                some = some + found[-1]
            z = linear.forward(some, *weights)
            seen = moments(channels(z), hows[g], shift)
            y = standardized(channels(z), *seen[:2], scale, bias, hows[g].eps)
            found.append(rows(y))
            saved += [some, z]
            statistics.append(seen)
        out = _together(found)
        out = out if plus is None else out.add_(plus)
        out = out.relu_() if relu else out
        mean, var, count = (torch.stack(each) for each in zip(*statistics, strict=True))
        ctx.save_for_backward(x, out if relu else None, mean, var, count, *saved, *flat)
        ctx.linear, ctx.hows, ctx.chained, ctx.plus, ctx.own = linear, hows, chained, plus is not None, plus is x
        ctx.mark_non_differentiable(mean, var, count)
        ctx.set_materialize_grads(False)
        return out, mean, var, count

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Any, ...]:
        groups = len(ctx.hows)
        x, out, mean, var, count, *saved = ctx.saved_tensors
        saved, flat = saved[: 2 * groups], saved[2 * groups :]
        each, d = len(flat) // groups, gradients[0]
        d = d.contiguous() if out is None else torch.ops.aten.threshold_backward(d.contiguous(), out, 0)
        found: list[Any] = []
        back: list[Tensor] = []
        for g in reversed(range(groups)):
            *weights, scale, _, shift = flat[g * each : (g + 1) * each]
            some, z = saved[2 * g : 2 * g + 2]
            dy = d.chunk(groups, 3)[g]
            dy = dy + back[0] if ctx.chained and back else dy.contiguous()
            seen = channels(z)
            dz, of_scale, of_bias = backward(channels(dy), seen, mean[g], var[g], count[g], scale, ctx.hows[g])
            du, *of_weights = ctx.linear.backward(some, rows(dz), *weights)
            back.insert(0, du)
            of_shift = None if shift is None else shift_gradient(of_bias, var[g], scale, ctx.hows[g])
            found = [*of_weights, of_scale, of_bias, of_shift, *found]
        dx = _together(back)
        dx = dx.add_(d) if ctx.own else dx
        return dx, d if ctx.plus and not ctx.own else None, None, None, None, None, *found
