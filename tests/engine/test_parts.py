"""The parts of a run: what is refused before anything is built, and what is said of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest


def test_a_checkpoint_without_a_work_dir_is_told_what_is_missing(
    tiny: Any, run_main: Any, train: Any, light: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work_dir = train("w", "--num-epoch", 1, **light)
    config, last = tiny.write(tmp_path / "c.yaml", **light), work_dir / "checkpoints" / "last.pt"
    done = run_main("--config", config, "--checkpoint", last)
    assert (done.code, done.err) == (
        2,
        [f"error: work_dir is missing: give --work-dir; {last} is of work dir {work_dir}"],
    )
    monkeypatch.chdir(last.parent)
    done = run_main("--config", config, "--checkpoint", "last.pt")
    assert (done.code, done.err) == (
        2,
        [f"error: work_dir is missing: give --work-dir; last.pt is of work dir {work_dir}"],
    )
    moved = last.rename(tmp_path / "last.pt")
    done = run_main("--config", config, "--checkpoint", moved)
    assert (done.code, done.err) == (
        2,
        [f"error: {moved} does not lie in the checkpoints of a work dir: give --work-dir"],
    )


def test_nesterov_that_adam_does_without_is_said(tiny: Any, run_main: Any, light: Any, tmp_path: Path) -> None:
    config = tiny.write(tmp_path / "c.yaml", **light, num_epoch=1, nesterov=True)
    said = "nesterov: left out, Adam has no such momentum"
    done = run_main("--config", config, "--work-dir", tmp_path / "adam", "--optimizer", "Adam")
    assert (done.code, done.err) == (0, [])
    assert any(line.endswith(said) for line in done.out)
    assert said in (tmp_path / "adam" / "log.txt").read_text()
    done = run_main("--config", config, "--work-dir", tmp_path / "sgd")
    assert (done.code, any(said in line for line in done.out)) == (0, False)


def test_weights_of_another_stream_and_scores_beside_a_trainings_are_said(
    tiny: Any, run_main: Any, train: Any, light: Any, tmp_path: Path
) -> None:
    work_dir = train("w", "--num-epoch", 1, "--stream", "joint", **light)
    config, best = tiny.write(tmp_path / "c.yaml", **light), work_dir / "checkpoints" / "best.pt"
    flags = ["--config", config, "--phase", "test", "--weights", best]
    done = run_main(*flags, "--stream", "joint_motion", "--work-dir", tmp_path / "motion")
    assert done.code == 0
    assert any(line.endswith(f"{best} was trained on stream joint, and is used on joint_motion") for line in done.out)
    assert not any("has left its own" in line for line in done.out)
    done = run_main(*flags, "--stream", "joint", "--work-dir", work_dir)
    assert done.code == 0
    assert not any("was trained on stream" in line for line in done.out)
    assert any(f"scores go into {work_dir}, where a training has left its own" in line for line in done.out)
