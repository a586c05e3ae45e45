"""CTR-GCN's files: mapped where they can be, the same clips either way, refusals."""

from __future__ import annotations

import pickle
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clips.read.npz import NpzStore
from errors import InputError


def arrays(**changes: Any) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    parts = {"train": 5, "test": 3}
    made = {f"x_{part}": rng.normal(size=(count, 7, 150)).astype(np.float32) for part, count in parts.items()}
    made |= {f"y_{part}": np.eye(60)[[(3 * index + 1) % 60 for index in range(n)]] for part, n in parts.items()}
    return {name: array for name, array in (made | changes).items() if array is not None}


@pytest.mark.parametrize("mmap", [True, False])
@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
@pytest.mark.parametrize("split", ["train", "test"])
def test_clips_and_labels(split: str, save: Any, mmap: bool, tmp_path: Path) -> None:
    held = arrays()
    save(tmp_path / "a.npz", **held)
    store = NpzStore(tmp_path / "a.npz", split, mmap=mmap)
    count = len(held[f"x_{split}"])
    assert isinstance(store.data, np.memmap) == (mmap and save is np.savez)
    assert store.names == [f"{split}_{index}" for index in range(count)]
    assert store.labels == [1, 4, 7, 10, 13][:count]
    for index, rows in enumerate(held[f"x_{split}"]):
        clip = store.clip(index)
        assert (clip.dtype, clip.shape, clip.flags.c_contiguous) == (np.float32, (3, 7, 25, 2), True)
        for body, joint, channel in ((0, 0, 0), (1, 0, 2), (0, 24, 1), (1, 7, 0)):
            assert np.array_equal(clip[channel, :, joint, body], rows[:, 75 * body + 3 * joint + channel])
    sent = pickle.loads(pickle.dumps(store))
    assert np.array_equal(sent.clip(1), store.clip(1))
    assert len(pickle.dumps(store)) < 2000 or not isinstance(store.data, np.memmap)


def test_other_orders_and_types_in_memory(tmp_path: Path) -> None:
    held = arrays()
    np.savez(tmp_path / "a.npz", **(held | {"x_test": np.asfortranarray(held["x_test"].astype(">f8"))}))
    assert np.array_equal(NpzStore(tmp_path / "a.npz", "test").clip(2)[0, :, 0, 0], held["x_test"][2, :, 0])


def test_a_part_without_clips(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", **arrays(x_test=np.zeros((0, 7, 150), np.float32), y_test=np.zeros((0, 60))))
    assert NpzStore(tmp_path / "a.npz", "test").names == []


@pytest.mark.parametrize(
    ("changes", "split", "want"),
    [
        ({}, None, "split is train or test, not None$"),
        ({}, "tests", r"split is train or test, not 'tests'; did you mean 'test'\?"),
        ({"x_test": None}, "test", "there is no array x_test, only x_train, y_train, y_test"),
        ({"y_test": None}, "test", "there is no array y_test"),
        (
            {"x_test": np.zeros((3, 7, 75))},
            "test",
            r"wanted x_test as real numbers \(N, T, 150\), got float64 \(3, 7, 75\)",
        ),
        ({"x_test": np.zeros((3, 150), int)}, "test", r"wanted x_test .*, got int64 \(3, 150\)"),
        ({"x_test": np.array([None, "a"])}, "test", "not a readable .npz file"),
        ({"y_test": np.zeros(3)}, "test", r"y_test: wanted one-hot labels \(N, classes\), got float64 \(3,\)"),
        ({"y_test": np.zeros((3, 60))}, "test", "y_test: row 0 has 0 classes, wanted one"),
        ({"y_test": np.ones((3, 60))}, "test", "y_test: row 0 has 60 classes, wanted one"),
        ({"y_test": np.eye(60)[:2]}, "test", "3 clips, but 2 labels"),
    ],
)
def test_refusals(changes: dict[str, Any], split: str | None, want: str, tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", **arrays(**changes))
    with pytest.raises(InputError, match=f"a.npz: {want}"):
        NpzStore(tmp_path / "a.npz", split)


def test_files_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        NpzStore(tmp_path / "a.npz", "train")
    (tmp_path / "a.npz").write_bytes(b"x" * 99)
    with pytest.raises(InputError, match=r"not a readable \.npz file"):
        NpzStore(tmp_path / "a.npz", "train")
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("x_train.npy", b"x" * 99)
    with pytest.raises(InputError, match=r"not a readable \.npz file"):
        NpzStore(tmp_path / "a.npz", "train")


@given(data=st.data(), mmap=st.booleans())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_damage_is_an_error_or_does_no_harm(
    data: st.DataObject, mmap: bool, damages: st.SearchStrategy, tmp_path: Path, little_memory: None
) -> None:
    path = tmp_path / "a.npz"
    np.savez(path, **arrays())
    path.write_bytes(data.draw(damages)(path.read_bytes()))
    try:
        store = NpzStore(path, "test", mmap=mmap)
        assert store.clip(0).shape[2:] == (25, 2)
    except InputError as error:
        assert str(path) in str(error)
