"""MS-TCN, faster: the branches' 1×1 convolutions are one product, their BatchNorms one, and little is kept."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from model.fast.matmul import add_product, product
from model.fast.rows import channels, folded, frozen, once, rows, usual
from model.fast.taps import Planes, add_branches, branches_back, by_plane, in_time, pooled
from model.ms_tcn import MultiScaleTemporalConv
from model.normalize import (
    How,
    activated,
    affine,
    how_now,
    moments,
    normalize,
    scaled_back,
    settle,
    shift_gradient,
    update,
    wide,
)
from model.temporal_conv import Projection


class _Parts(NamedTuple):
    """The layers of all branches, by what they do."""

    reduce: list[Any]
    reduce_norms: list[Any]
    dilated: list[Any]
    plain: Any
    out_norms: list[Any]
    projection: Any
    stride: int


class FastMultiScaleTemporalConv(MultiScaleTemporalConv):
    """The same numbers as ``MultiScaleTemporalConv``, same weights.

    Kept for backward are its input and what its last BatchNorm sees; all between is computed again.

    Shapes: (N, in_channels, T, V) -> (N, out_channels, ceil(T / stride), V).
    """

    def forward(self, x: Tensor) -> Tensor:
        parts = self._parts()
        projected = [] if parts.projection is None else [parts.projection.bn]
        norms = [*parts.reduce_norms, *parts.out_norms, *projected]
        if not usual(x, norms) or not isinstance(self.residual, nn.Identity | Projection):
            return super().forward(x)
        if frozen(norms):
            weights = once(self, lambda: _fold(parts))
            return channels(_folded_branches(rows(x), parts, weights, self.activation))
        return _trained(x, parts, self.activation)

    def _parts(self) -> _Parts:
        branches: list[Any] = list(self.branches)
        *dilated, pooled, plain = branches
        return _Parts(
            reduce=[branch[0] for branch in (*dilated, pooled)],
            reduce_norms=[branch[1] for branch in (*dilated, pooled)],
            dilated=[branch[3].conv for branch in dilated],
            plain=plain[0],
            out_norms=[*(branch[3].bn for branch in dilated), pooled[4], plain[1]],
            projection=self.residual if isinstance(self.residual, Projection) else None,
            stride=plain[0].step,
        )


def _kernels(convolutions: Sequence[Tensor]) -> Tensor:
    """Weights (b, b, 3, 1) of the dilated convolutions as (branch, tap, b in, b out)."""
    return torch.stack(list(convolutions)).squeeze(4).permute(0, 3, 2, 1).contiguous()


def _trained(x: Tensor, parts: _Parts, relu: bool) -> Tensor:
    """(N, C, T, V) -> (N, O, T', V), with everything that gradients need."""
    strided = [parts.plain, *([parts.projection.conv] if parts.projection else [])]
    how = how_now(parts.reduce_norms)
    shift = torch.cat([conv.bias for conv in parts.reduce])
    branches, projected, mean, var, count = _Branches.apply(  # type: ignore[no-untyped-call]
        rows(x),
        torch.cat([conv.weight for conv in parts.reduce]).flatten(1),
        _kernels([conv.weight for conv in parts.dilated]),
        torch.cat([conv.weight for conv in strided]).flatten(1),
        *affine(parts.reduce_norms),
        shift,
        parts.plain.out_channels,
        parts.stride,
        how,
    )
    update(parts.reduce_norms, how, mean, var, count, shift)
    residual = x
    if parts.projection is not None:
        residual = normalize(channels(projected), [parts.projection.bn], shift=parts.projection.conv.bias)
    biases = [conv.bias for conv in parts.dilated]
    shift = torch.cat([*biases, torch.zeros_like(biases[0]), parts.plain.bias])
    return normalize(channels(branches), parts.out_norms, shift=shift, plus=residual, relu=relu)


class _Folded(NamedTuple):
    """Weights that have taken in the BatchNorms behind them: (C, 5b) and its bias, (branch, tap, b, b), the pool's.

    ``direct`` (C, O), and ``bias`` for all, is what residual and sixth branch take from the centres.
    """

    reduce: Tensor
    reduce_bias: Tensor
    kernels: Tensor
    pool_scale: Tensor
    direct: Tensor
    bias: Tensor


def _fold(parts: _Parts) -> _Folded:
    pairs = [folded(c.weight, c.bias, n) for c, n in zip(parts.reduce, parts.reduce_norms, strict=True)]
    reduce, reduce_bias = (torch.cat(part) for part in zip(*pairs, strict=True))
    dilated = [folded(c.weight, c.bias, n) for c, n in zip(parts.dilated, parts.out_norms, strict=False)]
    kernels = _kernels([weight for weight, _ in dilated])
    *_, pool_norm, plain_norm = parts.out_norms
    pool_scale, pool_bias = folded(torch.ones_like(pool_norm.weight), None, pool_norm)
    plain, plain_bias = folded(parts.plain.weight, parts.plain.bias, plain_norm)
    bias = torch.cat([*(bias for _, bias in dilated), pool_bias, plain_bias])
    direct = plain.new_zeros(len(bias), plain.shape[1])
    direct[-len(plain) :] = plain.flatten(1)
    if parts.projection is not None:
        projection, residual_bias = folded(
            parts.projection.conv.weight, parts.projection.conv.bias, parts.projection.bn
        )
        direct, bias = direct + projection.flatten(1), bias + residual_bias
    return _Folded(reduce.flatten(1).t(), reduce_bias, kernels, pool_scale, direct.t(), bias)


def _folded_branches(x: Tensor, parts: _Parts, f: _Folded, relu: bool) -> Tensor:
    """(N, T, V, C) -> (N, T', V, O), every BatchNorm folded into the convolution before it."""
    stride, frames, width, last = parts.stride, x.shape[1], f.reduce.shape[1], parts.plain.out_channels
    pool = slice(-len(f.pool_scale) - last, -last)
    y = Planes(x, width, frames, stride)
    out = x.new_empty(len(x), y.centres, x.shape[2], len(f.bias))
    for clip, of_clip in zip(by_plane(x, stride), out, strict=True):
        for some, plane in zip(clip.split([len(plane) for plane in y.inside]), y.inside, strict=True):
            product(some.flatten(0, 1), f.reduce, bias=f.reduce_bias, relu=True, out=plane.view(-1, width))
        centres, flat = clip[: y.centres].flatten(0, 1), of_clip.view(-1, len(f.bias))
        if parts.projection is None:
            torch.add(centres, f.bias, out=flat)
            add_product(flat[:, -last:], centres, f.direct[:, -last:])
        else:
            product(centres, f.direct, bias=f.bias, out=flat)
        add_branches(y, f.kernels, of_clip)
        of_clip[..., pool].addcmul_(pooled(y, slice(-len(f.pool_scale), None)), f.pool_scale)
        if relu:
            of_clip.relu_()
    return out


class _Branches(torch.autograd.Function):
    """What the branches give to their last BatchNorms, and the residual's convolution. Kept are x and statistics."""

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        reduce: Tensor,
        kernels: Tensor,
        direct: Tensor,
        weight: Tensor,
        bias: Tensor,
        shift: Tensor,
        last: int,
        stride: int,
        how: How,
    ) -> tuple[Tensor | None, ...]:
        """(N, T, V, C) -> branches (N, T', V, O), residual (N, T', V, O) or None; mean, variance and count.

        ``reduce`` (5b, C) are the first 1×1 convolutions, ``kernels`` (4, 3, b, b) the dilated ones; ``direct``
        (last, C) is the sixth branch, with the residual's (O, C) below it where that has one.
        """
        seen = _linear(by_plane(x, stride), reduce)
        mean, var, count = moments(wide(channels(seen)), how, shift)
        y, b = Planes(x, len(reduce), x.shape[1], stride), kernels.shape[2]
        out = x.new_zeros(len(x), y.centres, x.shape[2], len(reduce) + last)
        for p, of_clip in zip(seen, out, strict=True):
            y.put(activated(channels(p[None]), mean, var, weight, bias, how.eps)[0].permute(1, 2, 0))
            add_branches(y, kernels, of_clip)
            of_clip[..., 4 * b : 5 * b] = pooled(y, slice(4 * b, None))
        straight = _linear(x[:, ::stride], direct)
        out[..., -last:] = straight[..., :last]
        ctx.save_for_backward(x, reduce, kernels, direct, weight, bias, mean, var, count)
        ctx.last, ctx.stride, ctx.how = last, stride, how
        ctx.mark_non_differentiable(mean, var, count)
        ctx.set_materialize_grads(False)
        projected = straight[..., last:].contiguous() if len(direct) > last else None
        return out, projected, mean, var, count

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        x, reduce, kernels, direct, weight, bias, mean, var, count = ctx.saved_tensors
        how, last, stride = ctx.how, ctx.last, ctx.stride
        d_out, d_projected = gradients[0].contiguous(), gradients[1]
        planes = by_plane(x, stride)
        seen = _linear(planes, reduce)
        d_seen, d_kernels, sums = torch.empty_like(seen), torch.zeros_like(kernels), mean.new_zeros(2, len(mean))
        y, dy = (Planes(x, len(reduce), x.shape[1], stride) for _ in range(2))
        for p, d, dp in zip(seen, d_out, d_seen, strict=True):
            p = channels(p[None])
            let_through = activated(p, mean, var, weight, bias, how.eps)
            y.put(let_through[0].permute(1, 2, 0))
            dy.clear()
            branches_back(y, kernels, d, dy, d_kernels)
            back = channels((dy.inside[0] if stride == 1 else torch.cat(dy.inside))[None])
            back = torch.ops.aten.threshold_backward(back, let_through, 0)
            through, of_weight, of_bias = scaled_back(wide(back), wide(p), mean, var, weight, how)
            dp.copy_(through[0].permute(1, 2, 0))
            sums += torch.stack([of_weight, of_bias])
        settle(channels(d_seen), channels(seen), mean, var, count, weight, sums, how)
        flat = d_seen.view(-1, len(reduce))
        d_reduce = product(flat.t(), planes.view(-1, x.shape[3]))
        dx = in_time(product(flat, reduce).view_as(x), stride)
        straight = d_out[..., -last:] if d_projected is None else torch.cat([d_out[..., -last:], d_projected], 3)
        straight = straight.reshape(-1, len(direct))
        centres = dx[:, ::stride]
        centres.add_(product(straight, direct).view_as(centres))
        d_direct = product(straight.t(), x[:, ::stride].reshape(-1, x.shape[3]))
        of_shift = shift_gradient(sums[1], var, weight, how)
        return dx, d_reduce, d_kernels, d_direct, *sums, of_shift, None, None, None


def _linear(x: Tensor, weight: Tensor) -> Tensor:
    """(N, T, V, C) by (O, C) -> (N, T, V, O)."""
    return product(x.reshape(-1, x.shape[3]), weight.t()).view(*x.shape[:3], len(weight))
