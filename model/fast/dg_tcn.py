"""DG-TCN, faster: one product for all branches' 1×1 convolutions; dilated ones are sums of shifted products."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from model.dg_tcn import DynamicGroupTemporalConv, _UnitConv
from model.fast.matmul import add_product, product
from model.fast.one_body import Standard
from model.fast.planes import Planes, Reach, add, convolution, convolution_back, pooled, pooled_back
from model.fast.pointwise import after_norm
from model.fast.rows import folded, frozen, once, usual
from model.normalize import (
    How,
    affine,
    how_now,
    moments,
    normalize,
    settle,
    shift_gradient,
    update,
)
from model.temporal_conv import FramewiseConv


class FastDynamicGroupTemporalConv(DynamicGroupTemporalConv):
    """The same numbers as ``DynamicGroupTemporalConv``, same weights.

    Shapes: (N, in_channels, T, V) -> (N, out_channels, ceil(T / stride), V).
    """

    def forward(self, x: Tensor) -> Tensor:
        parts = self._parts()
        if parts is None or not usual(x, [*parts.reduce_norms, self.transform[0], self.bn]):
            return super().forward(x)
        if frozen(parts.reduce_norms):
            return _evaluated(x.contiguous(), parts, once(self, lambda: _fold(self, parts, x.shape[3])))
        fused: Tensor = self.drop(_trained(x, parts, self))
        return fused

    def _parts(self) -> _Parts | None:
        """The layers by what they do; None for other branches than convolutions, then a pool, then a 1×1 one."""
        branches: list[Any] = list(self.branches)
        if len(branches) < 3 or not isinstance(branches[-1], FramewiseConv):
            return None
        *reducing, plain = branches
        if not all(isinstance(branch, nn.Sequential) for branch in reducing):
            return None
        dilated, pool = [branch[3] for branch in reducing[:-1]], reducing[-1][3]
        if not (isinstance(pool, nn.MaxPool2d) and all(isinstance(unit, _UnitConv) for unit in dilated)):
            return None
        window: Any = pool.kernel_size
        convolutions: list[Any] = [unit.conv for unit in dilated]
        return _Parts(
            reduce=[branch[0] for branch in reducing],
            reduce_norms=[branch[1] for branch in reducing],
            dilated=convolutions,
            plain=plain,
            stride=plain.step,
            reaches=[
                *(Reach(conv.kernel_size[0], conv.dilation[0], conv.out_channels) for conv in convolutions),
                Reach(window[0], 1, reducing[-1][0].out_channels),
            ],
        )


class _Parts(NamedTuple):
    """The layers of all branches, by what they do."""

    reduce: list[Any]
    reduce_norms: list[Any]
    dilated: list[Any]
    plain: Any
    stride: int
    reaches: list[Reach]  # of dilated convolutions and pool


def _kernel(weight: Tensor) -> Tensor:
    """(b, b, size, 1) as taps (size, b, b)."""
    return weight.squeeze(3).permute(2, 0, 1)


class _Folded(NamedTuple):
    """Weights that have taken in BatchNorms; a bias is a column.

    Behind the branches a BatchNorm scales and shifts what joints and skeleton give together: each is scaled, the joints
    alone are shifted.
    """

    reduce: Tensor  # (R + the 1×1 branch, C)
    reduce_bias: Tensor
    kernels: list[Tensor]  # of every dilated convolution its taps (size, b, b)
    pool_scale: Tensor  # (b, 1)
    start: Tensor  # (R, 1, V + 1), what the branches add to
    shift: Tensor  # (the 1×1 branch, 1, 1)
    coefficients: Tensor  # (V,)
    transform: Tensor  # (O, O)
    bias: Tensor


def _fold(conv: Any, parts: _Parts, joints: int) -> _Folded:
    norm = conv.transform[0]
    scale = norm.weight * torch.rsqrt(norm.running_var + norm.eps)
    shift = norm.bias - scale * norm.running_mean
    last = parts.plain.out_channels
    pairs = [folded(c.weight, c.bias, n) for c, n in zip(parts.reduce, parts.reduce_norms, strict=True)]
    pairs.append((parts.plain.weight * scale[-last:, None, None, None], parts.plain.bias * scale[-last:]))
    reduce, reduce_bias = (torch.cat(part) for part in zip(*pairs, strict=True))
    scales = scale.split([c.out_channels for c in (*parts.reduce, parts.plain)])
    kernels = [c.weight * s[:, None, None, None] for c, s in zip(parts.dilated, scales, strict=False)]
    biases = [c.bias * s for c, s in zip(parts.dilated, scales, strict=False)]
    start = torch.cat([*biases, torch.zeros_like(scales[-2])])[:, None, None].repeat(1, 1, joints + 1)
    start[..., :joints] += shift[:-last, None, None]
    transform, bias = folded(conv.transform[2].weight, conv.transform[2].bias, conv.bn)
    return _Folded(
        reduce.flatten(1),
        reduce_bias[:, None],
        [_kernel(kernel).contiguous() for kernel in kernels],
        scales[-2][:, None],
        start,
        shift[-last:, None, None],
        conv.add_coeff[:joints],
        transform.flatten(1),
        bias[:, None],
    )


def _evaluated(x: Tensor, parts: _Parts, f: _Folded) -> Tensor:
    """(N, C, T, V) -> (N, O, T', V), body by body: what is between fits into the cache."""
    n, c, t, v = x.shape
    stride, width = parts.stride, len(f.start)
    y = Planes(x, t, v + 1, stride, parts.reaches)
    local, whole = x.new_empty(len(f.reduce), t, v), x.new_empty(len(f.reduce), t)
    branches = x.new_empty(width, y.centres, v + 1)
    flat = branches.flatten(1)
    convolutions, of_pool = convolution(y, f.kernels, flat), flat[-len(f.pool_scale) :]
    fused = x.new_empty(len(f.transform), y.centres, v)
    out = x.new_empty(n, len(f.transform), y.centres, v)
    average = x.new_full((v,), 1 / v)
    for body, of_body in zip(x, out, strict=True):
        product(f.reduce, body.flatten(1), bias=f.reduce_bias, out=local.flatten(1))
        torch.addmm(f.reduce_bias, f.reduce, torch.mv(body.view(-1, v), average).view(c, t), out=whole)
        for first, plane in enumerate(y.inside):
            torch.clamp_min(local[:width, first::stride], 0, out=plane[..., :v])
            torch.clamp_min(whole[:width, first::stride], 0, out=plane[..., v])
        branches.copy_(f.start)
        add(convolutions)
        of_pool.addcmul_(pooled(y), f.pool_scale)
        torch.addcmul(branches[..., :v], branches[..., v:], f.coefficients, out=fused[:width])
        torch.addcmul(local[width:, ::stride], whole[width:, ::stride, None], f.coefficients, out=fused[width:])
        fused[width:].add_(f.shift)
        product(f.transform, fused.relu_().flatten(1), bias=f.bias, out=of_body.flatten(1))
    return out


def _trained(x: Tensor, parts: _Parts, conv: Any) -> Tensor:
    """(N, C, T, V) -> (N, O, T', V), with everything that gradients need."""
    how, shift = how_now(parts.reduce_norms), torch.cat([c.bias for c in parts.reduce])
    none = torch.zeros_like(parts.reduce[-1].bias)  # the pool has no bias
    fused, mean, var, count = _Branches.apply(  # type: ignore[no-untyped-call]
        x,
        torch.cat([c.weight for c in (*parts.reduce, parts.plain)]).flatten(1),
        torch.cat([*(c.bias for c in parts.dilated), none, parts.plain.bias]),
        conv.add_coeff[: x.shape[3]],
        *affine(parts.reduce_norms),
        shift,
        parts,
        how,
        *(_kernel(c.weight) for c in parts.dilated),
    )
    update(parts.reduce_norms, how, mean, var, count, shift)
    norm, _, transform = conv.transform
    mixed = after_norm(fused, norm, transform.weight.flatten(1))
    return normalize(mixed, [conv.bn], shift=transform.bias)


class _Branches(torch.autograd.Function):
    """The branches on the joints and on their mean, fused: (N, C, T, V) -> (N, O, T', V).

    Kept are x and what its 1×1 convolutions give, ``seen``, in which the last branch comes last.
    """

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        reduce: Tensor,
        start: Tensor,
        coefficients: Tensor,
        weight: Tensor,
        bias: Tensor,
        shift: Tensor,
        parts: _Parts,
        how: How,
        *kernels: Tensor,
    ) -> tuple[Tensor, ...]:
        """``reduce`` (O, C), ``start`` (O,) biases, ``kernels`` (size, b, b). Also mean, variance and count."""
        x = x.contiguous()
        n, _, t, v = x.shape
        width = len(weight)
        bias_of_last = torch.cat([torch.zeros_like(start[:width]), start[width:]])[:, None]
        seen = x.new_empty(n, len(reduce), t, v + 1)
        for body, of_body in zip(x, seen, strict=True):
            product(reduce, _joined(body).flatten(1), bias=bias_of_last, out=of_body.flatten(1))
        mean, var, count = moments(seen[:, :width], how, shift)
        y = Planes(x, t, v + 1, parts.stride, parts.reaches)
        fused = x.new_empty(n, len(reduce), y.centres, v)
        whole = x.new_empty(n, len(reduce), y.centres, 1)
        branches = x.new_empty(width, y.centres, v + 1)
        flat = branches.flatten(1)
        convolutions, of_pool = convolution(y, kernels, flat), flat[y.views[-1][0]]
        norm = Standard(seen[0, :width], mean, var, weight, bias, how.eps)
        for of_body, skeleton, out in zip(seen, whole, fused, strict=True):
            y.put(norm.activated(of_body[:width]))
            branches.copy_(start[:width, None, None])
            add(convolutions)
            of_pool.copy_(pooled(y))
            torch.cat([branches[..., v:], of_body[width:, :: parts.stride, v:]], out=skeleton)
            torch.addcmul(branches[..., :v], skeleton[:width], coefficients, out=out[:width])
            torch.addcmul(of_body[width:, :: parts.stride, :v], skeleton[width:], coefficients, out=out[width:])
        ctx.save_for_backward(x, seen, whole, reduce, coefficients, weight, bias, mean, var, count, *kernels)
        ctx.parts, ctx.how = parts, how
        ctx.mark_non_differentiable(mean, var, count)
        ctx.set_materialize_grads(False)
        return fused, mean, var, count

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        x, seen, whole, reduce, coefficients, weight, bias, mean, var, count, *kernels = ctx.saved_tensors
        d_fused, parts, how = gradients[0].contiguous(), ctx.parts, ctx.how
        (t, v), width = x.shape[2:], len(weight)
        y, dy = (Planes(x, t, v + 1, parts.stride, parts.reaches) for _ in range(2))
        turned = [kernel.transpose(1, 2).contiguous() for kernel in kernels]
        d_turned = [torch.zeros_like(kernel) for kernel in turned]
        d_seen = torch.empty_like(seen) if parts.stride == 1 else torch.zeros_like(seen)
        d_out = x.new_empty(*d_fused.shape[1:3], v + 1)
        convolutions = convolution_back(y, turned, d_out.flatten(1), dy, d_turned)
        sums, d_coefficients = mean.new_zeros(2, width), coefficients.new_zeros(v)
        d_start = d_out.new_zeros(len(reduce))
        norm = Standard(seen[0, :width], mean, var, weight, bias, how.eps)
        for of_body, skeleton, d, d_body in zip(seen, whole, d_fused, d_seen, strict=True):
            d_out[..., :v] = d
            torch.matmul(d, coefficients, out=d_out[..., v])
            d_coefficients.addmv_(d.flatten(0, 1).t(), skeleton.flatten())
            d_start.add_(d_out.sum((1, 2)))
            let_through = norm.activated(of_body[:width])
            y.put(let_through)
            dy.clear()
            add(convolutions)
            pooled_back(y, d_out.flatten(1), dy)
            dy.take(let_through, d_body[:width])
            norm.back(d_body[:width], of_body[:width], sums)
            d_body[width:, :: parts.stride] = d_out[width:]
        settle(d_seen[:, :width], seen[:, :width], mean, var, count, weight, sums, how)
        dx, d_reduce, d_joined = torch.empty_like(x), torch.zeros_like(reduce), x.new_empty(*x.shape[1:3], v + 1)
        for body, of_body, d_body in zip(x, d_seen, dx, strict=True):
            add_product(d_reduce, of_body.flatten(1), _joined(body).flatten(1).t())
            product(reduce.t(), of_body.flatten(1), out=d_joined.flatten(1))
            torch.add(d_joined[..., :v], d_joined[..., v:], alpha=1 / v, out=d_body)
        of_shift = shift_gradient(sums[1], var, weight, how)
        d_kernels = (kernel.transpose(1, 2) for kernel in d_turned)
        return dx, d_reduce, d_start, d_coefficients, *sums, of_shift, None, None, *d_kernels


def _joined(body: Tensor) -> Tensor:
    """(C, T, V) -> (C, T, V + 1), the mean over the joints as one more."""
    v = body.shape[2]
    joined = body.new_empty(*body.shape[:2], v + 1)
    joined[..., :v] = body
    torch.matmul(body, body.new_full((v,), 1 / v), out=joined[..., v])
    return joined
