"""Several processes of this machine for one run, one for each device, without torchrun."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from types import FrameType

import torch.distributed as dist

from engine.stopping import EXIT_CODE, hold_back_sigterm

LAUNCHED = "SKELETON_LAUNCHED"
_GRACE = 3.0  # seconds for the others to say what they have to say


def launch(count: int, command: Sequence[str]) -> int:
    """Run ``command`` (arguments of this Python) ``count`` times as one world; the exit code of the run.

    Signals to stop are handed on. When one process fails the others are ended, and when this one is killed they end
    by themselves.
    """
    port = 0  # any free one, held from now on
    store = dist.TCPStore("127.0.0.1", port, is_master=True, wait_for_workers=False)  # type: ignore[attr-defined]
    shared = {
        **{"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(store.port), "TORCHELASTIC_USE_AGENT_STORE": "True"},
        **{"WORLD_SIZE": str(count), "LOCAL_WORLD_SIZE": str(count), LAUNCHED: "1"},
    }
    threads = os.environ.get("OMP_NUM_THREADS") or str(max(1, (os.cpu_count() or 1) // count))
    processes = []
    hold_back_sigterm(True)
    for rank in range(count):
        own = {"RANK": str(rank), "LOCAL_RANK": str(rank), "OMP_NUM_THREADS": threads}
        process = subprocess.Popen(
            [sys.executable, *command],
            env={**os.environ, **shared, **own},
            stdin=subprocess.PIPE,
            start_new_session=True,
        )
        processes.append(process)

    def hand_on(number: int, frame: FrameType | None) -> None:
        for process in processes:
            if process.poll() is None:
                process.send_signal(number)

    before = {number: signal.signal(number, hand_on) for number in (signal.SIGTERM, signal.SIGINT)}
    hold_back_sigterm(False)
    try:
        return _wait(processes)
    finally:
        for process in processes:
            if process.poll() is None:
                process.kill()
            process.communicate()
        for number, handler in before.items():
            signal.signal(number, handler)


def _wait(processes: Sequence[subprocess.Popen[bytes]]) -> int:
    """Until all have ended well, or one has not; the exit code."""
    while True:
        codes = [process.poll() for process in processes]
        failed = [(rank, code) for rank, code in enumerate(codes) if code is not None and code not in (0, EXIT_CODE)]
        if failed:
            rank, code = min(failed, key=lambda one: one[1])  # that was killed, and not what then failed for want of it
            if code < 0:
                name = signal.Signals(-code).name
                print(f"error: process {rank} was ended by {name}; the others are ended too", file=sys.stderr)
            _end(processes)
            return 1 if code < 0 else code
        if None not in codes:
            return EXIT_CODE if EXIT_CODE in codes else 0
        time.sleep(0.05)


def _end(processes: Sequence[subprocess.Popen[bytes]]) -> None:
    """End what still runs: it has lost one of its own and cannot save anything more."""
    until = time.monotonic() + _GRACE
    while any(process.poll() is None for process in processes) and time.monotonic() < until:
        time.sleep(0.05)
    for process in processes:
        if process.poll() is None:
            process.kill()
            process.wait()


def launched() -> bool:
    """Whether this is a process of ``launch``."""
    return bool(os.environ.get(LAUNCHED))


def end_with_parent() -> None:
    """In a process of ``launch``: end when the one that started it is gone, however that went."""
    if launched():
        threading.Thread(target=_watch, daemon=True).start()


def _watch() -> None:
    with suppress(OSError):
        os.read(0, 1)  # ends when the other end of the pipe is closed
    os._exit(1)
