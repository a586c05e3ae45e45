"""Evaluation: the one function behind in-training evaluation, ``--phase test`` and prediction."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engine.data import Batch
from engine.precision import Precision
from engine.scores import top_k_accuracy
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
) -> Evaluation:
    """Scores of every recording of ``batches``, of which number ``i`` is called ``names[i]``.

    Where a recording is given as several clips (N, K, C, T, V, M), its scores are the logarithm of the mean of their
    probabilities (pyskl: ``average_clips='prob'``), which a softmax turns back into that mean; ``at_once`` of the clips
    go through the network together.

    Raises:
        InputError: a score that is no number.
    """
    model.eval()
    found: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
    loss = 0.0
    for clips, labels, indices in batches:
        with precision.autocast():
            logits = _logits(model, precision.cast(clips.to(device, non_blocking=True)), at_once).float().cpu()
        odd = (~logits.isfinite().all(dim=1)).nonzero()
        if len(odd):
            name = names[int(indices[odd[0, 0]])]
            raise InputError(f"the network's scores of {name!r} are not finite: its weights or the clip are damaged")
        loss += F.cross_entropy(logits, labels, reduction="sum").item()
        found.append((logits.numpy(), labels.numpy(), indices.numpy()))
    logits_, labels_, indices_ = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return Evaluation([names[i] for i in indices_], labels_, logits_, loss / len(labels_))


def _logits(model: nn.Module, clips: Tensor, at_once: int | None) -> Tensor:
    """Clips (N, C, T, V, M), or several for each of N recordings (N, K, C, T, V, M), -> (N, num_class)."""
    if clips.dim() < 6:
        scores: Tensor = model(clips)
        return scores
    every = clips.flatten(0, 1)
    logits = torch.cat([model(some) for some in every.split(at_once or len(every))])
    log_probabilities = logits.float().log_softmax(dim=1).unflatten(0, clips.shape[:2])
    averaged: Tensor = log_probabilities.logsumexp(dim=1) - math.log(clips.shape[1])
    return averaged
