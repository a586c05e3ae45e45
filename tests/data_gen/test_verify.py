"""Counts, histograms, checksums and everything that can be wrong with clips, in every layout."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from clips.write.compact import Piece, write_store
from clips.write.npz import write_npz
from command_line import exit_code
from data_gen import verify
from data_gen.known_counts import COUNTS, EXPLAINED, NUM_CLASSES, data_sets, split_of

ABOUT = {"channels": 3, "joints": 25, "bodies": 2, "layout": "ntu-rgb+d"}


def clips(count: int = 8) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    made = [np.zeros((3, 5 + number, 25, 2), np.float32) for number in range(count)]
    for number, clip in enumerate(made):
        clip[..., : 1 + number % 2] = rng.normal(size=(*clip.shape[:3], 1 + number % 2))
    return made


def compact(
    folder: Path, held: list[np.ndarray], *, names: list[str] | None = None, labels: Any = None, **about: Any
) -> Path:
    """The first half is for training."""
    piece = Piece()
    for clip in held:
        piece.append(clip)
    folder.mkdir(parents=True, exist_ok=True)
    piece.save(folder / "piece.npz")
    half, count = len(held) // 2, len(held)
    splits = {"xsub_train": range(half), "xsub_val": range(half, count)}
    write_store(
        folder,
        [folder / "piece.npz"],
        names or [f"c{number}" for number in range(count)],
        labels or [number % 4 for number in range(count)],
        splits,
        {**ABOUT, **about},
    )
    return folder


def report(capsys: pytest.CaptureFixture[str], *argv: Any) -> tuple[int, dict[str, Any]]:
    capsys.readouterr()
    code = exit_code(verify.run, [*map(str, argv), "--json"])
    return code, json.loads(capsys.readouterr().out)


def dense(folder: Path, held: list[np.ndarray]) -> Path:
    half = len(held) // 2
    for part, rows in (("train", range(half)), ("val", range(half, len(held)))):
        (folder / "xsub").mkdir(parents=True, exist_ok=True)
        array = np.zeros((half, 3, 20, 25, 2), np.float32)
        for row, number in enumerate(rows):
            array[row, :, : held[number].shape[1]] = held[number]
        np.save(folder / "xsub" / f"{part}_data_joint.npy", array)
        label = ([f"c{number}" for number in rows], [number % 4 for number in rows])
        (folder / "xsub" / f"{part}_label.pkl").write_bytes(pickle.dumps(label))
    return folder


def test_what_is_said_of_good_clips(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, found = report(capsys, compact(tmp_path, clips()))
    assert (code, found["clips"], found["problems"]) == (0, 8, [])
    train = found["splits"]["xsub_train"]
    assert train["clips"] == 4
    assert train["classes"] == {"0": 1, "1": 1, "2": 1, "3": 1}
    assert [train["frames"][key] for key in ("least", "mean", "median", "most")] == [5, 6.5, 6.5, 8]
    assert sum(train["frames"]["histogram"].values()) == 4
    assert train["empty_second_bodies"] == 0.5
    assert exit_code(verify.run, [str(tmp_path)]) == 0
    text = capsys.readouterr().out
    assert "xsub_train: 4 clips\n  clips of each class: 4 classes, 1 to 1 clips\n     0: 1 1 1 1 0" in text
    assert "without a second body: 50.00%" in text
    assert text.endswith("name the data set with --dataset\nno problem was found\n")


def test_the_checksum_does_not_depend_on_the_layout(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    held = clips()
    code, first = report(capsys, compact(tmp_path / "c", held))
    assert code == 0
    annotations = [
        {"frame_dir": f"c{n}", "label": n % 4, "keypoint": clip[..., : 1 + n % 2].transpose(3, 1, 2, 0)}
        for n, clip in enumerate(held)
    ]
    splits = {"xsub_train": ["c0", "c1", "c2", "c3"], "xsub_val": ["c7", "c6", "c5", "c4"]}
    (tmp_path / "a.pkl").write_bytes(pickle.dumps({"split": splits, "annotations": annotations}))
    for other in (dense(tmp_path / "d", held), tmp_path / "a.pkl"):
        code, found = report(capsys, other)
        assert (code, found["sha256"]) == (0, first["sha256"])
        assert found["splits"] == first["splits"]
    code, found = report(capsys, tmp_path / "d" / "xsub" / "val_data_joint.npy")
    assert found["splits"]["val"] == first["splits"]["xsub_val"]
    held[3][1, 2, 3, 0] += 1e-6
    code, found = report(capsys, compact(tmp_path / "e", held))
    assert found["sha256"] != first["sha256"]
    assert found["splits"]["xsub_train"]["sha256"] != first["splits"]["xsub_train"]["sha256"]
    assert found["splits"]["xsub_val"] == first["splits"]["xsub_val"]


def _nan(held: list[np.ndarray]) -> None:
    held[2][0, 1, 2, 0] = np.nan
    held[5][0, 1, 2, :] = np.inf


def _empty(held: list[np.ndarray]) -> None:
    held[1][:] = 0


@pytest.mark.parametrize(
    ("damage", "options", "want"),
    [
        (_nan, {}, "3 numbers in 2 clips are NaN or infinite: c2, c5"),
        (_empty, {}, "1 clips are empty: c1"),
        (None, {"names": list("abceefgh")}, "1 clips of xsub_val are in xsub_train too: e"),
        (None, {"names": list("aacdefgh")}, "xsub_train: 1 names occur more than once: a"),
        (None, {"labels": [0, -1, *range(6)]}, "1 labels are not 0 or more: c1"),
        (None, {"labels": [60, *range(7)], "dataset": "ntu60"}, "1 labels are not from 0 to 59: c0"),
        (None, {"dataset": "ntu60"}, "xsub_train: 4 clips, but ntu60 has 40091"),
    ],
)
def test_what_is_wrong_is_a_sentence_and_code_1(
    damage: Callable[[list[np.ndarray]], None] | None,
    options: dict[str, Any],
    want: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    held = clips()
    if damage:
        damage(held)
    code, found = report(capsys, compact(tmp_path, held, **options))
    assert code == 1
    assert want in found["problems"]
    assert exit_code(verify.run, [str(tmp_path)]) == 1
    assert f"problem: {want}\n" in capsys.readouterr().out


def test_empty_clips_of_kinetics_are_known(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    held = clips()
    _empty(held)
    code, found = report(capsys, compact(tmp_path, held), "--dataset", "kinetics")
    assert code == 0
    assert found["problems"] == []
    assert found["notes"][0] == "xsub_train: no number of clips is known of this split of kinetics"


def test_published_counts(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(COUNTS, "ntu60", {"xsub_train": 4, "xsub_val": 5})
    monkeypatch.setitem(EXPLAINED, ("ntu60", "xsub_val", 4), "one is gone")
    folder = compact(tmp_path / "c", clips(), dataset="ntu60")
    code, found = report(capsys, folder)
    assert (code, found["problems"]) == (1, ["xsub_val: 4 clips, but ntu60 has 5; one is gone"])
    assert exit_code(verify.run, [str(folder)]) == 1
    assert "xsub_train: 4 clips, as published for ntu60\n" in capsys.readouterr().out
    assert report(capsys, folder, "--dataset", "none")[0] == 0
    write_npz(tmp_path / "a.npz", {"train": (clips(4), [0] * 4), "test": (clips(5), [0] * 5)}, 60)
    code, found = report(capsys, tmp_path / "a.npz", "--dataset", "ntu60-xsub")
    assert (code, found["problems"]) == (0, [])
    assert [split["published"] for split in found["splits"].values()] == [4, 5]


def test_the_tables_belong_together() -> None:
    assert set(NUM_CLASSES) == set(COUNTS)
    for name, split, count in EXPLAINED:
        assert COUNTS[name][split] != count
    assert {sum(COUNTS["ntu60"][f"{p}_{part}"] for part in ("train", "val")) for p in ("xsub", "xview")} == {56_578}
    assert {sum(COUNTS["ntu120"][f"{p}_{part}"] for part in ("train", "val")) for p in ("xsub", "xset")} == {113_945}
    for name in data_sets():
        table, split = split_of(name, "train")
        assert COUNTS[table].get(split) or name in ("ntu60", "ntu120", "utd-mhad")


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["{tmp}/none"], "{tmp}/none: clips are read from"),
        (["{tmp}"], "{tmp}"),
        (["{tmp}/a.npz"], "{tmp}/a.npz: no such file"),
        (["{tmp}", "--dataset", "ntu61"], "invalid choice: 'ntu61'"),
        (["{tmp}", "--label-path", "x.pkl"], "{tmp}: labels in a file of their own are for .npy files"),
        (["{tmp}/train_data_joint.npy"], "{tmp}/train_data_joint.npy: no such file"),
    ],
)
def test_what_cannot_be_read_is_one_sentence(
    argv: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert exit_code(verify.run, [word.format(tmp=tmp_path) for word in argv]) == 2
    error = capsys.readouterr().err
    assert message.format(tmp=tmp_path) in error
    assert error.count("\n") == 1
