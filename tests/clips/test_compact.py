"""The compact layout: what is rebuilt has the bits of what went in, and nothing damaged is believed."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clips.compact import CompactStore, rebuilt, tracks_of
from clips.dense import DenseStore
from clips.store import compact_behind, open_store
from clips.streams import MERGED, STREAMS, derive
from clips.write.compact import Piece, write_store
from errors import InputError
from graph.layouts import NTU

ABOUT = {"channels": 3, "joints": 4, "bodies": 2, "layout": "toy"}


def same_bits(a: np.ndarray, b: np.ndarray) -> bool:
    return a.shape == b.shape and a.dtype == b.dtype and a.tobytes() == b.tobytes()


@st.composite
def clips(draw: Any) -> np.ndarray:
    """Bodies that are absent, come late, leave early, are looped, stand still, blink, and have odd zeros."""
    frames = draw(st.integers(1, 24))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    clip = np.zeros((3, frames, 4, draw(st.integers(1, 3))), np.float32)
    for body in range(clip.shape[3]):
        kind = draw(st.sampled_from(["absent", "late", "looped", "still", "blinks", "minus zero", "whole"]))
        track = rng.normal(size=(3, frames, 4)).astype(np.float32)
        if kind == "absent":
            continue
        if kind == "late":
            track[:, : draw(st.integers(0, frames))] = 0
            track[:, frames - draw(st.integers(0, frames)) :] = 0
        if kind == "looped":
            track = track[:, np.arange(frames) % draw(st.integers(1, frames))]
        if kind == "still":
            track[:] = track[:, :1]
        if kind == "blinks":
            track[:, rng.random(frames) < 0.5] = 0
        if kind == "minus zero":
            track[:] = -0.0
        clip[..., body] = track
    return clip


@settings(max_examples=200, deadline=None)
@given(clips())
def test_rebuilt_has_the_same_bits(clip: np.ndarray) -> None:
    tracks = tracks_of(clip)
    assert same_bits(rebuilt(tracks, clip.shape), clip)
    for track in tracks:
        assert 1 <= track.values.shape[1] <= clip.shape[1]
        assert track.start == 0 or not track.looped


def test_a_clip_without_frames_has_no_tracks() -> None:
    assert tracks_of(np.zeros((3, 0, 4, 2), np.float32)) == []


def test_one_round_of_a_looped_body_is_kept() -> None:
    clip = np.zeros((3, 300, 4, 2), np.float32)
    clip[..., 0] = np.random.default_rng(0).normal(size=(3, 80, 4)).astype(np.float32)[:, np.arange(300) % 80]
    clip[:, 5:9, :, 1] = 1
    first, second = tracks_of(clip)
    assert (first.body, first.looped, first.values.shape) == (0, True, (3, 80, 4))
    assert (second.body, second.start, second.values.shape) == (1, 5, (3, 4, 4))


def made(count: int = 7) -> list[np.ndarray]:
    rng = np.random.default_rng(1)
    found = []
    for number in range(count):
        clip = np.zeros((3, 10 + number, 4, 2), np.float32)
        clip[..., 0] = rng.normal(size=(3, 4, 4)).astype(np.float32)[:, np.arange(10 + number) % 4]
        if number % 2:
            clip[:, 2:6, :, 1] = rng.normal(size=(3, 4, 4))
        found.append(clip)
    return found


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A store of seven clips in two pieces, in the order that they have in ``made``."""
    pieces = []
    for start, end in ((0, 3), (3, 7)):
        piece = Piece()
        for clip in made()[start:end]:
            piece.append(clip)
        pieces.append(tmp_path / f"{start}.npz")
        piece.save(pieces[-1])
    splits = {"train": [0, 2, 4, 6], "val": [5, 1]}
    write_store(tmp_path / "store", pieces, [f"c{i}" for i in range(7)], [i % 3 for i in range(7)], splits, ABOUT)
    return tmp_path / "store"


@pytest.mark.parametrize("mmap", [True, False])
def test_a_store_gives_its_splits(folder: Path, mmap: bool) -> None:
    whole = open_store(folder, mmap=mmap)
    assert whole.names == [f"c{i}" for i in range(7)]
    assert all(same_bits(whole.clip(i), clip) for i, clip in enumerate(made()))
    val = CompactStore(folder, "val", mmap=mmap)
    assert (val.names, val.labels) == (["c5", "c1"], [2, 1])
    assert same_bits(val.clip(0), made()[5])
    again = pickle.loads(pickle.dumps(val))
    assert same_bits(again.clip(1), made()[1])
    assert len(pickle.dumps(val)) < 20_000


def test_an_empty_store_is_one(tmp_path: Path) -> None:
    write_store(tmp_path, [], [], [], {"train": []}, ABOUT)
    assert CompactStore(tmp_path, "train").names == []


def test_an_unknown_split_names_those_there_are(folder: Path) -> None:
    with pytest.raises(InputError, match=r"there is no split 'vel', only train, val; did you mean 'val'"):
        CompactStore(folder, "vel")


def test_paths_of_dense_files_lead_to_the_store(tmp_path: Path) -> None:
    (tmp_path / "ntu").mkdir()
    (tmp_path / "ntu" / "store.json").write_text("{}")
    path = tmp_path / "ntu" / "xsub" / "train_data_bone_motion.npy"
    assert compact_behind(path) == (tmp_path / "ntu", "xsub_train", "bone_motion")
    assert compact_behind(tmp_path / "ntu" / "val_data_joint_bone.npy") == (tmp_path / "ntu", "val", "joint_bone")
    assert compact_behind(tmp_path / "ntu" / "xsub" / "train_data_skull.npy") is None
    assert compact_behind(tmp_path / "else" / "xsub" / "train_data_joint.npy") is None
    path.parent.mkdir()
    path.write_bytes(b"")
    assert compact_behind(path) is None  # what is there is read


@pytest.mark.parametrize("stream", [*STREAMS[:4], *MERGED])
def test_every_stream_from_either_layout_has_the_same_bits(stream: str, tmp_path: Path) -> None:
    """The dense file of a stream against the stream derived from the compact store."""
    rng = np.random.default_rng(2)
    clips = np.zeros((3, 3, 20, 25, 2), np.float32)
    clips[..., 0] = rng.normal(size=(3, 3, 7, 25)).astype(np.float32)[:, :, np.arange(20) % 7]
    clips[1, ..., 1] = rng.normal(size=(3, 20, 25))
    derived = derive(clips, stream, NTU.bone_pairs)
    np.save(tmp_path / f"train_data_{stream}.npy", derived)
    (tmp_path / "train_label.pkl").write_bytes(pickle.dumps((["a", "b", "c"], [0, 1, 2])))
    piece = Piece()
    for clip in clips:
        piece.append(clip)
    piece.save(tmp_path / "p.npz")
    about = {"channels": 3, "joints": 25, "bodies": 2, "layout": "ntu-rgb+d"}
    write_store(tmp_path / "s", [tmp_path / "p.npz"], ["a", "b", "c"], [0, 1, 2], {"train": [0, 1, 2]}, about)
    dense = DenseStore(tmp_path / f"train_data_{stream}.npy", tmp_path / "train_label.pkl")
    compact = CompactStore(tmp_path / "s", "train")
    for index in range(3):
        assert same_bits(derive(compact.clip(index), stream, NTU.bone_pairs), dense.clip(index))


def _index(change: Callable[[dict[str, Any]], None]) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        with np.load(folder / "index.npz") as file:
            arrays = dict(file)
        change(arrays)
        np.savez(folder / "index.npz", **arrays)

    return damage


def _about(**changes: Any) -> Callable[[Path], None]:
    return lambda folder: (folder / "store.json").write_text(
        json.dumps(json.loads((folder / "store.json").read_text()) | changes)
    )


DAMAGES: dict[str, tuple[Callable[[Path], Any], str]] = {
    "no values": (lambda f: (f / "clips.npy").unlink(), r"clips\.npy: no such file"),
    "no index": (lambda f: (f / "index.npz").unlink(), r"index\.npz: no such file"),
    "torn index": (lambda f: (f / "index.npz").write_bytes((f / "index.npz").read_bytes()[:90]), "not readable"),
    "torn values": (lambda f: (f / "clips.npy").write_bytes((f / "clips.npy").read_bytes()[:-8]), "not a readable"),
    "other values": (lambda f: np.save(f / "clips.npy", np.zeros(9, np.float32)), "has 9 numbers, but"),
    "whole numbers": (lambda f: np.save(f / "clips.npy", np.zeros(9, np.int32)), "wanted float32 numbers"),
    "no description": (lambda f: (f / "store.json").write_text("{"), "not the description of a compact store"),
    "another format": (_about(format=2), "wanted format 1"),
    "no joints": (_about(joints=0), "wanted format 1 with channels, joints and bodies"),
    "other joints": (_about(joints=5), "numbers, but"),
    "fewer labels": (_index(lambda a: a.update(labels=a["labels"][:-1])), "do not belong together"),
    "no names": (_index(lambda a: a.pop("names")), "wanted names"),
    "labels of text": (_index(lambda a: a.update(labels=a["names"])), "wanted labels"),
    "a third body": (_index(lambda a: a["tracks"].__setitem__((0, 1), 2)), "a track lies outside its clip"),
    "a late start": (_index(lambda a: a["tracks"].__setitem__((0, 2), 99)), "a track lies outside its clip"),
    "an unknown clip": (_index(lambda a: a["tracks"].__setitem__((-1, 0), 99)), "a track lies outside its clip"),
    "a foreign split": (_index(lambda a: a.update({"split/val": np.array([7])})), "names clips that there are not"),
    "a split of text": (_index(lambda a: a.update({"split/val": np.array(["x"])})), "a split is a list"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_stores_are_refused(damage: str, folder: Path) -> None:
    act, want = DAMAGES[damage]
    act(folder)
    with pytest.raises(InputError, match=want):
        CompactStore(folder, "val")


@settings(max_examples=200, deadline=None)
@given(
    name=st.sampled_from(["store.json", "index.npz", "clips.npy"]),
    place=st.integers(0, 10**6),
    byte=st.integers(0, 255),
)
def test_a_changed_byte_is_refused_or_harmless(name: str, place: int, byte: int, tmp_path_factory: Any) -> None:
    folder = tmp_path_factory.mktemp("fuzz")
    piece = Piece()
    piece.append(made()[1])
    piece.save(folder / "p.npz")
    write_store(folder, [folder / "p.npz"], ["a"], [0], {"val": [0]}, ABOUT)
    content = bytearray((folder / name).read_bytes())
    content[place % len(content)] = byte
    (folder / name).write_bytes(content)
    try:
        store = CompactStore(folder, "val")
        for index in range(len(store.names)):
            assert store.clip(index).ndim == 4
    except InputError:
        pass
