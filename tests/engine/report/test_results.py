"""Figures of streams and fusions, and the pairs of classes that are confused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import yaml

from engine.report.gather import gather
from engine.report.results import Results, confused_pairs, judge_runs
from engine.scoring.scores import probabilities
from errors import InputError

MOTIONS = ("joint", "bone", "joint_motion", "bone_motion")


def _streams(
    scored: Callable[..., Path], names: tuple[str, ...], seed: int = 0
) -> tuple[list[str], dict[str, np.ndarray]]:
    """Folders of made scores of 40 clips of 4 classes, each in an order of its own, and the scores in the first's."""
    rng = np.random.default_rng(seed)
    labels, clips = np.arange(40) % 4, [f"clip{number}" for number in range(40)]
    folders, values = [], {}
    for number, name in enumerate(names):
        values[name] = (rng.normal(0, 1, (40, 4)) + 1.5 * np.eye(4)[labels]).astype(np.float32)
        order = rng.permutation(40) if number else np.arange(40)
        folder = scored(name, labels[order], values[name][order], [clips[row] for row in order])
        (folder / "config.yaml").write_text(yaml.safe_dump({"stream": name}))
        folders.append(str(folder))
    return folders, values


def test_one_run_is_what_it_is(scored: Callable[..., Path]) -> None:
    folders, values = _streams(scored, ("joint",))
    results = judge_runs(gather(folders))
    assert [row.name for row in results.rows] == ["joint"]
    np.testing.assert_array_equal(results.predicted, values["joint"].argmax(axis=1))
    np.testing.assert_allclose(results.probabilities, probabilities(values["joint"]), rtol=1e-6)
    assert results.confusion.sum() == 40


def test_runs_are_fused_by_name(scored: Callable[..., Path]) -> None:
    folders, values = _streams(scored, ("bone", "joint"))
    results = judge_runs(gather(folders))
    assert [(row.name, row.how) for row in results.rows[2:]] == [("bone + joint", "1:1, scores")]
    fused = (values["joint"] + values["bone"]).argmax(axis=1)
    np.testing.assert_array_equal(results.predicted, fused)
    figures, labels = results.rows[2].figures, np.arange(40) % 4
    assert figures["top1"] == np.mean(fused == labels)
    best = max(np.mean(values[name].argmax(axis=1) == labels) for name in values)
    assert figures["difference"] == pytest.approx(figures["top1"] - best)
    low, high = figures["difference_interval_95"]
    assert low <= figures["difference"] <= high


def test_four_streams_have_the_published_weights_whatever_their_order(scored: Callable[..., Path]) -> None:
    folders, values = _streams(scored, MOTIONS)
    results = judge_runs(gather([folders[n] for n in (0, 3, 1, 2)]))
    assert [row.name for row in results.rows[4:]] == [
        *("joint + bone", "joint + bone_motion + bone + joint_motion", "all four"),
    ]
    assert results.rows[-1].how == "2:2:1:1, probabilities"
    shares = [weight * probabilities(values[name]) for name, weight in zip(MOTIONS, (2, 2, 1, 1), strict=True)]
    np.testing.assert_allclose(results.probabilities, np.sum(shares, axis=0) / 6, rtol=1e-5)


def test_runs_on_other_clips_are_refused(scored: Callable[..., Path]) -> None:
    one = scored("one", [0, 1], np.eye(2))
    other = scored("other", [0, 1], np.eye(2), ["x", "y"])
    with pytest.raises(InputError, match="has no scores for 2 of the 2 samples"):
        judge_runs(gather([str(one), str(other)]))


def _results(labels: list[int], predicted: list[int], sure: list[float], classes: int = 4) -> Results:
    shares = np.full((len(labels), classes), 0.01, dtype=np.float32)
    shares[np.arange(len(labels)), predicted] = sure
    names = [f"c{number}" for number in range(len(labels))]
    return Results([], names, np.array(labels), np.array(predicted), shares)


def test_pairs_are_by_how_often_and_clips_by_how_surely() -> None:
    labels = [0, 0, 0, 1, 1, 2, 2, 3]
    predicted = [1, 1, 0, 1, 0, 3, 2, 3]
    sure = [0.6, 0.9, 0.5, 0.7, 0.8, 0.9, 0.4, 0.3]
    first, second = confused_pairs(_results(labels, predicted, sure), 5)
    assert (first.truth, first.guess, first.times, first.back) == (0, 1, 2, 1)
    assert (first.mistaken, first.typical) == (1, 3)
    assert (second.truth, second.guess, second.times, second.back) == (2, 3, 1, 0)
    assert (second.mistaken, second.typical) == (5, 7)
    assert confused_pairs(_results(labels, predicted, sure), 1) == [first]


def test_a_class_that_is_never_recognised_is_shown_as_it_is() -> None:
    (pair, _) = confused_pairs(_results([0, 0, 1], [1, 1, 2], [0.9, 0.8, 0.5]), 2)
    assert (pair.truth, pair.guess, pair.typical) == (0, 1, 2)


def test_a_class_without_clips_has_none_to_show() -> None:
    (pair,) = confused_pairs(_results([0, 0], [1, 0], [0.9, 0.8]), 2)
    assert (pair.mistaken, pair.typical) == (0, None)


def test_where_all_is_right_nothing_is_confused() -> None:
    assert confused_pairs(_results([0, 1], [0, 1], [0.9, 0.8]), 2) == []
