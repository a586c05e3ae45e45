"""Which reader a path gets."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest

from clips.dense import DenseStore
from clips.read.pyskl import PysklStore
from clips.store import open_store
from errors import InputError


@pytest.fixture
def dense(tmp_path: Path) -> tuple[Path, Path]:
    data, labels = tmp_path / "val_data_joint.npy", tmp_path / "val_label.pkl"
    np.save(data, np.arange(24, dtype=np.float32).reshape(2, 2, 3, 2, 1))
    labels.write_bytes(pickle.dumps((["a", "b"], [1, 0])))
    return data, labels


@pytest.mark.parametrize("suffix", ["pkl", "pickle"])
def test_pickles_are_pyskl(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"clips.{suffix}"
    annotation = {"frame_dir": "a", "label": 0, "keypoint": np.ones((1, 2, 3, 3), dtype=np.float32)}
    path.write_bytes(pickle.dumps({"split": {"val": ["a"]}, "annotations": [annotation]}))
    store = open_store(path, split="val")
    assert isinstance(store, PysklStore)
    assert store.source == str(path)


@pytest.mark.parametrize("mmap", [True, False])
def test_npy_is_dense(mmap: bool, dense: tuple[Path, Path]) -> None:
    store = open_store(*dense, mmap=mmap)
    assert isinstance(store, DenseStore)
    assert isinstance(store.data, np.memmap) == mmap
    assert store.source == str(dense[0])


def test_what_a_path_lacks_or_does_not_take(dense: tuple[Path, Path], tmp_path: Path) -> None:
    data, labels = dense
    with pytest.raises(InputError, match="needs label_path"):
        open_store(data)
    with pytest.raises(InputError, match="split 'xsub' is for pickles"):
        open_store(data, labels, split="xsub")
    with pytest.raises(InputError, match=r"not from \.npz"):
        open_store(tmp_path / "NTU60_CS.npz")
    with pytest.raises(InputError, match="not from a folder"):
        open_store(tmp_path)
