"""The command: what cannot be drawn is one sentence, and nothing is written."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest

from engine.show.__main__ import main


def dense(folder: Path, clip: np.ndarray) -> str:
    """A file of one clip (C, T, V, M)."""
    np.save(folder / "val_data_joint.npy", clip[None])
    (folder / "val_label.pkl").write_bytes(pickle.dumps((["a"], [0])))
    return str(folder / "val_data_joint.npy")


def refused(argv: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> str:
    """The one line that the command says of what it does not draw."""
    out = tmp_path / "new"
    for suffix in (".png", ".gif"):
        assert main([*argv, "--out", str(out / f"a{suffix}")]) == 2
    first, second = capsys.readouterr().err.splitlines()
    assert first == second
    assert not out.exists()
    return first


@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan])
def test_what_is_no_number_is_named(value: float, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    clip = np.ones((3, 5, 25, 2), np.float32)
    clip[1, 3, 7, 0] = value
    source = dense(tmp_path, clip)
    said = refused([source], tmp_path, capsys)
    assert said == f"error: {source}: clip 'a': frame 3, joint 7, body 0: channel 1 is {value}, wanted finite numbers"


def test_an_empty_clip_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = dense(tmp_path, np.zeros((3, 5, 25, 2), np.float32))
    assert refused([source], tmp_path, capsys) == f"error: {source}: clip 'a': it is empty"


def test_a_stream_is_that_of_a_configuration(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = dense(tmp_path, np.ones((3, 5, 25, 2), np.float32))
    said = refused([source, "--stream", "bone"], tmp_path, capsys)
    assert said == "error: --stream bone: it is that of a configuration, which --config names"
