"""Work in several processes, with results in the order of the tasks."""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import TypeVar

from errors import InputError

Task = TypeVar("Task")
Result = TypeVar("Result")


def in_order(function: Callable[[Task], Result], tasks: Sequence[Task], cores: int) -> Iterator[Result]:
    """``map(function, tasks)``, in ``cores`` processes; one core is this process itself.

    Raises:
        InputError: a process was killed from outside.
    """
    if min(cores, len(tasks)) < 2:
        yield from map(function, tasks)
        return
    # Not forked: a progress bar has a thread, and a forked worker would keep the pipes of its siblings open.
    spawn = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(min(cores, len(tasks)), mp_context=spawn, initializer=_die_with_parent)
    try:
        yield from pool.map(function, tasks)
    except BrokenProcessPool:
        raise InputError("a worker process was killed, for want of memory perhaps; the same command goes on") from None
    finally:
        pool.shutdown(cancel_futures=True)


def _die_with_parent() -> None:
    """End this worker when its parent is killed, so that nobody writes into files that a second run has taken over."""
    parent = multiprocessing.parent_process()
    assert parent is not None

    def wait() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()
