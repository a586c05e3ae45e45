"""MSA-GC, faster: the three kinds of adjacency added up channel by channel, then one product, body after body."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from model.fast.rows import full_precision, tracing
from model.msa_gc import GROUPS, MSAGC, STAGES


class FastMSAGC(MSAGC):
    """The same numbers as ``MSAGC``, same weights. Nothing that its aggregation computes is kept for backward.

    Shapes: (B, in_channels, T, V) -> (B, out_channels, T, V).
    """

    def _aggregate(self, z: Tensor, attention: Tensor, correlation: Tensor) -> Tensor:
        if z.device.type != "cpu" or tracing() or not full_precision(z):
            return super()._aggregate(z, attention, correlation)
        shared = 2 * self.adjacency()[:, torch.arange(z.shape[2]) % GROUPS] + correlation
        y: Tensor = _Aggregated.apply(z, attention / 2, shared)  # type: ignore[no-untyped-call]
        return y


class _Aggregated(torch.autograd.Function):
    """y_c = sum over k of z_kc (M_ks + H_kc), s being the stage of channel c."""

    @staticmethod
    def forward(ctx: Any, z: Tensor, attention: Tensor, shared: Tensor) -> Tensor:
        """Z (B, K, C, T, V), M (B, K, S, V, V) of the bodies, H (K, C, V, V) of all -> y (B, C, T, V)."""
        ctx.save_for_backward(z, attention, shared)
        y = z.new_empty(z.shape[0], *z.shape[2:])
        for maps, own, out in zip(z, attention, y, strict=True):
            first, *others = zip(maps, _joined(own, shared), strict=True)
            torch.bmm(*first, out=out)
            for some, a in others:
                out.baddbmm_(some, a)
        return y

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        z, attention, shared = ctx.saved_tensors
        dz, d_attention = torch.empty_like(z), torch.empty_like(attention)
        d_shared, of_body = torch.zeros_like(shared), torch.empty_like(shared)
        for maps, own, dy, d_maps, d_own in zip(z, attention, gradients[0].contiguous(), dz, d_attention, strict=True):
            for k, a in enumerate(_joined(own, shared)):
                torch.bmm(dy, a.transpose(1, 2), out=d_maps[k])
                torch.bmm(maps[k].transpose(1, 2), dy, out=of_body[k])
            d_shared += of_body
            torch.sum(of_body.unflatten(1, (STAGES, -1)), dim=2, out=d_own)
        return dz, d_attention, d_shared


def _joined(own: Tensor, shared: Tensor) -> Tensor:
    """M (K, S, V, V) and H (K, C, V, V) -> the adjacency of every channel (K, C, V, V)."""
    return (shared.unflatten(1, (STAGES, -1)) + own.unsqueeze(2)).flatten(1, 2)
