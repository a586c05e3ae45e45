"""The command line of ensemble.py: which scores, which weights, which labels; and what is refused."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.fusion import DATASETS, fuse_from_command_line
from engine.scores import save_scores, top_k_accuracy
from errors import InputError

NAMES = [f"clip{i:02}" for i in range(60)]
LABELS = np.arange(60) % 7
RNG = np.random.default_rng(4)
STREAMS = {
    name: (RNG.normal(0, 1, (60, 7)) + strength * np.eye(7)[LABELS]).astype(np.float32)
    for name, strength in (("joint", 1.0), ("bone", 1.2), ("motion", 0.6))
}


@pytest.fixture
def work_dirs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder, and the current one, with the work dir of a test of every stream."""
    for name, logits in STREAMS.items():
        (tmp_path / name).mkdir()
        save_scores(tmp_path / name, 1, NAMES, LABELS, logits)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write_labels(path: Path, labels: Any, names: list[str] = NAMES) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(pickle.dumps((names, list(labels))))
    return str(path)


def without_labels(folder: Path) -> None:
    for path in folder.glob("*/epoch1_test_labels.csv"):
        path.unlink()


def wanted(weights: dict[str, float], labels: np.ndarray = LABELS) -> list[str]:
    """The lines that fusing by hand leads to."""
    fused = sum(weight * STREAMS[name] for name, weight in weights.items())
    lines = [
        f"{name}/epoch1_test_score.pkl (weight {weight:g}): {top_k_accuracy(STREAMS[name], labels, 1):.2%}"
        for name, weight in weights.items()
    ]
    accuracies = [f"Top{k} Acc: {top_k_accuracy(np.asarray(fused), labels, k):.4%}" for k in (1, 5)]
    return (lines if len(lines) > 1 else []) + accuracies


@pytest.mark.parametrize(
    ("argv", "weights"),
    [
        (["--joint-dir", "joint", "--bone-dir", "bone"], {"joint": 1.0, "bone": 1.0}),
        (["--joint-dir", "joint", "--bone-dir", "bone", "--alpha", "0.5"], {"joint": 1.0, "bone": 0.5}),
        (["--scores", "joint", "bone", "motion"], {"joint": 1.0, "bone": 1.0, "motion": 1.0}),
        (
            ["--scores", "joint", "bone", "motion", "--weights", "0.6", "0.6", "-0.4"],
            {"joint": 0.6, "bone": 0.6, "motion": -0.4},
        ),
        (["--scores", "joint/epoch1_test_score.pkl", "bone"], {"joint": 1.0, "bone": 1.0}),
        (["--scores", "motion"], {"motion": 1.0}),
    ],
)
def test_streams_are_fused_with_their_weights(
    work_dirs: Path, capsys: pytest.CaptureFixture[str], argv: list[str], weights: dict[str, float]
) -> None:
    fuse_from_command_line(argv)
    assert capsys.readouterr().out.splitlines() == wanted(weights)


def test_the_weights_above_lead_to_different_figures() -> None:
    """Or the test above would not notice a stream or a weight left out."""
    used = [(1, 0, 0), (0, 0, 1), (1, 1, 0), (1, 0.5, 0), (1, 1, 1), (0.6, 0.6, -0.4)]
    assert len({tuple(wanted(dict(zip(STREAMS, weights, strict=True)))[-2:]) for weights in used}) == len(used)


def test_labels_beside_the_scores_win_over_the_data_set(work_dirs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_labels(work_dirs / "data" / "ntu" / "xsub" / "val_label.pkl", (LABELS + 1) % 7)
    argv = ["--dataset", "ntu/xsub", "--joint-dir", "joint", "--bone-dir", "bone"]
    fuse_from_command_line(argv)
    assert capsys.readouterr().out.splitlines() == wanted({"joint": 1, "bone": 1})
    without_labels(work_dirs)
    fuse_from_command_line(argv)
    assert capsys.readouterr().out.splitlines() == wanted({"joint": 1, "bone": 1}, (LABELS + 1) % 7)


@pytest.mark.parametrize("dataset", DATASETS)
def test_every_data_set_of_msg3d(work_dirs: Path, capsys: pytest.CaptureFixture[str], dataset: str) -> None:
    without_labels(work_dirs)
    write_labels(work_dirs / "data" / dataset / "val_label.pkl", reversed(LABELS), NAMES[::-1])
    fuse_from_command_line(["--dataset", dataset, "--joint-dir", "joint", "--bone-dir", "bone"])
    assert capsys.readouterr().out.splitlines() == wanted({"joint": 1, "bone": 1})


def test_labels_that_are_given_must_agree_with_those_saved(work_dirs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    argv = ["--scores", "joint", "bone", "--labels"]
    fuse_from_command_line([*argv, write_labels(work_dirs / "same.pkl", LABELS)])
    assert capsys.readouterr().out.splitlines() == wanted({"joint": 1, "bone": 1})
    other = LABELS.copy()
    other[3] = 6
    path = write_labels(work_dirs / "other.pkl", other)
    says = rf"'clip03' has label 3 in the labels beside joint.*, but 6 in {path}"
    with pytest.raises(InputError, match=says):
        fuse_from_command_line([*argv, path])
    without_labels(work_dirs)
    fuse_from_command_line([*argv, path])
    assert capsys.readouterr().out.splitlines() == wanted({"joint": 1, "bone": 1}, other)


def test_streams_that_were_tested_on_other_labels_are_refused(work_dirs: Path) -> None:
    save_scores(work_dirs / "bone", 1, NAMES, (LABELS + 1) % 7, STREAMS["bone"])
    with pytest.raises(InputError, match=r"'clip\d\d' has label \d in the labels beside joint.*, but \d in the labels"):
        fuse_from_command_line(["--scores", "joint", "bone"])


def test_streams_in_another_order_give_the_same(work_dirs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    order = np.random.default_rng(1).permutation(60)
    save_scores(work_dirs / "bone", 1, [NAMES[i] for i in order], LABELS[order], STREAMS["bone"][order])
    fuse_from_command_line(["--scores", "joint", "bone"])
    assert capsys.readouterr().out.splitlines() == wanted({"joint": 1, "bone": 1})


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        ([], "name the scores to fuse: --joint-dir DIR --bone-dir DIR, or --scores A B ..."),
        (["--joint-dir", "joint"], "name the scores to fuse"),
        (["--scores", "joint", "--joint-dir", "joint"], "give either --scores, or --joint-dir and --bone-dir"),
        (["--joint-dir", "joint", "--bone-dir", "bone", "--weights", "1", "2"], "--weights goes with --scores"),
        (["--scores", "joint", "bone", "--weights", "1"], "--weights: 1 numbers for 2 score files"),
        (["--scores", "joint", "bone", "--weights", "1", "2", "3"], "--weights: 3 numbers for 2 score files"),
        (["--scores", "joint", "bone", "--weights", "1", "x"], "argument --weights: invalid float value: 'x'"),
        (["--scores", "joint", "bone", "--weights", "1", "nan"], "must be finite numbers, got 1.0 nan"),
        (["--joint-dir", "joint", "--bone-dir", "bone", "--alpha", "inf"], "must be finite numbers"),
        (["--scores", "joint", "gone"], "gone: no such file or folder"),
        (["--dataset", "ntu", "--scores", "joint"], "argument --dataset: invalid choice: 'ntu'"),
        (["--score", "joint"], "unknown argument '--score'; did you mean '--scores'?"),
        (["--scores", "joint", "--labels", "gone.pkl"], "gone.pkl: no such file"),
    ],
)
def test_bad_command_lines_are_refused_in_one_line(work_dirs: Path, argv: list[str], says: str) -> None:
    with pytest.raises(InputError) as caught:
        fuse_from_command_line(argv)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_scores_without_any_labels_are_refused(work_dirs: Path) -> None:
    without_labels(work_dirs)
    with pytest.raises(InputError, match=r"there are no labels beside joint.*: name them with --labels or --dataset"):
        fuse_from_command_line(["--scores", "joint", "bone"])
    with pytest.raises(InputError, match=r"data/kinetics/val_label.pkl: no such file"):
        fuse_from_command_line(["--scores", "joint", "bone", "--dataset", "kinetics"])
