"""Stopping when told to: SIGTERM and SIGINT end a run after its current step, with everything saved."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

EXIT_CODE = 75  # EX_TEMPFAIL of sysexits.h: not done, worth trying again
_SAME_CTRL_C = 1.0  # seconds within which two of them are one that came by two ways


class Stopped(Exception):  # noqa: N818 - nothing went wrong
    """The run was told to stop and has saved all it had; the message says how to go on."""


class NothingLeft(Exception):  # noqa: N818
    """The run was to go on, and is at its end."""


class Stop:
    """Whether somebody asked the run to stop.

    Clusters send SIGTERM to every process, and a process that started others hands it on, so it may come twice. A
    second Ctrl-C means at once.
    """

    def __init__(self) -> None:
        self.asked = False
        self._interrupted: float | None = None

    def _ask(self, number: int, frame: FrameType | None) -> None:
        self.asked = True
        if number == signal.SIGINT:
            now = time.monotonic()
            if self._interrupted is not None and now - self._interrupted > _SAME_CTRL_C:
                raise KeyboardInterrupt
            self._interrupted = self._interrupted or now


@contextmanager
def nothing_to_save() -> Iterator[None]:
    """Within, except while a run is ``listening``, SIGTERM ends the process at once, and in a sentence."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, _leave)
    hold_back_sigterm(False)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def hold_back_sigterm(hold: bool) -> None:
    """Whether SIGTERM has to wait, in this process and those that it starts: one that is only beginning would die."""
    if hasattr(signal, "pthread_sigmask"):  # not on Windows
        signal.pthread_sigmask(signal.SIG_BLOCK if hold else signal.SIG_UNBLOCK, {signal.SIGTERM})


def _leave(number: int, frame: FrameType | None) -> None:
    if os.environ.get("RANK", "0") == "0":
        os.write(2, b"stopped when there was nothing new to save\n")
    os._exit(EXIT_CODE)  # wherever it is: raised in an import, or between two processes, an exception may get lost


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
