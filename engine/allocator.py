"""Memory that is freed stays in the process, instead of being given back to the system and fetched again."""

from __future__ import annotations

import ctypes
import os

# glibc's M_MMAP_MAX, M_TRIM_THRESHOLD, M_TOP_PAD, from its malloc.h
_KEEP = ((-4, 0), (-1, 2**31 - 1), (-2, 64 << 20))


def keep_freed_memory() -> bool:
    """Have glibc keep the memory of freed tensors for the next ones; whether it does.

    By default every tensor above 32 MB comes from the system anew, page by page, filled with zeros: a third of the
    time of a training step on a CPU, as MS-G3D is published. Not where the environment says something else
    (MALLOC_..., another allocator) and not without glibc.
    """
    if any(name.startswith("MALLOC_") or name == "LD_PRELOAD" for name in os.environ):
        return False
    try:
        program = ctypes.CDLL(None)
        program.gnu_get_libc_version  # noqa: B018  # is it there?
    except (OSError, AttributeError, TypeError):
        return False
    return all(program.mallopt(option, value) == 1 for option, value in _KEEP)
