"""Several processes of one machine: one exit code, one sentence, nobody left behind."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.launch import launch
from engine.stopping import EXIT_CODE

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    ("codes", "want"),
    [
        ([0, 0], 0),
        ([0, 2], 2),
        ([2, 2], 2),
        ([EXIT_CODE, EXIT_CODE], EXIT_CODE),
        ([0, EXIT_CODE], EXIT_CODE),
        ([1, 0], 1),
    ],
)
def test_the_exit_code_is_that_of_the_run(codes: list[int], want: int) -> None:
    assert launch(len(codes), ["-c", f"import os, sys; sys.exit({codes}[int(os.environ['RANK'])])"]) == want


def test_one_that_fails_ends_the_others(capfd: pytest.CaptureFixture[str]) -> None:
    """Though the other would run for a minute."""
    program = (
        "import os, signal, time\nif os.environ['RANK'] == '1': os.kill(os.getpid(), signal.SIGKILL)\ntime.sleep(60)"
    )
    assert launch(2, ["-c", program]) == 1
    assert capfd.readouterr().err == "error: process 1 was ended by SIGKILL; the others are ended too\n"


def test_processes_know_who_they_are(capfd: pytest.CaptureFixture[str]) -> None:
    program = "import json, os; print(json.dumps(dict(os.environ)))"
    assert launch(2, ["-c", program]) == 0
    found = [json.loads(line) for line in capfd.readouterr().out.splitlines()]
    assert sorted(one["RANK"] for one in found) == sorted(one["LOCAL_RANK"] for one in found) == ["0", "1"]
    assert {one["WORLD_SIZE"] for one in found} == {one["LOCAL_WORLD_SIZE"] for one in found} == {"2"}
    assert len({one["MASTER_PORT"] for one in found}) == 1


def started(*flags: Any, **variables: str) -> subprocess.CompletedProcess[str]:
    """main.py in processes of its own."""
    command = [sys.executable, str(ROOT / "main.py"), *map(str, flags)]
    environment = {**os.environ, **variables}
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, env=environment)


def test_what_one_process_finds_wrong_is_one_sentence(tiny: Any, tree: Any, tmp_path: Path) -> None:
    """Before the first step, and in the share of the test part that the second process alone sees."""
    config = tiny.write(tmp_path / "c.yaml", num_epoch=1)
    before = tree(tmp_path)
    done = started("--config", config, "--work-dir", tmp_path / "w", "--device", "cpu", "cpu", "--batch-size", 9)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "error: batch_size is 9, which 2 processes cannot share evenly; it counts the clips of all together\n"
    )
    assert tree(tmp_path) == before
    clips = np.load(tiny.settings["test_feeder_args"]["data_path"])
    clips[5, 0, 0, 0, 0] = np.nan
    np.save(tmp_path / "val.npy", clips)
    data = ["--test-feeder-args", f"data_path={tmp_path}/val.npy"]
    done = started("--config", config, "--work-dir", tmp_path / "w", "--device", "cpu", "cpu", *data)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1, done.stderr
    assert "holds values that are no numbers" in done.stderr


def test_a_restart_by_torchrun_goes_on_by_itself(
    tiny: Any, train: Any, run_main: Any, same: Any, light: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It starts the same command again, which says nothing of resuming."""
    straight, broken = train("straight", "--num-epoch", 2, **light), train("broken", "--num-epoch", 1, **light)
    flags = ["--config", broken.with_suffix(".yaml"), "--work-dir", broken, "--num-epoch", 2]
    refused = run_main(*flags)
    assert (refused.code, len(refused.err)) == (2, 1)
    assert "already holds a training run: go on with it with --resume auto" in refused.err[0]
    monkeypatch.setenv("TORCHELASTIC_RESTART_COUNT", "1")
    done = run_main(*flags)
    assert (done.code, done.err) == (0, [])
    assert any(line.startswith("going on from") for line in done.out)
    assert same(straight, broken) == []


def test_auto_begins_goes_on_and_is_at_its_end(train: Any, run_main: Any, same: Any, light: Any, tree: Any) -> None:
    """An empty folder, a run that is not done, and one that is: each exits with 0."""
    straight = train("straight", "--num-epoch", 2, **light)
    work_dir = train("w", "--num-epoch", 1, "--resume", "auto", **light)
    flags = ["--config", work_dir.with_suffix(".yaml"), "--work-dir", work_dir, "--num-epoch", 2, "--resume", "auto"]
    assert run_main(*flags).code == 0
    assert same(straight, work_dir) == []
    before = tree(work_dir)
    done = run_main(*flags)
    assert (done.code, done.err) == (0, [])
    assert done.out == [f"nothing left to train: 2 epochs are done, see {work_dir}"]
    assert tree(work_dir) == before


def test_a_run_goes_on_with_another_number_of_processes(tiny: Any, train: Any, tmp_path: Path, run_main: Any) -> None:
    work_dir = train("w", "--num-epoch", 1)
    flags = ["--config", work_dir.with_suffix(".yaml"), "--work-dir", work_dir, "--num-epoch", 2, "--resume", "auto"]
    done = started(*flags, "--device", "cpu", "cpu")
    assert (done.returncode, done.stderr) == (0, "")
    assert "going on from" in done.stdout
    assert json.loads((work_dir / "from-3-run.json").read_text())["processes"] == 2
    assert json.loads((work_dir / "result.json").read_text())["last"]["epoch"] == 2


def test_one_process_may_be_told_its_number_by_an_old_launcher(train: Any, light: Any) -> None:
    assert (train("w", "--local-rank", 0, "--num-epoch", 1, **light) / "result.json").is_file()
    assert (train("v", "--local_rank=0", "--num-epoch", 1, **light) / "result.json").is_file()


def test_deterministic_gives_the_same_bits(train: Any, same: Any) -> None:
    program = (
        "import sys, main, torch\ncode = main.main(sys.argv[1:])\n"
        "sys.exit(code or not torch.are_deterministic_algorithms_enabled())\n"
    )
    folder = train("plain", "--num-epoch", 1)
    flags = ["--config", folder.with_suffix(".yaml"), "--num-epoch", "1", "--deterministic"]
    command = [sys.executable, "-c", program, *map(str, flags), "--work-dir", str(folder.with_name("sure"))]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert same(folder, folder.with_name("sure")) == []
