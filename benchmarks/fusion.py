"""Fusion of large sets: ``python3 -m benchmarks.fusion`` makes score files and says what fusing them takes.

Six streams of 100,000 clips and 400 classes are made in a folder of their own, as a test saves them, and ensemble.py
fuses and evaluates them in a process of its own, whose largest resident memory and wall time are printed.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from command_line import Parser, exit_code, whole_number
from data_gen.prepare import ROOT
from engine.scoring.scores import save_scores
from errors import InputError


def run(argv: Sequence[str] | None = None) -> int:
    """Make the files, fuse them and print what it took; the exit code is 1 when it took more memory than ``--most``.

    Raises:
        InputError: ensemble.py failed.
    """
    parser = Parser("benchmarks.fusion", description=__doc__.split("\n")[0], allow_abbrev=False)
    parser.add_flag("--clips", type=whole_number(1), default=100_000, metavar="N", help="(default: 100000)")
    parser.add_flag("--classes", type=whole_number(2), default=400, metavar="N", help="(default: 400)")
    parser.add_flag("--streams", type=whole_number(1), default=6, metavar="N", help="(default: 6)")
    parser.add_flag("--search", action="store_true", help="have weights searched for too")
    parser.add_flag("--most", type=whole_number(1), default=3000, metavar="MB", help="memory (default: 3000)")
    given = parser.parse_strictly(argv)
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        with ProcessPoolExecutor(1, get_context("spawn")) as aside:  # what this one holds counts as ensemble.py's too
            folders = aside.submit(make_scores, work, given.clips, given.classes, given.streams).result()
        more = ["--search"] if given.search else []
        size = sum(file.stat().st_size for file in work.rglob("*.pkl")) / 1e6
        memory, seconds = measure(["--scores", *folders, "--report", str(work / "report"), *more])
    what = "fused, searched and evaluated" if given.search else "fused and evaluated"
    print(
        f"{given.streams} streams of {given.clips} clips and {given.classes} classes ({size:.0f} MB of files) {what}: "
        f"{memory:.0f} MB at most, {seconds:.1f} s"
    )
    return 0 if memory <= given.most else 1


def make_scores(work: Path, clips: int, classes: int, streams: int) -> list[str]:
    """Write scores of ``streams`` streams, each in its own order, that know a little of the labels; the folders."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, classes, clips)
    names = np.array([f"clip{number:07}" for number in range(clips)])
    folders = []
    for stream in range(streams):
        values = rng.standard_normal((clips, classes), dtype=np.float32)
        values[np.arange(clips), labels] += 1.5
        order = rng.permutation(clips)
        folders.append(str(work / f"stream{stream}"))
        save_scores(folders[-1], 1, names[order].tolist(), labels[order], values[order])
    return folders


def measure(arguments: Sequence[str]) -> tuple[float, float]:
    """The largest resident memory of ensemble.py with these arguments, in MB, and its wall time in seconds.

    Raises:
        InputError: it failed.
    """
    command = [sys.executable, str(ROOT / "ensemble.py"), *arguments]
    began = time.monotonic()
    with subprocess.Popen(command, env=os.environ | {"OMP_NUM_THREADS": "1"}) as process:
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise InputError(f"ensemble.py failed with exit code {process.returncode}")
    per_mb = 1e6 if sys.platform == "darwin" else 1e6 / 1024  # bytes there, KiB on Linux
    return used.ru_maxrss / per_mb, time.monotonic() - began


if __name__ == "__main__":
    sys.exit(exit_code(run))
