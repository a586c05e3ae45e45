"""The kinds of fault that a campaign does to runs."""

from __future__ import annotations

import contextlib
import math
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from benchmarks.compared import points
from benchmarks.disturbed import Disturbed


def _kill(run: Disturbed) -> None:
    before, process = (_saved(run), run.start())
    run.moment(process)
    process.popen.kill()
    run.struck(process, before, [-signal.SIGKILL])


def _terminate(run: Disturbed) -> None:
    before, process = (_saved(run), run.start())
    run.moment(process)
    process.popen.terminate()
    begins = time.monotonic() - process.began < 0.1 * run.training.seconds  # Python itself, before main.py
    run.struck(process, before, [75, -signal.SIGTERM] if begins else [75])


def _kill_in_saving(run: Disturbed) -> None:
    """When a file appears beside those that are whole."""
    before, process = (_saved(run), run.start())
    left, there = int(run.rng.integers(1, 8)), False

    def come() -> bool:
        nonlocal left, there
        before = there
        with contextlib.suppress(OSError):
            there = any(".partial." in name for name in os.listdir(run.folder / "checkpoints"))
        left -= there and not before
        return left <= 0

    process.until(come, pause=0.0002)
    time.sleep(run.rng.uniform(0, 0.01))
    process.popen.kill()
    run.struck(process, before, [-signal.SIGKILL])


def _kill_at_operation(run: Disturbed) -> None:
    before = _saved(run)
    run.struck(run.start(fault=("kill", *_operation(run))), before, [-signal.SIGKILL])


def _full_at_operation(run: Disturbed) -> None:
    before = _saved(run)
    what = str(run.rng.choice(["full", "half"]))
    run.struck(run.start(fault=(what, *_operation(run))), before, [2])


def _full(run: Disturbed) -> None:
    before = _saved(run)
    most = int(math.exp(run.rng.uniform(math.log(200), math.log(run.training.largest))))
    run.struck(run.start(most=most), before, [2])


def _damage(run: Disturbed) -> None:
    """End the run, and then cut its last checkpoint short, or turn bits of it."""
    _terminate(run)
    last = run.folder / "checkpoints" / "last.pt"
    if not last.with_name("previous.pt").is_file():
        return
    content = bytearray(last.read_bytes())
    if run.rng.random() < 0.5:
        del content[int(run.rng.integers(len(content))) :]
    else:
        for bit in run.rng.integers(8 * len(content), size=int(run.rng.integers(1, 9))).tolist():
            content[bit // 8] ^= 1 << bit % 8
    last.write_bytes(content)
    run.faults += 1


def _several(run: Disturbed) -> None:
    kinds = [_kill, _terminate, _kill_in_saving, _kill_at_operation, _full_at_operation, _full, _damage]
    for number in run.rng.integers(len(kinds), size=int(run.rng.integers(2, 4))).tolist():
        kinds[number](run)


def _kill_one_of_two(run: Disturbed) -> None:
    before, process = (_saved(run), run.start())
    run.moment(process)
    which = int(run.rng.integers(2))
    children = Path(f"/proc/{process.popen.pid}/task/{process.popen.pid}/children")
    with contextlib.suppress(OSError, IndexError):
        os.kill(int(children.read_text().split()[which]), signal.SIGKILL)
    run.struck(process, before, [1])


class Kind(NamedTuple):
    """A kind of fault, in words, and what does it."""

    words: str
    strike: Callable[[Disturbed], None]
    processes: int = 1


KINDS = {
    "kill": Kind("SIGKILL at any time", _kill),
    "term": Kind("SIGTERM at any time", _terminate),
    "kill-saving": Kind("SIGKILL while a checkpoint is written", _kill_in_saving),
    "kill-operation": Kind("SIGKILL before any one operation on a file", _kill_at_operation),
    "full": Kind("files cannot grow (RLIMIT_FSIZE)", _full),
    "full-operation": Kind("disk full at any one operation on a file", _full_at_operation),
    "damage": Kind("SIGTERM, then last.pt cut short or bits turned", _damage),
    "several": Kind("two or three of these in a row", _several),
    "two-kill-one": Kind("two processes: SIGKILL of one", _kill_one_of_two, 2),
    "two-kill-parent": Kind("two processes: SIGKILL of the one that started them", _kill, 2),
    "two-term": Kind("two processes: SIGTERM", _terminate, 2),
}


def _saved(run: Disturbed) -> tuple[int, int]:
    return run.step_saved(), len(points(run.folder))


def _operation(run: Disturbed) -> tuple[str, int]:
    """An operation on a file, drawn at random; one in three of the first ones of a run."""
    operation = str(run.rng.choice(list(run.training.operations)))
    most = run.training.operations[operation]
    return operation, int(run.rng.integers(1, 1 + (min(most, 20) if run.rng.random() < 1 / 3 else most)))
