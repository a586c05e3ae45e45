"""Which reader a path gets."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest

from clips.dense import DenseStore
from clips.read.npz import NpzStore
from clips.read.pyskl import PysklStore
from clips.read.ucla import UclaStore
from clips.store import open_store
from clips.write.compact import Piece, write_store
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


def test_a_compact_store_stands_for_a_pickle_that_is_not_there(tmp_path: Path) -> None:
    piece = Piece()
    piece.append(np.ones((3, 2, 4, 1), np.float32))
    (tmp_path / "clips").mkdir()
    piece.save(tmp_path / "piece.npz")
    about = {"channels": 3, "joints": 4, "bodies": 1}
    write_store(tmp_path / "clips", [tmp_path / "piece.npz"], ["behind"], [0], {"val": [0]}, about)
    assert open_store(tmp_path / "clips.pkl", split="val").names == ["behind"]
    test_pickles_are_pyskl("pkl", tmp_path)  # where there is a pickle, it is read
    with pytest.raises(InputError, match=r"other\.pkl: no such file"):
        open_store(tmp_path / "other.pkl")


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
    with pytest.raises(InputError, match="split 'xsub' is for other files"):
        open_store(data, labels, split="xsub")
    with pytest.raises(InputError, match=r"NTU60_CS\.npz: no such file"):
        open_store(tmp_path / "NTU60_CS.npz", split="train")
    with pytest.raises(InputError, match="there is no recording of NW-UCLA"):
        open_store(tmp_path)
    with pytest.raises(
        InputError,
        match=r"clips\.csv: clips are read from the folder of a compact store, \.npy \(MS-G3D\), .*, and this is none",
    ):
        open_store(tmp_path / "clips.csv")


def test_npz_is_ctrgcns_and_a_folder_nw_uclas(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x_test=np.zeros((1, 2, 150), np.float32), y_test=np.eye(3)[:1])
    assert isinstance(open_store(tmp_path / "a.npz", split="test"), NpzStore)
    folder = Path(__file__).parents[1] / "golden" / "ucla_raw"
    store = open_store(folder)
    assert isinstance(store, UclaStore)
    assert store.source == str(folder)
