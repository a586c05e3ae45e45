"""From every layout to every other and back, and what a layout lacks."""

from __future__ import annotations

import json
import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from clips.compact import CompactStore
from clips.dense import DenseStore
from clips.read.npz import NpzStore
from clips.read.pyskl import PysklStore
from clips.whole import open_whole
from clips.write.compact import Piece, write_store
from command_line import exit_code
from data_gen import convert

SPLITS = {"xsub_train": [0, 2, 3], "xsub_val": [1, 4], "xview_train": [1, 2], "xview_val": [0, 3, 4]}
NAMES = [f"S00{n + 1}C001P001R001A00{n + 1}" for n in range(5)]


def clips(*, one_length: bool = False) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    made = []
    for n in range(5):
        clip = np.zeros((3, 9 if one_length else 5 + n, 25, 2), np.float32)
        clip[..., : 1 + n % 2] = rng.normal(size=(*clip.shape[:3], 1 + n % 2))
        made.append(clip)
    return made


def source(folder: Path, held: list[np.ndarray], splits: dict[str, list[int]] = SPLITS, **about: Any) -> Path:
    piece = Piece()
    for clip in held:
        piece.append(clip)
    folder.mkdir(parents=True)
    piece.save(folder / "p.npz")
    facts = {"channels": 3, "joints": held[0].shape[2], "bodies": 2, "layout": "ntu-rgb+d", "lineage": "sgn"}
    write_store(folder, [folder / "p.npz"], NAMES, [3, 1, 4, 1, 5], splits, facts | about)
    return folder


def run(*argv: Any) -> int:
    return exit_code(convert.run, [str(word) for word in argv])


def content(path: Path) -> dict[str, Any]:
    """Split -> name -> (label, clip)."""
    whole = open_whole(path)
    return {
        split: {whole.name(place): (whole.label(place), whole.clip(place)) for place in places}
        for split, places in whole.splits.items()
    }


def same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    assert {split: list(found) for split, found in one.items()} == {s: list(found) for s, found in other.items()}
    return all(
        label == other[split][name][0] and np.array_equal(clip, other[split][name][1])
        for split, found in one.items()
        for name, (label, clip) in found.items()
    )


@pytest.mark.parametrize("way", [("compact", "c"), ("dense", "d"), ("pyskl", "p.pkl")])
def test_there_and_back_is_the_same(way: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    held = source(tmp_path / "s", clips(one_length=True))
    assert run(held, "--to", way[0], "--out", tmp_path / way[1]) == 0
    assert "note" not in capsys.readouterr().out
    assert same(content(tmp_path / way[1]), content(held))
    assert run(tmp_path / way[1], "--to", "compact", "--out", tmp_path / "back", "--skeleton", "ntu-rgb+d") == 0
    assert same(content(tmp_path / "back"), content(held))
    assert CompactStore(tmp_path / "back").layout == CompactStore(held).layout
    assert {clip.shape for found in content(tmp_path / "back").values() for _, clip in found.values()} == {
        (3, 9, 25, 2)
    }
    assert len(CompactStore(tmp_path / "back").names) == 5
    assert not list((tmp_path / "back").glob(".*"))


@pytest.mark.parametrize("way", [("compact", "c"), ("pyskl", "p.pkl")])
def test_lengths_stay_where_they_may_differ(way: tuple[str, str], tmp_path: Path) -> None:
    held = source(tmp_path / "s", clips())
    assert run(held, "--to", way[0], "--out", tmp_path / way[1]) == 0
    assert same(content(tmp_path / way[1]), content(held))
    assert [clip.shape[1] for _, clip in content(tmp_path / way[1])["xsub_train"].values()] == [5, 7, 8]


def test_dense_files_get_empty_frames(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    held = source(tmp_path / "s", clips())
    assert run(held, "--to", "dense", "--out", tmp_path / "d") == 0
    assert "note: dense files have one length: 4 clips got empty frames up to 9\n" in capsys.readouterr().out
    folder = tmp_path / "d" / "xsub"
    store = DenseStore(folder / "train_data_joint.npy", folder / "train_label.pkl")
    assert (store.names, store.labels) == ([NAMES[0], NAMES[2], NAMES[3]], [3, 4, 1])
    for index, number in enumerate((0, 2, 3)):
        clip = clips()[number]
        assert np.array_equal(store.clip(index)[:, : clip.shape[1]], clip)
        assert not store.clip(index)[:, clip.shape[1] :].any()
    files = [path for path in (tmp_path / "d").rglob("*") if path.is_file()]
    assert len(files) == 8
    assert not [path for path in files if path.name.startswith(".")]


def test_npz_there_and_back(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    held = source(tmp_path / "s", clips(), dataset="ntu60")
    argv = ("--to", "npz", "--out", tmp_path / "a.npz", "--split-map", "xsub_train=train", "xsub_val=test")
    assert run(held, *argv) == 0
    assert "note: a .npz file has no names" in capsys.readouterr().out
    with np.load(tmp_path / "a.npz") as file:
        assert file["x_train"].shape == (3, 300, 150)
        assert file["y_test"].shape == (2, 60)
    assert NpzStore(tmp_path / "a.npz", "train").labels == [3, 4, 1]
    assert run(tmp_path / "a.npz", "--to", "compact", "--out", tmp_path / "c", "--split-map", "train=x", "test=y") == 0
    assert json.loads((tmp_path / "c" / "store.json").read_text())["layout"] == "ntu-rgb+d"
    for split, numbers in (("x", (0, 2, 3)), ("y", (1, 4))):
        store = CompactStore(tmp_path / "c", split)
        for index, number in enumerate(numbers):
            clip = clips()[number]
            assert np.array_equal(store.clip(index)[:, : clip.shape[1]], clip)
            assert store.clip(index).shape == (3, 300, 25, 2)
    assert run(tmp_path / "c", "--to", "npz", "--out", tmp_path / "b.npz", "--split-map", "x=train", "y=test") == 0
    assert "there are 6 classes, as far as the labels go" in capsys.readouterr().out
    more = ("--num-classes", 60, "--split-map", "x=train", "y=test")
    assert run(tmp_path / "c", "--to", "npz", "--out", tmp_path / "b.npz", *more) == 0
    assert (tmp_path / "b.npz").read_bytes() == (tmp_path / "a.npz").read_bytes()


def test_val_is_test_in_an_npz(tmp_path: Path) -> None:
    held = source(tmp_path / "s", clips(), {"train": [0, 1], "val": [2]})
    assert run(held, "--to", "npz", "--out", tmp_path / "a.npz") == 0
    assert NpzStore(tmp_path / "a.npz", "test").labels == [4]


def test_a_part_of_the_splits(tmp_path: Path) -> None:
    held = source(tmp_path / "s", clips())
    assert run(held, "--to", "compact", "--out", tmp_path / "c", "--split-map", "xsub_val=val") == 0
    assert CompactStore(tmp_path / "c").names == [NAMES[1], NAMES[4]]
    assert CompactStore(tmp_path / "c", "val").names == [NAMES[1], NAMES[4]]
    assert json.loads((tmp_path / "c" / "store.json").read_text())["lineage"] == "sgn"


def test_clips_in_no_split_come_along(tmp_path: Path) -> None:
    held = source(tmp_path / "s", clips(), {"train": [0]})
    assert run(held, "--to", "pyskl", "--out", tmp_path / "a.pkl") == 0
    assert PysklStore(tmp_path / "a.pkl").names == NAMES
    assert run(tmp_path / "a.pkl", "--to", "compact", "--out", tmp_path / "c") == 0
    assert CompactStore(tmp_path / "c").names == NAMES


def test_what_a_pickle_lacks_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lone = [clip * np.array([1, 0], np.float32) for clip in clips()]
    held = source(tmp_path / "s", lone, {"train": [3, 1]})
    assert run(held, "--to", "pyskl", "--out", tmp_path / "a.pkl", "--float16") == 0
    out = capsys.readouterr().out
    assert "note: float16 rounds the numbers of 5 clips\n" in out
    assert "note: no clip has more than 1 of 2 bodies, and the file has no room for them\n" in out
    assert "note: splits of these files have the order of the file: train had another\n" in out
    for old, new in (("a", "b"), ("b", "c")):
        assert run(tmp_path / f"{old}.pkl", "--to", "pyskl", "--out", tmp_path / f"{new}.pkl", "--float16") == 0
        assert "note" not in capsys.readouterr().out
    assert (tmp_path / "b.pkl").read_bytes() == (tmp_path / "c.pkl").read_bytes()


def test_scores_and_pictures_of_2d_poses(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rng = np.random.default_rng(1)
    poses = [
        {
            **{"frame_dir": name, "label": 0, "keypoint": rng.normal(size=(2, 6, 17, 2)).astype(np.float16)},
            **{"keypoint_score": rng.random((2, 6, 17)).astype(np.float16), "img_shape": (1080, 1920)},
        }
        for name in "ab"
    ]
    (tmp_path / "a.pkl").write_bytes(pickle.dumps({"split": {"train": ["a", "b"]}, "annotations": poses}))
    assert run(tmp_path / "a.pkl", "--to", "compact", "--out", tmp_path / "c", "--skeleton", "coco") == 0
    assert "note: the height and width of pictures are not kept\n" in capsys.readouterr().out
    assert same(content(tmp_path / "c"), content(tmp_path / "a.pkl"))
    assert CompactStore(tmp_path / "c").layout is not None


def test_two_clips_of_one_name_must_be_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    held = source(tmp_path / "s", clips(one_length=True))
    assert run(held, "--to", "dense", "--out", tmp_path / "d") == 0
    changed = tmp_path / "d" / "xview" / "train_data_joint.npy"
    array = np.load(changed)
    array[0, 0, 0, 0, 0] += 1
    np.save(changed, array)
    assert run(tmp_path / "d", "--to", "compact", "--out", tmp_path / "c") == 2
    assert f"two different clips called {NAMES[1]}" in capsys.readouterr().err
    assert not (tmp_path / "c" / "store.json").exists()


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["{s}", "--to", "npz", "--out", "{tmp}/a.npy"], "--out: wanted a file that ends in .npz, got {tmp}/a.npy"),
        (["{s}", "--to", "pyskl", "--out", "{tmp}/a"], "--out: wanted a file that ends in .pkl or .pickle"),
        (["{s}", "--to", "npz", "--out", "{tmp}/a.npz"], "say which they are with --split-map"),
        (["{s}", "--to", "compact", "--out", "{s}"], "--out: {s} is, or holds, the source itself"),
        (["{s}", "--to", "compact", "--out", "{tmp}"], "is, or holds, the source itself"),
        (["{s}", "--to", "dense", "--out", "{tmp}/d", "--split-map", "xsub=a"], "there is no split 'xsub', only xsub_"),
        (["{s}", "--to", "dense", "--out", "{tmp}/d", "--split-map", "xsub_val"], "wanted FROM=TO, got 'xsub_val'"),
        (
            ["{s}", "--to", "dense", "--out", "{tmp}/d", "--split-map", "xsub_val=a", "xview_val=a"],
            "two splits become 'a'",
        ),
        (["{s}", "--to", "hdf5", "--out", "{tmp}/d"], "invalid choice: 'hdf5'"),
        (["{s}/none", "--to", "compact", "--out", "{tmp}/d"], "{s}/none: clips are read from"),
    ],
)
def test_refusals_are_one_sentence(
    argv: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    held = source(tmp_path / "s", clips())
    before = sorted(os.listdir(held))
    assert run(*(word.format(tmp=tmp_path, s=held) for word in argv)) == 2
    error = capsys.readouterr().err
    assert message.format(tmp=tmp_path, s=held) in error
    assert error.count("\n") == 1
    assert sorted(os.listdir(held)) == before
    assert os.listdir(tmp_path) == ["s"]


@pytest.mark.parametrize("split", ["/evil", "../evil", ".._train", "..", ".", "", "a/b", "a\\b", "a\0b"])
@pytest.mark.parametrize("to", ["dense", "compact"])
def test_names_of_splits_lead_nowhere_else(
    split: str, to: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    held = {"frame_dir": "x", "label": 0, "keypoint": np.ones((1, 4, 25, 3), np.float32)}
    name = split if split != "/evil" else str(tmp_path / "evil")
    (tmp_path / "a.pkl").write_bytes(pickle.dumps({"split": {name: ["x"]}, "annotations": [held]}))
    assert run(tmp_path / "a.pkl", "--to", to, "--out", tmp_path / "new" / "out") == 2
    error = capsys.readouterr().err
    assert f"{tmp_path}/a.pkl: split {name!r} cannot be part of the name of a file" in error
    assert os.listdir(tmp_path) == ["a.pkl"]
    if name:
        assert run(tmp_path / "a.pkl", "--to", to, "--out", tmp_path / "out", "--split-map", f"{name}=train") == 0


@pytest.mark.parametrize("to", ["compact", "dense", "pyskl", "npz"])
@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_what_fails_half_way_leaves_nothing(
    to: str, error: BaseException, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last clip is never read; of a layout of one length, when it is read again."""
    held = source(tmp_path / "s", clips(), {"train": [0, 2, 3], "test": [1, 4]})
    out = tmp_path / "out" / f"a{ {'pyskl': '.pkl', 'npz': '.npz'}.get(to, '') }"
    read, left = CompactStore.clip, [4 + 5 * (to in ("dense", "npz"))]

    def clip(store: CompactStore, index: int) -> np.ndarray:
        if not left[0]:
            raise error
        left[0] -= 1
        return read(store, index)

    monkeypatch.setattr(CompactStore, "clip", clip)
    assert run(held, "--to", to, "--out", out) in (2, 130)
    assert not left[0]
    kept = {path.name for path in (tmp_path / "out").rglob("*") if path.is_file()}
    assert kept <= {"train_data_joint.npy", "train_label.pkl"}  # a split that was done before


def test_a_store_of_another_skeleton_does_not_become_an_npz(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    held = source(tmp_path / "s", [clip[:, :, :20] for clip in clips()], {"train": [0], "test": [1]})
    assert run(held, "--to", "npz", "--out", tmp_path / "a.npz") == 2
    assert "does not fit into .npz files" in capsys.readouterr().err
    assert run(held, "--to", "dense", "--out", tmp_path / "d") == 0
    assert np.load(tmp_path / "d" / "test_data_joint.npy").shape == (1, 3, 6, 20, 2)
