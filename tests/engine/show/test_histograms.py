"""The picture of what a data set holds: the bars are the counts."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread

from engine.show.__main__ import main
from engine.show.histograms import draw_histograms


def report() -> dict[str, object]:
    frames = {"least": 3, "mean": 7.5, "median": 7, "most": 20, "histogram": {"1-10": 4, "11-20": 1}}
    split = {"clips": 5, "classes": {"0": 2, "3": 3}, "frames": frames}
    return {"splits": {"train": split, "val": {"clips": 0, "classes": {}, "frames": {}}}}


def test_bars_are_counts() -> None:
    by_class, by_length = draw_histograms(report()).axes
    assert [(bar.get_x() + bar.get_width() / 2, bar.get_height()) for bar in by_class.patches] == [(0, 2), (3, 3)]
    assert [bar.get_height() for bar in by_length.patches] == [4, 1]
    assert [tick.get_text() for tick in by_length.get_xticklabels()] == ["1-10", "11-20"]


def test_the_command_draws_a_store(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    np.save(tmp_path / "train_data_joint.npy", np.ones((3, 3, 8, 25, 1), np.float32))
    (tmp_path / "train_label.pkl").write_bytes(pickle.dumps((["a", "b", "c"], [0, 1, 1])))
    out = tmp_path / "counts.png"
    assert main(["--data-set", str(tmp_path), "--out", str(out)]) == 0
    assert f"{out}: 3 clips" in capsys.readouterr().out
    assert imread(out).std() > 0.01
    assert main(["--data-set", str(tmp_path), "--out", str(tmp_path / "a.gif")]) == 2
