"""G3D, faster: no window is written out, joints are mixed before windows overlap, and little is kept for backward."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from model.fast.matmul import add_product, product
from model.fast.products import FewChannels, Product, best_product
from model.fast.rows import channels, folded, frozen, once, rows, usual
from model.ms_g3d import G3D
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

_WINDOWS = 32  # whose hidden channels go through BatchNorm, ReLU and the sum over frames together


class FastG3D(G3D):
    """The same numbers as ``G3D``, same weights.

    Shapes: (N, in_channels, T, V) -> (N, out_channels, ceil(T / stride), V).
    """

    def forward(self, x: Tensor) -> Tensor:
        windows: Any
        graph_conv: Any
        windows, graph_conv = self.gcn3d
        conv, norm, _ = graph_conv.mlp.layers
        norms = [norm, self.out_bn]
        if not usual(x, norms):
            return super().forward(x)
        form = best_product(len(graph_conv.A), self.window, windows.stride, x.shape[1], conv.out_channels)
        x = rows(x)
        weight, collapse = conv.weight.flatten(1), self.out_conv.weight
        if frozen(norms):

            def fold() -> tuple[Tensor, ...]:
                w, bias = folded(weight, conv.bias, norm)
                out_w, out_bias = folded(collapse, self.out_conv.bias, self.out_bn)
                adjacency = graph_conv.adjacency()
                every = *form.arranged(adjacency, w), bias.repeat(form.window), _side_by_side(out_w), out_bias
                return every

            return channels(_collapsed(x, form, *once(self, fold)))
        a, w = form.arranged(graph_conv.adjacency(), weight)
        how = how_now([norm])
        out, mean, var, count = _Collapsed.apply(  # type: ignore[no-untyped-call]
            x, a, w, *affine([norm]), conv.bias, _side_by_side(collapse), form, how
        )
        update([norm], how, mean, var, count, conv.bias)
        return normalize(channels(out), [self.out_bn], shift=self.out_conv.bias)


def _side_by_side(collapse: Tensor) -> Tensor:
    """Weight (O, H, 1, window, 1) as (O, window·H): a window's frames lie side by side in a row of Z."""
    return collapse.flatten(2).transpose(1, 2).flatten(1)


def _collapsed(
    x: Tensor, form: Product, a: Tensor, w: Tensor, bias: Tensor, collapse: Tensor, out_bias: Tensor
) -> Tensor:
    """All of G3D with BatchNorms folded, piece by piece: (N, T, V, C) -> (N, T', V, O)."""
    x = form.clips(x)
    out = x.new_empty(len(x), form.windows(x), x.shape[2], len(collapse))
    for clip, frames, windows in form.pieces(x, a, w):
        piece = out[clip, windows]
        z = x.new_empty(*piece.shape[:2], collapse.shape[1])
        form.piece(x[clip], frames, a, w, z)
        z = z.add_(bias).relu_().view(-1, collapse.shape[1])
        product(z, collapse.t(), bias=out_bias, out=piece.view(-1, len(collapse)))
    return out


class _Collapsed(torch.autograd.Function):
    """Z of the windows, BatchNorm, ReLU and the sum over a window's frames.

    Of all that is kept only Z; not even that where it is quickly computed again, from few channels. What ReLU lets
    through exists piece by piece alone.
    """

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        a: Tensor,
        w: Tensor,
        weight: Tensor,
        bias: Tensor,
        shift: Tensor,
        collapse: Tensor,
        form: Product,
        how: How,
    ) -> tuple[Tensor, ...]:
        """(N, T, V, C) -> (N, T', V, O); mean (C,), variance (C,) and count () of what BatchNorm sees."""
        hidden = len(weight)
        z = form.forward(x, a, w, hidden)
        mean, var, count = moments(wide(_seen(z, hidden)), how, shift)
        out = z.new_empty(*z.shape[:3], len(collapse))
        for some, z_some in zip(_pieces(out), _pieces(z), strict=True):
            y = activated(_seen(z_some, hidden), mean, var, weight, bias, how.eps)
            product(rows(y).view(-1, collapse.shape[1]), collapse.t(), out=some.view(-1, len(collapse)))
        keep = None if isinstance(form, FewChannels) else z
        ctx.save_for_backward(x, a, w, weight, bias, collapse, mean, var, count, keep)
        ctx.form, ctx.how = form, how
        ctx.mark_non_differentiable(mean, var, count)
        ctx.set_materialize_grads(False)
        return out, mean, var, count

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        x, a, w, weight, bias, collapse, mean, var, count, z = ctx.saved_tensors
        form, how, hidden = ctx.form, ctx.how, len(weight)
        z = form.forward(x, a, w, hidden) if z is None else z
        dz, d_collapse = torch.empty_like(z), torch.zeros_like(collapse)
        sums = mean.new_zeros(2, hidden)
        for d_out, z_some, dz_some in zip(*map(_pieces, (gradients[0].contiguous(), z, dz)), strict=True):
            d_out, z_some = d_out.view(-1, len(collapse)), _seen(z_some, hidden)
            y = activated(z_some, mean, var, weight, bias, how.eps)
            add_product(d_collapse, d_out.t(), rows(y).view(-1, collapse.shape[1]))
            dy = channels(product(d_out, collapse).view(1, -1, 1, hidden))
            dy = torch.ops.aten.threshold_backward(dy, y, 0)
            through, of_weight, of_bias = scaled_back(wide(dy), wide(z_some), mean, var, weight, how)
            _seen(dz_some, hidden).copy_(through)
            sums += torch.stack([of_weight, of_bias])
        settle(_seen(dz, hidden), _seen(z, hidden), mean, var, count, weight, sums, how)
        dx, da, dw = form.backward(x, a, w, dz)
        of_shift = shift_gradient(sums[1], var, weight, how)
        return dx, da, dw, *sums, of_shift, d_collapse, None, None


def _pieces(x: Tensor) -> tuple[Tensor, ...]:
    """(N, T', V, C) -> pieces (1, windows, V, C) that stay in the cache, views."""
    return x.flatten(0, 1)[None].split(_WINDOWS, dim=1)


def _seen(z: Tensor, hidden: int) -> Tensor:
    """Z (N, T', V, window·H) as BatchNorm sees it: (N, H, T'·V·window, 1), a view."""
    return channels(z.view(len(z), -1, 1, hidden))
