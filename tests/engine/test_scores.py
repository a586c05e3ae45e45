"""Scores by name: saved, read, joined and judged; the order of a file never matters."""

from __future__ import annotations

import os
import pickle
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_numpy

from engine.scores import (
    find_scores,
    fuse,
    judge,
    probabilities,
    read_labels_beside,
    read_scores,
    save_scores,
    top_k_accuracy,
)
from errors import InputError

NAMES = ["S001A003", "häuschen, klein", 'a "quoted" name']
LABELS = np.array([2, 0, 3])
LOGITS = np.array([[0.1, 0.2, 0.9, 0.0], [0.5, 0.1, 0.4, 0.0], [1.0, 0.0, 0.5, 0.9]], dtype=np.float32)


def test_saved_scores_are_read_with_their_labels(tmp_path: Path) -> None:
    path = save_scores(tmp_path, 7, NAMES, LABELS, LOGITS)
    assert path == tmp_path / "epoch7_test_score.pkl"
    found = read_scores(path)
    assert list(found) == NAMES
    np.testing.assert_array_equal(np.stack(list(found.values())), LOGITS)
    assert read_labels_beside(path) == dict(zip(NAMES, LABELS.tolist(), strict=True))


def test_scores_are_the_dictionary_that_msg3d_reads(tmp_path: Path) -> None:
    path = save_scores(tmp_path, 1, NAMES, LABELS, LOGITS)
    pairs = list(pickle.loads(path.read_bytes()).items())
    assert [name for name, _ in pairs] == NAMES
    for (_, row), wanted in zip(pairs, LOGITS, strict=True):
        assert type(row) is np.ndarray
        np.testing.assert_array_equal(row, wanted)
    assert (tmp_path / "epoch1_test_labels.csv").read_text(encoding="utf-8").splitlines()[:2] == [
        "name,label",
        "S001A003,2",
    ]


def test_one_score_file_does_not_carry_the_whole_array(tmp_path: Path) -> None:
    """A row that is a view would be pickled with its base by some versions, and grow with the square of the set."""
    path = save_scores(tmp_path, 1, [str(i) for i in range(100)], np.zeros(100, int), np.zeros((100, 60), np.float32))
    assert path.stat().st_size < 100 * (60 * 4 + 200)


@pytest.mark.parametrize(
    ("files", "wanted"),
    [
        (["epoch1_test_score.pkl"], "epoch1_test_score.pkl"),
        (["epoch30_test_score.pkl"], "epoch30_test_score.pkl"),
        (["epoch9_test_score.pkl", "epoch10_test_score.pkl"], "epoch10_test_score.pkl"),
        (["epoch1_test_score.pkl", "epoch2_test_score.pkl"], "epoch2_test_score.pkl"),
        (["epoch2_test_score.pkl", "epoch1_test_score.pkl"], "epoch1_test_score.pkl"),  # a test after training
    ],
)
def test_which_scores_of_a_work_dir_are_meant(tmp_path: Path, files: list[str], wanted: str) -> None:
    for age, name in enumerate([*files, "epoch5_test_labels.csv", "epoch99_test_score.pkl.bak"]):
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (age, age))
    assert find_scores(tmp_path) == tmp_path / wanted
    assert find_scores(tmp_path / wanted) == tmp_path / wanted


def test_folders_without_scores_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"there is no epoch1_test_score.pkl; test the model with --save-score True"):
        find_scores(tmp_path)
    with pytest.raises(InputError, match="gone: no such file or folder"):
        find_scores(tmp_path / "gone")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ([1, 2], "wanted scores by sample name, got list"),
        ({}, "wanted scores by sample name, got dict"),
        ({"a": np.zeros(3), "b": np.zeros(4)}, "the scores of 'b' are not 3 finite numbers"),
        ({"a": np.array([0, np.nan])}, "the scores of 'a' are not 2 finite numbers"),
        ({"a": np.array([0.0]), "b": np.array([np.inf])}, "the scores of 'b' are not 1 finite numbers"),
        ({"a": np.zeros((2, 2))}, "the scores of 'a' are not 4 finite numbers"),
        ({"a": ["x", "y"]}, "the scores of 'a' are not 2 finite numbers"),
        ({"a": 3.5}, "the scores of 'a' are not 1 finite numbers"),
        ({"a": None}, "the scores of 'a' are not"),
        ({"a": [[1], [1, 2]]}, "wanted a vector of scores for every sample"),
    ],
)
def test_files_that_hold_no_scores(tmp_path: Path, content: Any, says: str) -> None:
    (tmp_path / "a.pkl").write_bytes(pickle.dumps(content))
    with pytest.raises(InputError, match=re.escape(says)):
        read_scores(tmp_path / "a.pkl")


def test_a_score_file_cannot_run_code(tmp_path: Path) -> None:
    marker = tmp_path / "marker"

    class Touch:
        def __reduce__(self) -> Any:
            return os.system, (f"touch {marker}",)

    (tmp_path / "a.pkl").write_bytes(pickle.dumps({"a": Touch()}))
    with pytest.raises(InputError, match=r"a.pkl: not a readable pickle"):
        read_scores(tmp_path / "a.pkl")
    assert not marker.exists()


@pytest.mark.parametrize("text", ["name,label\na,one\n", "name,label\na\n", "name,label\na,1,2\n"])
def test_labels_that_are_no_labels(tmp_path: Path, text: str) -> None:
    (tmp_path / "epoch1_test_labels.csv").write_text(text)
    with pytest.raises(InputError, match=r"epoch1_test_labels.csv: wanted lines 'name,label'"):
        read_labels_beside(tmp_path / "epoch1_test_score.pkl")


@pytest.mark.parametrize("name", ["epoch1_test_score.pkl", "scores.pkl"])
def test_no_labels_beside(tmp_path: Path, name: str) -> None:
    (tmp_path / name).touch()
    assert read_labels_beside(tmp_path / name) is None


def test_accuracy_by_hand() -> None:
    assert top_k_accuracy(LOGITS, LABELS, 1) == pytest.approx(1 / 3 + 1 / 3)
    assert top_k_accuracy(LOGITS, LABELS, 2) == 1.0
    assert top_k_accuracy(LOGITS, np.array([0, 3, 1]), 2) == 0.0
    assert top_k_accuracy(LOGITS, np.array([0, 3, 1]), 99) == 1.0


SETS = st.integers(1, 5).flatmap(
    lambda classes: st.integers(1, 6).flatmap(
        lambda clips: st_numpy.arrays(np.float64, (3, clips, classes), elements=st.floats(-1e3, 1e3, width=16))
    )
)
WEIGHT = st.floats(-4, 4, width=16)


def named(rows: np.ndarray) -> dict[str, np.ndarray]:
    return {f"clip{i}": row for i, row in enumerate(rows)}


@given(SETS, WEIGHT, WEIGHT, st.randoms())
def test_the_order_of_a_file_changes_nothing(rows: np.ndarray, a: float, b: float, random: Any) -> None:
    one, other, _ = (named(r) for r in rows)
    shuffled = dict(random.sample(list(other.items()), len(other)))
    fused, again = fuse([("1", one), ("2", other)], [a, b]), fuse([("1", one), ("2", shuffled)], [a, b])
    turned = fuse([("2", shuffled), ("1", one)], [b, a])
    assert fused.keys() == again.keys() == turned.keys()
    for name in fused:
        np.testing.assert_array_equal(fused[name], again[name])
        np.testing.assert_array_equal(fused[name], turned[name])
    labels = dict.fromkeys(fused, 0)
    assert judge(fused, labels, "l") == judge(again, dict(reversed(labels.items())), "l")


@given(SETS, WEIGHT, WEIGHT)
def test_fusing_is_linear(rows: np.ndarray, a: float, b: float) -> None:
    one, other, third = (named(r) for r in rows)
    fused = fuse([("1", one), ("2", other), ("3", third)], [1, a, b])
    for i, name in enumerate(fused):
        np.testing.assert_allclose(fused[name], rows[0, i] + a * rows[1, i] + b * rows[2, i], rtol=1e-12, atol=1e-9)
        np.testing.assert_array_equal(fuse([("1", one)], [1])[name], one[name])
        np.testing.assert_array_equal(fuse([("1", one), ("2", other)], [1, 0])[name], one[name])


def test_streams_of_other_samples_are_refused_and_one_is_named() -> None:
    one, other = named(np.zeros((4, 2))), named(np.zeros((4, 2)))
    del other["clip1"], other["clip3"]
    says = "{} has no scores for 2 of the 4 samples of {}, 'clip1' among them"
    with pytest.raises(InputError, match=says.format("bone", "joint")):
        fuse([("joint", one), ("bone", other)], [1, 1])
    with pytest.raises(InputError, match=says.format("joint", "bone")):
        fuse([("joint", other), ("bone", one)], [1, 1])


def test_streams_of_other_classes_are_refused() -> None:
    with pytest.raises(InputError, match="joint scores 2 classes, but bone 3"):
        fuse([("joint", named(np.zeros((4, 2)))), ("bone", named(np.zeros((4, 3))))], [1, 1])


@pytest.mark.parametrize(
    ("labels", "says"),
    [
        ({"clip0": 0, "clip3": 0}, "mine has no label for 2 of 4 samples, 'clip1' among them"),
        ({f"clip{i}": i for i in range(4)}, "mine has label 3, but the scores are for 2 classes"),
        ({f"clip{i}": -1 for i in range(4)}, "mine has label -1"),
    ],
)
def test_labels_that_do_not_fit_are_refused(labels: dict[str, int], says: str) -> None:
    with pytest.raises(InputError, match=says):
        judge(named(np.zeros((4, 2))), labels, "mine")


def test_labels_of_further_samples_do_no_harm() -> None:
    scores = named(LOGITS)
    labels = {**dict(zip(scores, LABELS.tolist(), strict=True)), "another": 0}
    assert judge(scores, labels, "mine", ks=(1, 2)) == {1: pytest.approx(2 / 3), 2: 1.0}


def test_probabilities_are_a_softmax_however_large_the_scores() -> None:
    rows = np.array([[1.0, 2.0, 4.0], [-1000.0, 0.0, 1000.0], [5.0, 5.0, 5.0]], dtype=np.float32)
    found = probabilities({str(i): row for i, row in enumerate(rows)})
    np.testing.assert_allclose(np.stack(list(found.values())).sum(axis=1), 1)
    np.testing.assert_allclose(found["0"], np.exp(rows[0]) / np.exp(rows[0]).sum(), rtol=1e-6)
    np.testing.assert_array_equal(found["1"], [0, 0, 1])
    logged = {name: np.log(row) for name, row in found.items() if name != "1"}
    np.testing.assert_allclose(probabilities(logged)["0"], found["0"])  # what a test over several clips saves
