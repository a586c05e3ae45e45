"""A run of two processes, as a user starts one."""

from __future__ import annotations

import pickle
import re
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).parents[2]


def test_two_processes_score_with_the_statistics_that_they_save(tiny: Any, run_main: Any, tmp_path: Path) -> None:
    """Those of the last step too: between two steps every process has its own."""
    config, work_dir = tiny.write(tmp_path / "a.yaml", device=["cpu", "cpu"], num_epoch=1), tmp_path / "w"
    command = [sys.executable, ROOT / "main.py", "--config", config, "--work-dir", work_dir]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    weights = work_dir / "weights" / "weights-1-3.pt"
    tested = ["--config", config, "--phase", "test", "--weights", weights, "--device", "cpu"]
    assert run_main(*tested, "--work-dir", tmp_path / "t").code == 0
    one, other = (pickle.loads((d / "epoch1_test_score.pkl").read_bytes()) for d in (work_dir, tmp_path / "t"))
    assert one.keys() == other.keys()
    for name in one:
        np.testing.assert_allclose(one[name], other[name], atol=1e-5)


def test_a_full_disk_is_one_sentence_of_all_processes(tiny: Any, tmp_path: Path) -> None:
    config, work_dir = tiny.write(tmp_path / "a.yaml", device=["cpu", "cpu"], num_epoch=1), tmp_path / "w"
    command = [sys.executable, ROOT / "main.py", "--config", config, "--work-dir", work_dir]
    limit = (16384, 16384)
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, limit),
    )
    last = work_dir / "checkpoints" / "last.pt"
    assert done.returncode == 2
    assert re.fullmatch(rf"error: {re.escape(str(last))}: .*File too large\n", done.stderr), done.stderr
    assert list(last.parent.iterdir()) == []


def test_output_to_a_full_disk_is_a_sentence(tiny: Any, tmp_path: Path) -> None:
    config = tiny.write(tmp_path / "a.yaml", num_epoch=1)
    command = [sys.executable, ROOT / "main.py", "--config", config, "--work-dir", tmp_path / "w"]
    with open("/dev/full", "w") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert (done.returncode, done.stderr) == (2, "error: standard output: No space left on device\n")
