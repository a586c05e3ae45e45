"""Pickles in pyskl's layout: recordings by split, their skeleton, and a sentence for whatever is wrong with them."""

from __future__ import annotations

import pickle
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from clips.read.pyskl import PysklStore
from errors import InputError
from graph.layout import read_layout

ROOT = Path(__file__).parents[2]
SHAPES = {"a": (1, 4, 3, 2), "b": (2, 6, 3, 2), "c": (1, 1, 3, 2)}  # (M, T, V, C)


def annotation(name: str, shape: tuple[int, ...] | None = None, **more: Any) -> dict[str, Any]:
    rng = np.random.default_rng(len(name))
    keypoint = rng.normal(size=shape or SHAPES[name]).astype(np.float16)
    return {"frame_dir": name, "label": 4, "keypoint": keypoint, "total_frames": 1, **more}


def content(**more: Any) -> dict[str, Any]:
    split = {"train": ["c", "a"], "val": ["b"], "nobody": []}
    return {"split": split, "annotations": [annotation(name) for name in SHAPES], **more}


def write(path: Path, what: Any, protocol: int = 4) -> Path:
    path.write_bytes(pickle.dumps(what, protocol))
    return path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "mine.pkl"


@pytest.mark.parametrize("protocol", range(6))
def test_recordings_as_they_are(protocol: int, path: Path) -> None:
    made = content()
    store = PysklStore(write(path, made, protocol))
    assert (store.source, store.names, store.labels, store.layout) == (str(path), ["a", "b", "c"], [4, 4, 4], None)
    for index, wanted in enumerate(made["annotations"]):
        clip, keypoint = store.clip(index), wanted["keypoint"]
        assert clip.dtype == np.float32
        assert clip.shape == (2, keypoint.shape[1], 3, 2)  # all with the bodies of the fullest recording
        for body in range(2):
            want = keypoint[body].transpose(2, 0, 1) if body < len(keypoint) else 0
            assert np.array_equal(clip[..., body], np.broadcast_to(want, clip.shape[:3]))


def test_a_split_takes_its_recordings_in_the_order_of_the_file(path: Path) -> None:
    write(path, content())
    assert PysklStore(path, "train").names == ["a", "c"]
    assert PysklStore(path, "val").names == ["b"]
    assert PysklStore(path, "nobody").names == []
    assert PysklStore(path, "train").clip(0).shape[-1] == 2  # bodies are counted over the whole file


def test_a_bare_list_of_annotations(path: Path) -> None:
    assert PysklStore(write(path, content()["annotations"])).names == ["a", "b", "c"]


def test_a_score_becomes_the_last_channel(path: Path) -> None:
    scores = {name: np.random.default_rng(0).random(shape[:3]).astype(np.float16) for name, shape in SHAPES.items()}
    made = [annotation(name, keypoint_score=scores[name]) for name in SHAPES]
    clip = PysklStore(write(path, made)).clip(1)
    assert clip.shape == (3, 6, 3, 2)
    assert np.array_equal(clip[2], scores["b"].transpose(1, 2, 0).astype(np.float32))
    assert np.array_equal(clip[:2], PysklStore(write(path, content())).clip(1))


def test_a_score_of_none_is_none(path: Path) -> None:
    assert PysklStore(write(path, [annotation("a", keypoint_score=None)])).clip(0).shape == (2, 4, 3, 1)


def test_labels_and_names_of_other_types(path: Path) -> None:
    store = PysklStore(write(path, [annotation("a", label=np.int64(3)), annotation("b", frame_dir=7, label=0)]))
    assert (store.names, store.labels) == (["a", "7"], [3, 0])
    assert {type(label) for label in store.labels} == {int}


def test_the_skeleton_that_the_data_describes(path: Path) -> None:
    meta = {"edges_1based": [(1, 2), (3, 2)], "joints": "hand, elbow, shoulder"}
    layout = PysklStore(write(path, content(meta=meta)), "val").layout
    assert layout is not None
    assert (layout.name, layout.num_joints, layout.joints) == ("mine", 3, ("hand", "elbow", "shoulder"))
    assert set(layout.bone_pairs) == {(0, 1), (2, 1), (1, 1)}
    with pytest.raises(InputError, match="edges_1based holds"):
        PysklStore(write(path, content(meta={"edges_1based": [(1, 2), (4, 2)]})))


@pytest.mark.parametrize(
    ("split", "want"),
    [
        ("vall", "there is no split 'vall', only train, val, nobody; did you mean 'val'"),
        ("", "there is no split '', only train"),
    ],
)
def test_an_unknown_split_is_refused_with_the_nearest(split: str, want: str, path: Path) -> None:
    with pytest.raises(InputError, match=want):
        PysklStore(write(path, content()), split)


@pytest.mark.parametrize(
    ("splits", "want"),
    [
        ({}, "there is no split 'x', only the whole file"),
        ({1: ["a"]}, "there is no split 'x', only 1"),
        ({"x": ["a", "zz", "yy"]}, "split 'x' names 2 recordings that are absent: yy"),
        ({"x": None}, "split 'x' must be a list of names, got NoneType"),
        ({"x": "a"}, "split 'x' must be a list of names, got str"),
        ({"x": 3}, "split 'x' must be a list of names, got int"),
        (["a"], "'split' and 'meta' must be dictionaries"),
    ],
)
def test_splits_that_are_none(splits: Any, want: str, path: Path) -> None:
    with pytest.raises(InputError, match=want):
        PysklStore(write(path, content(split=splits)), "x")


@pytest.mark.parametrize("names", [("a", "b"), {"a", "b"}, np.array(["a", "b"])], ids=["tuple", "set", "array"])
def test_splits_in_other_containers(names: Any, path: Path) -> None:
    assert PysklStore(write(path, content(split={"x": names})), "x").names == ["a", "b"]


@pytest.mark.parametrize(
    ("what", "want"),
    [
        ("text", "wanted pyskl's layout"),
        ({"split": {}}, "wanted pyskl's layout"),
        ({"annotations": {}}, "wanted pyskl's layout"),
        ({"annotations": []}, "the list of annotations is empty"),
        ([], "the list of annotations is empty"),
        (content(meta=[1]), "'split' and 'meta' must be dictionaries"),
        ([annotation("a"), "b"], "annotation 1: wanted a dictionary, got str"),
        ([{"frame_dir": "a", "label": 0}], "annotation 0: there is no 'keypoint'"),
        ([{"frame_dir": "a", "keypoint": 0}], "annotation 0: there is no 'label'"),
        ([{"label": 0, "keypoint": 0}], "annotation 0: there is no 'frame_dir'"),
        ([annotation("a", label="3")], r"annotation 0 \(a\): label is '3', wanted a class number"),
        ([annotation("a", label=1.0)], "label is 1.0"),
        ([annotation("a", label=None)], "label is None"),
        ([annotation("a", label=10**30)], r"annotation 0 \(a\): a label of 100 bits, wanted a class number up to"),
        ([annotation("a", keypoint=[[[[0.0]]]])], r"keypoint must be an array \(M, T, V, C\)"),
        ([annotation("a", (4, 3, 2))], r"keypoint must be an array"),
        ([annotation("a", keypoint=np.array([["x"]]).reshape(1, 1, 1, 1))], "keypoint must be an array"),
        ([annotation("a", keypoint=np.zeros((1, 1, 1, 1), dtype=object))], "keypoint must be an array"),
        ([annotation("a", (1, 0, 3, 2))], r"keypoint is empty, \(M, T, V, C\) = \(1, 0, 3, 2\)"),
        ([annotation("a", (0, 4, 3, 2))], "keypoint is empty"),
        ([annotation("a"), annotation("b", (1, 4, 5, 2))], r"b has \(V, C\) = \(5, 2\), the .* before it \(3, 2\)"),
        ([annotation("a"), annotation("b", (1, 4, 3, 3))], r"b has \(V, C\) = \(3, 3\)"),
        ([annotation("a", keypoint_score=np.zeros((1, 4, 2)))], r"keypoint_score must be an array \(1, 4, 3\)"),
        ([annotation("a", keypoint_score=np.zeros((1, 4, 3), dtype=str))], "keypoint_score must be an array"),
        ([annotation("a", keypoint_score=[0.0])], "keypoint_score must be an array"),
        (
            [annotation("a", keypoint_score=np.zeros((1, 4, 3))), annotation("c")],
            r"c has \(V, C\) = \(3, 2\), the recordings before it \(3, 3\)",
        ),
        ([annotation("a"), annotation("a")], "1 recordings occur more than once: 'a'"),
    ],
)
def test_files_that_are_something_else(what: Any, want: str, path: Path) -> None:
    with pytest.raises(InputError, match=want) as caught:
        PysklStore(write(path, what))
    assert str(path) in str(caught.value)


def test_recordings_that_occur_twice_in_a_split(path: Path) -> None:
    twice = [*content()["annotations"], annotation("a")]
    write(path, content(annotations=twice))
    with pytest.raises(InputError, match="1 recordings occur more than once: 'a'"):
        PysklStore(path, "train")
    assert PysklStore(path, "val").names == ["b"]


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nowhere\.pkl: no such file"):
        PysklStore(tmp_path / "nowhere.pkl")


@pytest.mark.realdata
@pytest.mark.parametrize(
    ("file", "skeleton", "sizes", "classes"),
    [
        ("utd-mhad/utd_mhad.pkl", "utd-mhad", (431, 430), 27),
        ("hdm05-11/hdm05_11.pkl", "hdm05", (188, 99), 11),
    ],
)
def test_real_recordings(file: str, skeleton: str, sizes: tuple[int, int], classes: int, skeleton_data: Path) -> None:
    wanted = read_layout(ROOT / f"config/skeletons/{skeleton}.yaml")
    parts = [PysklStore(skeleton_data / file, split) for split in ("xsub_train", "xsub_val")]
    assert tuple(len(part.names) for part in parts) == sizes
    assert Counter(name for part in parts for name in part.names).most_common(1)[0][1] == 1
    for part in parts:
        assert set(part.labels) == set(range(classes))
        assert part.layout is not None
        assert set(part.layout.edges) == set(wanted.edges)
        assert set(part.layout.bone_pairs) == set(wanted.bone_pairs)
        assert part.layout.center == wanted.center
        for index in range(len(part.names)):
            clip = part.clip(index)
            channels, frames, joints, bodies = clip.shape
            assert (channels, joints, bodies) == (3, wanted.num_joints, 1)
            assert frames > 5
            assert np.isfinite(clip).all()
            assert clip.any()
