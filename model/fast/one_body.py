"""BatchNorm and ReLU of one body at a time, channels its rows, once the statistics of the batch are known."""

from __future__ import annotations

import torch
from torch import Tensor


class Standard:
    """BatchNorm by mean and variance (C,), on bodies (C, ...) of one type with them."""

    def __init__(self, like: Tensor, mean: Tensor, var: Tensor, weight: Tensor, bias: Tensor, eps: float) -> None:
        column = (-1, *[1] * (like.dim() - 1))
        self.rate = torch.rsqrt(var + eps)
        scale = self.rate * weight
        self.mean, self.scale, self.offset = (v.view(column) for v in (mean, scale, bias - mean * scale))
        self.scratch = torch.empty_like(like)

    def activated(self, body: Tensor) -> Tensor:
        """Normalised, then ReLU: in memory that the next body will be given too."""
        return torch.addcmul(self.offset, body, self.scale, out=self.scratch).relu_()

    def back(self, d: Tensor, body: Tensor, sums: Tensor) -> None:
        """Make ``d``, in place, the gradient of ``body`` were the statistics constants.

        Added to ``sums`` (2, C) are the gradients of weight and bias.
        """
        torch.sub(body, self.mean, out=self.scratch).mul_(d)
        sums[0].addcmul_(self.scratch.flatten(1).sum(1), self.rate)
        sums[1].add_(d.flatten(1).sum(1))
        d.mul_(self.scale)
