"""MSA-GC, faster: the three kinds of adjacency added up channel by channel, body after body.

What is drawn from features averaged over time is drawn from their average: 1×1 convolutions do not mind.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from model.fast.matmul import add_product, product
from model.fast.pointwise import pointwise
from model.fast.rows import folded, frozen, once, usual
from model.msa_gc import GROUPS, MSAGC, STAGES
from model.normalize import normalize


class FastMSAGC(MSAGC):
    """The same numbers as ``MSAGC``, same weights.

    Shapes: (B, in_channels, T, V) -> (B, out_channels, T, V).
    """

    def forward(self, x: Tensor) -> Tensor:
        projection: Any = self.down if isinstance(self.down, nn.Sequential) else None
        norms = [self.bn, *([] if projection is None else [projection[1]])]
        if not usual(x, norms):
            return super().forward(x)
        x, mean = x.contiguous(), x.mean(dim=2, keepdim=True)
        own = self.attention(self.conv(mean).unflatten(1, (len(self.A), -1))) / 2
        shared = 2 * self.adjacency()[:, torch.arange(len(self.bn.weight)) % GROUPS] + self.Channelcorrelation(mean)
        edges = self.conv_down_edge(self.edgeConv(mean))
        bias = self._bias_over_graph(own, shared)
        if frozen(norms):
            return self._evaluated(x, own, shared, bias, edges)
        y, means = _OverGraph.apply(x, self.conv.weight.flatten(1), own, shared)  # type: ignore[no-untyped-call]
        gate = 1 + self._gate(means + bias.mean(dim=(2, 3)))
        y = _Weighed.apply(y, gate, edges + bias * gate)  # type: ignore[no-untyped-call]
        straight = x
        if projection is not None:
            conv, norm = projection
            straight = normalize(pointwise(x, conv.weight.flatten(1))[0], [norm], shift=conv.bias)
        return normalize(y, [self.bn], plus=straight, relu=True)

    def _bias_over_graph(self, own: Tensor, shared: Tensor) -> Tensor:
        """What the convolution's bias becomes on its way over the graph: (B, C, 1, V)."""
        assert self.conv.bias is not None
        bias = self.conv.bias.view(len(self.A), -1)  # (K, C)
        by_stage = torch.einsum("ksc,bksw->bscw", bias.unflatten(1, (STAGES, -1)), own.sum(dim=3)).flatten(1, 2)
        return (by_stage + torch.einsum("kc,kcw->cw", bias, shared.sum(dim=2))).unsqueeze(2)

    def _evaluated(self, x: Tensor, own: Tensor, shared: Tensor, bias: Tensor, edges: Tensor) -> Tensor:
        """All BatchNorms folded, a body at a time."""
        scale, offset, straight = once(self, self._fold)
        edges = edges * scale + offset
        weight = self.conv.weight.flatten(1)
        out = x.new_empty(len(x), len(scale), *x.shape[2:])
        for body, of_body, more, edge, y in zip(x, own, bias, edges, out, strict=True):
            z = product(weight, body.flatten(1)).view(len(self.A), *y.shape)
            summed = _aggregated(z, _joined(of_body, shared), torch.empty_like(y))
            gate = (1 + self._gate((summed.mean(dim=(1, 2)) + more.mean(dim=(1, 2)))[None])[0]) * scale
            torch.addcmul(torch.addcmul(edge, more, gate), summed, gate, out=y)
            if straight is None:
                y += body
            else:
                add_product(y.flatten(1), straight, body.flatten(1))
        return out.relu_()

    def _fold(self) -> tuple[Tensor, Tensor, Tensor | None]:
        """Scale and offset (C, 1, 1) of the last BatchNorm, whose offset takes in that of the projection (C, C')."""
        scale, offset = folded(torch.ones_like(self.bn.weight), None, self.bn)
        straight = None
        if isinstance(self.down, nn.Sequential):
            conv: Any = self.down[0]
            weight, more = folded(conv.weight, conv.bias, self.down[1])
            straight, offset = weight.flatten(1), offset + more
        return scale.view(-1, 1, 1), offset.view(-1, 1, 1), straight


class _OverGraph(torch.autograd.Function):
    """y_c = sum over k of (W_k x)_c (M_ks + H_kc), s being the stage of channel c; and the mean of every y_c."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, own: Tensor, shared: Tensor) -> tuple[Tensor, Tensor]:
        """X (B, C', T, V), W (K·C, C'), M (B, K, S, V, V) of the bodies, H (K, C, V, V) of all.

        -> (B, C, T, V), (B, C).
        """
        y = x.new_empty(len(x), shared.shape[1], *x.shape[2:])
        kept = []
        for body, of_body, out in zip(x, own, y, strict=True):
            kept.append(product(weight, body.flatten(1)).view(len(shared), *out.shape))
            _aggregated(kept[-1], _joined(of_body, shared), out)
        ctx.save_for_backward(x, weight, own, shared, *kept)
        return y, y.mean(dim=(2, 3))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, ...]:
        x, weight, own, shared, *kept = ctx.saved_tensors
        of_mean = (gradients[1] / x[0, 0].numel())[..., None, None]
        dx, d_weight, d_own = torch.empty_like(x), torch.zeros_like(weight), torch.empty_like(own)
        d_shared, of_body = torch.zeros_like(shared), torch.empty_like(shared)
        each = zip(x, own, kept, gradients[0], of_mean, dx, d_own, strict=True)
        for body, maps, z, dy, more, d_body, d_maps in each:
            dy, dz = dy + more, torch.empty_like(z)
            for k, a in enumerate(_joined(maps, shared)):
                torch.bmm(dy, a.transpose(1, 2), out=dz[k])
                torch.bmm(z[k].transpose(1, 2), dy, out=of_body[k])
            d_shared += of_body
            torch.sum(of_body.unflatten(1, (STAGES, -1)), dim=2, out=d_maps)
            dz = dz.view(len(weight), -1)
            add_product(d_weight, dz, body.flatten(1).t())
            product(weight.t(), dz, out=d_body.flatten(1))
        return dx, d_weight, d_own, d_shared


def _joined(own: Tensor, shared: Tensor) -> Tensor:
    """M (K, S, V, V) and H (K, C, V, V) -> the adjacency of every channel (K, C, V, V)."""
    return (shared.unflatten(1, (STAGES, -1)) + own.unsqueeze(2)).flatten(1, 2)


def _aggregated(z: Tensor, adjacency: Tensor, out: Tensor) -> Tensor:
    """Sum over k of z_kc A_kc: z (K, C, T, V), A (K, C, V, V) -> ``out`` (C, T, V)."""
    first, *others = zip(z, adjacency, strict=True)
    torch.bmm(*first, out=out)
    for some, a in others:
        out.baddbmm_(some, a)
    return out


class _Weighed(torch.autograd.Function):
    """A gate for every channel of every body, and an offset that is the same in all frames."""

    @staticmethod
    def forward(ctx: Any, y: Tensor, gate: Tensor, offset: Tensor) -> Tensor:
        """(B, C, T, V), (B, C, 1, 1), (B, C, 1, V) -> (B, C, T, V)."""
        ctx.save_for_backward(y, gate)
        return torch.addcmul(offset, y, gate)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        y, gate = ctx.saved_tensors
        d = gradients[0]
        of_gate = torch.stack([(body * of_body).sum(dim=(1, 2)) for body, of_body in zip(y, d, strict=True)])
        return d * gate, of_gate[..., None, None], d.sum(dim=2, keepdim=True)
