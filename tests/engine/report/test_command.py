"""The command from its flags to the page."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from engine.report.__main__ import main
from engine.report.gather import gather
from engine.report.sections import changed_settings, run_facts


def _data(path: Path) -> dict[str, Any]:
    found = re.search(r'(?s)<script type="application/json" id="data">(.*?)</script>', path.read_text(encoding="utf-8"))
    assert found is not None
    content: dict[str, Any] = json.loads(found[1])
    return content


def test_a_page_about_two_runs(made_page: Path) -> None:
    data = _data(made_page)
    assert sum(data["cells"][2::3]) == 12
    assert [run["run"] for run in data["curves"]] == ["joint", "bone"]
    assert data["curves"][0]["test"]["step"] == [3, 6] and len(data["curves"][0]["train"]["loss"]) == 6
    assert [run["run"] for run in data["graphs"]] == [run["run"] for run in data["saliency"]] == ["joint", "bone"]
    assert data["saliency"][0]["shares"]["shape"] == [6, 5]
    assert data["figure"]["edges"] == [[1, 0], [2, 1], [3, 1], [4, 1]] and len(data["figure"]["pose"]) == 5
    shown = {name for pair in data["pairs"] for name in (pair["mistaken"], pair["typical"]) if name}
    assert shown and shown == data["clips"].keys()


def test_flags(two_runs: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / "deep" / "page.html"
    assert main([str(two_runs[0]), "--out", str(page), "--no_saliency", "--pairs", "0"]) == 0
    data = _data(page)
    assert (data["pairs"], data["clips"], data["saliency"]) == ([], {}, [])
    assert data["classes"] == ["0", "1", "2", "3", "4", "5"] and data["graphs"]
    text = page.read_text(encoding="utf-8")
    assert 'id="pairs"' not in text and 'id="saliency"' not in text and 'id="graphs"' in text
    (said,) = capsys.readouterr().out.splitlines()
    assert re.fullmatch(r".*page\.html: 12 clips, 1 runs, \d\.\d MB", said)


def test_names_of_classes_lie_beside_the_data(scored: Callable[..., Path], tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "class_names.txt").write_text("sit\nstand\n")
    folder = scored("run", [0, 1], np.eye(2))
    settings = {"test_feeder_args": {"data_path": str(tmp_path / "mine")}}
    (folder / "config.yaml").write_text(yaml.safe_dump(settings))
    assert main([str(folder), "--out", str(tmp_path / "out")]) == 0
    assert _data(tmp_path / "out" / "index.html")["classes"] == ["sit", "stand"]


def test_what_is_missing_is_said_on_the_page(
    scored: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = scored("run", [0, 1, 1], [[1, 0], [1, 0], [0, 1]])
    assert main([str(folder), "--out", str(tmp_path / "out")]) == 0
    notes = [line for line in capsys.readouterr().out.splitlines() if line.startswith("note: ")]
    assert len(notes) == 2 and "there is no config.yaml" in notes[0] and "clips of the confused pairs" in notes[1]
    text = (tmp_path / "out" / "index.html").read_text(encoding="utf-8")
    assert all(note.removeprefix("note: ") in text for note in notes)
    assert 'id="curves"' not in text, "of curves that are not there nothing is said"


@pytest.mark.parametrize(
    ("flags", "wanted"),
    [
        (["{run}", "--class-names", "ntu61"], "class names are known of"),
        (["{run}", "--class-names", "demo"], "--class-names: demo has 16 names for 2 classes"),
        (["{run}", "--pairs", "-1"], "--pairs: wanted a whole number of at least 0, got '-1'"),
        (["{run}", "--class-name", "demo"], "unknown argument '--class-name'; did you mean '--class-names'?"),
        (["{run}/none"], "wanted a work dir, there is no such folder"),
        ([], "the following arguments are required: WORK_DIR"),
    ],
)
def test_errors_are_one_sentence_and_nothing_is_written(
    scored: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str], flags: list[str], wanted: str
) -> None:
    folder = scored("run", [0, 1], np.eye(2))
    before = sorted(tmp_path.rglob("*"))
    assert main([*(flag.format(run=folder) for flag in flags), "--out", str(tmp_path / "out")]) == 2
    out, err = capsys.readouterr()
    assert out == "" and len(err.splitlines()) == 1 and wanted in err
    assert sorted(tmp_path.rglob("*")) == before


def test_settings_that_differ_say_where_they_are_from(two_runs: list[Path]) -> None:
    (folder,) = gather([str(two_runs[1])])
    found = {key: (value, origin) for key, value, origin in changed_settings(folder)}
    assert found["stream"] == ("bone", "--stream")
    assert found["num_epoch"][0] == "2" and found["num_epoch"][1].endswith("tiny.yaml")
    assert "model_args.widths" in found and "weight_decay" not in found


def test_facts_are_escaped(scored: Callable[..., Path]) -> None:
    folder = scored("<i>run", [0, 1], np.eye(2))
    (folder / "config.yaml").write_text(yaml.safe_dump({"model_saved_name": "<script>x"}))
    (folder / "run.json").write_text(json.dumps({"command": ["main.py", "<script>"], "git_commit": "<b>"}))
    html = run_facts(gather([str(folder)])[0])
    assert "<script" not in html and "<i>" not in html and "<b>" not in html and "&lt;script&gt;x" in html
