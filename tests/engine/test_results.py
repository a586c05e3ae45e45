"""``result.json``: read as training writes it, and refused in a sentence where it is damaged."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from engine.results import Figure, Result, read_result
from errors import InputError

WHOLE = {"last": {"epoch": 3, "top1": 0.5}, "best_on_test_part": {"epoch": 2, "top1": 1}}


def test_the_figures_of_a_run(tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    path.write_text(json.dumps({**WHOLE, "skipped_steps": 0}))
    assert read_result(path) == Result(Figure(3, 0.5), Figure(2, 1.0))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('{"last": ', "not readable as JSON: Expecting value"),
        ("\xff", "not readable as JSON"),
        ("[" * 100_000, "not readable as JSON"),
        ("[]", "wanted a JSON object, got list"),
        (json.dumps({"last": WHOLE["last"]}), "best_on_test_part is None, wanted an epoch and its top1 from 0 to 1"),
        (json.dumps({**WHOLE, "last": 0.5}), "last is 0.5, wanted an epoch"),
        (json.dumps({**WHOLE, "last": {"epoch": 3}}), "last is {'epoch': 3}, wanted an epoch"),
        (json.dumps({**WHOLE, "last": {"epoch": "3", "top1": 0.5}}), "last is .*, wanted an epoch"),
        (json.dumps({**WHOLE, "last": {"epoch": 3, "top1": float("nan")}}), "last is .*nan.*, wanted an epoch"),
        (json.dumps({**WHOLE, "last": {"epoch": 3, "top1": 50}}), "from 0 to 1"),
    ],
)
def test_a_damaged_result_is_one_sentence(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "result.json"
    path.write_text(text, encoding="latin-1")
    with pytest.raises(InputError, match=says) as caught:
        read_result(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


def test_top_1_is_there_whatever_is_shown(tiny: Any, run_main: Any, light: Any, tmp_path: Path) -> None:
    config = tiny.write(tmp_path / "c.yaml", **light, num_epoch=1)
    done = run_main("--config", config, "--work-dir", tmp_path / "w", "--seeds", 3, "--show-topk", 5)
    assert (done.code, done.err) == (0, [])
    assert 0 <= read_result(tmp_path / "w" / "seed3" / "result.json").last.top1 <= 1
    assert list(json.loads((tmp_path / "w" / "seed3" / "result.json").read_text())["last"]) == [
        *("epoch", "loss", "top1", "top5"),
    ]
