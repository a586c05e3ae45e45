"""Dense files that take the place of others: never new clips under old names."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from clips.dense import DenseStore
from data_gen.dense_workshop import DenseWorkshop
from data_gen.workshop import Sample
from errors import InputError

PARTS = ("xsub/train", "xsub/val")


def workshop(out: Path, names: str) -> DenseWorkshop:
    samples = [Sample(name, name, label, (PARTS[label],)) for label, name in enumerate(names)]
    return DenseWorkshop(out, samples, PARTS, (3, 5, 4, 1), {})


def filled(out: Path, names: str, value: float) -> DenseWorkshop:
    """A workshop of which only the delivery is left."""
    made = workshop(out, names)
    made.open()
    for chunk in made.chunks(lambda sample: np.full((3, 5, 4, 1), value, np.float32)):
        chunk.fill()
    made.settle({})
    return made


def stores(out: Path) -> list[DenseStore]:
    return [DenseStore(out / f"{part}_data_joint.npy", out / f"{part}_label.pkl") for part in PARTS]


@pytest.mark.parametrize("step", range(4))
def test_a_kill_leaves_no_clips_under_old_names(step: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    filled(tmp_path, "ab", 1.0).deliver()
    made = filled(tmp_path, "cd", 2.0)
    calls: list[Any] = []
    replace = os.replace

    def dying(*paths: Any) -> None:
        calls.append(paths)
        if len(calls) > step:
            raise KeyboardInterrupt
        replace(*paths)

    with monkeypatch.context() as patched:
        patched.setattr(os, "replace", dying)
        with pytest.raises(KeyboardInterrupt):
            made.deliver()
    for number, part in enumerate(PARTS):
        try:
            store = DenseStore(tmp_path / f"{part}_data_joint.npy", tmp_path / f"{part}_label.pkl")
        except InputError as error:
            assert "no such file" in str(error)
        else:
            assert float(store.clip(0).max()) == {"ab"[number]: 1.0, "cd"[number]: 2.0}[store.names[0]]
    again = workshop(tmp_path, "cd")
    again.open()
    again.deliver()
    assert [(store.names, float(store.clip(0).max())) for store in stores(tmp_path)] == [(["c"], 2.0), (["d"], 2.0)]
