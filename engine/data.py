"""Batches of clips, in an order that depends on the seed and the epoch alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader

from engine.build import LabelledClips
from engine.distributed import ALONE, World
from engine.stopping import leave_to_main_process
from errors import InputError

Batch = tuple[Tensor, Tensor, Tensor]
"""Clips (N, C, T, V, M) float32, labels (N,), indices (N,)."""

NO_CLIP = -100
"""The label, in training, of a clip that holds values that are no numbers: it is all zeros then, and has no loss."""

ORDER = 2**32 - 1  # stands where an item's index stands in the seed of its draws, so the two never coincide


class Batches:
    """One pass over a feeder, batch by batch; ``len`` counts the batches.

    Raises InputError on the way when a clip is unusable, with workers and without.
    """

    def __init__(self, feeder: Any, batch_size: int, num_worker: int, pin: bool, **options: Any) -> None:
        self._loader = DataLoader(
            feeder,
            batch_size,
            num_workers=num_worker,
            pin_memory=pin,
            worker_init_fn=leave_to_main_process if num_worker else None,
            **options,
        )

    def __len__(self) -> int:
        return len(self._loader)

    def __iter__(self) -> Iterator[Batch]:
        try:
            yield from self._loader
        except InputError as error:  # a worker hands its errors over with a traceback in front
            # What this one has come through holds the workers and their pipes. They are closed now: the garbage
            # collector may close a pipe before the loader does, whose own closing then hits whatever has its number.
            error.__traceback__ = None
            raise InputError(str(error).splitlines()[-1].removeprefix("errors.InputError: ")) from None


def training_batches(
    feeder: LabelledClips,
    batch_size: int,
    *,
    seed: int,
    epoch: int,
    num_worker: int,
    pin: bool,
    done: int = 0,
    forward_batch_size: int | None = None,
    world: World = ALONE,
) -> Batches:
    """One pass over all clips in random order; the clips that do not fill a last batch are left out, as in MS-G3D.

    ``batch_size`` and ``forward_batch_size`` count the clips of all processes. Of every ``forward_batch_size`` clips
    each process of ``world`` gets its part, so together they compute what one alone does. The first ``done`` batches
    are left out.
    """
    _tell_epoch(feeder, epoch, seed)
    order = np.random.default_rng((seed, epoch, ORDER)).permutation(len(feeder))
    whole = order[: len(order) // batch_size * batch_size].reshape(-1, batch_size)[done:]
    mine = _part(whole, forward_batch_size or batch_size, world)
    return Batches(
        feeder, batch_size // world.size, num_worker, pin, sampler=mine.ravel().tolist(), collate_fn=collate_training
    )


def _part(batches: NDArray[np.int64], forward_batch_size: int, world: World) -> NDArray[np.int64]:
    """This process's clips of every batch: (batches, batch size) -> (batches, batch size / processes)."""
    pieces = np.split(batches, range(forward_batch_size, batches.shape[1], forward_batch_size), axis=1)
    return np.concatenate([np.array_split(piece, world.size, axis=1)[world.rank] for piece in pieces], axis=1)


def test_batches(
    feeder: LabelledClips, batch_size: int, *, seed: int, num_worker: int, pin: bool, world: World = ALONE
) -> Batches:
    """All clips once, in the feeder's order; of several processes each gets a share, and no two the same clip."""
    _tell_epoch(feeder, 0, seed)
    mine = range(world.rank, len(feeder), world.size)
    named = partial(collate, names=feeder.sample_name)
    return Batches(feeder, batch_size, num_worker, pin, sampler=mine, collate_fn=named)


def _tell_epoch(feeder: Any, epoch: int, seed: int) -> None:
    if hasattr(feeder, "set_epoch"):
        feeder.set_epoch(epoch, seed)


def collate(items: Sequence[tuple[Any, int, int]], names: Sequence[str]) -> Batch:
    """Items of a feeder as one batch; ``names`` are those of all its clips.

    Raises:
        InputError: the clips are not of one shape, or one holds a value that is no number.
    """
    batch, odd = _together(items)
    if odd:
        raise InputError(f"clip {names[odd[0]]!r} holds values that are no numbers")
    return batch


def collate_training(items: Sequence[tuple[Any, int, int]]) -> Batch:
    """The same, but a clip with values that are no numbers becomes zeros and has the label ``NO_CLIP``.

    Raises:
        InputError: the clips are not of one shape.
    """
    (clips, labels, indices), odd = _together(items)
    if odd:
        wrong = torch.isin(indices, torch.tensor(odd))
        clips[wrong] = 0
        labels[wrong] = NO_CLIP
    return clips, labels, indices


def _together(items: Sequence[tuple[Any, int, int]]) -> tuple[Batch, list[int]]:
    """A batch, and the indices of the clips in it that hold anything but finite numbers."""
    clips, labels, indices = zip(*items, strict=True)
    for index, clip in zip(indices, clips, strict=True):
        if clip.shape != clips[0].shape:
            raise InputError(
                f"clips of one batch must have one shape (C, T, V, M), but clip {index} has {tuple(clip.shape)} and "
                f"clip {indices[0]} {tuple(clips[0].shape)}; a transform such as crop_resize gives all the same length"
            )
    odd = [index for index, clip in zip(indices, clips, strict=True) if not np.isfinite(clip).all()]
    return (torch.from_numpy(np.stack(clips)), torch.tensor(labels), torch.tensor(indices)), odd
