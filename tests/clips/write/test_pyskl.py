"""Pickles that are written in pieces: what pickle, NumPy and our reader make of them."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from clips.read.pickles import read_pickle
from clips.read.pyskl import PysklStore
from clips.write.pyskl import annotation, write_pyskl
from errors import InputError


def clip(seed: int, bodies: int = 2) -> np.ndarray:
    made = np.zeros((3, 4 + seed % 3, 25, 2), np.float32)
    made[..., :bodies] = np.random.default_rng(seed).normal(size=(*made.shape[:3], bodies))
    return made


def annotations(count: int, dtype: Any = np.float32) -> list[dict[str, Any]]:
    return [annotation(f"S{n:03}", n % 5, clip(n, 1 + n % 2), dtype) for n in range(count)]


def test_an_annotation_has_the_bodies_that_are_there() -> None:
    made = annotation("a", np.int64(3), clip(1, 1), np.float16)
    assert {key: type(value) for key, value in made.items()} == {
        "frame_dir": str,
        "label": int,
        "keypoint": np.ndarray,
        "total_frames": int,
    }
    assert (made["keypoint"].dtype, made["keypoint"].shape, made["total_frames"]) == (np.float16, (1, 5, 25, 3), 5)
    assert np.array_equal(made["keypoint"][0], clip(1, 1)[..., 0].transpose(1, 2, 0).astype(np.float16))
    second = clip(2)[..., ::-1].copy()
    second[..., 0] = 0
    assert annotation("a", 0, second)["keypoint"].shape[0] == 2
    assert annotation("a", 0, np.zeros((3, 4, 25, 2), np.float32))["keypoint"].shape == (1, 4, 25, 3)
    with pytest.raises(InputError, match="a: a clip without frames does not fit"):
        annotation("a", 0, np.zeros((3, 0, 25, 2), np.float32))


@pytest.mark.parametrize("count", [0, 1, 999, 1000, 1001, 2500])
def test_pickle_reads_what_it_would_have_written(count: int, tmp_path: Path) -> None:
    small = [{"frame_dir": f"c{n}", "label": 1, "keypoint": np.full((1, 1, 1, 3), n)} for n in range(count)]
    splits = {"xsub_train": [a["frame_dir"] for a in small], "xsub_val": []}
    write_pyskl(tmp_path / "a.pkl", iter(small), splits)
    for content in (pickle.loads((tmp_path / "a.pkl").read_bytes()), read_pickle(tmp_path / "a.pkl")):
        assert list(content) == ["split", "annotations"]
        assert content["split"] == splits
        assert len(content["annotations"]) == count
        for found, want in zip(content["annotations"], small, strict=True):
            assert (found["frame_dir"], found["label"]) == (want["frame_dir"], 1)
            assert np.array_equal(found["keypoint"], want["keypoint"])


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_our_store_reads_the_clips_back(dtype: Any, tmp_path: Path) -> None:
    write_pyskl(tmp_path / "a.pkl", annotations(5, dtype), {"val": ["S001", "S004"]})
    store = PysklStore(tmp_path / "a.pkl", "val")
    assert (store.names, store.labels) == (["S001", "S004"], [1, 4])
    for index, seed in enumerate((1, 4)):
        assert np.array_equal(store.clip(index), clip(seed, 1 + seed % 2).astype(dtype).astype(np.float32))


def test_the_file_names_what_numpy_1_has(tmp_path: Path) -> None:
    write_pyskl(tmp_path / "a.pkl", annotations(3), {})
    content = (tmp_path / "a.pkl").read_bytes()
    assert content.count(b"cnumpy.core.multiarray\n_reconstruct\n") == 3
    assert b"numpy._core" not in content


def test_an_error_leaves_what_was_there(tmp_path: Path) -> None:
    (tmp_path / "a.pkl").write_bytes(b"old")

    def broken() -> Any:
        yield from annotations(2)
        raise InputError("no")

    with pytest.raises(InputError):
        write_pyskl(tmp_path / "a.pkl", broken(), {})
    assert [path.name for path in tmp_path.iterdir()] == ["a.pkl"]
    assert (tmp_path / "a.pkl").read_bytes() == b"old"
