"""Curves for TensorBoard: in their file at once, whole, and taken off again by a run that goes on."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Any

import pytest

from engine.curves import Curves


def test_points_are_in_the_file_at_once(tmp_path: Path, read_curves: Any) -> None:
    curves = Curves(tmp_path / "train")
    for step in (1, 2):
        curves.point(step, loss=0.5 / step, lr=0.25)
        assert read_curves(tmp_path / "train") == {
            "loss": [(s, 0.5 / s) for s in range(1, step + 1)],
            "lr": [(s, 0.25) for s in range(1, step + 1)],
        }


def test_a_run_that_goes_on_takes_later_points_off(tmp_path: Path, read_curves: Any) -> None:
    first = Curves(tmp_path)
    for step in (1, 2, 3):
        first.point(step, loss=1.0)
    Curves(tmp_path, step=2).point(3, loss=0.5)
    assert read_curves(tmp_path) == {"loss": [(1, 1.0), (2, 1.0), (3, 0.5)]}


def test_tensorboard_reads_the_records(tmp_path: Path) -> None:
    """``tensorboardX`` has no reader; the framing and both checksums are those of its writer."""
    from tensorboardX.record_writer import RecordWriter

    curves = Curves(tmp_path)
    (path,) = tmp_path.iterdir()
    content = path.read_bytes()
    event = content[12:-4]
    writer = RecordWriter(str(tmp_path / "theirs"))
    writer.write(event)
    writer.close()
    assert (tmp_path / "theirs").read_bytes() == content
    assert b"brain.Event:2" in event
    assert curves is not None


def test_a_full_disk_leaves_whole_records(tmp_path: Path, read_curves: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    curves = Curves(tmp_path)
    curves.point(1, loss=1.0)
    (path,) = tmp_path.iterdir()
    before = path.read_bytes()

    class Full:
        """Takes half of what is written, then nothing more."""

        def __init__(self, file: Any) -> None:
            self.file, self.taken = file, False

        def __enter__(self) -> Full:
            return self

        def __exit__(self, *error: object) -> None:
            self.file.close()

        def __getattr__(self, name: str) -> Any:
            return getattr(self.file, name)

        def write(self, data: memoryview) -> int:
            if self.taken:
                raise OSError(errno.ENOSPC, "No space left on device")
            self.taken = True
            return int(self.file.write(data[: len(data) // 2]))

    monkeypatch.setattr("builtins.open", lambda *args, _open=open, **given: Full(_open(*args, **given)))
    with pytest.raises(OSError, match="No space left") as caught:
        curves.point(2, loss=0.5)
    monkeypatch.undo()
    assert caught.value.filename == str(path)
    assert path.read_bytes() == before
    assert read_curves(tmp_path) == {"loss": [(1, 1.0)]}
