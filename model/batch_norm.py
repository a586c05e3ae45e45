"""BatchNorm over the clips of all processes: the same numbers as one process with the whole batch."""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn


class _AcrossProcesses:
    """Mixed into a BatchNorm: in training, its statistics are those of the batches of all processes together.

    torch's own SyncBatchNorm does this on a GPU only, and refuses tensors elsewhere.
    """

    alone = False  # while a process tries something out that the others know nothing of

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, ...) -> (N, C, ...)."""
        assert isinstance(self, nn.modules.batchnorm._BatchNorm)
        if self.alone or not (self.training and dist.is_initialized() and dist.get_world_size() > 1):
            plain: Tensor = super().forward(x)  # type: ignore[misc]
            return plain
        y, mean, var, count = _Normalize.apply(x, self.weight, self.bias, self.eps)  # type: ignore[no-untyped-call]
        if self.track_running_stats and self.running_mean is not None and self.running_var is not None:
            assert self.num_batches_tracked is not None
            self.num_batches_tracked.add_(1)
            rate = self.momentum if self.momentum is not None else 1 / float(self.num_batches_tracked)
            with torch.no_grad():
                self.running_mean.lerp_(mean.to(self.running_mean.dtype), rate)
                self.running_var.lerp_((var * (count / (count - 1))).to(self.running_var.dtype), rate)
        normalized: Tensor = y
        return normalized


class BatchNorm1d(_AcrossProcesses, nn.BatchNorm1d):
    """``nn.BatchNorm1d`` over all processes."""


class BatchNorm2d(_AcrossProcesses, nn.BatchNorm2d):
    """``nn.BatchNorm2d`` over all processes."""


_KINDS: dict[type[nn.Module], type[nn.Module]] = {nn.BatchNorm1d: BatchNorm1d, nn.BatchNorm2d: BatchNorm2d}


def across_processes(model: nn.Module) -> int:
    """Put BatchNorms over all processes in the place of the plain ones, with the same weights; how many there are.

    The keys of the state dict stay as they are.
    """
    count = 0
    for parent in list(model.modules()):
        for name, child in parent.named_children():
            kind = _KINDS.get(type(child))
            if kind is not None:
                new = kind.__new__(kind)
                new.__dict__ = child.__dict__  # the very same parameters, buffers, hooks and settings
                setattr(parent, name, new)
                count += 1
    return count


def apart(model: nn.Module, alone: bool) -> None:
    """Whether BatchNorms over all processes are to look at this one alone."""
    for module in model.modules():
        if isinstance(module, _AcrossProcesses):
            module.alone = alone


class _Normalize(torch.autograd.Function):
    """Batch normalisation whose sums run over all processes, forward and backward (Ioffe and Szegedy, 2015)."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor | None, bias: Tensor | None, eps: float) -> tuple[Tensor, ...]:
        """(N, C, ...) -> normalised (N, C, ...); mean (C,), biased variance (C,) and count () over all processes."""
        values = x.to(torch.promote_types(x.dtype, torch.float32))
        mean, var, count = _moments(values)
        scale = torch.rsqrt(var + eps)
        normalized = (values - _along(mean, x)) * _along(scale, x)
        ctx.save_for_backward(x, mean, scale, count, weight)
        y = normalized if weight is None else normalized * _along(weight, x)
        y = y if bias is None else y + _along(bias, x)
        ctx.mark_non_differentiable(mean, var, count)
        return y.to(x.dtype), mean, var, count

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        x, mean, scale, count, weight = ctx.saved_tensors
        dy = gradients[0].to(mean.dtype)
        normalized = (x.to(mean.dtype) - _along(mean, x)) * _along(scale, x)
        axes = _axes(x)
        sums = torch.stack([dy.sum(axes), (dy * normalized).sum(axes)])
        of_bias, of_weight = sums.clone()  # of this process: the gradients of all are added up with those of the rest
        dist.all_reduce(sums)
        means = sums / count
        dx = (dy - _along(means[0], x) - normalized * _along(means[1], x)) * _along(scale, x)
        if weight is None:
            return dx.to(x.dtype), None, None, None
        return (dx * _along(weight, x)).to(x.dtype), of_weight.to(weight.dtype), of_bias.to(weight.dtype), None


def _moments(x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Mean (C,), biased variance (C,) and count () of ``x`` (N, C, ...) over all processes (Chan et al., 1979)."""
    axes = _axes(x)
    mean = x.mean(axes)
    squares = (x - _along(mean, x)).square().sum(axes)
    count = torch.full_like(mean, x.numel() / x.shape[1])
    mine = torch.stack([mean, squares, count])
    every = [torch.empty_like(mine) for _ in range(dist.get_world_size())]
    dist.all_gather(every, mine)
    means, squares_of, counts = torch.stack(every).unbind(1)  # (processes, C) each
    total = counts.sum(0)
    overall = (means * counts).sum(0) / total
    var = (squares_of.sum(0) + (counts * (means - overall).square()).sum(0)) / total
    return overall, var, total[0]


def _axes(x: Tensor) -> list[int]:
    return [axis for axis in range(x.dim()) if axis != 1]


def _along(vector: Tensor, x: Tensor) -> Tensor:
    """(C,) shaped so as to go with ``x`` (N, C, ...)."""
    return vector.view(1, -1, *[1] * (x.dim() - 2))
