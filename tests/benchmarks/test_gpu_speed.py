"""The benchmark of speed on a GPU, tried on a CPU."""

from __future__ import annotations

import pytest

from benchmarks.gpu_speed import run
from errors import InputError


def test_a_network_in_every_format(capfd: pytest.CaptureFixture[str]) -> None:
    size = ["--batches", "2", "--frames", "8", "--minutes", "0.01"]
    assert run(["--device", "cpu", "--networks", "pyskl", "--peer", "pyskl=plain", *size]) == 0
    lines = [line for line in capfd.readouterr().out.splitlines() if line.startswith("| dgstgcn")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    assert [(row[2], row[3]) for row in cells] == [
        (phase, name) for phase in ("evaluation", "training") for name in ("float32", "bfloat16")
    ]
    assert all(float(row[5]) > 0 and float(row[6]) > 0 for row in cells)
    assert all(float(row[8].removesuffix("%")) >= 0 for row in cells)


def test_without_a_gpu_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(InputError, match="there is no GPU"):
        run([])
