"""What the tests of files share: damage to good ones, under a lid on memory."""

from __future__ import annotations

import resource
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import strategies as st

ROOM = 2**29  # bytes that a damaged file may make a reader ask for; it may name any size


@pytest.fixture(scope="module")
def little_memory() -> Iterator[None]:
    """Lets the process grow by ``ROOM``, so that asking for more is an error instead of a stalled machine."""
    statm = Path("/proc/self/statm")
    if not statm.exists():
        yield
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    used = int(statm.read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + ROOM, hard))
    yield
    resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


Damage = Callable[[bytes], bytes]


@pytest.fixture(scope="session")
def damages() -> st.SearchStrategy[Damage]:
    """Ways to damage a file: a few bytes changed, or its end lost."""
    spots = st.lists(st.tuples(st.integers(0, 2**31), st.integers(0, 255)), min_size=1, max_size=4)
    return st.one_of(st.builds(_overwrite, spots), st.builds(_cut, st.floats(0, 1, exclude_max=True)))


def _overwrite(spots: list[tuple[int, int]]) -> Damage:
    def damage(content: bytes) -> bytes:
        changed = bytearray(content)
        for place, value in spots:
            changed[place % len(changed)] = value
        return bytes(changed)

    return damage


def _cut(share: float) -> Damage:
    return lambda content: content[: int(share * len(content))]
