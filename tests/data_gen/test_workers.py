from __future__ import annotations

import signal
import subprocess
import sys
import time
from operator import neg
from pathlib import Path

import pytest

from data_gen.workers import in_order
from errors import InputError

ROOT = Path(__file__).parents[2]


def test_results_come_in_the_order_of_the_tasks() -> None:
    assert list(in_order(neg, range(40), 2)) == [-number for number in range(40)]


def test_a_worker_that_is_killed_is_one_sentence() -> None:
    with pytest.raises(InputError, match="a worker process was killed"):
        list(in_order(signal.raise_signal, [signal.SIGKILL, signal.SIGKILL], 2))


def test_an_error_comes_through() -> None:
    with pytest.raises(ZeroDivisionError):
        list(in_order(divide, [1, 0, 1], 2))


def divide(number: int) -> float:
    return 1 / number


def test_workers_end_with_their_parent() -> None:
    """Nobody is left to write when the parent was killed."""
    program = (
        "import time\n"
        "from data_gen.workers import in_order\n"
        "if __name__ == '__main__':\n"
        "    print('started', flush=True)\n"
        "    list(in_order(time.sleep, [60, 60], 2))\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", program], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        assert parent.stdout is not None
        parent.stdout.readline()
        workers = wait_for(lambda: children(parent.pid), at_least=2)
        time.sleep(0.5)  # until they have begun
    finally:
        parent.kill()
        parent.wait()
        parent.stdout.close()
    deadline = time.monotonic() + 20
    while any(alive(pid) for pid in workers) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not [pid for pid in workers if alive(pid)]


def children(pid: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def alive(pid: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return False


def wait_for(look, at_least: int) -> list[int]:
    deadline = time.monotonic() + 20
    while len(found := look()) < at_least and time.monotonic() < deadline:
        time.sleep(0.02)
    return list(found)
