"""The mean over the clips of a batch of which several processes have a share each."""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from model.normalize import counts_now


def mean_over_bodies(x: Tensor) -> Tensor:
    """(B, ...) -> (...), every body counting as often as ``standing_for`` says."""
    counts = counts_now()
    if not counts:
        return x.mean(dim=0)
    single = len(x) - len(counts)
    total = x[:single].sum(dim=0)
    for body, times in zip(x[single:], counts, strict=True):
        total = total + body * times
    return total / (single + sum(counts))


class BatchMean(nn.Module):
    """The mean over this process's clips -> in training, the mean over those of all processes, of as many clips each.

    In one process, and where ``batch_norm.across_processes`` has not been called, what goes in comes out.
    """

    everywhere = False
    alone = False  # while a process tries something out that the others know nothing of

    def forward(self, mean: Tensor) -> Tensor:
        wanted = self.everywhere and self.training and not self.alone
        if not (wanted and dist.is_initialized() and dist.get_world_size() > 1):
            return mean
        of_all: Tensor = _MeanOfProcesses.apply(mean)  # type: ignore[no-untyped-call]
        return of_all


class _MeanOfProcesses(torch.autograd.Function):
    """Forward the mean of what the processes have, backward the mean of the gradients that they have of it."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return _mean(x)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        return _mean(gradients[0])


def _mean(x: Tensor) -> Tensor:
    total = x.clone(memory_format=torch.contiguous_format)
    dist.all_reduce(total)
    return total / dist.get_world_size()
