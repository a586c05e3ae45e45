"""The clip that a command line names, in stores of every form."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest

from clips.read.npz import NpzStore
from engine.clip_sources import find_clip, open_named
from engine.predict import named_clips
from engine.show.__main__ import main
from errors import InputError


@pytest.fixture
def npz(tmp_path: Path) -> Path:
    """Two clips to train on and one to test on."""
    rng = np.random.default_rng(0)
    parts = {"train": 2, "test": 1}
    held = {f"x_{part}": rng.normal(size=(count, 7, 150)).astype(np.float32) for part, count in parts.items()}
    np.savez(tmp_path / "c.npz", **held, **{f"y_{part}": np.eye(60)[:count] for part, count in parts.items()})
    return tmp_path / "c.npz"


@pytest.mark.parametrize(("name", "part", "index"), [("train_1", "train", 1), ("test_0", "test", 0), ("", "train", 0)])
def test_the_part_of_an_npz_is_in_the_name(npz: Path, name: str, part: str, index: int) -> None:
    clip, layout, called = find_clip(f"{npz}:{name}" if name else str(npz))
    np.testing.assert_array_equal(clip, NpzStore(npz, part).clip(index))
    assert (layout.name, called) == ("ntu-rgb+d", f"{part}_{index}")


def test_all_clips_of_an_npz(npz: Path) -> None:
    assert [name for name, _ in named_clips(str(npz))] == ["train_0", "train_1", "test_0"]
    assert [name for name, _ in named_clips(f"{npz}:test_0")] == ["test_0"]
    for name, says in (("train_2", "'train_2'; did you mean 'train_"), ("tst_0", "'tst_0'; did you mean 'test_0'")):
        with pytest.raises(InputError, match=f"c.npz: there is no clip {says}"):
            find_clip(f"{npz}:{name}")


def test_a_clip_of_an_npz_is_drawn(npz: Path, tmp_path: Path) -> None:
    assert main([f"{npz}:train_1", "--out", str(tmp_path / "a.png")]) == 0
    assert (tmp_path / "a.png").is_file()


def test_a_store_without_clips_is_a_sentence(tmp_path: Path) -> None:
    np.save(tmp_path / "val_data_joint.npy", np.zeros((0, 3, 5, 25, 2), np.float32))
    (tmp_path / "val_label.pkl").write_bytes(pickle.dumps(([], [])))
    for ask in (open_named, find_clip, lambda path: list(named_clips(path))):
        with pytest.raises(InputError, match=r"val_data_joint.npy: there is no clip in it"):
            ask(str(tmp_path / "val_data_joint.npy"))
