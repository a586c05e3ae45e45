"""Writing over a compact store: the old one, the new one, or none, wherever it is killed."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from clips.compact import CompactStore
from clips.write.compact import Piece, write_store
from errors import InputError

ABOUT = {"channels": 3, "joints": 4, "bodies": 1}


def write(folder: Path, value: float, names: list[str], labels: list[int] | None = None) -> None:
    """A store of clips of one value, all of one size."""
    piece = Piece()
    for _ in names:
        piece.append(np.full((3, 5, 4, 1), value, np.float32))
    piece.save(folder.with_suffix(".npz"))
    numbers = list(range(len(names)))
    write_store(folder, [folder.with_suffix(".npz")], names, labels or numbers, {"train": numbers}, ABOUT)


def killed_at(step: int, replace: Callable[..., None]) -> Callable[..., None]:
    """``os.replace``, which the process does not live to call for the ``step``-th time."""
    left = [step]

    def act(*paths: Any) -> None:
        if not left[0]:
            raise KeyboardInterrupt
        left[0] -= 1
        replace(*paths)

    return act


@pytest.mark.parametrize("step", [0, 1, 2])
def test_a_kill_leaves_no_store_of_two(step: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "store"
    write(folder, 1.0, ["a", "b"])
    with monkeypatch.context() as patched:
        patched.setattr("clips.files.os.replace", killed_at(step + 1, os.replace))  # the piece is the first
        with pytest.raises(KeyboardInterrupt):
            write(folder, 2.0, ["c", "d"])
    with pytest.raises(InputError, match=r"store\.json: No such file"):
        CompactStore(folder)
    assert not [path for path in folder.iterdir() if "partial" in path.name]
    write(folder, 2.0, ["c", "d"])
    store = CompactStore(folder)
    assert (store.names, float(store.clip(0).max())) == (["c", "d"], 2.0)


def test_what_cannot_be_written_leaves_the_store_of_before(tmp_path: Path) -> None:
    folder = tmp_path / "store"
    write(folder, 1.0, ["a", "b"])
    with pytest.raises(OverflowError):
        write(folder, 2.0, ["c", "d"], [0, 10**30])
    store = CompactStore(folder)
    assert (store.names, float(store.clip(0).max())) == (["a", "b"], 1.0)
    assert sorted(path.name for path in folder.iterdir()) == ["clips.npy", "index.npz", "store.json"]
