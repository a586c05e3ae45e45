"""One epoch of training."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engine.data import Batch
from engine.optim import train_mode
from engine.precision import Precision


@dataclass
class Totals:
    """Sums over clips since the last reset; kept on the device, so that nothing waits for them."""

    loss: Tensor
    correct: Tensor
    clips: int = 0

    @classmethod
    def zero(cls, device: torch.device) -> Totals:
        """Nothing seen yet."""
        return cls(torch.zeros((), device=device), torch.zeros((), device=device))

    def means(self) -> tuple[float, float]:
        """Loss and accuracy per clip."""
        return self.loss.item() / self.clips, self.correct.item() / self.clips


def train_one_epoch(
    model: nn.Module,
    batches: Iterable[Batch],
    optimizer: torch.optim.Optimizer,
    *,
    forward_batch_size: int,
    precision: Precision,
    device: torch.device,
    label_smoothing: float = 0.0,
    before_step: Callable[[int], None] = lambda step: None,
    after_step: Callable[[Totals], None] = lambda totals: None,
) -> tuple[float, float]:
    """One pass over ``batches``, one optimizer step for each, and the mean loss and accuracy of the pass.

    A batch goes through the network ``forward_batch_size`` clips at a time and the gradients add up to those of its
    mean loss, so only BatchNorm sees the difference. ``before_step`` gets the number of the step, from 0;
    ``after_step`` what has been added up so far.
    """
    train_mode(model)
    totals = Totals.zero(device)
    for step, (clips, labels, _) in enumerate(batches):
        before_step(step)
        optimizer.zero_grad(set_to_none=True)
        for some, their_labels in zip(clips.split(forward_batch_size), labels.split(forward_batch_size), strict=True):
            some, their_labels = some.to(device, non_blocking=True), their_labels.to(device, non_blocking=True)
            with precision.autocast():
                logits = model(precision.cast(some))
                logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
                loss = F.cross_entropy(logits, their_labels, label_smoothing=label_smoothing)
            precision.backward(loss * (len(some) / len(clips)), optimizer)
            totals.loss += loss.detach() * len(some)
            totals.correct += (logits.detach().argmax(dim=1) == their_labels).sum()
        precision.step(optimizer)
        totals.clips += len(clips)
        after_step(totals)
    return totals.means()
