"""BABEL's released features into a store: the same clips, names told apart, and a network trained on them."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from clips.store import open_store
from command_line import exit_code
from data_gen import babel_gendata, verify

CONFIG = Path(__file__).resolve().parents[2] / "config"
ROWS = {  # segment, sequence, chunk, annotator, label; two rows of one segment are of two actions
    "train": [("s1", 12, 0, "a", 0), ("s1", 12, 0, "a", 3), ("s1", 12, 1, "a", 0), ("s2", 5, 0, "b", 59)],
    "val": [("s3", 40, 0, "a", 7), ("s4", 41, 0, "a", 2)],
}
NAMES = ["s1_12_0_a_0", "s1_12_0_a_3", "s1_12_1_a", "s2_5_0_b"]


def released(folder: Path, part: str, classes: int = 60) -> np.ndarray:
    """Short chunks of 40 frames come looped to 150, as they were released."""
    rows = ROWS[part]
    whole = np.random.default_rng(len(rows)).normal(size=(len(rows), 3, 150, 25, 1)).astype(np.float32)
    whole[1] = whole[0]
    whole[-1] = whole[-1][:, np.arange(150) % 40]
    np.save(folder / f"{part}_ntu_sk_{classes}.npy", whole)
    segments, sequences, chunks, annotators, labels = zip(*rows, strict=True)
    content = (list(segments), (list(labels), list(sequences), np.array(chunks), list(annotators)))
    (folder / f"{part}_label_{classes}.pkl").write_bytes(pickle.dumps(content))
    return whole


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    folder = tmp_path / "raw"
    folder.mkdir()
    for part in ROWS:
        released(folder, part)
    (folder / "test_ntu_sk_60.npy").write_bytes((folder / "val_ntu_sk_60.npy").read_bytes())
    return folder


def prepare(raw: Path, out: Path | str, *more: str) -> int:
    return exit_code(babel_gendata.run, ["--classes", "60", "--data-path", str(raw), "--out-folder", str(out), *more])


def test_clips_are_taken_as_they_are(raw: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert prepare(raw, tmp_path / "{classes}") == 0
    assert "test_ntu_sk_60.npy stays out: its labels are not public" in capsys.readouterr().out
    for part, rows in ROWS.items():
        store = open_store(tmp_path / "60", split=part)
        assert store.labels == [row[-1] for row in rows]
        assert all(np.array_equal(store.clip(i), clip) for i, clip in enumerate(released(raw, part)))
    assert open_store(tmp_path / "60", split="train").names == NAMES
    # what was looped in the release lies in the store once
    frames = 4 * 150 - 110 + 2 * 150 - 110
    assert np.load(tmp_path / "60" / "clips.npy").size == frames * 3 * 25
    assert prepare(raw, tmp_path / "dense", "--layout", "dense") == 0
    assert np.array_equal(np.load(tmp_path / "dense" / "train_data_joint.npy"), np.load(raw / "train_ntu_sk_60.npy"))


def test_one_damaged_row_is_one_damaged_clip(raw: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    clips = np.load(raw / "train_ntu_sk_60.npy")
    clips[2, 0, 7, 3] = np.inf
    np.save(raw / "train_ntu_sk_60.npy", clips)
    assert prepare(raw, tmp_path / "out") == 1
    assert "row 2 (s1_12_1_a): a coordinate is not finite" in capsys.readouterr().err
    assert prepare(raw, tmp_path / "out", "--allow-missing") == 0
    assert "6 of 6 recordings are done from before" in capsys.readouterr().err
    assert open_store(tmp_path / "out", split="train").names == [NAMES[0], NAMES[1], NAMES[3]]


def test_from_the_release_to_a_trained_network(
    raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run_main: Callable[..., Any], capsys: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    for classes in (60, 120):
        for part in ROWS:
            released(raw, part, classes)
        assert prepare(raw, f"data/babel/{classes}", "--classes", str(classes)) == 0
        capsys.readouterr()
        assert exit_code(verify.run, [f"data/babel/{classes}", "--json"]) == 1
        report = json.loads(capsys.readouterr().out)
        assert report["dataset"] == f"babel-{classes}"
        published = {60: 45473, 120: 48978}[classes]
        assert report["problems"] == [f"train: 4 clips, but babel-{classes} has {published}"]
        assert report["notes"] == [f"val: no number of clips is known of this split of babel-{classes}"]
        done = run_main(
            *("--config", CONFIG / f"babel-{classes}" / "dgstgcn.yaml", "--num-epoch", "1", "--device", "cpu"),
            *("--model-args", "widths=[12,12,24]", "--batch-size", "4", "--forward-batch-size", "4"),
        )
        assert done.code == 0, done.err
        assert any("top-1" in line for line in done.out)


def test_what_does_not_belong_together_is_one_sentence(
    raw: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def refused() -> str:
        assert prepare(raw, tmp_path / "out") == 2
        error = capsys.readouterr().err
        assert error.count("\n") == 1
        return error

    labels = raw / "val_label_60.pkl"
    content = pickle.loads(labels.read_bytes())
    labels.write_bytes(pickle.dumps((content[0], ([7, 60], *content[1][1:]))))
    assert f"{labels}: the label of s4_41_0_a is 60, wanted one from 0 to 59" in refused()
    labels.write_bytes(pickle.dumps((content[0][:1], tuple(column[:1] for column in content[1]))))
    assert f"val_ntu_sk_60.npy has 2 clips, but {labels} names 1" in refused()
    labels.write_bytes(pickle.dumps((content[0], content[1][0])))
    assert f"{labels}: wanted a pickled pair (segments, (labels, sequences, chunks, annotators))" in refused()
    np.save(raw / "val_ntu_sk_60.npy", np.zeros((2, 3, 150, 24, 1), np.float32))
    assert "wanted clips (N, C, T, V, M) = (N, 3, 150, 25, 1), got (2, 3, 150, 24, 1)" in refused()
    (raw / "val_ntu_sk_60.npy").unlink()
    assert "val_ntu_sk_60.npy: no such file" in refused()
    assert prepare(raw, tmp_path / "out", "--allow-missing") == 0
    (raw / "train_ntu_sk_60.npy").unlink()
    assert prepare(raw, tmp_path / "out", "--allow-missing") == 2
    assert "neither train_ntu_sk_60.npy nor val_ntu_sk_60.npy is there" in capsys.readouterr().err
