"""Where an import may write to: refused before anything is read."""

from __future__ import annotations

from pathlib import Path

import pytest

from command_line import exit_code
from data_gen import import_poses


def refused(out: str, capsys: pytest.CaptureFixture[str]) -> str:
    argv = ["poses", "--labels", "labels.csv", "--skeleton", "coco-17", "--test-share", "0.3", "--out-folder", out]
    assert exit_code(import_poses.run, argv) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    return said


@pytest.mark.parametrize("out", ["poses", "poses/", "./poses/../poses", "poses/store", "link", "link/a/b"])
def test_a_store_does_not_lie_among_the_poses(
    out: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "poses").mkdir()
    (tmp_path / "link").symlink_to("poses")
    assert refused(out, capsys) == f"error: --out-folder {out}: it lies in poses, where recordings are looked for\n"
    assert not list((tmp_path / "poses").iterdir())


@pytest.mark.parametrize("out", ["x {y}", "{stream}", "a/{b}/c", "}", "a\nb", "a\udcff"])
def test_the_folder_has_a_name_that_a_configuration_takes(out: str, capsys: pytest.CaptureFixture[str]) -> None:
    said = refused(out, capsys)
    assert said == f"error: --out-folder {out!r}: wanted a name without braces and control characters\n"


def test_the_name_of_the_present_folder_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "x {y}").mkdir()
    monkeypatch.chdir(tmp_path / "x {y}")
    assert "--out-folder '.': wanted a name without braces" in refused(".", capsys)
