"""TMST, faster: the branches' 1×1 convolutions are products for all of them, two gated convolutions are one.

tanh times sigmoid is computed out of one sigmoid s: tanh = (2s - 1) / (1 - 2s + 2s²).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from model.fast.matmul import product
from model.fast.pointwise import pointwise
from model.fast.rows import folded, frozen, once, usual
from model.normalize import normalize
from model.tmst import DILATIONS, TMST


class FastTMST(TMST):
    """The same numbers as ``TMST``, same weights.

    Shapes: (B, channels, T, V) -> (B, channels, ceil(T / stride), V).
    """

    def forward(self, x: Tensor) -> Tensor:
        parts = _parts(self)
        norms = [*parts.reduce_norms, *(gated.bn for gated in parts.gated), *parts.norms, parts.attention.bn]
        if not usual(x, norms) or any(dilation % parts.stride for dilation in DILATIONS):
            return super().forward(x)
        if frozen(norms):
            return _evaluated(x.contiguous(), parts, once(self, lambda: _fold(parts)))
        return _trained(x, parts)


class _Parts(NamedTuple):
    """The layers of all branches, by what they do; ``norms`` are the last ones of pool, attention and gate."""

    reduce: list[Any]
    reduce_norms: list[Any]
    gated: list[Any]
    attention: Any
    gate: Any
    norms: list[Any]
    stride: int


def _parts(layer: TMST) -> _Parts:
    branches: list[Any] = list(layer.branches)
    first, second, pool, (attention, norm), (gate, last) = branches
    reduce = [first, second, pool]
    return _Parts(
        [branch[0] for branch in reduce],
        [branch[1] for branch in reduce],
        [first[3], second[3]],
        attention,
        gate,
        [pool[4], norm, last],
        attention.conv.step,
    )


def _trained(x: Tensor, parts: _Parts) -> Tensor:
    stride, width = parts.stride, parts.reduce[0].out_channels
    reduce = torch.cat([conv.weight for conv in parts.reduce]).flatten(1)
    direct = torch.cat([parts.attention.conv.weight, parts.gate.conv.weight]).flatten(1)
    if stride == 1:
        reduced, centres = pointwise(x, reduce, direct)
    else:
        (reduced,), (centres,) = pointwise(x, reduce), pointwise(x[:, :, ::stride], direct)
    shift = torch.cat([conv.bias for conv in parts.reduce])
    *gated, pool = normalize(reduced, parts.reduce_norms, shift=shift, relu=True).split(width, 1)
    found = []
    for some, part, dilation in zip(gated, parts.gated, DILATIONS, strict=True):
        weight, bias = (
            torch.cat([part.conv1.weight, part.conv2.weight]),
            torch.cat([part.conv1.bias, part.conv2.bias]),
        )
        y = _over_frames(some[:, :, ::stride], weight, None, dilation // stride)
        found.append(_Gated.apply(normalize(y, [part.bn, part.bn], shift=bias)))  # type: ignore[no-untyped-call]
    found.append(_Pooled.apply(pool, stride))  # type: ignore[no-untyped-call]
    attended, gated_frames = (
        half + part.conv.bias.view(-1, 1, 1)
        for half, part in zip(centres.split(width, 1), (parts.attention, parts.gate), strict=True)
    )
    found.append(normalize(_attended(parts.attention, attended), [parts.attention.bn]))
    found.append(gated_frames * _weights(parts.gate, gated_frames))
    last = normalize(torch.cat(found[2:], 1), parts.norms)
    return torch.cat([*found[:2], last], 1).relu()


class _Folded(NamedTuple):
    """Weights that have taken in the BatchNorms behind them.

    ``centres`` (4b, C) are the 1×1 convolutions of all branches but the pool's, and ``pool`` (b, C) that one, with
    their biases; ``gated`` the weight and bias of each pair of convolutions; ``norms`` scale and offset of what comes
    out of pool, attention and gate, (b, 1, 1) each.
    """

    centres: tuple[Tensor, Tensor]
    pool: tuple[Tensor, Tensor]
    gated: list[tuple[Tensor, Tensor]]
    norms: list[tuple[Tensor, Tensor]]


def _fold(parts: _Parts) -> _Folded:
    *first, pool = (folded(c.weight, c.bias, n) for c, n in zip(parts.reduce, parts.reduce_norms, strict=True))
    direct = [(part.conv.weight, part.conv.bias) for part in (parts.attention, parts.gate)]
    gated = [[folded(conv.weight, conv.bias, part.bn) for conv in (part.conv1, part.conv2)] for part in parts.gated]
    norms = [folded(torch.ones_like(norm.weight), None, norm) for norm in parts.norms]
    scale, offset = folded(torch.ones_like(parts.attention.bn.weight), None, parts.attention.bn)
    norms[1] = norms[1][0] * scale, norms[1][0] * offset + norms[1][1]
    return _Folded(
        _stacked([*first, *direct]),
        _stacked([pool]),
        [(torch.cat([a, b]), torch.cat([first, second])) for (a, first), (b, second) in gated],
        [(scale.view(-1, 1, 1), offset.view(-1, 1, 1)) for scale, offset in norms],
    )


def _stacked(convolutions: Sequence[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
    """Weights (O, C, 1, 1) and biases (O,) as one matrix, one column."""
    weights, biases = zip(*convolutions, strict=True)
    return torch.cat(weights).flatten(1), torch.cat(biases).unsqueeze(1)


def _evaluated(x: Tensor, parts: _Parts, f: _Folded) -> Tensor:
    stride = parts.stride
    if stride == 1:
        every = _mixed(x, *(torch.cat(pair) for pair in zip(f.centres, f.pool, strict=True)))
        *gated, attended, weighed, pool = every.chunk(5, 1)
    else:
        *gated, attended, weighed = _mixed(x[:, :, ::stride].contiguous(), *f.centres).chunk(4, 1)
        pool = _mixed(x, *f.pool)
    out = x.new_empty(len(x), x.shape[1], *attended.shape[2:])
    *firsts, of_pool, of_attention, of_gate = out.chunk(5, 1)
    for some, (weight, bias), dilation, of_gated in zip(gated, f.gated, DILATIONS, firsts, strict=True):
        _through_gate(_over_frames(some.relu(), weight, bias, dilation // stride), out=of_gated)
    (scale, offset), *norms = f.norms
    torch.addcmul(offset, _most(pool.relu(), stride), scale, out=of_pool)
    (scale, offset), (last, more) = norms
    torch.addcmul(offset, _attended(parts.attention, attended), scale, out=of_attention)
    torch.addcmul(more, weighed, last * _weights(parts.gate, weighed), out=of_gate)
    return out.relu_()


def _mixed(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """``x`` (B, C, T, V) convolved by ``weight`` (O, C), plus ``bias`` (O, 1): (B, O, T, V)."""
    out = x.new_empty(len(x), len(weight), *x.shape[2:])
    for body, of_body in zip(x.flatten(2), out.flatten(2), strict=True):
        product(weight, body, bias=bias, out=of_body)
    return out


def _over_frames(x: Tensor, weight: Tensor, bias: Tensor | None, dilation: int) -> Tensor:
    """``x`` (B, b, T, V) convolved over time by ``weight`` (2b, b, 5, 1)."""
    return F.conv2d(x, weight, bias, padding=(2 * dilation, 0), dilation=(dilation, 1))


def _attended(part: Any, h: Tensor) -> Tensor:
    """What ``TemporalAttention`` does between its convolution and its BatchNorm."""
    h = h.unflatten(1, (part.heads, -1))  # (B, H, C, T, V)
    first, second = h.chunk(2, dim=2)
    q = part.linear(first.mean(dim=(2, 4))).relu()  # (B, H, T)
    k = part.linear(_largest(second)).relu()
    return torch.einsum("bhctv,bhtm->bhcmv", h, (q.unsqueeze(3) * k.unsqueeze(2)).sigmoid()).flatten(1, 2)


def _weights(part: Any, h: Tensor) -> Tensor:
    """What ``FrameGate`` weighs the frames of ``h`` (B, C, T, V) by: (B, 1, T, 1)."""
    summary = torch.stack([h.mean(dim=(1, 3)), _largest(h)], dim=1)  # (B, 2, T)
    weights: Tensor = part.combine_conv(summary.unsqueeze(3)).sigmoid()
    return weights


def _largest(h: Tensor) -> Tensor:
    """(..., C, T, V) -> (..., T). Two steps are 20 times as fast, but equals would share a gradient otherwise."""
    return h.amax(dim=(-3, -1)) if torch.is_grad_enabled() else h.amax(dim=-3).amax(dim=-1)


def _through_gate(pairs: Tensor, out: Tensor | None = None) -> Tensor:
    """tanh(a) sigmoid(a) + tanh(b) sigmoid(b): (B, 2C, T, V) -> (B, C, T, V)."""
    s = pairs.sigmoid()
    m = torch.addcmul(s, s, s, value=-2)  # s (1 - 2s)
    m.div_(s.add_(m).sub_(1))
    return torch.add(*m.chunk(2, 1), out=out)


class _Gated(torch.autograd.Function):
    """``_through_gate``. Kept is what comes in."""

    @staticmethod
    def forward(ctx: Any, pairs: Tensor) -> Tensor:
        ctx.save_for_backward(pairs)
        return _through_gate(pairs)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        """The gate is u (1 + u) / (1 + u²), where u = 2s - 1 and so du/da = (1 - u²) / 2."""
        (pairs,) = ctx.saved_tensors
        u = pairs.sigmoid().mul_(2).sub_(1)
        q = u.square()
        slope = u.mul_(2).add_(1).sub_(q)  # 1 + 2u - u²
        slope.mul_(0.5 * (1 - q)).div_(q.add_(1).square_())
        for half in slope.chunk(2, 1):
            half.mul_(gradients[0])
        return slope


def _most(frames: Tensor, stride: int) -> Tensor:
    """Maximum over three frames around every ``stride``-th: (B, C, T, V) -> (B, C, T', V); nothing is negative."""
    before, here, after = _around(frames, stride)
    most = here.clone()
    for inside, some in ((most[:, :, 1:], before), (most[:, :, : after.shape[2]], after)):
        torch.maximum(inside, some, out=inside)
    return most


def _around(frames: Tensor, stride: int) -> tuple[Tensor, Tensor, Tensor]:
    """Views: the frames before every centre but the first, the centres, and the frames after those that have one."""
    here = frames[:, :, ::stride]
    centres = here.shape[2]
    return frames[:, :, stride - 1 :: stride][:, :, : centres - 1], here, frames[:, :, 1::stride][:, :, :centres]


class _Pooled(torch.autograd.Function):
    """``_most``. The gradient goes to the first of equal frames, as MaxPool2d's does."""

    @staticmethod
    def forward(ctx: Any, frames: Tensor, stride: int) -> Tensor:
        ctx.save_for_backward(frames)
        ctx.stride = stride
        return _most(frames, stride)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (frames,) = ctx.saved_tensors
        dx = torch.zeros_like(frames, memory_format=torch.contiguous_format)
        before, here, _ = _around(frames, ctx.stride)
        d_before, d_here, d_after = _around(dx, ctx.stride)
        most, left = _most(frames, ctx.stride), gradients[0].clone()
        for some, d, highest, mine in ((before, d_before, most[:, :, 1:], left[:, :, 1:]), (here, d_here, most, left)):
            missed = torch.ops.aten.threshold_backward(mine, highest - some, 0)
            d.add_(mine).sub_(missed)
            mine.copy_(missed)
        d_after.add_(left[:, :, : d_after.shape[2]])
        return dx, None
