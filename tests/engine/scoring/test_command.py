"""The command line of ensemble.py: which scores, which weights, which labels; and what is refused."""

from __future__ import annotations

import csv
import json
import pickle
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.scoring.command import fuse_from_command_line
from engine.scoring.labels import DATASETS
from engine.scoring.metrics import top_k_accuracy
from engine.scoring.scores import probabilities, save_best_scores, save_scores
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
        (["--scores", "joint", "--motion_ckpts", "bone"], "give either --scores, or --position-ckpts and"),
        (
            ["--position_ckpts", "joint", "--preset", "1:1"],
            "--preset goes with --scores; 1.5 and 1 are those of InfoGCN",
        ),
        (["--scores", "joint", "bone", "--preset", "1:2"], "invalid choice: '1:2'"),
        (["--scores", "joint", "bone", "--preset", "msagcn-4"], "--preset msagcn-4 is for 4 streams"),
        (["--scores", "joint", "bone", "--split", "val"], "--split names a part of the annotations in --ann-file"),
        (["--scores", "joint", "bone", "--folds", "5"], "--folds goes with --search"),
        (["--scores", "joint", "bone", "--search", "--folds", "61"], "60 samples cannot be split into 61 parts"),
        (["--scores", "joint", "--report", "r", "--class-names", "ntu60"], "ntu60 has 60 names for 7 classes"),
        (["--scores", "joint", "--report", "r", "--weights", "0"], "want weights that are not all 0"),
        (["--scores", "joint", "bone", "--softmax", "--out", "r", "--weights", "1", "-1"], "and none below 0"),
        (["--scores", "joint", "--against", "gone"], "gone: no such file or folder"),
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


def test_the_command_of_infogcn_and_msagcn(work_dirs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Their weights are 1.5 and 1; the files are those that training leaves, or their work dirs."""
    for name, logits in STREAMS.items():
        save_scores(work_dirs / name, 1, NAMES, LABELS, -logits)  # not these, in this form
        save_best_scores(work_dirs / name, NAMES, LABELS, logits)
    files = {name: f"{name}/files/best_score.pkl" for name in STREAMS}
    weights = {"joint": 1.5, "bone": 1.5, "motion": 1.0}
    lines = [line.replace("epoch1_test_score", "files/best_score") for line in wanted(weights)]
    for argv in (
        ["--dataset=ntu/xsub", "--position_ckpts", files["joint"], files["bone"], "--motion_ckpts", files["motion"]],
        ["--position-ckpts", "joint", "bone", "--motion-ckpts", "motion"],
    ):
        fuse_from_command_line(argv)
        assert capsys.readouterr().out.splitlines() == lines
    fuse_from_command_line(["--motion_ckpts", "motion"])
    assert capsys.readouterr().out.splitlines() == wanted({"motion": 1})


def test_named_streams_take_the_weights_of_a_preset(work_dirs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save_scores(work_dirs / "bm", 1, NAMES, LABELS, STREAMS["motion"][:, ::-1])
    named = ["bone_motion=bm", "bone=bone", "joint_motion=motion", "joint=joint"]
    fuse_from_command_line(["--scores", *named, "--preset", "msagcn-4"])
    by_name = capsys.readouterr().out.splitlines()
    fuse_from_command_line(["--scores", "joint", "bone", "motion", "bm", "--weights", "3", "3", "2", "2"])
    plain = capsys.readouterr().out.splitlines()
    assert by_name[-2:] == plain[-2:]
    assert [line.partition("=")[2] for line in by_name[:4]] == plain[:4]
    assert [line.partition("=")[0] for line in by_name[:4]] == ["joint", "bone", "joint_motion", "bone_motion"]


def pyskl_files(folder: Path) -> list[str]:
    """Results of two streams, whose annotations are in another order and among others; the flags that read them."""
    order = np.random.default_rng(2).permutation(60)
    annotations = [{"frame_dir": NAMES[i], "label": int(LABELS[i])} for i in order]
    others = [{"frame_dir": f"train{i}", "label": 0} for i in range(9)]
    split = {"train": [a["frame_dir"] for a in others], "val": NAMES}
    (folder / "ann.pkl").write_bytes(pickle.dumps({"split": split, "annotations": [*annotations, *others]}))
    for name in ("joint", "bone"):
        rows = probabilities(STREAMS[name])[order]
        (folder / f"{name}.pkl").write_bytes(pickle.dumps(list(rows)))
    return ["--scores", "joint.pkl", "bone.pkl", "--preset", "1:1", "--ann-file", "ann.pkl", "--split", "val"]


def test_results_of_pyskl_with_their_annotations(work_dirs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    argv = pyskl_files(work_dirs)
    fuse_from_command_line(argv)
    found = capsys.readouterr().out.splitlines()
    fuse_from_command_line(["--scores", "joint", "bone", "--softmax"])
    assert found[-2:] == capsys.readouterr().out.splitlines()[-2:]
    fuse_from_command_line(["--scores", "joint.pkl", "bone", "--softmax", *argv[5:]])  # ours and theirs, by name
    mixed = capsys.readouterr().out.splitlines()
    assert mixed[-2:] == found[-2:]
    assert "note: joint.pkl holds probabilities already" in mixed
    with pytest.raises(InputError, match="60 results, but the split has 69 annotations"):
        fuse_from_command_line(argv[:-2])
    with pytest.raises(InputError, match=r"no split 'vla'.*did you mean 'val'"):
        fuse_from_command_line([*argv[:-1], "vla"])
    with pytest.raises(InputError, match=r"there are no labels beside joint\.pkl"):
        fuse_from_command_line(argv[:5])


def test_a_result_goes_round(work_dirs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What ``--out`` writes is in the order of the annotations, and reads as the fused stream."""
    argv = pyskl_files(work_dirs)
    fuse_from_command_line(["--scores", "joint", "bone", "--softmax", *argv[5:], "--out", "new/result.pkl"])
    first = [line for line in capsys.readouterr().out.splitlines() if line.startswith("Top")]
    fuse_from_command_line(["--scores", "new/result.pkl", *argv[5:], "--out", "again.pkl"])
    assert [line for line in capsys.readouterr().out.splitlines() if line.startswith("Top")] == first
    rows = [pickle.loads((work_dirs / name).read_bytes()) for name in ("new/result.pkl", "again.pkl")]
    np.testing.assert_allclose(*rows, rtol=1e-6)
    np.testing.assert_allclose(np.sum(rows[0], axis=1), 1, rtol=1e-6)
    fuse_from_command_line(["--scores", "joint", "--out", "alone.pkl"])
    with pytest.raises(InputError, match=r"score.pkl has no scores for 9 of the 69 samples of ann.pkl, 'train0' among"):
        fuse_from_command_line(["--scores", "joint", "--ann-file", "ann.pkl", "--out", "nothing.pkl"])
    assert not (work_dirs / "nothing.pkl").exists()
    alone = pickle.loads((work_dirs / "alone.pkl").read_bytes())
    np.testing.assert_allclose(alone, probabilities(STREAMS["joint"]), rtol=1e-5)


def test_npz_files_carry_their_labels(work_dirs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    np.savez(work_dirs / "bone.npz", names=NAMES[::-1], scores=STREAMS["bone"][::-1], labels=LABELS[::-1])
    without_labels(work_dirs)
    fuse_from_command_line(["--scores", "joint", "bone.npz"])
    assert capsys.readouterr().out.splitlines()[-2:] == wanted({"joint": 1, "bone": 1})[-2:]
    np.savez(work_dirs / "other.npz", names=NAMES, scores=STREAMS["motion"], labels=(LABELS + 1) % 7)
    with pytest.raises(InputError, match=r"has label \d in the labels in bone.npz, but \d in the labels in other.npz"):
        fuse_from_command_line(["--scores", "bone.npz", "other.npz"])


def test_results_without_names_must_agree_in_their_labels(work_dirs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, labels in (("joint", LABELS), ("bone", LABELS), ("turned", LABELS[::-1])):
        rows = zip(STREAMS.get(name, STREAMS["bone"][::-1]), labels, strict=True)
        items = [{"pred_score": row, "gt_label": np.array([label])} for row, label in rows]
        (work_dirs / f"{name}.pkl").write_bytes(pickle.dumps(items))
    fuse_from_command_line(["--scores", "joint.pkl", "bone.pkl"])
    out = capsys.readouterr().out.splitlines()
    assert out[-2:] == wanted({"joint": 1, "bone": 1})[-2:]
    assert "note: bone.pkl names no samples: they are taken in its order" in out
    with pytest.raises(InputError, match=r"'0' has label 0 in the labels in joint.pkl, but 3 in the labels in turned"):
        fuse_from_command_line(["--scores", "joint.pkl", "turned.pkl"])


def test_scores_and_probabilities_are_noticed(work_dirs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save_scores(work_dirs / "bone", 1, NAMES, LABELS, probabilities(STREAMS["bone"]))
    fuse_from_command_line(["--scores", "joint", "bone"])
    notes = [line for line in capsys.readouterr().out.splitlines() if line.startswith("note")]
    file = "epoch1_test_score.pkl"
    assert notes == [f"note: joint/{file} holds scores, bone/{file} probabilities: --softmax fuses alike"]


def test_a_search_names_what_it_is(work_dirs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fuse_from_command_line(["--scores", "joint", "bone", "motion", "--search", "--folds", "3"])
    lines = capsys.readouterr().out.splitlines()
    assert lines[3:5] == wanted(dict.fromkeys(STREAMS, 1.0))[-2:]  # the figures are those of the plain weights
    assert [line.partition(": weights")[0] for line in lines[5:8]] == [
        f"searched (by class): part {part}" for part in (1, 2, 3)
    ]
    assert re.fullmatch(r"held out, 60 clips: \S+% with these, \S+% with weights of 1", lines[8])
    assert lines[9].startswith("oracle, searched on the clips it is judged on, not a result: ")
    fuse_from_command_line(["--scores", "joint", "bone", "motion", "--search"])
    assert "held out, 30 clips:" in capsys.readouterr().out


def test_a_report(work_dirs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    argv = ["--scores", "joint", "bone", "--report", "r", "--against", "joint", "--show-topk", "1", "3"]
    fuse_from_command_line(argv)
    lines = capsys.readouterr().out.splitlines()
    found = json.loads((work_dirs / "r" / "metrics.json").read_text())
    fused, joint = STREAMS["joint"] + STREAMS["bone"], STREAMS["joint"]
    assert found["top3"] == top_k_accuracy(fused, LABELS, 3)
    assert found["weights"] == [1, 1]
    gain = (fused.argmax(1) == LABELS).mean() - (joint.argmax(1) == LABELS).mean()
    assert found["difference"] == pytest.approx(gain)
    assert lines[2].startswith("Top1 Acc: ") and lines[3].startswith("Top3 Acc: ")
    assert lines[-1] == "r: metrics.json, predictions.csv, per_class.csv, confusion.csv"
    rows = list(csv.DictReader((work_dirs / "r" / "predictions.csv").read_text(encoding="utf-8").splitlines()))
    assert [row["name"] for row in rows] == NAMES
    save_scores(work_dirs / "motion", 1, NAMES, (LABELS + 1) % 7, STREAMS["motion"])
    with pytest.raises(InputError, match=r"'clip00' has label 0 in the fused streams, but 1 in the labels of motion"):
        fuse_from_command_line(["--scores", "joint", "bone", "--against", "motion"])
    shares = probabilities(fused / 2)
    np.testing.assert_allclose([float(row["probability"]) for row in rows], shares.max(axis=1), atol=1e-6)


@pytest.mark.realdata
@pytest.mark.parametrize(
    ("streams", "top1"), [(["joint"], "91.6667%"), (["bone"], "93.3333%"), (["joint", "bone"], "93.3333%")]
)
def test_published_results(
    streams: list[str], top1: str, skeleton_data: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """60 clips of NTU RGB+D 120, tensors within; the figures were computed elsewhere, with torch's own reader."""
    files = [str(skeleton_data / "scores" / "mmaction2-fuse" / f"{name}.pkl") for name in streams]
    argv = ["--scores", *files, "--report", str(tmp_path), "--class-names", "ntu120"]
    fuse_from_command_line(argv)
    assert f"Top1 Acc: {top1}" in capsys.readouterr().out.splitlines()
    assert json.loads((tmp_path / "metrics.json").read_text())["clips"] == 60
