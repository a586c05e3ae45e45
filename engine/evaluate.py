"""Evaluation: the one function behind in-training evaluation, ``--phase test`` and prediction."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engine.data import Batch
from engine.distributed import ALONE, World, gather
from engine.memory import free_memory, is_out_of_memory
from engine.precision import Precision
from engine.scoring.metrics import top_k_accuracy
from errors import InputError


@dataclass(frozen=True)
class Evaluation:
    """Scores of a set of clips: ``logits`` (N, num_class) float32 in the order of ``names`` and ``labels`` (N,)."""

    names: Sequence[str]
    labels: np.ndarray
    logits: np.ndarray
    loss: float

    def accuracy(self, k: int = 1) -> float:
        """Share of clips whose class is among the ``k`` best."""
        return top_k_accuracy(self.logits, self.labels, k)


@torch.inference_mode()
def evaluate(
    model: nn.Module,
    batches: Iterable[Batch],
    names: Sequence[str],
    *,
    precision: Precision,
    device: torch.device,
    at_once: int | None = None,
    world: World = ALONE,
    say: Callable[[str], None] = lambda text: None,
    stop: Callable[[], None] = lambda: None,
) -> Evaluation:
    """Scores of every recording of ``batches``, of which number ``i`` is called ``names[i]``.

    Where a recording is given as several clips (N, K, C, T, V, M), its scores are the logarithm of the mean of their
    probabilities (pyskl: ``average_clips='prob'``), which a softmax turns back into that mean; ``at_once`` of the clips
    go through the network together, half as many where memory does not suffice, which ``say`` is told. ``batches`` are
    this process's share; all processes get all scores, in the order of the recordings. ``stop`` is called on the way.

    Raises:
        InputError: a score that is no number.
    """
    model.eval()
    found: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
    for clips, labels, indices in batches:
        stop()
        size = at_once or len(clips.flatten(0, 1) if clips.dim() == 6 else clips)
        logits, at_once = _fitting(model, clips, size, precision, device, say)
        odd = (~logits.isfinite().all(dim=1)).nonzero()
        if len(odd):
            name = names[int(indices[odd[0, 0]])]
            raise InputError(f"the network's scores of {name!r} are not finite: its weights or the clip are damaged")
        found.append((logits.numpy(), labels.numpy(), indices.numpy()))
    every = [part for shares in gather(world, found) for part in shares]
    logits_, labels_, indices_ = (np.concatenate(parts) for parts in zip(*every, strict=True))
    order = np.argsort(indices_, kind="stable")
    logits_, labels_ = logits_[order], labels_[order]
    loss = F.cross_entropy(torch.from_numpy(logits_), torch.from_numpy(labels_)).item()
    return Evaluation([names[i] for i in indices_[order]], labels_, logits_, loss)


def _fitting(
    model: nn.Module,
    clips: Tensor,
    at_once: int,
    precision: Precision,
    device: torch.device,
    say: Callable[[str], None],
) -> tuple[Tensor, int]:
    """The logits of a batch on the CPU, and how many clips at once they took: fewer than asked for if need be."""
    while True:
        try:
            with precision.autocast():
                logits = _logits(model, precision.cast(clips.to(device, non_blocking=True)), at_once)
                return logits.float().cpu(), at_once
        except RuntimeError as error:
            if not is_out_of_memory(error) or at_once == 1:
                raise
        at_once //= 2
        free_memory(device)
        say(f"memory does not suffice: {at_once} clips at once from here on")


def _logits(model: nn.Module, clips: Tensor, at_once: int) -> Tensor:
    """Clips (N, C, T, V, M), or several for each of N recordings (N, K, C, T, V, M), -> (N, num_class)."""
    every = clips.flatten(0, 1) if clips.dim() == 6 else clips
    logits = torch.cat([model(some) for some in every.split(at_once)])
    if clips.dim() < 6:
        return logits
    return mean_over_clips(logits.unflatten(0, clips.shape[:2]))


def mean_over_clips(logits: Tensor) -> Tensor:
    """The logarithm of the mean of the probabilities of K clips: (N, K, num_class) -> (N, num_class)."""
    averaged: Tensor = logits.float().log_softmax(dim=2).logsumexp(dim=1) - math.log(logits.shape[1])
    return averaged
