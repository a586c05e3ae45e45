"""Weights of streams: given, or as published."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from engine.scoring.weighting import ORDER, PRESETS, mean_weights, named_streams, preset_weights
from errors import InputError

# MSA-GCN's Ensemble.py and Ensemble_6s.py, pyskl's README; streams in the order of ORDER.
PUBLISHED = [
    ("1:1", 60, [1, 1]),
    ("2:2:1:1", 60, [2, 2, 1, 1]),
    ("msagcn-4", 10, [3, 3, 2, 2]),
    ("msagcn-6", 60, [2, 2.5, 2, 0.5, 1.5, 1.5]),
    ("msagcn-6", 120, [3, 2, 1, 0.5, 2, 1.5]),
    ("msagcn-6", 10, [2.5, 1.5, 3.5, 1, 0.5, 1]),
]


@pytest.mark.parametrize(("preset", "classes", "weights"), PUBLISHED)
def test_published_weights(preset: str, classes: int, weights: list[float]) -> None:
    plain = named_streams([str(i) for i in range(len(weights))], None, preset)
    assert preset_weights(plain, classes) == weights
    turned = list(reversed(ORDER[: len(weights)]))
    by_name = named_streams([f"{name}=dir/{name}" for name in turned], None, preset)
    assert [stream.path for stream in by_name] == [f"dir/{name}" for name in reversed(turned)]
    assert preset_weights(by_name, classes) == weights


def test_every_preset_is_tried_above() -> None:
    assert {preset for preset, _, _ in PUBLISHED} == set(PRESETS)


def test_names_and_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "k=3").mkdir()
    streams = named_streams(["joint=a/b", "k=3", "c", "lr-0=1/d"], [1, 2, 3, 0], None)
    assert [(s.name, s.path, s.weight) for s in streams] == [
        ("joint", "a/b", 1), ("", "k=3", 2), ("", "c", 3), ("", "lr-0=1/d", 0),
    ]  # fmt: skip
    assert [s.title for s in streams] == ["joint=a/b", "k=3", "c", "lr-0=1/d"]
    assert preset_weights(streams, 5) == [1, 2, 3, 0]


@pytest.mark.parametrize(
    ("texts", "weights", "preset", "says"),
    [
        (["a", "b"], [1.0, 1.0], "1:1", "give either --weights, or --preset"),
        (["a", "b"], [1.0], None, "--weights: 1 numbers for 2 score files"),
        (["a", "b"], None, "2:2:1:1", "is for 4 streams, joint, bone, joint_motion, bone_motion; got 2"),
        (["joint=a", "bon=b"], None, "1:1", "the stream is 'bon', wanted one of joint, bone; did you mean 'bone'?"),
        (["joint=a", "b"], None, "1:1", "the stream is '', wanted one of joint, bone"),
        (["joint=a", "joint=b"], None, "1:1", "a stream is named twice"),
    ],
)
def test_streams_and_weights_that_do_not_fit(
    texts: list[str], weights: list[float] | None, preset: str | None, says: str
) -> None:
    with pytest.raises(InputError) as caught:
        named_streams(texts, weights, preset)
    assert says in str(caught.value)


def test_six_streams_of_another_data_set() -> None:
    with pytest.raises(InputError, match="has weights for 60, 120, 10 classes, the scores are for 400"):
        preset_weights(named_streams(list("abcdef"), None, "msagcn-6"), 400)


@pytest.mark.parametrize("weights", [[1], [0, 2.5], [1e308, 0], [1, 5e-324]])
def test_weights_of_a_mean(weights: list[float]) -> None:
    assert mean_weights(weights, "weights") == weights


@pytest.mark.parametrize(
    "weights", [[math.nan, 1], [1, math.inf], [1e308, 1e308], [10**400], [-1, 2], [0, 0.0], [5e-324], ["1"], [None], []]
)
def test_weights_that_no_mean_can_have(weights: list[Any]) -> None:
    with pytest.raises(
        InputError, match=r"^a.onnx: weights \[.*\]: wanted numbers of at least 0 with a finite sum above 0$"
    ):
        mean_weights(weights, "a.onnx: weights")
