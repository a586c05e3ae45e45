"""Freed memory stays in the process, where the environment does not say otherwise."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys

import pytest

SCRIPT = """
import json, resource, sys, torch
from engine.allocator import keep_freed_memory
kept = keep_freed_memory() if sys.argv[1] == "keep" else None
def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(10):
        torch.ones(16 << 20).mul(2).add(1)  # 64 MB each
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
faults()
print(json.dumps([kept, faults()]))
"""


def run(word: str, **environment: str) -> tuple[bool | None, int]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("MALLOC_", "LD_PRELOAD"))}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, word], env=inherited | environment, capture_output=True, text=True, check=True
    )
    kept, faults = json.loads(done.stdout)
    return kept, faults


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="what is tuned is glibc's allocator")
def test_a_tensor_is_made_of_the_pages_of_the_one_before() -> None:
    _, before = run("as it is")
    kept, after = run("keep")
    assert kept is True
    assert before > 20  # pages, or as few large ones
    assert after < before / 4


def test_what_the_environment_says_stands() -> None:
    assert run("keep", MALLOC_ARENA_MAX="2")[0] is False
