"""A run of two processes, as a user starts one."""

from __future__ import annotations

import pickle
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
