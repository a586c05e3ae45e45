"""DG-GCN, faster: a body's channels are rows of a matrix, so 1×1 convolutions are products, written where they stay."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from model.dg_gcn import DynamicGroupGraphConv
from model.fast.matmul import add_product, product
from model.fast.one_body import Standard
from model.fast.pointwise import pointwise
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


class FastDynamicGroupGraphConv(DynamicGroupGraphConv):
    """The same numbers as ``DynamicGroupGraphConv``, same weights.

    Shapes: (N, in_channels, T, V) -> (N, out_channels, T, V).
    """

    def forward(self, x: Tensor) -> Tensor:
        published = (self.ctr, self.ada, self.ctr_act, self.ada_act) == ("T", "T", "tanh", "softmax")
        if not (published and usual(x, self._norms())):
            return super().forward(x)
        if frozen(self._norms()):
            return _evaluated(x.contiguous(), once(self, lambda: _fold(self)))
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


def _dynamic(conv: Any) -> _Dynamic:
    both = torch.cat([conv.conv1.weight, conv.conv2.weight]).flatten(1)
    both_bias = torch.cat([conv.conv1.bias, conv.conv2.bias])[:, None]
    last = None if conv.subset_wise else 1
    alpha, beta = (coefficients[:last, None, None] for coefficients in (conv.alpha, conv.beta))
    return _Dynamic(2 * both, 2 * both_bias, conv.A - alpha, 2 * alpha, beta)


def _compared(u: Tensor, dynamic: _Dynamic) -> tuple[Tensor, Tensor, Tensor]:
    """The groups' graphs (N, K, V, V), and twice x1 and x2 (N, H, V), of means over time ``u`` (N, C, V)."""
    x1, x2 = (dynamic.both @ u + dynamic.both_bias).chunk(2, dim=1)
    k = len(dynamic.fixed)
    similarity = x1.unflatten(1, (k, -1)).transpose(2, 3) @ x2.unflatten(1, (k, -1)) * 0.25
    return dynamic.fixed + dynamic.beta * similarity.softmax(dim=2), x1, x2


def _adjacency(graphs: Tensor, x1: Tensor, x2: Tensor, alpha: Tensor, difference: Tensor, out: Tensor) -> None:
    """One body's adjacency (H, V, V) into ``out``, and of it what tells joints apart channel by channel.

    ``out`` and ``difference`` may be one.
    """
    torch.sub(x1.unsqueeze(2), x2.unsqueeze(1), out=difference).sigmoid_()
    by_group, of_group = (some.unflatten(0, (len(graphs), -1)) for some in (difference, out))  # (K, C', V, V)
    torch.addcmul(graphs.unsqueeze(1), alpha[:, None], by_group, out=of_group)


class _Folded(NamedTuple):
    """Weights that have taken in the BatchNorms behind them, H = K·C'; a bias is a column."""

    pre: Tensor  # (H, C)
    pre_bias: Tensor
    post: Tensor  # (O, H)
    down: Tensor | None  # (O, C)
    bias: Tensor  # of post and down together
    dynamic: _Dynamic


def _fold(conv: Any) -> _Folded:
    pre, pre_bias = folded(conv.pre[0].weight, conv.pre[0].bias, conv.pre[1])
    post, bias = folded(conv.post.weight, conv.post.bias, conv.bn)
    down = None
    if not isinstance(conv.down, nn.Identity):
        down, down_bias = folded(conv.down[0].weight, conv.down[0].bias, conv.down[1])
        bias = bias + down_bias
    return _Folded(
        pre.flatten(1),
        pre_bias[:, None],
        post.flatten(1),
        None if down is None else down.flatten(1),
        bias[:, None],
        _dynamic(conv),
    )


def _evaluated(x: Tensor, f: _Folded) -> Tensor:
    """(N, C, T, V) -> (N, O, T, V), body by body: what is between fits into the cache."""
    n, _, t, v = x.shape
    out = x.new_empty(n, len(f.post), t, v)
    groups, gathered = (x.new_empty(len(f.pre), t, v) for _ in range(2))
    adjacency = x.new_empty(len(f.pre), v, v)
    every = zip(x.flatten(2), out.flatten(2), *_compared(x.mean(dim=2), f.dynamic), strict=True)
    for body, of_body, graphs, x1, x2 in every:
        product(f.pre, body, bias=f.pre_bias, relu=True, out=groups.flatten(1))
        _adjacency(graphs, x1, x2, f.dynamic.alpha, adjacency, adjacency)
        torch.bmm(groups, adjacency, out=gathered)
        if f.down is None:
            torch.add(body, f.bias, out=of_body)
        else:
            product(f.down, body, bias=f.bias, out=of_body)
        add_product(of_body, f.post, gathered.flatten(1)).relu_()
    return out


def _trained(x: Tensor, conv: Any) -> Tensor:
    """(N, C, T, V) -> (N, O, T, V), with everything that gradients need."""
    projects = not isinstance(conv.down, nn.Identity)
    weights = [conv.pre[0].weight, *([conv.down[0].weight] if projects else [])]
    seen, *projected, u = pointwise(x, *(weight.flatten(1) for weight in weights), mean=True)
    how, shift, dynamic = how_now([conv.pre[1]]), conv.pre[0].bias, _dynamic(conv)
    mixed, mean, var, count = _Gathered.apply(  # type: ignore[no-untyped-call]
        seen,
        *affine([conv.pre[1]]),
        shift,
        *_compared(u, dynamic),
        dynamic.alpha,
        conv.post.weight.flatten(1),
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
        mean, var, count = moments(seen, how, shift)
        gathered = torch.empty_like(seen)
        mixed = seen.new_empty(len(seen), len(post), *seen.shape[2:])
        adjacency = seen.new_empty(seen.shape[1], *graphs.shape[2:])
        norm = Standard(seen[0], mean, var, weight, bias, how.eps)
        for body, y, out, graph, one, two in zip(seen, gathered, mixed, graphs, x1, x2, strict=True):
            _adjacency(graph, one, two, alpha, adjacency, adjacency)
            torch.bmm(norm.activated(body), adjacency, out=y)
            product(post, y.flatten(1), out=out.flatten(1))
        ctx.save_for_backward(seen, weight, bias, graphs, x1, x2, alpha, post, mean, var, count, gathered)
        ctx.how = how
        ctx.mark_non_differentiable(mean, var, count)
        ctx.set_materialize_grads(False)
        return mixed, mean, var, count

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        seen, weight, bias, graphs, x1, x2, alpha, post, mean, var, count, gathered = ctx.saved_tensors
        d_seen, d_graphs, d_x1, d_x2 = (torch.empty_like(some) for some in (seen, graphs, x1, x2))
        d_post, d_alpha, sums = torch.zeros_like(post), torch.zeros_like(alpha), mean.new_zeros(2, len(mean))
        norm, dy = Standard(seen[0], mean, var, weight, bias, ctx.how.eps), torch.empty_like(seen[0])
        adjacency, difference, d = (seen.new_empty(len(dy), *graphs.shape[2:]) for _ in range(3))
        by_group, by_alpha = d.unflatten(0, (graphs.shape[1], -1)), d.view(len(alpha), -1)
        kept = seen, gathered, graphs, x1, x2
        every = zip(*kept, gradients[0].flatten(2), d_seen, d_graphs, d_x1, d_x2, strict=True)
        for body, y, graph, one, two, d_mixed, d_body, d_graph, d_one, d_two in every:
            add_product(d_post, d_mixed, y.flatten(1).t())
            product(post.t(), d_mixed, out=dy.flatten(1))
            let_through = norm.activated(body)
            _adjacency(graph, one, two, alpha, difference, adjacency)
            torch.bmm(let_through.transpose(1, 2), dy, out=d)
            torch.bmm(dy, adjacency.transpose(1, 2), out=d_body)
            torch.ops.aten.threshold_backward.grad_input(d_body, let_through, 0, grad_input=d_body)
            norm.back(d_body, body, sums)
            torch.sum(by_group, dim=1, out=d_graph)
            torch.mul(d, difference, out=adjacency)
            d_alpha.view(-1).add_(adjacency.view(len(alpha), -1).sum(1))
            torch.ops.aten.sigmoid_backward.grad_input(d, difference, grad_input=d)
            by_alpha.mul_(alpha.view(-1, 1))
            torch.sum(d, dim=2, out=d_one)
            torch.sum(d, dim=1, out=d_two)
        settle(d_seen, seen, mean, var, count, weight, sums, ctx.how)
        of_shift = shift_gradient(sums[1], var, weight, ctx.how)
        return d_seen, *sums, of_shift, d_graphs, d_x1, -d_x2, d_alpha, d_post, None
