"""What a run says: lines on the screen and in log.txt, curves for TensorBoard and in metrics.jsonl, a progress bar."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterable, Iterator, Sized
from typing import Any, TypeVar

from tqdm import tqdm

from clips.files import append
from engine.checkpoint import Progress
from engine.curves import Curves
from engine.workdir import WorkDir

Item = TypeVar("Item")


class Journal:
    """Log and curves of one run; of several processes the first alone keeps one."""

    def __init__(self, work_dir: WorkDir, *, to_file: bool, main: bool = True, begin: Progress | None = None) -> None:
        """``begin`` is how far training is: what a run that was stopped drew after that is taken off the curves."""
        self._main = main
        self._log = work_dir.log if to_file and main else None
        self._metrics = work_dir.metrics if begin and main else None
        self._train = self._test = None
        if begin and main:
            self._train = Curves(work_dir.train_curves, begin.step)
            self._test = Curves(work_dir.test_curves, begin.step - begin.to_evaluate)
        self._bar: tqdm[Any] | None = None
        self._waited = 0.0
        self._began = time.monotonic()

    def say(self, text: str) -> None:
        """Print a line and note it in log.txt with the time."""
        if not self._main:
            return
        try:
            tqdm.write(text, file=sys.stdout)
            sys.stdout.flush()
        except OSError as error:
            raise OSError(error.errno, error.strerror, "standard output") from error
        if self._log is not None:
            append(self._log, f"[ {time.strftime('%Y-%m-%d %H:%M:%S')} ] {text}\n".encode())

    def train_point(self, step: int, *, loss: float, accuracy: float, rate: float, epoch: int, skipped: int) -> None:
        """A point of the training curves, under MS-G3D's names (``loss_l1`` is always 0: no network returns one)."""
        if self._train is not None:
            self._train.point(step, loss=loss, acc=accuracy, loss_l1=0.0, lr=rate, epoch=epoch)
        wait = round(self.data_wait(), 4)
        figures = {"loss": loss, "top1": accuracy, "lr": rate, "skipped_steps": skipped, "data_wait": wait}
        self._note({"part": "train", "step": step, "epoch": epoch, **figures})

    def test_point(self, step: int, *, epoch: int, loss: float, accuracy: float) -> None:
        """A point of the evaluation curves, under MS-G3D's names."""
        if self._test is not None:
            self._test.point(step, loss=loss, acc=accuracy, loss_l1=0.0)
        self._note({"part": "test", "step": step, "epoch": epoch, "loss": loss, "top1": accuracy})

    def _note(self, point: dict[str, Any]) -> None:
        """One line of metrics.jsonl; where a stopped run drew a point again, the later line counts."""
        if self._metrics is not None:
            append(self._metrics, (json.dumps({**point, "time": round(time.time(), 3)}) + "\n").encode())

    def progress(self, items: Iterable[Item], title: str, done: int = 0) -> Iterator[Item]:
        """``items`` behind a progress bar, where there is a terminal to show it on, of which ``done`` are done before.

        On the way it adds up how long it waited for them (``data_wait``).
        """
        total = done + len(items) if isinstance(items, Sized) else None
        off = not (self._main and sys.stderr.isatty())
        self._waited, self._began = 0.0, time.monotonic()
        with tqdm(desc=title, total=total, initial=done, leave=False, disable=off, dynamic_ncols=True) as bar:
            self._bar = bar
            iterator = iter(items)
            while True:
                before = time.monotonic()
                try:
                    item = next(iterator)
                except StopIteration:
                    break
                finally:
                    self._waited += time.monotonic() - before
                yield item
                bar.update()
            self._bar = None

    def data_wait(self) -> float:
        """The share of the time of the current pass that went by in waiting for clips."""
        return self._waited / max(time.monotonic() - self._began, 1e-9)

    def show(self, **figures: str) -> None:
        """Figures beside the progress bar."""
        if self._bar is not None and not self._bar.disable:
            self._bar.set_postfix(figures, refresh=False)
