"""Batches: every clip in its turn, an order that seed and epoch alone decide, and one line for what does not fit."""

from __future__ import annotations

import gc
import multiprocessing
from collections.abc import Iterable
from itertools import chain
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as some
from torch.utils.data import Dataset

from engine.data import NO_CLIP, Batch, collate, collate_training, training_batches
from engine.data import test_batches as batches_to_test
from engine.distributed import World
from errors import InputError
from feeders.feeder import Feeder


class Clips(Dataset[Any]):
    """Ten clips of one number each; the ninth is longer when asked for."""

    def __init__(self, *, uneven: bool = False, broken: bool = False) -> None:
        self.label = list(range(10))
        self.sample_name = [f"clip{i}" for i in range(10)]
        self.uneven, self.broken = uneven, broken
        self.told: list[tuple[int, int]] = []

    def __len__(self) -> int:
        return 10

    def __getitem__(self, index: int) -> Any:
        if self.broken and index == 8:
            raise InputError("clip8 is broken")
        frames = 5 if self.uneven and index == 8 else 4
        return np.full((3, frames, 2, 1), index, dtype=np.float32), self.label[index], index

    def set_epoch(self, epoch: int, seed: int) -> None:
        self.told.append((epoch, seed))


def train(feeder: Any, batch_size: int = 4, *, seed: int = 1, epoch: int = 0, num_worker: int = 0) -> Iterable[Batch]:
    return training_batches(feeder, batch_size, seed=seed, epoch=epoch, num_worker=num_worker, pin=False)


def order(batches: Iterable[Batch]) -> list[int]:
    return [int(index) for _, _, indices in batches for index in indices]


def test_a_batch_is_clips_labels_and_indices() -> None:
    clips, labels, indices = next(iter(train(Clips())))
    assert (clips.shape, clips.dtype) == ((4, 3, 4, 2, 1), torch.float32)
    assert (labels.dtype, indices.dtype) == (torch.int64, torch.int64)
    assert clips[:, 0, 0, 0, 0].tolist() == labels.tolist() == indices.tolist()


def test_training_takes_every_clip_once_but_those_that_do_not_fill_a_batch() -> None:
    assert sorted(order(train(Clips(), 5))) == list(range(10))
    found = order(train(Clips(), 4))
    assert len(found) == len(set(found)) == 8


def test_the_order_is_that_of_the_seed_and_the_epoch() -> None:
    first = order(train(Clips(), 5))
    assert first != list(range(10))
    assert order(train(Clips(), 5)) == first
    assert order(train(Clips(), 5, epoch=1)) != first
    assert order(train(Clips(), 5, seed=2)) != first


def test_batches_of_another_size_come_in_the_same_order() -> None:
    assert order(train(Clips(), 2)) == order(train(Clips(), 5))


def test_testing_takes_every_clip_in_order() -> None:
    batches = list(batches_to_test(Clips(), 4, seed=1, num_worker=0, pin=False))
    assert [len(labels) for _, labels, _ in batches] == [4, 4, 2]
    assert order(batches) == list(range(10))


def test_the_feeder_is_told_the_epoch_before_each_pass() -> None:
    feeder = Clips()
    train(feeder, seed=7, epoch=3)
    batches_to_test(feeder, 4, seed=7, num_worker=0, pin=False)
    assert feeder.told == [(3, 7), (0, 7)]


def test_augmentation_is_drawn_anew_in_every_epoch(tiny: Any) -> None:
    from engine.build import build_feeder
    from engine.config import make_config

    feeder = build_feeder(make_config(tiny.settings, {}), "train")

    def clips(epoch: int, seed: int) -> torch.Tensor:
        """All of a pass, in the feeder's order."""
        ((found, _, indices),) = train(feeder, 24, epoch=epoch, seed=seed)
        return found[indices.argsort()]

    first = clips(0, 1)
    assert torch.equal(clips(0, 1), first)
    for other in (clips(1, 1), clips(0, 2)):
        assert (other - first).flatten(1).abs().amax(1).min() > 0  # every single clip


def test_clips_of_different_lengths_are_refused() -> None:
    says = r"clips of one batch must have one shape .* but clip 8 has \(3, 5, 2, 1\) and clip 0 \(3, 4, 2, 1\)"
    feeder = Clips(uneven=True)
    with pytest.raises(InputError, match=says):
        collate([feeder[0], feeder[8]], feeder.sample_name)


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
@pytest.mark.filterwarnings("ignore:This DataLoader will create:UserWarning")
@pytest.mark.parametrize("num_worker", [0, 2])
@pytest.mark.parametrize(("what", "says"), [("uneven", "clips of one batch must have"), ("broken", "clip8 is broken")])
def test_what_is_wrong_with_a_clip_is_one_line_wherever_it_is_read(num_worker: int, what: str, says: str) -> None:
    with pytest.raises(InputError) as caught:
        list(train(Clips(**{what: True}), 10, num_worker=num_worker))
    assert str(caught.value).startswith(says)
    assert "\n" not in str(caught.value)


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
@pytest.mark.filterwarnings("ignore:This DataLoader will create:UserWarning")
def test_the_workers_of_a_pass_that_failed_have_ended_when_its_error_is_seen() -> None:
    gc.disable()
    try:
        before = set(multiprocessing.active_children())
        with pytest.raises(InputError) as caught:
            list(train(Clips(broken=True), 10, num_worker=2))
        assert set(multiprocessing.active_children()) <= before
    finally:
        gc.enable()
    assert str(caught.value).startswith("clip8 is broken")


def test_the_number_of_batches_is_known(tiny: Any) -> None:
    feeder = Feeder(**tiny.settings["test_feeder_args"])
    batches = batches_to_test(feeder, 5, seed=1, num_worker=0, pin=False)
    assert len(batches) == len(list(batches)) == 3


def test_a_clip_with_a_value_that_is_no_number_is_named() -> None:
    clips = np.zeros((2, 3, 4, 5, 1), dtype=np.float32)
    clips[1, 0, 0, 0, 0] = np.nan
    with pytest.raises(InputError, match="clip 'run7' holds values that are no numbers"):
        collate([(clips[0], 0, 3), (clips[1], 0, 7)], [f"run{i}" for i in range(8)])


class Numbers(Dataset[Any]):
    """``count`` clips that are their own numbers."""

    def __init__(self, count: int) -> None:
        self.label = [0] * count
        self.sample_name = [f"clip{i}" for i in range(count)]

    def __len__(self) -> int:
        return len(self.label)

    def __getitem__(self, index: int) -> Any:
        return np.full((1, 1, 1, 1), index, dtype=np.float32), 0, index


def passes(batches: Iterable[Batch], forward_batch_size: int) -> list[list[list[int]]]:
    """The indices of every pass of every step."""
    return [[part.tolist() for part in indices.split(forward_batch_size)] for _, _, indices in batches]


@settings(max_examples=30, deadline=None)
@given(
    processes=some.integers(1, 5),
    forward=some.integers(1, 5),
    batch=some.integers(1, 12),
    clips=some.integers(0, 50),
    done=some.integers(0, 5),
    seed=some.integers(0, 3),
)
def test_the_processes_together_see_what_one_sees(
    processes: int, forward: int, batch: int, clips: int, done: int, seed: int
) -> None:
    """Step by step and pass by pass, in the same order; each an equal share of every pass."""
    forward, batch = forward * processes, batch * processes
    given_to_all: Any = {"seed": seed, "epoch": 2, "num_worker": 0, "pin": False, "forward_batch_size": forward}
    feeder = Numbers(max(clips, batch))
    alone = passes(training_batches(feeder, batch, **given_to_all), forward)
    shares = [
        training_batches(feeder, batch, **given_to_all, done=done, world=World(rank, processes))
        for rank in range(processes)
    ]
    steps = max(0, len(alone) - done)
    assert [len(share) for share in shares] == [steps] * processes
    seen = [passes(share, forward // processes) for share in shares]
    together = [
        [list(chain(*parts)) for parts in zip(*of_a_step, strict=True)] for of_a_step in zip(*seen, strict=True)
    ]
    assert together == alone[done:]
    for parts in chain(*(zip(*step, strict=True) for step in zip(*seen, strict=True))):
        assert len({len(part) for part in parts}) == 1


@given(processes=some.integers(1, 5), batch=some.integers(1, 6), clips=some.integers(5, 30))
def test_every_clip_is_tested_in_one_process(processes: int, batch: int, clips: int) -> None:
    shares = [
        order(batches_to_test(Numbers(clips), batch, seed=1, num_worker=0, pin=False, world=World(rank, processes)))
        for rank in range(processes)
    ]
    assert sorted(chain(*shares)) == list(range(clips))
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


def test_in_training_a_clip_of_no_numbers_is_zeros_without_a_label() -> None:
    clips = np.ones((3, 3, 4, 5, 1), dtype=np.float32)
    clips[0, 0, 0, 0, 0], clips[2, 2, 3, 4, 0] = np.nan, np.inf
    found, labels, indices = collate_training([(clips[i], 4, 5 + i) for i in range(3)])
    assert (labels.tolist(), indices.tolist()) == ([NO_CLIP, 4, NO_CLIP], [5, 6, 7])
    assert (found.flatten(1).amin(1).tolist(), found.flatten(1).amax(1).tolist()) == ([0, 1, 0], [0, 1, 0])
