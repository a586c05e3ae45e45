"""The benchmark of fusion runs: files are made, fused in a process of their own, and memory is measured."""

from __future__ import annotations

import re

import pytest

from benchmarks.fusion import run


def test_small_files_are_made_fused_and_measured(capfd: pytest.CaptureFixture[str]) -> None:
    argv = ["--clips", "300", "--classes", "5", "--streams", "2", "--search"]
    assert run(argv) == 0
    assert run([*argv, "--most", "1"]) == 1
    lines = capfd.readouterr().out.splitlines()
    found = re.search(r"2 streams of 300 clips and 5 classes .*: (\d+) MB at most, [\d.]+ s", "\n".join(lines))
    assert found
    assert 10 < int(found[1]) < 1000
    assert any(line.startswith("Mean Class Acc: ") for line in lines)
