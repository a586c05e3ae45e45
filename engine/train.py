"""One epoch of training."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engine.data import NO_CLIP, Batch
from engine.distributed import ALONE, World, add_up
from engine.optim import train_mode
from engine.precision import Precision
from engine.state import RunningState


@dataclass(kw_only=True)
class Totals:
    """Sums over the clips of the epoch begun, and how many steps have come to nothing."""

    loss: float = 0.0
    correct: int = 0
    clips: int = 0
    skipped: int = 0

    def means(self) -> tuple[float, float]:
        """Loss and accuracy per clip."""
        return self.loss / max(1, self.clips), self.correct / max(1, self.clips)


@dataclass(frozen=True)
class Step:
    """What one step of the optimizer saw: sums over its clips, in all processes.

    ``done`` is False where loss or gradients were not finite, or there were no clips: then weights and statistics are
    as they were. ``stop`` is whether any process was told to stop.
    """

    loss: float
    correct: int
    clips: int
    done: bool
    stop: bool


def train_one_epoch(
    model: nn.Module,
    batches: Iterable[Batch],
    optimizer: torch.optim.Optimizer,
    *,
    forward_batch_size: int,
    precision: Precision,
    device: torch.device,
    world: World = ALONE,
    label_smoothing: float = 0.0,
    totals: Totals | None = None,
    before_step: Callable[[int], None] = lambda step: None,
    stop_asked: Callable[[], bool] = lambda: False,
    after_step: Callable[[Step, Batch], None] = lambda step, batch: None,
) -> tuple[float, float]:
    """One pass over ``batches``, one optimizer step for each, and the mean loss and accuracy of the pass.

    ``batches`` are this process's part of them. ``totals`` is what an interrupted pass had added up before;
    ``before_step`` gets the number of the step, from 0, and ``after_step`` what came of it.
    """
    train_mode(model)
    running = RunningState(model)
    totals = Totals() if totals is None else totals
    for number, batch in enumerate(batches):
        before_step(number)
        step = train_step(
            model,
            batch,
            optimizer,
            forward_batch_size=forward_batch_size,
            precision=precision,
            device=device,
            running=running,
            world=world,
            label_smoothing=label_smoothing,
            stop_asked=stop_asked(),
        )
        if step.done:
            totals.loss += step.loss
            totals.correct += step.correct
            totals.clips += step.clips
        else:
            totals.skipped += 1
        after_step(step, batch)
    return totals.means()


def train_step(
    model: nn.Module,
    batch: Batch,
    optimizer: torch.optim.Optimizer,
    *,
    forward_batch_size: int,
    precision: Precision,
    device: torch.device,
    running: RunningState,
    world: World = ALONE,
    label_smoothing: float = 0.0,
    stop_asked: bool = False,
) -> Step:
    """One step of the optimizer, down the gradient of the mean loss over the batches of all processes.

    A batch goes through the network ``forward_batch_size`` clips at a time and the gradients add up to those of its
    mean loss, so only BatchNorm sees the difference. What is labelled ``NO_CLIP`` has no part in any of it; of several
    processes, statistics alone see it in a pass of one that holds nothing else.
    """
    clips, labels, _ = batch
    running.keep(world)
    optimizer.zero_grad(set_to_none=True)
    loss_of_all = torch.zeros((), device=device)
    correct = torch.zeros((), device=device)
    valid = int((labels != NO_CLIP).sum())
    parts = list(zip(clips.split(forward_batch_size), labels.split(forward_batch_size), strict=True))
    if valid and world.size == 1:  # of several, each has as many passes as the others
        parts = [part for part in parts if (part[1] != NO_CLIP).any()]
    for number, (some, their_labels) in enumerate(parts, start=1):
        there = their_labels != NO_CLIP
        count = int(there.sum())
        if 0 < count < len(some):
            some, their_labels = some[there], their_labels[there]
        some, their_labels = some.to(device, non_blocking=True), their_labels.to(device, non_blocking=True)
        with precision.autocast():
            logits = model(precision.cast(some))
            logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
            loss = _loss(logits, their_labels, count, label_smoothing)
        precision.backward(loss * (count / (len(clips) * world.size)), optimizer, last=number == len(parts))
        loss_of_all = loss_of_all + loss.detach() * count
        correct += (logits.detach().argmax(dim=1) == their_labels).sum()
    gradients = [p.grad for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
    told = torch.tensor([valid, float(stop_asked)], device=device)
    figures = add_up(world, gradients, torch.cat([torch.stack([loss_of_all, correct]), told]))
    if world.size > 1 or valid < len(clips):  # the mean is that over the clips that there are
        torch._foreach_mul_(gradients, len(clips) * world.size / figures[2].clamp(min=1))
    norm = precision.gradient_norm(optimizer, gradients)
    total_loss, total_correct, total_clips, stops, size = torch.cat([figures, norm[None].to(figures)]).tolist()
    done = math.isfinite(total_loss) and math.isfinite(size) and total_clips > 0
    precision.step(optimizer, done)
    if not done:
        running.put_back()
    return Step(total_loss, int(total_correct) if done else 0, int(total_clips), done, stops > 0)


def _loss(logits: Tensor, labels: Tensor, count: int, label_smoothing: float) -> Tensor:
    """The mean cross entropy of those ``count`` clips that are any."""
    if count == 0:
        return logits.sum() * 0.0
    return F.cross_entropy(logits, labels, label_smoothing=label_smoothing, ignore_index=NO_CLIP)


def seed_step(seed: int, step: int, rank: int) -> None:
    """Make what a network draws in step number ``step`` of a run (dropout) depend on that number alone.

    So there is no state of a generator to save, and a run goes on from any step as if it had not stopped.
    """
    torch.manual_seed(int(np.random.SeedSequence((seed, step, rank)).generate_state(1, np.uint64)[0] >> 1))
