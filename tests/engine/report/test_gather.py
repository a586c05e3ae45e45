"""What is found in work dirs, damaged ones included."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from engine.report.gather import gather, read_curves, thinned
from errors import InputError

LABELS, VALUES = [0, 1], [[1, 0], [0, 1]]


def test_the_later_of_two_lines_for_a_step_counts(tmp_path: Path) -> None:
    lines = [
        {"part": "train", "step": 1, "loss": 3.0},
        {"part": "train", "step": 2, "loss": 2.5},
        {"part": "test", "step": 2, "loss": 9.0},
        {"part": "train", "step": 2, "loss": 2.0},  # the run was stopped and drew it again
        {"part": "train", "step": 3, "loss": 1.0},
    ]
    path = tmp_path / "metrics.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines) + '{"part": "train", "st', encoding="utf-8")
    points, damaged = read_curves(path)
    assert [(p["step"], p["loss"]) for p in points if p["part"] == "train"] == [(1, 3.0), (2, 2.0), (3, 1.0)]
    assert [(p["step"], p["loss"]) for p in points if p["part"] == "test"] == [(2, 9.0)]
    assert damaged == 1
    assert read_curves(tmp_path / "none.jsonl") == ([], 0)


@given(st.integers(0, 500), st.integers(1, 50))
def test_thinned_points_are_even_and_end_with_the_last(count: int, most: int) -> None:
    kept = thinned(range(count), most)
    assert len(kept) <= most and kept[-1:] == list(range(count))[-1:]
    assert len(set(np.diff(kept).tolist())) <= 1
    assert count > most or kept == list(range(count))


def test_a_training_run(two_runs: list[Path]) -> None:
    joint, bone = gather([str(run) for run in two_runs])
    assert (joint.name, bone.name) == ("joint", "bone")
    assert joint.scores.name == "epoch2_test_score.pkl" and joint.notes == []
    assert joint.weights is not None and joint.weights.name == "weights-2-6.pt"
    assert {point["part"] for point in joint.curves} == {"train", "test"}
    assert joint.facts["config"]["num_epoch"] == 2 and joint.result["last"]["epoch"] == 2


def test_a_test_has_the_curves_of_the_run_that_it_tests(two_runs: list[Path], tmp_path: Path) -> None:
    (weights,) = two_runs[0].glob("weights/weights-2-*.pt")
    settings = yaml.safe_load((two_runs[0] / "config.yaml").read_text())
    for name in ("epoch2_test_score.pkl", "epoch2_test_labels.csv"):
        (tmp_path / name.replace("2", "1")).write_bytes((two_runs[0] / name).read_bytes())
    (tmp_path / "config.yaml").write_text(yaml.safe_dump({**settings, "phase": "test", "weights": str(weights)}))
    (found,) = gather([str(tmp_path)])
    assert found.weights == weights and found.curves and found.result["last"]["epoch"] == 2


def test_a_test_in_the_folder_of_its_training_run(scored: Callable[..., Path]) -> None:
    folder = scored("run", LABELS, VALUES)
    (folder / "config.yaml").write_text(yaml.safe_dump({"stream": "joint"}))
    (folder / "test-config.yaml").write_text(yaml.safe_dump({"phase": "test", "stream": "bone"}))
    os.utime(folder / "test-config.yaml", (0, 0))
    assert gather([str(folder)])[0].name == "bone"
    later = (folder / "epoch1_test_score.pkl").stat().st_mtime + 60
    os.utime(folder / "test-config.yaml", (later, later))
    assert gather([str(folder)])[0].name == "joint", "these scores were there before the test began"


def test_of_several_seeds_the_first_is_shown(scored: Callable[..., Path], tmp_path: Path) -> None:
    for seed in (3, 4):
        scored(f"all/seed{seed}", LABELS, VALUES)
    summary = {"seeds": [3, 4], "last": {"top1": [50.0, 60.0], "mean": 55.0, "std": 7.07}}
    (tmp_path / "all" / "seeds.json").write_text(json.dumps(summary))
    (found,) = gather([str(tmp_path / "all")])
    assert found.path.name == "seed3" and found.seeds == summary
    assert "seed 3 is what is shown" in found.notes[0]


def test_without_settings_there_is_a_note(scored: Callable[..., Path]) -> None:
    (found,) = gather([str(scored("bare", LABELS, VALUES))])
    assert (found.config, found.curves, found.facts, found.weights) == (None, [], {}, None)
    assert found.name == "bare" and "no config.yaml" in found.notes[0]


def test_names_are_folders_where_streams_do_not_tell(scored: Callable[..., Path]) -> None:
    folders = [scored(name, LABELS, VALUES) for name in ("one", "two", "deep/two")]
    for folder in folders:
        (folder / "config.yaml").write_text(yaml.safe_dump({"stream": "joint"}))
    assert [each.name for each in gather([str(folder) for folder in folders[:2]])] == ["one", "two"]
    assert [each.name for each in gather([str(folder) for folder in folders])] == [str(folder) for folder in folders]


@pytest.mark.parametrize(
    ("file", "text", "wanted"),
    [
        ("run.json", "{", "run.json: not readable as JSON"),
        ("run.json", "[1]", "run.json: wanted a JSON object, got list"),
        ("result.json", "\xff", "result.json: not readable as JSON"),
        ("config.yaml", "num_epoch: many", "config.yaml: num_epoch is 'many'"),
        ("seeds.json", '{"seeds": [9]}', "seeds.json: the folders of its seeds are not beside it"),
    ],
)
def test_damage_is_said_in_a_sentence(scored: Callable[..., Path], file: str, text: str, wanted: str) -> None:
    folder = scored("run", LABELS, VALUES)
    (folder / file).write_bytes(text.encode("latin-1"))
    with pytest.raises(InputError, match=wanted):
        gather([str(folder)])


def test_what_is_no_work_dir(scored: Callable[..., Path], tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    one = str(scored("run", LABELS, VALUES))
    for folders, wanted in (
        ([str(tmp_path / "none")], "none: wanted a work dir, there is no such folder"),
        ([str(tmp_path / "empty")], "there is no epoch<E>_test_score.pkl"),
        ([one, one + "/"], "run was given 2 times"),
    ):
        with pytest.raises(InputError, match=wanted):
            gather(folders)


def test_a_point_may_be_anything(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    odd: list[Any] = [[], 1, None, {"part": "train"}, {"part": "train", "step": "x"}, {"part": "train", "step": 1}]
    path.write_text("".join(json.dumps(line) + "\n" for line in odd))
    points, damaged = read_curves(path)
    assert len(points) == 1 and damaged == 5
