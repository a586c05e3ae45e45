"""Searched weights: what they are judged on, they never saw; where there is nothing to find, they find nothing."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.scoring.search import GRID, find_weights, hits, search, split
from errors import InputError

EVERY = 2000
PEOPLE = [f"S001C001P{person:03}R001A{action:03}" for person in range(1, 21) for action in range(1, 11)]


def noise(seed: int, count: int = EVERY, classes: int = 10, streams: int = 4) -> tuple[list[np.ndarray], np.ndarray]:
    """Scores that know nothing of the labels."""
    rng = np.random.default_rng(seed)
    values = [rng.normal(size=(count, classes)).astype(np.float32) for _ in range(streams)]
    return values, rng.integers(0, classes, count)


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 2**32), st.sampled_from([0, 2, 5]))
def test_on_random_scores_the_held_out_figure_is_at_chance(seed: int, folds: int) -> None:
    """Within five deviations of a binomial at one in ten, which a run in a million leaves."""
    streams, labels = noise(seed)
    found = search(streams, [str(i) for i in range(EVERY)], labels, folds=folds, seed=1)
    count = len(found.held)
    assert count == (EVERY if folds else EVERY // 2)
    assert abs(found.accuracy - 0.1) < 5 * np.sqrt(0.1 * 0.9 / count)
    assert found.oracle >= max(found.equal if folds else 0, 0.1 - 5 * np.sqrt(0.09 / EVERY))


def test_on_random_scores_the_oracle_flatters_itself() -> None:
    """In the mean of many small sets it is above chance, where the honest figure is at it."""
    honest, oracle = [], []
    for seed in range(60):
        streams, labels = noise(seed, count=60, classes=3, streams=6)
        found = search(streams, [str(i) for i in range(60)], labels, folds=2, seed=seed)
        honest.append(found.accuracy)
        oracle.append(found.oracle)
    deviation = np.sqrt(2 / 9 / (60 * 60))
    assert abs(np.mean(honest) - 1 / 3) < 5 * deviation
    assert np.mean(oracle) > 1 / 3 + 8 * deviation


def test_a_stream_that_knows_is_told_from_those_that_do_not() -> None:
    streams, labels = noise(0, streams=3)
    streams[1] += 1.5 * np.eye(10, dtype=np.float32)[labels]
    found = search(streams, [str(i) for i in range(EVERY)], labels, folds=0, seed=1)
    alone = (streams[1][found.held].argmax(axis=1) == labels[found.held]).mean()
    assert found.accuracy > found.equal + 0.05
    assert found.accuracy > alone - 0.03


def test_found_weights_are_the_best_along_every_stream() -> None:
    streams, labels = noise(5, count=120, streams=3)
    rows = np.arange(0, 120, 2)
    weights = find_weights(streams, labels, rows)
    best = hits(streams, weights, labels, rows)
    assert best >= hits(streams, [1, 1, 1], labels, rows)
    for stream in range(3):
        for value in GRID:
            other = [value if i == stream else weight for i, weight in enumerate(weights)]
            assert hits(streams, other, labels, rows) <= best


def test_the_labels_of_the_held_out_half_do_not_matter_to_the_weights() -> None:
    streams, labels = noise(7, count=200)
    found = search(streams, PEOPLE, labels, folds=0, seed=3)
    changed = labels.copy()
    changed[found.held] = (changed[found.held] + 1) % 10
    again = search(streams, PEOPLE, changed, folds=0, seed=3)
    np.testing.assert_array_equal(again.held, found.held)
    assert again.weights == found.weights
    assert again.oracle_weights != found.oracle_weights


def test_no_stream_more_changes_nothing_that_is_equal() -> None:
    one, labels = noise(1, streams=1)
    assert find_weights([one[0], one[0]], labels, np.arange(EVERY)) == [1.0, 1.0]


@pytest.mark.parametrize("parts", [2, 3, 5])
def test_people_stay_together(parts: int) -> None:
    names = [PEOPLE[i] for i in np.random.default_rng(0).permutation(len(PEOPLE))]
    part, by = split(names, np.zeros(len(names), int), parts, seed=2)
    assert by == "by person"
    assert set(part.tolist()) == set(range(parts))
    for person in range(1, 21):
        assert len({p for p, name in zip(part.tolist(), names, strict=True) if f"P{person:03}" in name}) == 1
    assert np.ptp(np.bincount(part)) <= 10  # a person's worth


@given(st.integers(2, 6), st.integers(0, 2**32))
def test_else_classes_are_spread_evenly(parts: int, seed: int) -> None:
    labels = np.random.default_rng(seed).integers(0, 4, 50)
    names = [*PEOPLE[:49], "a clip of nobody"]
    part, by = split(names, labels, parts, seed)
    assert by == "by class"
    assert np.ptp(np.bincount(part, minlength=parts)) <= 1
    for label in range(4):
        assert np.ptp(np.bincount(part[labels == label], minlength=parts)) <= 1
    np.testing.assert_array_equal(part, split(names, labels, parts, seed)[0])


def test_too_few_to_split() -> None:
    with pytest.raises(InputError, match="are of 1 people, which cannot be split into 2 parts"):
        split(PEOPLE[:10], np.zeros(10, int), 2, 1)
    with pytest.raises(InputError, match="2 samples cannot be split into 3 parts"):
        split(["a", "b"], np.zeros(2, int), 3, 1)
