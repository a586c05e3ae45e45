"""The table of published weights, on a made one: weights that a test wrote, figures that it measured."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from engine import eval_pretrained
from engine.eval_pretrained import TABLE, Row
from engine.flags import parse
from engine.yaml_files import read_yaml
from errors import InputError


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


@pytest.mark.parametrize(
    ("about", "says"),
    [
        ({"streams": {"joint": {"weights": "z", "top1": math.nan}}}, ": streams: joint: top1 is nan, wanted a finite"),
        (
            {"streams": {"joint": {"weights": "z", "top1": "3"}}},
            ": streams: joint: top1 is '3', wanted a finite number",
        ),
        ({"streams": {"joint": {"weights": "z", "top1": 10**400}}}, ": streams: joint: top1 is 1000"),
        ({"streams": {"joint": {"weights": "z"}}}, ": streams: joint: top1 is None, wanted a finite number"),
        ({"streams": {"joint": {"weights": 5, "top1": 1}}}, ": streams: joint: weights is 5, wanted text"),
        (
            {"streams": {"joint": {"weights": "z", "top1": 1, "folder": 3}}},
            ": streams: joint: folder is 3, wanted text",
        ),
        (
            {"streams": {"joint": {"weights": "z", "top1": 1, "sha256": 3}}},
            ": streams: joint: sha256 is 3, wanted text",
        ),
        ({"streams": {"joint": {"weights": "z", "top1": 1, "sha": "a"}}}, "unknown key 'sha'; did you mean 'sha256'?"),
        ({"streams": {"joint": "z"}}, ": streams: joint: wanted a mapping of weights, "),
        ({"streams": {1: {"weights": "z", "top1": 1}}}, ": streams is {1: "),
        ({"streams": {}}, ": streams is missing: name at least one"),
        ({"config": 3}, ": config is 3, wanted text"),
        ({"work_dir": None}, ": work_dir is None, wanted text"),
        ({"softmax": "no"}, ": softmax is 'no', wanted true or false"),
        ({"fused": []}, ": fused is [], wanted a fusion with its top1"),
        ({"fused": 5}, ": fused: wanted a mapping of name, "),
        ({"fused": None}, ": fused: wanted a mapping of name, "),
        ({"fused": {"top1": 1, "streams": []}}, ": fused: streams is [], wanted at least one of joint"),
        ({"fused": [{"top1": 1, "streams": ["bone"]}]}, ": fused[0]: streams has 'bone', wanted joint"),
        ({"fused": [{"top1": 1}, {"top1": 1, "weights": [1, 2]}]}, ": fused[1]: weights is [1, 2], wanted a finite"),
        ({"fused": {"top1": 1, "weights": ["a"]}}, ": fused: weights is ['a'], wanted a finite number for each of 1"),
        ({"fused": {"top1": 1, "weights": 3}}, ": fused: weights is 3, wanted a list"),
        ({"fused": {"top1": 1, "wieghts": [1]}}, ": fused: unknown key 'wieghts'; did you mean 'weights'?"),
        ({"fused": {"top1": 1, "name": 3}}, ": fused: name is 3, wanted text"),
        ("nothing", ": wanted a mapping of config, "),
    ],
)
def test_a_bad_set_is_said_and_the_others_go_on(
    about: Any, says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "table.yaml"
    good = {**{"config": "x", "work_dir": "y", "fused": {"top1": 1}}, "streams": {"joint": {"weights": "a", "top1": 1}}}
    bad = {**good, **about} if isinstance(about, dict) else about
    path.write_text(yaml.safe_dump({"source": "nowhere", "sets": {"good": good, "bad": bad}}, sort_keys=False))
    assert eval_pretrained.main(["--table", str(path)]) == 2
    out, err = capsys.readouterr()
    assert err.startswith(f"error: {path}, set bad: ")
    assert says in err
    assert err.count("\n") == 1
    rows = [line.split() for line in out.splitlines()[2:]]
    assert rows == [
        ["good", "joint", "1.00", "skipped"],
        ["good", "fused", "1.00", "skipped"],
        ["bad", "all", "failed"],
    ]


def test_a_stream_that_fails_does_not_keep_the_others(
    made_table: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    path = made_table()
    table = yaml.safe_load(path.read_text())
    table["sets"]["made"]["streams"]["joint"]["sha256"] = "0" * 64
    path.write_text(yaml.safe_dump(table))
    assert eval_pretrained.main(["--table", str(path), "--device", "cpu"]) == 2
    rows = [line.split() for line in capsys.readouterr().out.splitlines() if line.startswith("made ")]
    assert {row[1]: row[3].replace(".", "").isdigit() or row[3] for row in rows} == {
        "bone": True, "joint": "failed", "fused": "skipped",
    }  # fmt: skip


def test_fusions_have_weights_and_streams_of_their_own(
    made_table: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    path = made_table()
    table = yaml.safe_load(path.read_text())
    about = table["sets"]["made"]
    about["softmax"] = True
    about["fused"] = [
        {"name": "bone alone", "streams": ["bone"], "top1": 0},
        {"name": "joint alone", "weights": [0, 1], "top1": 0},  # the streams are in the order bone, joint
        {"name": "both", "top1": 0},
    ]
    path.write_text(yaml.safe_dump(table))
    assert eval_pretrained.main(["--table", str(path), "--device", "cpu"]) == 1
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("made ")]
    found = {line[21:33].strip(): float(line[33:].split()[1]) for line in lines}
    assert set(found) == {"bone", "joint", "bone alone", "joint alone", "both"}
    assert (found["bone alone"], found["joint alone"]) == (found["bone"], found["joint"])


def test_a_configuration_may_be_one_file_for_all_streams(
    made_table: Callable[..., Path], tiny: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    path = made_table()
    table = yaml.safe_load(path.read_text())
    about = table["sets"]["made"]
    about["config"] = str(tiny.write(path.parent / "all.yaml", stream="joint"))
    del about["streams"]["bone"]
    path.write_text(yaml.safe_dump(table))
    assert eval_pretrained.main(["--table", str(path), "--device", "cpu"]) == 1
    assert set(measured(capsys.readouterr().out)) == {"joint", "fused"}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("sets: {}", "wanted 'sets'"),
        ("source: x", "wanted 'sets'"),
        ("sets: 3", "sets is 3, wanted a mapping of names"),
        ("sets: {1: {}}", "sets is {1: {}}, wanted a mapping of names"),
        ("source: 3\nsets: {a: {}}", "source is 3, wanted text"),
        ("sorce: x\nsets: {a: {}}", "unknown key 'sorce'; did you mean 'source'?"),
    ],
)
def test_a_table_without_sets_is_refused(
    text: str, says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "table.yaml"
    path.write_text(text)
    assert eval_pretrained.main(["--table", str(path)]) == 2
    assert capsys.readouterr().err.startswith(f"error: {path}: {says}")


def test_what_is_wrong_with_a_set_is_said_before_a_test(
    made_table: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = made_table()
    table = yaml.safe_load(path.read_text())
    table["sets"]["worse"] = {**table["sets"]["made"], "fused": {"top1": 0, "weights": ["a", "b"]}}
    path.write_text(yaml.safe_dump(table))

    def refuse(*_: Any) -> None:
        raise InputError("this is a test")

    monkeypatch.setattr(eval_pretrained, "run", refuse)
    assert eval_pretrained.main(["--table", str(path), "--device", "cpu"]) == 2
    first, *others = capsys.readouterr().err.splitlines()
    assert first.startswith(f"error: {path}, set worse: fused: weights is ['a', 'b']")
    assert others == ["error: this is a test"] * 2


@pytest.mark.parametrize("key", ["config", "work_dir", "streams", "fused"])
def test_a_set_without_a_key_is_one_sentence(
    key: str, made_table: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    path = made_table()
    table = yaml.safe_load(path.read_text())
    del table["sets"]["made"][key]
    path.write_text(yaml.safe_dump(table))
    assert eval_pretrained.main(["--table", str(path), "--device", "cpu"]) == 2
    said = [line for line in capsys.readouterr().err.splitlines() if line.startswith(f"error: {path}, set made: {key}")]
    assert len(said) == 1


def test_the_shipped_table() -> None:
    """Ten files and five fusions of MS-G3D; sixteen and eight of DG-STGCN, as pyskl's README has them."""
    sets = read_yaml(TABLE)["sets"]
    msg3d, dgstgcn = list(sets.values())[:5], list(sets.values())[5:]
    weights = [facts["weights"] for about in sets.values() for facts in about["streams"].values()]
    assert len(weights) == len(set(weights)) == 10 + 16
    assert [about["fused"]["top1"] for about in msg3d] == [91.5, 96.2, 86.9, 88.4, 38.0]
    assert [[facts["top1"] for facts in about["streams"].values()] for about in dgstgcn] == [
        [91.2, 91.6, 88.5, 88.1], [96.7, 96.1, 95.6, 94.3], [85.7, 88.0, 82.9, 83.2], [87.9, 89.8, 85.8, 85.7],
    ]  # fmt: skip
    assert [[fusion["top1"] for fusion in about["fused"]] for about in dgstgcn] == [
        [92.9, 93.2], [97.4, 97.5], [89.3, 89.6], [91.2, 91.3],
    ]  # fmt: skip
    for name, about in sets.items():
        eval_pretrained._check_set(about, name)
        for stream in about["streams"]:
            parse(eval_pretrained._config(about, stream))


def test_figures_are_compared_at_the_published_number_of_decimals() -> None:
    assert not Row("s", "joint", 35.8, 35.84).off
    assert Row("s", "joint", 35.8, 35.86).off
    assert not Row("s", "joint", 83.32, 83.37).off
    assert Row("s", "joint", 83.32, 83.38).off
    assert not Row("s", "joint", 83.32, None).off
