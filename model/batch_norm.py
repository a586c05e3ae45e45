"""BatchNorm over the clips of all processes, and over clones left out: the numbers of one process with every clip."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from model.batch_mean import BatchMean
from model.normalize import across, counts_now, normalize


class Weighted:
    """Mixed into a BatchNorm: in training, its statistics count every item as often as ``standing_for`` says."""

    everywhere = False  # whether the statistics are those of all processes
    alone = False  # while a process tries something out that the others know nothing of

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, ...) -> (N, C, ...)."""
        assert isinstance(self, nn.modules.batchnorm._BatchNorm)
        if torch.compiler.is_compiling() or not (self.training and (counts_now() or across([self]))):
            plain: Tensor = super().forward(x)  # type: ignore[misc]
            return plain
        return normalize(x, [self])


class AcrossProcesses(Weighted):
    """Mixed into a BatchNorm: in training, its statistics are those of the batches of all processes together.

    torch's own SyncBatchNorm does this on a GPU only, and refuses tensors elsewhere.
    """

    everywhere = True


class WeightedBatchNorm1d(Weighted, nn.BatchNorm1d):
    """``nn.BatchNorm1d`` in which an item may stand for many."""


class WeightedBatchNorm2d(Weighted, nn.BatchNorm2d):
    """``nn.BatchNorm2d`` in which an item may stand for many."""


class BatchNorm1d(AcrossProcesses, nn.BatchNorm1d):
    """``nn.BatchNorm1d`` over all processes."""


class BatchNorm2d(AcrossProcesses, nn.BatchNorm2d):
    """``nn.BatchNorm2d`` over all processes."""


_KINDS: dict[type[nn.Module], type[nn.Module]] = {
    nn.BatchNorm1d: BatchNorm1d,
    nn.BatchNorm2d: BatchNorm2d,
    WeightedBatchNorm1d: BatchNorm1d,
    WeightedBatchNorm2d: BatchNorm2d,
}


def across_processes(model: nn.Module) -> int:
    """Put BatchNorms over all processes in the place of the plain ones, with the same weights; how many there are.

    Every ``BatchMean`` takes in all processes too. The keys of the state dict stay as they are.
    """
    count = 0
    for parent in list(model.modules()):
        if isinstance(parent, BatchMean):
            parent.everywhere = True
        for name, child in parent.named_children():
            kind = _KINDS.get(type(child))
            if kind is not None:
                new = kind.__new__(kind)
                new.__dict__ = child.__dict__  # the very same parameters, buffers, hooks and settings
                setattr(parent, name, new)
                count += 1
    return count


def apart(model: nn.Module, alone: bool) -> None:
    """Whether what is computed over all processes is to look at this one alone."""
    for module in model.modules():
        if isinstance(module, (AcrossProcesses, BatchMean)):
            module.alone = alone
