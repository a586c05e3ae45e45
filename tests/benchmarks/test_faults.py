"""The campaign of faults: a short one every time, the full one as a campaign; and that it notices what is wrong."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmarks import faults
from benchmarks.compared import differences
from benchmarks.disturbed import Outcome, Training
from benchmarks.fault_kinds import KINDS


def test_runs_end_as_if_there_had_been_no_fault(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """A process that dies at an operation on a file, a full disk, and SIGTERM with a damaged checkpoint after it."""
    kinds = ["kill-operation", "full-operation", "damage"]
    code = faults.run(["--runs", "3", "--seed", "4", "--out", str(tmp_path / "a.json"), "--kinds", *kinds])
    assert code == 0, capfd.readouterr().out
    outcomes = json.loads((tmp_path / "a.json").read_text())
    assert [outcome["kind"] for outcome in outcomes] == kinds
    assert all(outcome["faults"] >= 1 for outcome in outcomes)
    assert capfd.readouterr().out.splitlines()[-1].startswith("| all")


@pytest.mark.campaign
def test_a_hundred_runs_end_as_if_there_had_been_no_fault() -> None:
    assert faults.run(["--runs", "110", "--seed", "1"]) == 0


def test_what_is_wrong_is_said_and_the_exit_code_is_one(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    training = Training(tmp_path, tmp_path, 1.0, {}, [], 1)
    monkeypatch.setattr(faults, "undisturbed", lambda *given: training)
    monkeypatch.setattr(faults.tempfile, "mkdtemp", lambda **given: str(tmp_path))

    def disturb(kind: str, training: Training, number: int, *given: Any) -> Outcome:
        return Outcome(number, kind, 1, 3, True, number != 1, ["last.pt: other model.fc"] if number == 1 else [])

    monkeypatch.setattr(faults, "disturb", disturb)
    assert faults.run(["--runs", "2", "--kinds", "kill", "term"]) == 1
    lines = capsys.readouterr().out.splitlines()
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:5]]
    assert cells[0] == [KINDS["kill"].words, "1", "1", "1", "1", "3"]
    assert cells[2] == ["all", "2", "2", "2", "1", "3"]
    assert lines[5:] == ["run 1, term: last.pt: other model.fc", f"their folders are in {tmp_path}"]


def test_a_difference_of_one_bit_is_found(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    (one / "checkpoints").mkdir(parents=True)
    (one / "weights").mkdir()
    (one / "weights" / "weights-1-3.pt").write_bytes(b"bytes")
    (one / "result.json").write_text("{}")
    point = {"part": "train", "step": 3, "loss": 0.5, "data_wait": 0.1, "time": 1}
    (one / "metrics.jsonl").write_text(json.dumps(point) + "\n")
    state = {"model": {"a": torch.zeros(2)}, "optimizer": {"lr": [0.5]}, "progress": {}, "precision": {}}
    for name in ("last.pt", "best.pt"):
        torch.save(state, one / "checkpoints" / name)
    shutil.copytree(one, other)
    (other / "metrics.jsonl").write_text(json.dumps({**point, "loss": 9.0}) + "\n" + json.dumps({**point, "time": 2}))
    assert differences(one, other) == []  # drawn again: the later counts, and at another time
    (other / "weights" / "weights-1-3.pt").write_bytes(b"Bytes")
    (other / "result.json").unlink()
    (other / "metrics.jsonl").write_text(json.dumps({**point, "loss": 0.25}))
    state["model"]["a"] = torch.tensor([0.0, -0.0])
    state["optimizer"]["lr"] = [0.25]
    torch.save(state, other / "checkpoints" / "last.pt")
    (other / "checkpoints" / "best.pt").unlink()
    assert differences(one, other) == [
        "weights/weights-1-3.pt: other bytes",
        "./result.json: other bytes",
        "last.pt: other model.a",
        "last.pt: other optimizer.lr.0",
        "checkpoints/best.pt is missing",
        "metrics.jsonl: other figures at ('train', 3)",
    ]
