"""Batch normalisation whose statistics may count items many times, span processes, and be followed by ReLU."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, NamedTuple

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from model.statistics import side_by_side, statistics, together, undone

Norms = Sequence[Any]
"""BatchNorms, of whose classes only the members are of use here."""

_COUNTS: ContextVar[tuple[int, ...]] = ContextVar("counts", default=())


@contextmanager
def standing_for(counts: tuple[int, ...]) -> Iterator[None]:
    """Within, the last ``len(counts)`` items of a batch stand for so many equal ones each, the others for themselves.

    Statistics are then those of the whole batch. A gradient of such an item is the sum over the items it stands for.
    """
    token = _COUNTS.set(counts)
    try:
        yield
    finally:
        _COUNTS.reset(token)


def counts_now() -> tuple[int, ...]:
    """What ``standing_for`` says here; to be handed to it where the same is computed a second time."""
    return _COUNTS.get()


class How(NamedTuple):
    """How BatchNorms side by side work at this moment."""

    eps: float
    counts: tuple[int, ...] = ()
    everywhere: bool = False
    fixed: tuple[Tensor, Tensor] | None = None
    """Running mean and variance (C,) each, where they are used as they are (eval mode)."""


def how_now(norms: Norms) -> How:
    """How ``norms``, alike in their settings, are to work on their channels side by side."""
    first = norms[0]
    if first.training or first.running_mean is None:
        return How(first.eps, counts_now(), across(norms))
    return How(first.eps, fixed=(_cat([n.running_mean for n in norms]), _cat([n.running_var for n in norms])))


def alike(norms: Norms) -> bool:
    """Whether BatchNorms can be computed as one, side by side: the usual kind, all in one mode."""
    kinds = {(type(n), n.training, n.eps, n.momentum, n.affine, n.track_running_stats) for n in norms}
    known = all(isinstance(n, nn.BatchNorm1d | nn.BatchNorm2d) for n in norms)
    return known and len(kinds) == 1 and norms[0].affine and norms[0].track_running_stats


def affine(norms: Norms) -> tuple[Tensor | None, Tensor | None]:
    """Weights and biases (C,) of ``norms`` side by side; None where they have none."""
    if norms[0].weight is None:
        return None, None
    return _cat([n.weight for n in norms]), _cat([n.bias for n in norms])


def normalize(
    x: Tensor,
    norms: Norms,
    *,
    shift: Tensor | None = None,
    plus: Tensor | None = None,
    relu: bool = False,
) -> Tensor:
    """``norms`` side by side, on the channels of ``x + shift``; then ``plus`` is added, then ReLU.

    ``shift`` (C,) is the bias of the convolution before. In training it cancels: it moves the running mean alone.

    Shapes: (N, C, ...) -> (N, C, ...).
    """
    how = how_now(norms)
    weight, bias = affine(norms)
    y, mean, var, count = _Normalize.apply(  # type: ignore[no-untyped-call]
        x, weight, bias, shift, plus, how, relu
    )
    update(norms, how, mean, var, count, shift)
    return y


def update(norms: Norms, how: How, mean: Tensor, var: Tensor, count: Tensor, shift: Tensor | None) -> None:
    """Let the running statistics of ``norms`` follow those of a batch, where they do."""
    if how.fixed is not None:
        return
    with torch.no_grad():
        mean = mean if shift is None else mean + shift
        var = var * (count / (count - 1))
        sizes = [n.num_features for n in norms]
        for norm, m, v in zip(norms, mean.split(sizes), var.split(sizes), strict=True):
            if not norm.track_running_stats or norm.running_mean is None:
                continue
            norm.num_batches_tracked.add_(1)
            rate = norm.momentum if norm.momentum is not None else 1 / float(norm.num_batches_tracked)
            norm.running_mean.lerp_(m.to(norm.running_mean.dtype), rate)
            norm.running_var.lerp_(v.to(norm.running_var.dtype), rate)


class _Normalize(torch.autograd.Function):
    """Batch normalisation over clones and over all processes, forward and backward (Ioffe and Szegedy, 2015).

    Of ReLU's input nothing is kept: where it let through, its output is positive.
    """

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        weight: Tensor | None,
        bias: Tensor | None,
        shift: Tensor | None,
        plus: Tensor | None,
        how: How,
        relu: bool,
    ) -> tuple[Tensor, ...]:
        """(N, C, ...) -> normalised (N, C, ...); mean (C,), biased variance (C,) and count () of the whole batch."""
        values = wide(x)
        mean, var, count = moments(values, how, shift)
        y = standardized(values, mean, var, weight, bias, how.eps)
        y = y.to(x.dtype) if plus is None else y.to(x.dtype).add_(plus)
        y = F.relu_(y) if relu else y
        ctx.save_for_backward(x, y if relu else None, mean, var, count, weight)
        ctx.how, ctx.shifted, ctx.plus = how, shift is not None, plus is not None
        ctx.mark_non_differentiable(mean, var, count)
        ctx.set_materialize_grads(False)
        return y, mean, var, count

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        x, y, mean, var, count, weight = ctx.saved_tensors
        dy = gradients[0] if y is None else torch.ops.aten.threshold_backward(gradients[0], y, 0)
        values = wide(x)
        dx, of_weight, of_bias = backward(wide(dy), values, mean, var, count, weight, ctx.how)
        of_shift = shift_gradient(of_bias, var, weight, ctx.how) if ctx.shifted else None
        known = (None, None) if weight is None else (of_weight.to(weight.dtype), of_bias.to(weight.dtype))
        return dx.to(x.dtype), *known, of_shift, dy if ctx.plus else None, None, None


def moments(x: Tensor, how: How, shift: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor]:
    """Mean (C,), biased variance (C,) and count () of ``x`` (N, C, ...), clones and all processes counted.

    Statistics of parts are put together as in Chan et al., 1979.
    """
    if how.fixed is not None:
        mean, var = (wide(value) for value in how.fixed)
        return mean if shift is None else mean - shift, var, mean.new_zeros(())
    each = x.numel() / max(1, x.shape[0] * x.shape[1])  # values per channel in one item
    single = len(x) - len(how.counts)
    parts = [(x[:single], single * each)] if single else []
    parts += [(item[None], times * each) for item, times in zip(x[single:], how.counts, strict=True)]
    found = [(*statistics(part), count) for part, count in parts]
    if len(found) == 1 and not how.everywhere:
        mean, var, count = found[0]
        if count == 1:
            raise ValueError(f"Expected more than 1 value per channel when training, got input size {x.size()}")
        return mean, var, torch.full_like(mean[0], count)
    table = torch.stack([torch.stack([m, v * count, torch.full_like(m, count)]) for m, v, count in found])
    mean, squares, counts = together(table)
    if how.everywhere:
        mine = torch.stack([mean, squares, counts])
        every = [torch.empty_like(mine) for _ in range(dist.get_world_size())]
        dist.all_gather(every, mine)
        mean, squares, counts = together(torch.stack(every))
    return mean, squares / counts, counts[0]


def standardized(
    x: Tensor, mean: Tensor, var: Tensor, weight: Tensor | None, bias: Tensor | None, eps: float
) -> Tensor:
    """``x`` (N, C, ...) normalised with these statistics."""
    rows, parts = side_by_side(x)
    scale, offset = (None if v is None else v.to(x.dtype).repeat(parts) for v in (weight, bias))
    y = F.batch_norm(rows, mean.repeat(parts), var.repeat(parts), scale, offset, False, 0.0, eps)
    return undone(y, x)


def activated(x: Tensor, mean: Tensor, var: Tensor, weight: Tensor, bias: Tensor, eps: float) -> Tensor:
    """ReLU of ``x`` (N, C, ...) normalised with these statistics."""
    return standardized(wide(x), mean, var, weight, bias, eps).relu_().to(x.dtype)


def scaled_back(
    dy: Tensor, x: Tensor, mean: Tensor, var: Tensor, weight: Tensor | None, how: How
) -> tuple[Tensor, Tensor, Tensor]:
    """The gradient of ``x`` were its statistics constants, and those of weight and bias (C,)."""
    scale = torch.ones_like(mean) if weight is None else weight.to(x.dtype)
    (rows, parts), (d_rows, d_parts) = side_by_side(x), side_by_side(dy)
    if parts != d_parts:
        rows, d_rows, parts = x, dy, 1
    scale, mean, var = (vector.repeat(parts) for vector in (scale, mean, var))
    dx, of_weight, of_bias = torch.ops.aten.native_batch_norm_backward(
        d_rows, rows, scale, mean, var, None, None, False, how.eps, [True, True, True]
    )
    return undone(dx, x), of_weight.view(parts, -1).sum(0), of_bias.view(parts, -1).sum(0)


def backward(
    dy: Tensor, x: Tensor, mean: Tensor, var: Tensor, count: Tensor, weight: Tensor | None, how: How
) -> tuple[Tensor, Tensor, Tensor]:
    """The gradients of x, and those of weight and bias (C,)."""
    dx, of_weight, of_bias = scaled_back(dy, x, mean, var, weight, how)
    settle(dx, x, mean, var, count, weight, torch.stack([of_weight, of_bias]), how)
    return dx, of_weight, of_bias


def settle(
    dx: Tensor,
    x: Tensor,
    mean: Tensor,
    var: Tensor,
    count: Tensor,
    weight: Tensor | None,
    sums: Tensor,
    how: How,
) -> None:
    """Take off ``dx``, in place, what reaches ``x`` through mean and variance: once for every item it stands for.

    dx = s (dy - mean(dy) - xn mean(dy xn)), where xn = (x - mean) r, r = 1 / sqrt(var + eps), s = weight r;
    ``sums`` (2, C) are those of dy xn and of dy, the gradients of weight and bias.
    """
    if how.fixed is not None:
        return
    if how.everywhere:
        sums = sums.clone()
        dist.all_reduce(sums)
    rate = torch.rsqrt(var + how.eps)
    scale = rate if weight is None else rate * weight
    by_mean, by_var = scale * sums[1] / count, scale * rate * sums[0] / count
    offset = _along(by_mean - by_var * mean, x)
    slope = _along(by_var, x)
    for number, (item, of_item) in enumerate(zip(x, dx, strict=True), start=len(how.counts) - len(x)):
        times = how.counts[number] if number >= 0 else 1
        of_item.sub_(offset[0], alpha=times).addcmul_(item, slope[0], value=-times)


def shift_gradient(of_bias: Tensor, var: Tensor, weight: Tensor | None, how: How) -> Tensor:
    """Of the bias before: nothing where the mean is taken off, else what the scale leaves of the gradient."""
    if how.fixed is None:
        return torch.zeros_like(of_bias)
    scaled = of_bias * torch.rsqrt(var + how.eps)
    return scaled if weight is None else scaled * weight


def across(norms: Norms) -> bool:
    """Whether the statistics of ``norms`` are those of several processes together."""
    wanted: bool = all(getattr(n, "everywhere", False) and not n.alone for n in norms)
    return wanted and dist.is_initialized() and dist.get_world_size() > 1


def wide(x: Tensor) -> Tensor:
    """``x`` in the type that statistics are computed in."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


def _cat(vectors: Sequence[Tensor]) -> Tensor:
    return vectors[0] if len(vectors) == 1 else torch.cat(list(vectors))


def _along(vector: Tensor, x: Tensor) -> Tensor:
    """(C,) shaped so as to go with ``x`` (N, C, ...)."""
    return vector.view(1, -1, *[1] * (x.dim() - 2))
