"""One training run, the faults that end it, and whether it goes on from them as if they had not been."""

from __future__ import annotations

import json
import os
import pickle
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from benchmarks.compared import differences, points
from data_gen.prepare import ROOT
from engine.checkpoint import read_last
from engine.scoring.files import read_scores
from errors import InputError

PATIENCE = 120.0  # seconds until a process counts as one that hangs


@dataclass(frozen=True)
class Training:
    """The training that is disturbed.

    ``config`` is its YAML file, ``straight`` the work dir of the undisturbed run, which took ``seconds`` and so many
    ``operations`` on files; ``saves`` are the steps after which it saves, ``largest`` is the size of its largest file.
    """

    config: Path
    straight: Path
    seconds: float
    operations: Mapping[str, int]
    saves: Sequence[int]
    largest: int


@dataclass(frozen=True)
class Outcome:
    """What became of a run: faults that struck, steps lost at most by one, whether it finished and with which bits."""

    number: int
    kind: str
    faults: int
    lost: int
    finished: bool
    same: bool
    problems: list[str]


class Ended(NamedTuple):
    """How a process ended; ``code`` is below 0 for a signal."""

    code: int
    output: list[str]
    errors: list[str]
    seconds: float


@dataclass
class Process:
    """main.py at work."""

    popen: subprocess.Popen[str]
    began: float

    def wait(self) -> Ended:
        """Its end, which is brought about where it does not come by itself."""
        try:
            out, err = self.popen.communicate(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            self.popen.kill()
            out, err = self.popen.communicate()
            err += f"it hangs: no end after {PATIENCE:.0f} s"
        return Ended(self.popen.returncode, out.splitlines(), err.splitlines(), time.monotonic() - self.began)

    def until(self, come: Callable[[], bool], pause: float = 0.002) -> None:
        """Wait for something, or for the end of the process; look every ``pause`` seconds."""
        while not come() and self.popen.poll() is None and time.monotonic() - self.began < PATIENCE:
            time.sleep(pause)


@dataclass
class Disturbed:
    """A run on its way through its faults."""

    training: Training
    folder: Path
    rng: np.random.Generator
    faults: int = 0
    lost: int = 0
    finished: bool = False
    same: bool = False
    problems: list[str] = field(default_factory=list)

    def start(self, **options: Any) -> Process:
        """Begin, or go on."""
        return main_py(self.training.config, self.folder, **options)

    def drawn(self) -> int:
        """How many lines the figures have so far."""
        path = self.folder / "metrics.jsonl"
        return path.read_bytes().count(b"\n") if path.is_file() else 0

    def moment(self, process: Process) -> None:
        """Wait for a moment drawn at random: mostly in training or evaluation, sometimes before or after."""
        if self.rng.random() < 0.2:
            until = process.began + self.rng.uniform(0, 1.2 * self.training.seconds)
            process.until(lambda: time.monotonic() >= until)
            return
        wanted = self.drawn() + int(self.rng.integers(1, 1 + len(points(self.training.straight))))
        process.until(lambda: self.drawn() >= wanted)
        time.sleep(self.rng.uniform(0, 0.04))

    def step_saved(self) -> int:
        """The step that the run would go on from."""
        last = self.folder / "checkpoints" / "last.pt"
        if not last.is_file() and not last.with_name("previous.pt").is_file():
            return 0
        return int(read_last(last)[0]["progress"]["step"])

    def struck(self, process: Process, before: tuple[int, int], wanted: Sequence[int]) -> Ended:
        """Note how a process ended that may exit with ``wanted``; ``before``: the step and points it began at."""
        ended = process.wait()
        step, drawn = before
        complaints = ended.errors
        if ended.code not in (0, *wanted):
            self.problems.append(f"exit code {ended.code}, wanted one of {(0, *wanted)}: {complaints[-3:]}")
        if any("Traceback" in line or "Exception" in line for line in complaints):
            self.problems.append(f"a traceback: {complaints[-3:]}")
        if ended.code in (2, 75) and (len(complaints) != 1 or not complaints[0].strip()):
            self.problems.append(f"wanted one sentence: {complaints}")
        self.faults += ended.code != 0
        self.check_files()
        try:
            saved = self.step_saved()
        except InputError as error:
            self.problems.append(f"nothing to go on from: {error}")
            return ended
        done = [point["step"] for point in points(self.folder)[drawn:] if point["part"] == "train"]
        if saved < step:
            self.problems.append(f"it began at step {step}, but saved is step {saved}")
        if done:
            least = max((save for save in self.training.saves if save < done[-1]), default=0)
            if saved < least:
                self.problems.append(f"at step {done[-1]}, but saved is step {saved}")
            self.lost = max(self.lost, done[-1] - saved)
        if ended.code == 75 and done and saved != done[-1]:
            self.problems.append(f"stopped after step {done[-1]}, but saved is step {saved}")
        return ended

    def check_files(self) -> None:
        """Whether all that is in the work dir can be read."""
        for path in (path for path in self.folder.rglob("*") if path.is_file() and ".partial." not in path.name):
            try:
                if path.suffix in (".json", ".jsonl"):
                    text = path.read_text(encoding="utf-8")
                    for line in text.splitlines() if path.suffix == ".jsonl" else [text]:
                        json.loads(line)
                elif path.suffix == ".pt" and path.name not in ("last.pt", "damaged.pt"):
                    torch.load(path, weights_only=True)
                elif path.name.endswith("_score.pkl"):
                    read_scores(path)
            except (ValueError, InputError, RuntimeError, OSError, pickle.UnpicklingError) as error:
                self.problems.append(f"{path.relative_to(self.folder)} is not readable: {error}")


def main_py(
    config: Path, work_dir: Path, *, fault: tuple[str, str, int] | None = None, most: int | None = None
) -> Process:
    """Start main.py, as ``benchmarks.faulty`` with a ``fault``; no file may grow beyond ``most`` bytes."""
    command = [str(ROOT / "main.py")] if fault is None else ["-m", "benchmarks.faulty", str(work_dir), *map(str, fault)]
    limit = (lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))) if most else None
    popen = subprocess.Popen(
        [sys.executable, *command, "--config", str(config), "--work-dir", str(work_dir), "--resume", "auto"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        preexec_fn=limit,
    )
    return Process(popen, time.monotonic())


def finish(run: Disturbed) -> None:
    """Go on to the end, and compare with the undisturbed run."""
    ended = run.start().wait()
    run.finished = ended.code == 0
    if ended.code or ended.errors:
        run.problems.append(f"it did not go on: exit code {ended.code}, {ended.errors[-3:]}")
    run.check_files()
    found = differences(run.training.straight, run.folder)
    run.problems.extend(found)
    run.same = not found
