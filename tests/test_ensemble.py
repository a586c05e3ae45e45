"""ensemble.py as a command: the figures of the published one, and one line for whatever is wrong."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ensemble

ROOT = Path(__file__).resolve().parents[1]
GOLDEN = ROOT / "tests" / "golden"
CASES = json.loads((GOLDEN / "data_ensemble.json").read_text(encoding="utf-8"))["cases"]


@pytest.fixture
def published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """``published(case)`` lays a golden case out as MS-G3D has its files, in the current folder."""
    monkeypatch.chdir(tmp_path)

    def lay(case: str, order: Any = slice(None)) -> None:
        with np.load(GOLDEN / "data_ensemble.npz", allow_pickle=False) as arrays:
            joint, bone, labels = (arrays[f"{case}/in/{name}"] for name in ("joint", "bone", "labels"))
        names = np.array([f"S001C001P001R001A{i:03}.skeleton" for i in range(len(labels))])
        (tmp_path / "data" / "ntu120" / "xset").mkdir(parents=True)
        pairs = (names.tolist(), labels.tolist())
        (tmp_path / "data" / "ntu120" / "xset" / "val_label.pkl").write_bytes(pickle.dumps(pairs))
        for folder, rows, picked in (("joint", joint, slice(None)), ("bone", bone, order)):
            (tmp_path / folder).mkdir()
            scores = dict(zip(names[picked].tolist(), rows[picked], strict=True))
            (tmp_path / folder / "epoch1_test_score.pkl").write_bytes(pickle.dumps(scores))

    return lay


@pytest.mark.parametrize("order", [slice(None), slice(None, None, -1)])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case["case"])
def test_the_published_figures(
    published: Any, capsys: pytest.CaptureFixture[str], case: dict[str, Any], order: slice
) -> None:
    published(case["case"], order)
    alpha = case["case"].removeprefix("alpha_")
    argv = ["--dataset", "ntu120/xset", "--joint-dir", "joint", "--bone-dir", "bone"]
    assert ensemble.main(argv if alpha == "1" else [*argv, "--alpha", alpha]) == 0
    out, err = capsys.readouterr()
    assert out.splitlines()[-2:] == case["stdout"]
    assert err == ""


def test_what_is_wrong_is_one_line(published: Any, capsys: pytest.CaptureFixture[str]) -> None:
    published("alpha_1")
    assert ensemble.main(["--joint-dir", "joint", "--bone-dir", "gone"]) == 2
    out, err = capsys.readouterr()
    assert (out, err) == ("", "error: gone: no such file or folder\n")


def test_streams_of_other_samples_name_one(published: Any, capsys: pytest.CaptureFixture[str]) -> None:
    published("alpha_1", slice(3, None))
    assert ensemble.main(["--joint-dir", "joint", "--bone-dir", "bone"]) == 2
    err = capsys.readouterr().err
    assert err.startswith("error: bone/epoch1_test_score.pkl has no scores for 3 of the 40 samples of joint/epoch1_")
    assert err.endswith("'S001C001P001R001A000.skeleton' among them\n")
    assert err.count("\n") == 1


def test_help_is_quick_and_needs_no_torch() -> None:
    began = time.monotonic()
    command = [sys.executable, "-X", "importtime", str(ROOT / "ensemble.py"), "--help"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert time.monotonic() - began < 3
    assert done.returncode == 0
    assert "--joint-dir" in done.stdout
    assert " torch" not in done.stderr
    assert "numpy" in done.stderr


def test_probabilities_are_fused_when_asked_for(
    published: Any, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """One stream is sure of itself by its sheer size: it decides a sum of scores, not a sum of probabilities."""
    rows = {"a": ([8.0, 0.0, 0.0], [0.0, 0.0, 9.0]), "b": ([0.0, 50.0, 0.0], [0.0, 40.0, 39.0])}
    paths = []
    for name, (first, second) in rows.items():
        paths.append(tmp_path / f"{name}_epoch1_test_score.pkl")
        paths[-1].write_bytes(pickle.dumps({"x": np.array(first), "y": np.array(second)}))
    labels = tmp_path / "labels.pkl"
    labels.write_bytes(pickle.dumps((["x", "y"], [1, 2])))
    flags = ["--scores", *map(str, paths), "--weights", "1.01", "1", "--labels", str(labels)]
    accuracies = []
    for more in ([], ["--softmax"]):
        assert ensemble.main([*flags, *more]) == 0
        accuracies.append(capsys.readouterr().out.splitlines()[-2])
    assert accuracies == ["Top1 Acc: 100.0000%", "Top1 Acc: 50.0000%"]
