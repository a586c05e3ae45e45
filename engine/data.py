"""Batches of clips, in an order that depends on the seed and the epoch alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader

from engine.build import LabelledClips
from errors import InputError

Batch = tuple[Tensor, Tensor, Tensor]
"""Clips (N, C, T, V, M) float32, labels (N,), indices (N,)."""

ORDER = 2**32 - 1  # stands where an item's index stands in the seed of its draws, so the two never coincide


class Batches:
    """One pass over a feeder, batch by batch; ``len`` counts the batches.

    Raises InputError on the way when a clip is unusable, with workers and without.
    """

    def __init__(self, feeder: Any, batch_size: int, num_worker: int, pin: bool, **options: Any) -> None:
        self._loader = DataLoader(
            feeder, batch_size, num_workers=num_worker, pin_memory=pin, collate_fn=collate, **options
        )

    def __len__(self) -> int:
        return len(self._loader)

    def __iter__(self) -> Iterator[Batch]:
        try:
            yield from self._loader
        except InputError as error:  # a worker hands its errors over with a traceback in front
            raise InputError(str(error).splitlines()[-1].removeprefix("errors.InputError: ")) from None


def training_batches(
    feeder: LabelledClips, batch_size: int, *, seed: int, epoch: int, num_worker: int, pin: bool
) -> Batches:
    """One pass over all clips in random order; the clips that do not fill a last batch are left out, as in MS-G3D."""
    _tell_epoch(feeder, epoch, seed)
    order = np.random.default_rng((seed, epoch, ORDER)).permutation(len(feeder)).tolist()
    return Batches(feeder, batch_size, num_worker, pin, sampler=order, drop_last=True)


def test_batches(feeder: LabelledClips, batch_size: int, *, seed: int, num_worker: int, pin: bool) -> Batches:
    """All clips once, in the feeder's order."""
    _tell_epoch(feeder, 0, seed)
    return Batches(feeder, batch_size, num_worker, pin)


def _tell_epoch(feeder: Any, epoch: int, seed: int) -> None:
    if hasattr(feeder, "set_epoch"):
        feeder.set_epoch(epoch, seed)


def collate(items: Sequence[tuple[Any, int, int]]) -> Batch:
    """Items of a feeder as one batch.

    Raises:
        InputError: the clips are not of one shape, or one holds a value that is no number.
    """
    clips, labels, indices = zip(*items, strict=True)
    for index, clip in zip(indices, clips, strict=True):
        if clip.shape != clips[0].shape:
            raise InputError(
                f"clips of one batch must have one shape (C, T, V, M), but clip {index} has {tuple(clip.shape)} and "
                f"clip {indices[0]} {tuple(clips[0].shape)}; a transform such as crop_resize gives all the same length"
            )
        if not np.isfinite(clip).all():
            raise InputError(f"clip {index} holds values that are no numbers")
    return torch.from_numpy(np.stack(clips)), torch.tensor(labels), torch.tensor(indices)
