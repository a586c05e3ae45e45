"""What a run says: lines on the screen and in log.txt, curves for TensorBoard, a progress bar on a terminal."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable
from typing import TypeVar

from tensorboardX import SummaryWriter
from tqdm import tqdm

from engine.workdir import WorkDir

Item = TypeVar("Item")


class Journal:
    """Log and curves of one run."""

    def __init__(self, work_dir: WorkDir, *, to_file: bool, curves: bool) -> None:
        self._log = work_dir.log if to_file else None
        self._train = SummaryWriter(str(work_dir.train_curves)) if curves else None
        self._test = SummaryWriter(str(work_dir.test_curves)) if curves else None

    def say(self, text: str) -> None:
        """Print a line and note it in log.txt with the time."""
        tqdm.write(text, file=sys.stdout)
        sys.stdout.flush()
        if self._log is not None:
            with open(self._log, "a", encoding="utf-8") as file:
                file.write(f"[ {time.strftime('%Y-%m-%d %H:%M:%S')} ] {text}\n")

    def train_point(self, step: int, *, loss: float, accuracy: float, rate: float, epoch: int) -> None:
        """A point of the training curves, under MS-G3D's names (``loss_l1`` is always 0: no network returns one)."""
        if self._train is not None:
            for name, value in (("loss", loss), ("acc", accuracy), ("loss_l1", 0.0), ("lr", rate), ("epoch", epoch)):
                self._train.add_scalar(name, value, step)

    def test_point(self, step: int, *, loss: float, accuracy: float) -> None:
        """A point of the evaluation curves, under MS-G3D's names."""
        if self._test is not None:
            for name, value in (("loss", loss), ("acc", accuracy), ("loss_l1", 0.0)):
                self._test.add_scalar(name, value, step)

    def progress(self, items: Iterable[Item], title: str) -> Iterable[Item]:
        """``items`` behind a progress bar, where there is a terminal to show it on."""
        bar: Iterable[Item] = tqdm(items, desc=title, leave=False, disable=not sys.stderr.isatty(), dynamic_ncols=True)
        return bar

    def close(self) -> None:
        """Finish the curve files."""
        for writer in (self._train, self._test):
            if writer is not None:
                writer.close()
