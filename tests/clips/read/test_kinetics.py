from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from clips.read.kinetics import read_kinetics
from errors import InputError

GOLDEN = Path(__file__).parents[2] / "golden"


def test_clips_are_the_published_ones() -> None:
    want = np.load(GOLDEN / "data_kinetics.npz")
    names = want["gendata/out/names"].tolist()
    for at, name in enumerate(names):
        clip, label = read_kinetics(GOLDEN / "kinetics_raw" / "kinetics_val" / name)
        assert clip.dtype == np.float32
        assert clip.shape == tuple(want["gendata/out/shape"][1:])
        assert label == want["gendata/out/labels"][at]
        assert np.array_equal(clip[:, :12], want["gendata/out/data_first12"][at])
        assert np.array_equal(clip[:, -12:], want["gendata/out/data_tail12"][at])
        assert np.abs(clip).sum(dtype=np.float64) == pytest.approx(want["gendata/out/sum"][at], rel=1e-12)


def frame(index: int, pose: list[float], score: list[float]) -> dict[str, object]:
    return {"frame_index": index, "skeleton": [{"pose": pose, "score": score}]}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "not readable as JSON"),
        ([1, 2], "wanted data"),
        ({"data": []}, "wanted data"),
        ({"data": [frame(300, [], [])], "label_index": 1}, "frame 300: wanted an index from 0 to 299"),
        ({"data": [frame(1, [0.5], [1.0])], "label_index": 1}, "frame 1: wanted 36 numbers of pose and 18 of score"),
        ({"data": [frame(1, [10**400] * 36, [1.0] * 18)], "label_index": 1}, "wanted data .*OverflowError"),
        ({"data": [], "label_index": float("inf")}, "wanted data .*OverflowError"),
        ({"data": [], "label_index": 10**30}, "a label of 100 bits, wanted a class number up to 2147483647"),
        ({"data": [frame(1, [float("nan")] * 36, [1.0] * 18)], "label_index": 1}, "frame 1: .* is not finite"),
    ],
)
def test_damage_is_named(tmp_path: Path, content: object, message: str) -> None:
    path = tmp_path / "vid.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    with pytest.raises(InputError, match=message) as caught:
        read_kinetics(path)
    assert str(path) in str(caught.value)
