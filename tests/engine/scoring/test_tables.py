"""A report: its tables and figures, and what they say of classes without clips."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.scoring.tables import difference, figures, names_of_classes, write_report
from errors import InputError

LABELS = np.array([0, 0, 0, 1])
SHARES = np.array([[0.7, 0.3, 0], [0.6, 0.4, 0], [0.2, 0.8, 0], [0.1, 0.9, 0]], dtype=np.float32)
NAMES = ["x", "y, or z", "u", 'a "quoted" one']
WORDS = ["sit", "stand up", "lie"]


def test_figures() -> None:
    found = figures(SHARES, LABELS, [1, 2])
    assert found["clips"] == 4
    assert (found["top1"], found["top2"]) == (0.75, 1.0)
    assert found["mean_class_accuracy"] == pytest.approx((2 / 3 + 1) / 2)
    assert found["expected_calibration_error"] == pytest.approx((0.3 + 0.4 + 0.8 + 0.1) / 4, abs=1e-6)
    assert found["top1_interval_95"] == (0.25, 1.0)


def test_the_difference_of_two_runs_is_paired() -> None:
    labels = np.arange(1000) % 5
    one, other = labels.copy(), labels.copy()
    one[:100], other[:150] = -1, -1  # wrong alike, but for fifty clips
    found = difference(one, other, labels)
    assert found["difference"] == 0.05
    low, high = found["difference_interval_95"]
    assert 0.035 < low < 0.05 < high < 0.065  # unpaired, it would reach twice as far
    same = difference(one, one, labels)
    assert (same["difference"], same["difference_interval_95"]) == (0, (0, 0))


def table(path: Path) -> list[list[str]]:
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.reader(file))


def test_the_tables(tmp_path: Path) -> None:
    found: dict[str, Any] = figures(SHARES, LABELS, [1])
    write_report(tmp_path / "new", found, NAMES, SHARES, LABELS, WORDS)
    assert sorted(p.name for p in (tmp_path / "new").iterdir()) == [
        "confusion.csv", "metrics.json", "per_class.csv", "predictions.csv",
    ]  # fmt: skip
    assert table(tmp_path / "new" / "predictions.csv") == [
        ["name", "truth", "prediction", "probability"],
        ["x", "sit", "sit", "0.700000"],
        ["y, or z", "sit", "sit", "0.600000"],
        ["u", "sit", "stand up", "0.800000"],
        ['a "quoted" one', "stand up", "stand up", "0.900000"],
    ]
    assert table(tmp_path / "new" / "confusion.csv") == [
        ["truth \\ prediction", *WORDS],
        ["sit", "2", "1", "0"],
        ["stand up", "0", "1", "0"],
        ["lie", "0", "0", "0"],
    ]
    assert table(tmp_path / "new" / "per_class.csv")[1:] == [
        ["0", "sit", "3", "2", "0.6667", "2", "1.0000", "stand up", "1"],
        ["1", "stand up", "1", "1", "1.0000", "2", "0.5000", "", "0"],
        ["2", "lie", "0", "0", "", "0", "", "", "0"],
    ]
    assert json.loads((tmp_path / "new" / "metrics.json").read_text()) == {**found, "top1_interval_95": [0.25, 1.0]}


def test_names_of_classes(tmp_path: Path) -> None:
    (tmp_path / "words.txt").write_text("\n".join(WORDS) + "\n", encoding="utf-8")
    assert names_of_classes(str(tmp_path / "words.txt"), 3) == WORDS
    assert names_of_classes("ntu60", 60)[0] == "drink water"
    assert names_of_classes(None, 2) == ["0", "1"]
    with pytest.raises(InputError, match="ntu60 has 60 names for 3 classes"):
        names_of_classes("ntu60", 3)
    with pytest.raises(InputError, match="did you mean 'ntu60'"):
        names_of_classes("ntu6", 60)
