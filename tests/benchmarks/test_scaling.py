"""The measurement of costs against sizes."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import scaling
from errors import InputError


def test_a_table_and_a_plot(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(scaling, "VARIED", {"frames": (4, 8), "bodies": (1, 2)})
    monkeypatch.setattr(scaling, "Size", lambda frames=8: SMALL)
    path = tmp_path / "costs.png"
    assert scaling.run(["--out", str(path), "--networks", "DG-STGCN"]) == 0
    assert path.read_bytes().startswith(b"\x89PNG")
    rows = capsys.readouterr().out.splitlines()
    assert [row.split("|")[2].strip() for row in rows[2:4]] == ["frames 4 · 8", "bodies 1 · 2"]
    assert all(float(cost) > 0 for row in rows[2:4] for cell in row.split("|")[3:5] for cost in cell.split("·"))


SMALL = scaling.Size(frames=4, joints=5)


def test_a_plot_that_no_program_draws() -> None:
    with pytest.raises(InputError, match=r"--out is 'a\.txt', wanted a file that ends in \.png or \.svg"):
        scaling.run(["--out", "a.txt"])
