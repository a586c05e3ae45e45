"""Batches of clips, in an order that depends on the seed and the epoch alone."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from torch import Tensor
from torch.utils.data import DataLoader

from engine.build import LabelledClips
from errors import InputError

Batch = tuple[Tensor, Tensor, Tensor]
"""Clips (N, C, T, V, M) float32, labels (N,), indices (N,)."""

ORDER = 2**32 - 1  # stands where an item's index stands in the seed of its draws, so the two never coincide


def training_batches(
    feeder: LabelledClips, batch_size: int, *, seed: int, epoch: int, num_worker: int, pin: bool
) -> Iterable[Batch]:
    """One pass over all clips in random order; the clips that do not fill a last batch are left out, as in MS-G3D.

    Raises:
        InputError: there are fewer clips than one batch takes.
    """
    if len(feeder) < batch_size:
        raise InputError(f"the training data has {len(feeder)} clips, fewer than one batch (batch_size {batch_size})")
    _tell_epoch(feeder, epoch, seed)
    order = np.random.default_rng((seed, epoch, ORDER)).permutation(len(feeder)).tolist()
    return _loader(feeder, batch_size, num_worker, pin, sampler=order, drop_last=True)


def test_batches(feeder: LabelledClips, batch_size: int, *, seed: int, num_worker: int, pin: bool) -> Iterable[Batch]:
    """All clips once, in the feeder's order."""
    _tell_epoch(feeder, 0, seed)
    return _loader(feeder, batch_size, num_worker, pin)


def _tell_epoch(feeder: Any, epoch: int, seed: int) -> None:
    if hasattr(feeder, "set_epoch"):
        feeder.set_epoch(epoch, seed)


def _loader(feeder: Any, batch_size: int, num_worker: int, pin: bool, **options: Any) -> Iterable[Batch]:
    loader: Iterable[Batch] = DataLoader(feeder, batch_size, num_workers=num_worker, pin_memory=pin, **options)
    return loader
