"""DG-GCN, faster: a body's channels are rows of a matrix, so 1×1 convolutions are products, written where they stay."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from model.dg_gcn import DynamicGroupGraphConv
from model.rows import folded, frozen, in_one_type, once, usual


class FastDynamicGroupGraphConv(DynamicGroupGraphConv):
    """The same numbers as ``DynamicGroupGraphConv``, same weights.

    Shapes: (N, in_channels, T, V) -> (N, out_channels, T, V).
    """

    def forward(self, x: Tensor) -> Tensor:
        norms = [self.pre[1], self.bn, *([self.down[1]] if isinstance(self.down, nn.Sequential) else [])]
        published = (self.ctr, self.ada, self.ctr_act, self.ada_act) == ("T", "T", "tanh", "softmax")
        if published and usual(x, norms) and frozen(norms):
            return self._faster(x)
        return super().forward(x)

    @in_one_type
    def _faster(self, x: Tensor) -> Tensor:
        return _evaluated(x.contiguous(), once(self, lambda: _fold(self, x.dtype)))


class _Folded(NamedTuple):
    """Weights that have taken in the BatchNorms behind them, H = K·C'; a bias is a column."""

    pre: Tensor  # (H, C)
    pre_bias: Tensor
    both: Tensor  # (2H, C), twice the convolutions of which the adjacency is made
    both_bias: Tensor
    post: Tensor  # (O, H)
    down: Tensor | None  # (O, C)
    bias: Tensor  # of post and down together
    fixed: Tensor  # (K, V, V): A - alpha
    alpha: Tensor  # (1 or K, 1, 1), twice
    beta: Tensor  # (1 or K, 1, 1)


def _fold(conv: Any, dtype: torch.dtype) -> _Folded:
    pre, pre_bias = folded(conv.pre[0].weight, conv.pre[0].bias, conv.pre[1])
    post, bias = folded(conv.post.weight, conv.post.bias, conv.bn)
    down = None
    if not isinstance(conv.down, nn.Identity):
        down, down_bias = folded(conv.down[0].weight, conv.down[0].bias, conv.down[1])
        bias = bias + down_bias
    both = torch.cat([conv.conv1.weight, conv.conv2.weight])
    both_bias = torch.cat([conv.conv1.bias, conv.conv2.bias])
    last = None if conv.subset_wise else 1
    alpha, beta = (coefficients[:last, None, None] for coefficients in (conv.alpha, conv.beta))

    def matrix(weight: Tensor) -> Tensor:
        return weight.flatten(1).to(dtype)

    def column(bias: Tensor) -> Tensor:
        return bias[:, None].to(dtype)

    return _Folded(
        matrix(pre),
        column(pre_bias),
        2 * matrix(both),
        2 * column(both_bias),
        matrix(post),
        None if down is None else matrix(down),
        column(bias),
        (conv.A - alpha).to(dtype),
        2 * alpha.to(dtype),
        beta.to(dtype),
    )


def _evaluated(x: Tensor, f: _Folded) -> Tensor:
    """(N, C, T, V) -> (N, O, T, V), body by body: what is between fits into the cache."""
    n, _, t, v = x.shape
    out = x.new_empty(n, len(f.post), t, v)
    groups, gathered = (x.new_empty(len(f.pre), t * v) for _ in range(2))
    for body, of_body in zip(x, out, strict=True):
        joints, result = body.flatten(1), of_body.view(-1, t * v)
        torch.addmm(f.pre_bias, f.pre, joints, out=groups).relu_()
        torch.bmm(groups.view(-1, t, v), _adjacency(body.mean(dim=1), f), out=gathered.view(-1, t, v))
        if f.down is None:
            torch.add(joints, f.bias, out=result)
        else:
            torch.addmm(f.bias, f.down, joints, out=result)
        result.addmm_(f.post, gathered).relu_()
    return out


def _adjacency(u: Tensor, f: _Folded) -> Tensor:
    """The adjacency (H, V, V) for one body's means over time (C, V).

    alpha tanh(d) is 2 alpha sigmoid(2d) - alpha, for which there is faster code.
    """
    x1, x2 = torch.addmm(f.both_bias, f.both, u).unflatten(0, (2, len(f.fixed), -1))  # (K, C', V) each, doubled
    similarity = x1.transpose(1, 2) @ x2 * 0.25
    graphs = f.fixed + f.beta * similarity.softmax(dim=1)
    difference = (x1.unsqueeze(-1) - x2.unsqueeze(-2)).sigmoid_()  # (K, C', V, V)
    return torch.addcmul(graphs[:, None], f.alpha[:, None], difference, out=difference).flatten(0, 1)
