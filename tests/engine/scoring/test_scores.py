"""Scores by name: saved, read, joined and judged; the order of a file never matters."""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_numpy

from engine.scoring.files import read_scores
from engine.scoring.scores import (
    Scores,
    agreed,
    are_probabilities,
    find_scores,
    fuse,
    judge,
    probabilities,
    read_labels_beside,
    save_best_scores,
    save_scores,
    truth_of,
)
from errors import InputError

NAMES = ["S001A003", "häuschen, klein", 'a "quoted" name']
LABELS = np.array([2, 0, 3])
LOGITS = np.array([[0.1, 0.2, 0.9, 0.0], [0.5, 0.1, 0.4, 0.0], [1.0, 0.0, 0.5, 0.9]], dtype=np.float32)


def test_saved_scores_are_read_with_their_labels(tmp_path: Path) -> None:
    path = save_scores(tmp_path, 7, NAMES, LABELS, LOGITS)
    assert path == tmp_path / "epoch7_test_score.pkl"
    found = read_scores(path)
    assert (found.source, found.names, found.labels) == (str(path), NAMES, None)
    np.testing.assert_array_equal(found.values, LOGITS)
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
    with pytest.raises(InputError, match=r"there is no epoch<E>_test_score.pkl; test the network first"):
        find_scores(tmp_path)
    with pytest.raises(InputError, match="gone: no such file or folder"):
        find_scores(tmp_path / "gone")


def test_the_best_scores_of_a_run_lie_where_infogcn_has_them(tmp_path: Path) -> None:
    save_scores(tmp_path, 3, NAMES, LABELS, LOGITS)
    path = save_best_scores(tmp_path, NAMES, LABELS, LOGITS + 1)
    assert path == tmp_path / "files" / "best_score.pkl"
    content = pickle.loads(path.read_bytes())
    assert list(content) == NAMES
    np.testing.assert_array_equal(content[NAMES[1]], LOGITS[1] + 1)
    assert read_labels_beside(path) == dict(zip(NAMES, LABELS.tolist(), strict=True))
    assert find_scores(tmp_path, best=True) == path
    assert find_scores(tmp_path) == tmp_path / "epoch3_test_score.pkl"
    path.unlink()
    assert find_scores(tmp_path, best=True) == tmp_path / "epoch3_test_score.pkl"


@pytest.mark.parametrize("text", ["name,label\na,one\n", "name,label\na\n", "name,label\na,1,2\n"])
def test_labels_that_are_no_labels(tmp_path: Path, text: str) -> None:
    (tmp_path / "epoch1_test_labels.csv").write_text(text)
    with pytest.raises(InputError, match=r"epoch1_test_labels.csv: wanted lines 'name,label'"):
        read_labels_beside(tmp_path / "epoch1_test_score.pkl")


@pytest.mark.parametrize("name", ["epoch1_test_score.pkl", "scores.pkl"])
def test_no_labels_beside(tmp_path: Path, name: str) -> None:
    (tmp_path / name).touch()
    assert read_labels_beside(tmp_path / name) is None


SETS = st.integers(1, 5).flatmap(
    lambda classes: st.integers(1, 6).flatmap(
        lambda clips: st_numpy.arrays(np.float32, (3, clips, classes), elements=st.floats(-1e3, 1e3, width=16))
    )
)
WEIGHT = st.floats(-4, 4, width=16)


def named(rows: np.ndarray, source: str = "x") -> Scores:
    return Scores(source, [f"clip{i}" for i in range(len(rows))], rows)


def picked(scores: Scores, rows: list[int]) -> Scores:
    return Scores(scores.source, [scores.names[row] for row in rows], scores.values[rows])


@given(SETS, WEIGHT, WEIGHT, st.randoms())
def test_the_order_of_a_file_changes_nothing(rows: np.ndarray, a: float, b: float, random: Any) -> None:
    one, other, _ = (named(r) for r in rows)
    shuffled = picked(other, random.sample(range(len(other.names)), len(other.names)))
    fused, again, turned = fuse([one, other], [a, b]), fuse([one, shuffled], [a, b]), fuse([shuffled, one], [b, a])
    assert fused.names == again.names == one.names
    np.testing.assert_array_equal(fused.values, again.values)
    back = [turned.names.index(name) for name in fused.names]
    np.testing.assert_array_equal(fused.values, turned.values[back])
    labels = dict.fromkeys(fused.names, 0)
    assert judge(fused, ("l", labels)) == judge(again, ("l", dict(reversed(labels.items()))))


@given(SETS, WEIGHT, WEIGHT)
def test_fusing_is_linear_and_leaves_its_streams_alone(rows: np.ndarray, a: float, b: float) -> None:
    before = rows.copy()
    one, other, third = (named(r) for r in rows)
    fused = fuse([one, other, third], [1, a, b]).values
    np.testing.assert_allclose(fused, rows[0] + a * rows[1] + b * rows[2], rtol=1e-5, atol=1e-2)
    np.testing.assert_array_equal(fuse([one], [1]).values, rows[0])
    np.testing.assert_array_equal(fuse([one, other], [1, 0]).values, rows[0])
    np.testing.assert_array_equal(rows, before)


def test_every_stream_is_seen_in_the_order_of_the_first() -> None:
    one, other = named(np.float32([[1], [2], [3]])), named(np.float32([[4], [5], [6]]))
    seen: list[Scores] = []
    fuse(iter([one, picked(other, [2, 0, 1])]), [1, 1], seen.append)
    assert [scores.names for scores in seen] == [one.names] * 2
    np.testing.assert_array_equal(seen[1].values, other.values)


@pytest.mark.parametrize(("weights", "scale"), [((1e39, 1), 1), ((1e9, 1), 1e35), ((1, 1), 3e38)])
def test_sums_that_are_too_large_are_refused(weights: tuple[float, float], scale: float) -> None:
    rows = np.full((2, 3), scale, np.float32)
    with pytest.raises(InputError, match="the fused scores are not finite"):
        fuse([named(rows), named(rows)], weights)


def test_streams_of_other_samples_are_refused_and_one_is_named() -> None:
    one, other = named(np.zeros((4, 2)), "joint"), picked(named(np.zeros((4, 2)), "bone"), [0, 2])
    says = "{} has no scores for 2 of the 4 samples of {}, 'clip1' among them"
    with pytest.raises(InputError, match=says.format("bone", "joint")):
        fuse([one, other], [1, 1])
    with pytest.raises(InputError, match=says.format("bone", "joint")):
        fuse([other, one], [1, 1])


def test_streams_of_other_classes_are_refused() -> None:
    with pytest.raises(InputError, match="joint scores 2 classes, but bone 3"):
        fuse([named(np.zeros((4, 2)), "joint"), named(np.zeros((4, 3)), "bone")], [1, 1])


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
        judge(named(np.zeros((4, 2))), ("mine", labels))


def test_labels_of_further_samples_do_no_harm() -> None:
    scores = named(LOGITS)
    labels = {**dict(zip(scores.names, LABELS.tolist(), strict=True)), "another": 0}
    assert truth_of(scores, ("mine", labels)).tolist() == LABELS.tolist()
    assert judge(scores, ("mine", labels), ks=(1, 2)) == {1: pytest.approx(2 / 3), 2: 1.0}


def test_labels_that_contradict_each_other_are_refused() -> None:
    assert agreed([("a", {"x": 1, "y": 2}), ("b", {"y": 2, "z": 3})]) == ("a", {"x": 1, "y": 2})
    with pytest.raises(InputError, match="'y' has label 2 in a, but 3 in b"):
        agreed([("a", {"x": 1, "y": 2}), ("b", {"y": 3})])


def test_probabilities_are_a_softmax_however_large_the_scores() -> None:
    rows = np.array([[1.0, 2.0, 4.0], [-1000.0, 0.0, 1000.0], [5.0, 5.0, 5.0]], dtype=np.float32)
    found = probabilities(rows)
    np.testing.assert_allclose(found.sum(axis=1), 1, rtol=1e-6)
    np.testing.assert_allclose(found[0], np.exp(rows[0]) / np.exp(rows[0]).sum(), rtol=1e-6)
    np.testing.assert_array_equal(found[1], [0, 0, 1])
    np.testing.assert_allclose(probabilities(np.log(found[[0, 2]])), found[[0, 2]], rtol=1e-6)  # as clips are averaged
    assert are_probabilities(found)
    assert are_probabilities(found.astype(np.float16).astype(np.float32))
    assert not are_probabilities(rows)
    assert not are_probabilities(np.float32([[2.0, -1.0]]))


def test_a_folder_of_work_dirs_is_told_which_hold_scores(tmp_path: Path) -> None:
    for name in ("joint", "bone"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "epoch3_test_score.pkl").write_bytes(b"")
    (tmp_path / "other").mkdir()
    with pytest.raises(InputError, match=r"no epoch<E>_test_score.pkl; its folders bone, joint hold some"):
        find_scores(tmp_path)
    with pytest.raises(InputError, match=r"other: there is no epoch<E>_test_score.pkl; test the network first"):
        find_scores(tmp_path / "other")
