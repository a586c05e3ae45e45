"""DG-TCN, faster: one product for all branches' 1×1 convolutions; dilated ones are sums of shifted products."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from model.dg_tcn import DynamicGroupTemporalConv, _UnitConv
from model.rows import folded, frozen, in_one_type, once, usual
from model.temporal_conv import FramewiseConv


class FastDynamicGroupTemporalConv(DynamicGroupTemporalConv):
    """The same numbers as ``DynamicGroupTemporalConv``, same weights.

    Shapes: (N, in_channels, T, V) -> (N, out_channels, ceil(T / stride), V).
    """

    def forward(self, x: Tensor) -> Tensor:
        parts = self._parts()
        if parts is not None:
            norms = [*parts.reduce_norms, self.transform[0], self.bn]
            if usual(x, norms) and frozen(norms):
                return self._faster(x)
        return super().forward(x)

    @in_one_type
    def _faster(self, x: Tensor) -> Tensor:
        parts = self._parts()
        assert parts is not None
        return _evaluated(x.contiguous(), parts, once(self, lambda: _fold(self, parts, x.shape[3], x.dtype)))

    def _parts(self) -> _Parts | None:
        """The layers by what they do; None for other branches than convolutions, then a pool, then a 1×1 one."""
        branches: list[Any] = list(self.branches)
        if len(branches) < 3 or not isinstance(branches[-1], FramewiseConv):
            return None
        dilated: list[Any] = branches[:-2]
        pooled, plain = branches[-2:]
        if not all(isinstance(b, nn.Sequential) and isinstance(b[3], _UnitConv) for b in dilated):
            return None
        if not (isinstance(pooled, nn.Sequential) and isinstance(pooled[3], nn.MaxPool2d)):
            return None
        window: Any = pooled[3].kernel_size
        return _Parts(
            reduce=[branch[0] for branch in (*dilated, pooled)],
            reduce_norms=[branch[1] for branch in (*dilated, pooled)],
            dilated=[branch[3].conv for branch in dilated],
            window=window[0],
            plain=plain,
            stride=plain.step,
        )


class _Parts(NamedTuple):
    """The layers of all branches, by what they do."""

    reduce: list[Any]
    reduce_norms: list[Any]
    dilated: list[Any]
    window: int  # of the pool
    plain: Any
    stride: int


class _Planes:
    """The frames of one body, (width, T', J), zeros beyond the ends; every ``stride``-th is a centre.

    One plane for each remainder of t by the stride: frames a fixed time from every centre are one block of memory.
    """

    def __init__(self, like: Tensor, width: int, frames: int, joints: int, stride: int, margin: int) -> None:
        self.stride, self.margin = stride, margin
        self.centres = -(-frames // stride)
        self.whole = [like.new_zeros(width, self.centres + 2 * margin, joints) for _ in range(stride)]
        self.inside = [
            plane[:, margin : margin + len(range(first, frames, stride))] for first, plane in enumerate(self.whole)
        ]

    def at(self, offset: int, channels: slice) -> Tensor:
        """``channels`` of the frames ``offset`` after every centre, a view (channels, T'·J)."""
        start = self.margin + offset // self.stride
        return self.whole[offset % self.stride][channels, start : start + self.centres].flatten(1)


def _taps(parts: _Parts) -> Iterator[tuple[slice, range]]:
    """Of every branch but the last its channels, and its offsets in time."""
    start = 0
    windows = [(conv.kernel_size[0], conv.dilation[0], conv.out_channels) for conv in parts.dilated]
    for size, dilation, width in (*windows, (parts.window, 1, parts.reduce[-1].out_channels)):
        reach = size // 2 * dilation
        yield slice(start, start + width), range(-reach, reach + 1, dilation)
        start += width


class _Folded(NamedTuple):
    """Weights that have taken in BatchNorms; a bias is a column.

    Behind the branches a BatchNorm scales and shifts what joints and skeleton give together: each is scaled, the joints
    alone are shifted.
    """

    reduce: Tensor  # (R + the 1×1 branch, C)
    reduce_bias: Tensor
    kernels: list[list[Tensor]]  # of every dilated convolution its taps (b, b)
    pool_scale: Tensor  # (b, 1)
    start: Tensor  # (R, 1, V + 1), what the branches add to
    shift: Tensor  # (the 1×1 branch, 1, 1)
    coefficients: Tensor  # (V,)
    transform: Tensor  # (O, O)
    bias: Tensor


def _fold(conv: Any, parts: _Parts, joints: int, dtype: torch.dtype) -> _Folded:
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
        reduce.flatten(1).to(dtype),
        reduce_bias[:, None].to(dtype),
        [list(kernel.squeeze(3).permute(2, 0, 1).to(dtype).contiguous()) for kernel in kernels],
        scales[-2][:, None].to(dtype),
        start.to(dtype),
        shift[-last:, None, None].to(dtype),
        conv.add_coeff[:joints].to(dtype),
        transform.flatten(1).to(dtype),
        bias[:, None].to(dtype),
    )


def _evaluated(x: Tensor, parts: _Parts, f: _Folded) -> Tensor:
    """(N, C, T, V) -> (N, O, T', V), body by body: what is between fits into the cache."""
    n, c, t, v = x.shape
    stride, width, taps = parts.stride, len(f.start), list(_taps(parts))
    y = _Planes(x, width, t, v + 1, stride, margin=max(-(offsets[0] // stride) for _, offsets in taps))
    local, whole = x.new_empty(len(f.reduce), t, v), x.new_empty(len(f.reduce), t)
    branches = x.new_empty(width, y.centres, v + 1)
    fused = x.new_empty(len(f.transform), y.centres, v)
    out = x.new_empty(n, len(f.transform), y.centres, v)
    average = x.new_full((v,), 1 / v)
    for body, of_body in zip(x, out, strict=True):
        torch.addmm(f.reduce_bias, f.reduce, body.flatten(1), out=local.view(-1, t * v))
        torch.addmm(f.reduce_bias, f.reduce, torch.mv(body.view(-1, v), average).view(c, t), out=whole)
        for first, plane in enumerate(y.inside):
            torch.clamp_min(local[:width, first::stride], 0, out=plane[..., :v])
            torch.clamp_min(whole[:width, first::stride], 0, out=plane[..., v])
        branches.copy_(f.start)
        flat = branches.view(width, -1)
        for (channels, offsets), kernel in zip(taps, f.kernels, strict=False):
            for offset, tap in zip(offsets, kernel, strict=True):
                flat[channels].addmm_(tap, y.at(offset, channels))
        channels, offsets = taps[-1]
        most = y.at(0, channels)
        for offset in offsets:
            if offset:
                most = torch.maximum(most, y.at(offset, channels))
        flat[channels].addcmul_(most, f.pool_scale)
        torch.addcmul(branches[..., :v], branches[..., v:], f.coefficients, out=fused[:width])
        torch.addcmul(local[width:, ::stride], whole[width:, ::stride, None], f.coefficients, out=fused[width:])
        fused[width:].add_(f.shift)
        fused.relu_()
        torch.addmm(f.bias, f.transform, fused.view(-1, y.centres * v), out=of_body.view(-1, y.centres * v))
    return out
