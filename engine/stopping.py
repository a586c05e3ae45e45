"""Stopping when told to: SIGTERM and SIGINT end a run after its current step, with everything saved."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

EXIT_CODE = 75  # EX_TEMPFAIL of sysexits.h: not done, worth trying again


class Stopped(Exception):  # noqa: N818 - nothing went wrong
    """The run was told to stop and has saved all it had; the message says how to go on."""


class NothingLeft(Exception):  # noqa: N818
    """The run was to go on, and is at its end."""


class Stop:
    """Whether somebody asked the run to stop; a second time means at once."""

    def __init__(self) -> None:
        self.asked = False

    def _ask(self, number: int, frame: FrameType | None) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True


@contextmanager
def listening() -> Iterator[Stop]:
    """Takes SIGTERM (what a cluster sends before it ends a job) and SIGINT (Ctrl-C) as the wish to stop."""
    stop = Stop()
    if threading.current_thread() is not threading.main_thread():  # Python hands signals to no other
        yield stop
        return
    before = {number: signal.signal(number, stop._ask) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def leave_to_main_process(worker: int) -> None:
    """Of a process that loads clips: signals sent to the whole group are for the main process to act on."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
