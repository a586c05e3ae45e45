"""The table of published weights, on a made one: weights that a test wrote, figures that it measured."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from engine import eval_pretrained
from engine.eval_pretrained import TABLE, Row
from engine.yaml_files import read_yaml


@pytest.fixture
def made_table(tiny: Any, tmp_path: Path, run_main: Callable[..., Any]) -> Callable[..., Path]:
    """A table of one set with two streams, whose figures are what the weights reach; ``changes`` replace figures."""
    folder = tmp_path / "config"
    folder.mkdir()
    figures = {}
    for stream, seed in (("joint", 1), ("bone", 2)):
        tiny.write(folder / f"test_{stream}.yaml")
        work_dir = tmp_path / f"train_{stream}"
        config = folder / f"test_{stream}.yaml"
        done = run_main("--config", config, "--work-dir", work_dir, "--num-epoch", 1, "--seed", seed)
        assert done.code == 0, done.err
        figures[stream] = {"weights": str(next(work_dir.glob("weights/*.pt"))), "top1": 0.0}

    def write(fused: float = 0.0, **top1: float) -> Path:
        for stream, figure in top1.items():
            figures[stream]["top1"] = figure
        about = {
            "config": str(folder),
            "work_dir": str(tmp_path / "eval"),
            "streams": figures,
            "fused": {"top1": fused},
        }
        path = tmp_path / "table.yaml"
        path.write_text(yaml.safe_dump({"source": "nowhere", "sets": {"made": about}}), encoding="utf-8")
        return path

    return write


def measured(output: str) -> dict[str, float]:
    rows = [line.split() for line in output.splitlines() if line.startswith("made ")]
    return {row[1]: float(row[3]) for row in rows}


def test_a_true_table_passes_and_a_changed_number_fails(
    made_table: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    first = eval_pretrained.main(["--table", str(made_table(fused=-50.0)), "--device", "cpu"])
    figures = measured(capsys.readouterr().out)
    assert first == 1
    assert set(figures) == {"joint", "bone", "fused"}

    assert eval_pretrained.main(["--table", str(made_table(**figures)), "--device", "cpu"]) == 0
    assert " off" not in capsys.readouterr().out

    figures["bone"] += 0.1
    assert eval_pretrained.main(["--table", str(made_table(**figures)), "--device", "cpu"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[1] for line in lines if line.endswith(" off")] == ["bone"]


def test_missing_weights_are_named_and_skipped(
    made_table: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    path = made_table()
    table = yaml.safe_load(path.read_text())
    table["sets"]["made"]["streams"]["bone"]["weights"] = "absent/bone.pt"
    del table["sets"]["made"]["streams"]["joint"]
    path.write_text(yaml.safe_dump(table))
    assert eval_pretrained.main(["--table", str(path), "--device", "cpu"]) == 1  # nothing was measured
    output = capsys.readouterr().out
    assert "skipped: absent/bone.pt is missing; get it from nowhere" in output
    assert [line.split()[1] for line in output.splitlines() if "skipped" in line.split()] == ["bone", "fused"]


def test_a_wrong_checksum_is_refused(made_table: Callable[..., Path], capsys: pytest.CaptureFixture[str]) -> None:
    path = made_table()
    table = yaml.safe_load(path.read_text())
    table["sets"]["made"]["streams"]["bone"]["sha256"] = "0" * 64
    path.write_text(yaml.safe_dump(table))
    assert eval_pretrained.main(["--table", str(path), "--device", "cpu"]) == 2
    assert "download it again" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("argv", "complaint"),
    [
        (["--only", "ntu60-xsup"], "did you mean 'ntu60-xsub'?"),
        (["--table", "absent.yaml"], "absent.yaml: no such file"),
        (["--onyl", "ntu60-xsub"], "did you mean '--only'?"),
    ],
)
def test_bad_input_is_one_sentence(argv: list[str], complaint: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert eval_pretrained.main(argv) == 2
    errors = capsys.readouterr().err.splitlines()
    assert len(errors) == 1
    assert complaint in errors[0]


@pytest.mark.parametrize("figure", [".nan", "'33.3'"])
def test_a_figure_that_is_no_number_is_refused(figure: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "table.yaml"
    streams = f"streams: {{joint: {{weights: z, top1: {figure}}}}}"
    path.write_text(f"sets: {{made: {{config: x, work_dir: y, {streams}, fused: {{top1: 1}}}}}}")
    assert eval_pretrained.main(["--table", str(path)]) == 2
    assert "top1 is a number" in capsys.readouterr().err


def test_a_table_without_figures_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "table.yaml"
    path.write_text("sets: {made: {config: x, work_dir: y, streams: {joint: {weights: z}}, fused: {top1: 1}}}")
    assert eval_pretrained.main(["--table", str(path)]) == 2
    assert "needs config, work_dir, streams with weights and top1, fused" in capsys.readouterr().err


def test_the_shipped_table_has_ten_files_and_five_fusions() -> None:
    sets = read_yaml(TABLE)["sets"]
    assert len(sets) == 5
    weights = [facts["weights"] for about in sets.values() for facts in about["streams"].values()]
    assert len(set(weights)) == 10
    assert [about["fused"]["top1"] for about in sets.values()] == [91.5, 96.2, 86.9, 88.4, 38.0]
    root = TABLE.parent.parent
    for about in sets.values():
        for stream in about["streams"]:
            assert (root / about["config"] / f"test_{stream}.yaml").is_file()


def test_figures_are_compared_at_the_published_number_of_decimals() -> None:
    assert not Row("s", "joint", 35.8, 35.84).off
    assert Row("s", "joint", 35.8, 35.86).off
    assert not Row("s", "joint", 83.32, 83.37).off
    assert Row("s", "joint", 83.32, 83.38).off
    assert not Row("s", "joint", 83.32, None).off
