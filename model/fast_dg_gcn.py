"""DG-GCN, faster: a body's channels are rows of a matrix, so 1×1 convolutions are products, written where they stay."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from model.dg_gcn import DynamicGroupGraphConv
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
from model.pointwise import pointwise
from model.rows import folded, frozen, in_one_type, once, usual


class FastDynamicGroupGraphConv(DynamicGroupGraphConv):
    """The same numbers as ``DynamicGroupGraphConv``, same weights.

    Shapes: (N, in_channels, T, V) -> (N, out_channels, T, V).
    """

    def forward(self, x: Tensor) -> Tensor:
        published = (self.ctr, self.ada, self.ctr_act, self.ada_act) == ("T", "T", "tanh", "softmax")
        return self._faster(x) if published and usual(x, self._norms()) else super().forward(x)

    @in_one_type
    def _faster(self, x: Tensor) -> Tensor:
        if frozen(self._norms()):
            return _evaluated(x.contiguous(), once(self, lambda: _fold(self, x.dtype)))
        return _trained(x, self)

    def _norms(self) -> list[Any]:
        down: Any = self.down
        return [self.pre[1], self.bn, *([] if isinstance(down, nn.Identity) else [down[1]])]


class _Dynamic(NamedTuple):
    """What the adjacency of a clip is made with, H = K·C'.

    alpha tanh(d) is 2 alpha sigmoid(2d) - alpha, for which there is faster code.
    """

    both: Tensor  # (2H, C), twice the weights of two convolutions
    both_bias: Tensor  # (2H, 1)
    fixed: Tensor  # (K, V, V): A - alpha
    alpha: Tensor  # (1 or K, 1, 1), twice
    beta: Tensor  # (1 or K, 1, 1)


def _dynamic(conv: Any, dtype: torch.dtype) -> _Dynamic:
    both = torch.cat([conv.conv1.weight, conv.conv2.weight]).flatten(1)
    both_bias = torch.cat([conv.conv1.bias, conv.conv2.bias])[:, None]
    last = None if conv.subset_wise else 1
    alpha, beta = (coefficients[:last, None, None] for coefficients in (conv.alpha, conv.beta))
    found = 2 * both, 2 * both_bias, conv.A - alpha, 2 * alpha, beta
    return _Dynamic(*(tensor.to(dtype) for tensor in found))


def _compared(u: Tensor, dynamic: _Dynamic) -> tuple[Tensor, Tensor, Tensor]:
    """The groups' graphs (N, K, V, V), and twice x1 and x2 (N, H, V), of means over time ``u`` (N, C, V)."""
    x1, x2 = (dynamic.both @ u + dynamic.both_bias).chunk(2, dim=1)
    k = len(dynamic.fixed)
    similarity = x1.unflatten(1, (k, -1)).transpose(2, 3) @ x2.unflatten(1, (k, -1)) * 0.25
    return dynamic.fixed + dynamic.beta * similarity.softmax(dim=2), x1, x2


def _adjacency(compared: Sequence[Tensor], alpha: Tensor) -> tuple[Tensor, Tensor]:
    """One body's adjacency (H, V, V), and of it what tells joints apart channel by channel."""
    graphs, x1, x2 = compared
    difference = (x1.unsqueeze(2) - x2.unsqueeze(1)).sigmoid_()
    by_group = difference.unflatten(0, (len(graphs), -1))  # (K, C', V, V)
    return torch.addcmul(graphs.unsqueeze(1), alpha[:, None], by_group).flatten(0, 1), difference


class _Folded(NamedTuple):
    """Weights that have taken in the BatchNorms behind them, H = K·C'; a bias is a column."""

    pre: Tensor  # (H, C)
    pre_bias: Tensor
    post: Tensor  # (O, H)
    down: Tensor | None  # (O, C)
    bias: Tensor  # of post and down together
    dynamic: _Dynamic


def _fold(conv: Any, dtype: torch.dtype) -> _Folded:
    pre, pre_bias = folded(conv.pre[0].weight, conv.pre[0].bias, conv.pre[1])
    post, bias = folded(conv.post.weight, conv.post.bias, conv.bn)
    down = None
    if not isinstance(conv.down, nn.Identity):
        down, down_bias = folded(conv.down[0].weight, conv.down[0].bias, conv.down[1])
        bias = bias + down_bias

    def matrix(weight: Tensor) -> Tensor:
        return weight.flatten(1).to(dtype)

    def column(bias: Tensor) -> Tensor:
        return bias[:, None].to(dtype)

    return _Folded(
        matrix(pre),
        column(pre_bias),
        matrix(post),
        None if down is None else matrix(down),
        column(bias),
        _dynamic(conv, dtype),
    )


def _evaluated(x: Tensor, f: _Folded) -> Tensor:
    """(N, C, T, V) -> (N, O, T, V), body by body: what is between fits into the cache."""
    n, _, t, v = x.shape
    out = x.new_empty(n, len(f.post), t, v)
    groups, gathered = (x.new_empty(len(f.pre), t * v) for _ in range(2))
    for body, of_body, *compared in zip(x, out, *_compared(x.mean(dim=2), f.dynamic), strict=True):
        joints, result = body.flatten(1), of_body.flatten(1)
        torch.addmm(f.pre_bias, f.pre, joints, out=groups).relu_()
        adjacency, _ = _adjacency(compared, f.dynamic.alpha)
        torch.bmm(groups.view(-1, t, v), adjacency, out=gathered.view(-1, t, v))
        if f.down is None:
            torch.add(joints, f.bias, out=result)
        else:
            torch.addmm(f.bias, f.down, joints, out=result)
        result.addmm_(f.post, gathered).relu_()
    return out


def _trained(x: Tensor, conv: Any) -> Tensor:
    """(N, C, T, V) -> (N, O, T, V), with everything that gradients need."""
    projects = not isinstance(conv.down, nn.Identity)
    weights = [conv.pre[0].weight, *([conv.down[0].weight] if projects else [])]
    seen, *projected, u = pointwise(x, *(weight.flatten(1).to(x.dtype) for weight in weights), mean=True)
    how, shift, dynamic = how_now([conv.pre[1]]), conv.pre[0].bias, _dynamic(conv, x.dtype)
    mixed, mean, var, count = _Gathered.apply(  # type: ignore[no-untyped-call]
        seen,
        *affine([conv.pre[1]]),
        shift,
        *_compared(u, dynamic),
        dynamic.alpha,
        conv.post.weight.flatten(1).to(x.dtype),
        how,
    )
    update([conv.pre[1]], how, mean, var, count, shift)
    residual = normalize(projected[0], [conv.down[1]], shift=conv.down[0].bias) if projects else x
    return normalize(mixed, [conv.bn], shift=conv.post.bias, plus=residual, relu=True)


class _Gathered(torch.autograd.Function):
    """BatchNorm, ReLU, the gathering of joints and the mixing of what was gathered: (N, H, T, V) -> (N, O, T, V).

    What BatchNorm lets through and the adjacency are computed again rather than kept.
    """

    @staticmethod
    def forward(
        ctx: Any,
        seen: Tensor,
        weight: Tensor,
        bias: Tensor,
        shift: Tensor,
        graphs: Tensor,
        x1: Tensor,
        x2: Tensor,
        alpha: Tensor,
        post: Tensor,
        how: How,
    ) -> tuple[Tensor, ...]:
        """Also mean, variance and count of what was seen."""
        mean, var, count = moments(wide(seen), how, shift)
        gathered = torch.empty_like(seen)
        mixed = seen.new_empty(len(seen), len(post), *seen.shape[2:])
        for body, y, out, *compared in zip(seen, gathered, mixed, graphs, x1, x2, strict=True):
            adjacency, _ = _adjacency(compared, alpha)
            torch.bmm(activated(body[None], mean, var, weight, bias, how.eps)[0], adjacency, out=y)
            torch.mm(post, y.flatten(1), out=out.flatten(1))
        ctx.save_for_backward(seen, weight, bias, graphs, x1, x2, alpha, post, mean, var, count, gathered)
        ctx.how = how
        ctx.mark_non_differentiable(mean, var, count)
        ctx.set_materialize_grads(False)
        return mixed, mean, var, count

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        seen, weight, bias, graphs, x1, x2, alpha, post, mean, var, count, gathered = ctx.saved_tensors
        d_seen, d_graphs, d_x1, d_x2 = (torch.empty_like(some) for some in (seen, graphs, x1, x2))
        d_post, d_alpha, sums = torch.zeros_like(post), torch.zeros_like(alpha), mean.new_zeros(2, len(mean))
        dy = torch.empty_like(seen[0])
        every = zip(
            seen, gathered, gradients[0].contiguous(), d_seen, d_graphs, d_x1, d_x2, graphs, x1, x2, strict=True
        )
        for body, y, d_mixed, d_body, d_graph, d_1, d_2, *compared in every:
            d_post.addmm_(d_mixed.flatten(1), y.flatten(1).t())
            torch.mm(post.t(), d_mixed.flatten(1), out=dy.flatten(1))
            let_through = activated(body[None], mean, var, weight, bias, ctx.how.eps)
            adjacency, difference = _adjacency(compared, alpha)
            back = torch.ops.aten.threshold_backward(torch.bmm(dy, adjacency.transpose(1, 2))[None], let_through, 0)
            through, of_weight, of_bias = scaled_back(wide(back), wide(body[None]), mean, var, weight, ctx.how)
            d_body.copy_(through[0])
            sums.add_(torch.stack([of_weight, of_bias]))
            d = torch.bmm(let_through[0].transpose(1, 2), dy)
            torch.sum(d.unflatten(0, (len(graphs[0]), -1)), dim=1, out=d_graph)
            d_alpha += (d * difference).view(*alpha.shape[:2], -1).sum(2, keepdim=True)
            d = torch.ops.aten.sigmoid_backward(d, difference)
            d.view(*alpha.shape[:2], -1).mul_(alpha)
            torch.sum(d, dim=2, out=d_1)
            torch.sum(d, dim=1, out=d_2)
        settle(d_seen, seen, mean, var, count, weight, sums, ctx.how)
        of_shift = shift_gradient(sums[1], var, weight, ctx.how)
        of_norm = (total.to(weight.dtype) for total in sums)
        return d_seen, *of_norm, of_shift, d_graphs, d_x1, -d_x2, d_alpha, d_post, None
