"""The folder of a run: what lies where, and who may write there."""

from __future__ import annotations

import json
import os
import platform
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml

from clips.files import write_text
from engine.checkpoint import LAST
from engine.config import Config
from errors import InputError

_STREAM = re.compile(r"(?:^|_)(joint_motion|bone_motion|bone_p2|bone_p5|joint|bone)$")


class WorkDir:
    """Paths within a work dir, as MS-G3D names them where it has them."""

    def __init__(self, config: Config) -> None:
        """Raises InputError when no work dir is given, or one that is named after another stream."""
        if config.work_dir is None:
            raise InputError(
                "work_dir is missing: where to put weights and scores is said by --config FILE, or --work-dir"
            )
        self.path = Path(config.work_dir.replace("{stream}", config.stream or "joint"))
        named = _STREAM.search(self.path.name)
        if config.stream and named and named[1] != config.stream:
            raise InputError(f"work_dir {self.path} is named after another stream than {config.stream}; give another")
        self.weights_name = config.model_saved_name
        self.train_curves = self.path / "trainlogs" / "train"
        self.test_curves = self.path / "trainlogs" / "val"
        self.last = self.path / "checkpoints" / LAST
        self.best = self.path / "checkpoints" / "best.pt"
        self.log = self.path / "log.txt"
        self._lock: int | None = None
        self.metrics = self.path / "metrics.jsonl"

    def weights(self, epoch: int, step: int) -> Path:
        """File of the weights after ``epoch`` epochs and ``step`` optimizer steps."""
        return self.path / "weights" / f"{self.weights_name}-{epoch}-{step}.pt"

    def thin_out(self, keep: int, best_epoch: int) -> None:
        """Remove this run's weights, but for those of the last ``keep`` epochs and of the best; 0 keeps all."""
        pattern = re.compile(rf"{re.escape(self.weights_name)}-(\d+)-\d+\.pt")
        found = {file: int(match[1]) for file in self.path.glob("weights/*") if (match := pattern.fullmatch(file.name))}
        newest = sorted(set(found.values()))[-keep:]
        for file, epoch in found.items():
            if epoch not in newest and epoch != best_epoch:
                file.unlink()

    def holds_training(self) -> bool:
        """Whether a training run has saved anything here."""
        files = (file for part in ("weights", "checkpoints") for file in self.path.glob(f"{part}/*.pt"))
        return any(not file.name.startswith(".") for file in files)

    def claim(self, config: Config) -> None:
        """Make the folder; a training run gets one of its own, or goes on in the one that its checkpoint lies in.

        It holds the folder until ``release``.

        Raises:
            InputError: another training run has been, or is, here, or the folder cannot be made.
        """
        goes_on = config.checkpoint is not None and self.path.resolve() in Path(config.checkpoint).resolve().parents
        if config.phase == "train" and not goes_on and self.holds_training():
            hint = "go on with it with --resume auto, or " if self.last.is_file() else ""
            raise InputError(f"{self.path} already holds a training run: {hint}choose another --work-dir")
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            if config.phase == "train":
                self._lock = os.open(self.path / ".lock", os.O_WRONLY | os.O_CREAT, 0o666)
        except OSError as error:
            raise InputError(f"{self.path}: cannot be made a work dir: {error.strerror}") from error
        if self._lock is not None and not _locked(self._lock):
            self.release()
            raise InputError(f"{self.path}: another run is training there just now")
        if config.phase == "train":
            self._clear_up()

    def _clear_up(self) -> None:
        """Remove the halves of weights and checkpoints that a killed run left: they are of no use and can be large."""
        for part in ("weights", "checkpoints"):
            for file in self.path.glob(f"{part}/.*.partial.*"):
                file.unlink(missing_ok=True)

    def release(self) -> None:
        """Let others train here."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def describe(self, config: Config, origin: Mapping[str, str], step: int = 0, **computed: str | int) -> None:
        """Write ``config.yaml`` and ``run.json``; ``computed`` is what the run found out about itself.

        A run that goes on after ``step`` steps puts ``from-<step>-`` in front, a test in a training run's folder
        ``test-``, so that what the first run was stays known.
        """
        prefix = "test-" if config.phase == "test" and self.holds_training() else f"from-{step}-" if step else ""
        write_text(self.path / f"{prefix}config.yaml", yaml.safe_dump(asdict(config), sort_keys=False))
        facts = {
            "command": sys.argv,
            "config": asdict(config),
            "origin": dict(origin),
            "git_commit": _git_commit(),
            **computed,
            "versions": {
                "python": platform.python_version(),
                "torch": str(torch.__version__),
                "numpy": np.__version__,
                "platform": platform.platform(),
            },
        }
        write_text(self.path / f"{prefix}run.json", json.dumps(facts, indent=2) + "\n")


def write_result(path: str | os.PathLike[str], result: Mapping[str, Any]) -> None:
    """Write a result as JSON."""
    write_text(path, json.dumps(dict(result), indent=2) + "\n")


def _locked(file: int) -> bool:
    """Whether nobody else holds the open file; True as well where the system, or its disk, knows no such locks."""
    try:
        import fcntl
    except ImportError:  # Windows
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True


def _git_commit() -> str | None:
    """Commit of the code that runs, with ``+`` when the tree has changes; None outside a repository."""
    command = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--abbrev=40", "--dirty=+"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip() or None
