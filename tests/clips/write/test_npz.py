"""The .npz files against NumPy's own, and what does not fit into them."""

from __future__ import annotations

import io
import os
import zipfile
from pathlib import Path

import numpy as np
import pytest

from clips.read.npz import NpzStore
from clips.write.npz import npz_row, write_npz
from errors import InputError


def clips(count: int, frames: int = 9) -> list[np.ndarray]:
    rng = np.random.default_rng(count)
    return [rng.normal(size=(3, frames - n % 3, 25, 1 + n % 2)).astype(np.float32) for n in range(count)]


def parts(train: int = 5, test: int = 3) -> dict[str, tuple[list[np.ndarray], list[int]]]:
    return {part: (clips(count), [n % 4 for n in range(count)]) for part, count in (("train", train), ("test", test))}


def test_numpy_reads_the_same_as_from_its_own(tmp_path: Path) -> None:
    write_npz(tmp_path / "a.npz", parts(), 4, 12)
    want = {}
    for part, (held, labels) in parts().items():
        want[f"x_{part}"] = np.stack([npz_row(clip, 12) for clip in held])
        want[f"y_{part}"] = np.eye(4)[labels]
    with np.load(tmp_path / "a.npz") as file:
        assert file.files == list(want)
        for name, array in want.items():
            assert (file[name].dtype, file[name].shape) == (array.dtype, array.shape)
            assert np.array_equal(file[name], array)
    saved = io.BytesIO()
    np.savez(saved, **want)
    with zipfile.ZipFile(saved) as theirs, zipfile.ZipFile(tmp_path / "a.npz") as ours:
        assert all(ours.read(name) == theirs.read(name) for name in theirs.namelist())
        assert ours.testzip() is None


def test_the_store_maps_it(tmp_path: Path) -> None:
    write_npz(tmp_path / "a.npz", parts(), 4, 12)
    store = NpzStore(tmp_path / "a.npz", "train")
    assert isinstance(store.data, np.memmap)
    for index, clip in enumerate(clips(5)):
        frames, bodies = clip.shape[1], clip.shape[3]
        assert np.array_equal(store.clip(index)[:, :frames, :, :bodies], clip)
        assert not store.clip(index)[:, frames:].any()
    assert store.labels == [0, 1, 2, 3, 0]


def test_a_part_without_clips_and_the_same_bytes_twice(tmp_path: Path) -> None:
    for name in ("a.npz", "b.npz"):
        write_npz(tmp_path / name, parts(test=0), 4)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    assert NpzStore(tmp_path / "a.npz", "test").names == []
    assert NpzStore(tmp_path / "a.npz", "train").clip(0).shape == (3, 300, 25, 2)


@pytest.mark.parametrize(
    ("shape", "label", "want"),
    [
        ((3, 13, 25, 2), 0, r"a clip \(C, T, V, M\) = \(3, 13, 25, 2\) does not fit into .npz files"),
        ((3, 9, 18, 2), 0, "25 joints"),
        ((3, 9, 25, 3), 0, "2 bodies"),
        ((2, 9, 25, 2), 0, "3 channels"),
        ((3, 9, 25, 2), 4, "there is a label 4, and only 4 classes"),
        ((3, 9, 25, 2), -1, "there is a label -1"),
    ],
)
def test_refusals_leave_what_was_there(shape: tuple[int, ...], label: int, want: str, tmp_path: Path) -> None:
    (tmp_path / "a.npz").write_bytes(b"old")
    clip = np.zeros(shape, np.float32)
    with pytest.raises(InputError, match=want):
        write_npz(tmp_path / "a.npz", {"train": ([clip], [label])}, 4, 12)
    assert os.listdir(tmp_path) == ["a.npz"]
    assert (tmp_path / "a.npz").read_bytes() == b"old"


def test_what_a_killed_run_left_is_written_over(tmp_path: Path) -> None:
    (tmp_path / ".partial.a.npz").write_bytes(b"x" * 10_000_000)
    write_npz(tmp_path / "a.npz", parts(1, 1), 4, 12)
    assert os.listdir(tmp_path) == ["a.npz"]
    assert NpzStore(tmp_path / "a.npz", "test").labels == [0]
