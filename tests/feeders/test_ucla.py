"""NW-UCLA's feeder: every golden case with the published random numbers, and what always holds.

| published | here |
|---|---|
| rand_view_transform | random_view (and no transform at all where data are tested) |
| the origin in joint 1 of frame 0 | center with keep_zeros: false |
| each axis to [-1, 1] | min_max |
| 52 frames by lot or evenly | sample_frames |
| bone and motion in data_path | stream |
"""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clips.streams import derive
from errors import InputError
from feeders.feeder import Feeder
from feeders.transforms import build_transforms
from feeders.ucla import MinMax, RandomView, SampleFrames
from graph.layouts import NW_UCLA

GOLDEN = Path(__file__).parents[1] / "golden"
ROWS: dict[str, Any] = {
    row["case"]: row for row in json.loads((GOLDEN / "data_ucla.json").read_text(encoding="utf-8"))["cases"]
}
with np.load(GOLDEN / "data_ucla.npz") as arrays:
    ARRAYS = dict(arrays)
NAMES = [row["file_name"] for row in json.loads((GOLDEN / "ucla_raw/index.json").read_text(encoding="utf-8"))]
VARIANTS = [case for case in ROWS if case != "rand_view_transform"]
CENTER: Any = {"center": {"joint": 1, "keep_zeros": False}}
TRAIN = [CENTER, "random_view", "min_max", "sample_frames", "stream"]
VAL = [CENTER, "min_max", {"sample_frames": {"random": False}}, "stream"]


class UclaDraws:
    """The random numbers of NW-UCLA's feeder, all from ``random``, in the place of a generator."""

    def integers(self, low: int, high: int) -> int:
        return random.randint(low, high - 1)

    def uniform(self, low: float, high: float) -> float:
        return random.uniform(low, high)

    def choice(self, values: int, size: int, replace: bool) -> np.ndarray:
        assert not replace
        return np.array(random.sample(range(values), size))


def replay(feeder: Feeder, clip: np.ndarray, train: bool) -> np.ndarray:
    if train:
        random.random()  # a coin that is thrown and not looked at
    for transform in feeder.pipeline:
        clip = transform.apply(clip, transform.draw(UclaDraws(), clip))  # type: ignore[arg-type]
    return clip


@pytest.mark.parametrize("exact", [True, False])
@pytest.mark.parametrize("case", VARIANTS)
def test_published_draws_give_the_published_items(case: str, exact: bool) -> None:
    part, _, stream = case.partition("_")
    stream = {"motion": "joint_motion"}.get(stream, stream)
    feeder = Feeder(GOLDEN / "ucla_raw", stream=stream, transforms=TRAIN if part == "train" else VAL)
    random.seed(ROWS[case]["seed"])
    for name, want, label in zip(NAMES, ARRAYS[f"{case}/out/y"], ARRAYS[f"{case}/out/label"], strict=True):
        index = feeder.sample_name.index(name)
        clip = feeder.store.clip(index)
        if exact:  # in float64 from the file on, as published
            raw = json.loads((GOLDEN / f"ucla_raw/{name}.json").read_text(encoding="utf-8"))["skeletons"]
            clip = np.array(raw).transpose(2, 0, 1)[..., None]
        made = replay(feeder, clip, part == "train")
        assert made.dtype == clip.dtype
        np.testing.assert_allclose(made, want, rtol=0, atol=1e-10 if exact else 1e-6)
        assert feeder.label[index] == label
        if part == "val":
            np.testing.assert_allclose(feeder[index][0], want, rtol=0, atol=1e-6)


def test_published_views() -> None:
    case = "rand_view_transform"
    clip = ARRAYS[f"{case}/in/X"].transpose(2, 0, 1)[..., None]
    for drawn, want in zip(ROWS[case]["params"], ARRAYS[f"{case}/out/y"], strict=True):
        made = RandomView().apply(clip, tuple(drawn))
        np.testing.assert_allclose(made[..., 0].transpose(1, 2, 0), want, rtol=0, atol=1e-10)


def test_no_case_is_left_out() -> None:
    assert (len(ROWS), len(VARIANTS)) == (9, 8)


@given(seed=st.integers(0, 99), bodies=st.integers(1, 3), frames=st.integers(1, 9), absent=st.booleans())
@settings(max_examples=80, deadline=None)
def test_axes_fill_their_range_and_absent_bodies_stay_zero(seed: int, bodies: int, frames: int, absent: bool) -> None:
    clip = np.random.default_rng(seed).normal(3, 1, (3, frames, 4, bodies)).astype(np.float32)
    clip[1] = 7  # nothing differs along y
    if absent:
        clip[..., 0] = 0
    made = MinMax().apply(clip, None)
    assert made.dtype == np.float32
    assert not made[1].any()
    assert not absent or not made[..., 0].any()
    if not absent or bodies > 1:
        np.testing.assert_allclose(made[[0, 2]].min(axis=(1, 2, 3)), -1, atol=1e-5)
        np.testing.assert_allclose(made[[0, 2]].max(axis=(1, 2, 3)), 1, atol=1e-5)


@given(seed=st.integers(0, 99), total=st.integers(1, 99), window=st.integers(1, 300))
@settings(max_examples=80, deadline=None)
def test_frames_are_in_order_and_as_many_as_asked_for(seed: int, total: int, window: int) -> None:
    clip = np.arange(total, dtype=np.float32).reshape(1, -1, 1, 1)
    for by_lot in (True, False):
        sample = SampleFrames(window, by_lot)
        made = sample.apply(clip, sample.draw(np.random.default_rng(seed), clip)).ravel()
        assert len(made) == window
        assert np.all(np.diff(made) >= 0)
    assert made[0] == 0
    assert window == 1 or made[-1] == total - 1


def test_a_view_keeps_the_form_of_the_body_but_for_its_size() -> None:
    clip = np.random.default_rng(0).normal(size=(3, 5, 20, 1))
    view = RandomView()
    draws = [view.draw(np.random.default_rng(seed), clip) for seed in range(300)]
    assert all(min(turn) < -55 and max(turn) > 55 for turn in list(zip(*draws, strict=True))[:2])
    assert all(-60 <= about <= 60 and -60 <= other <= 60 and 0.5 <= factor <= 1.5 for about, other, factor in draws)
    made = view.apply(clip, draws[0])
    np.testing.assert_allclose(np.linalg.norm(made, axis=0), draws[0][2] * np.linalg.norm(clip, axis=0))


@pytest.mark.parametrize(
    ("item", "want"),
    [
        ({"random_view": {"angle": 0.5}}, "random_view: angle is a number of whole degrees, not 0.5"),
        ({"random_view": {"scale": 1}}, "random_view: scale is two numbers above 0"),
        ({"random_view": {"scale": [2, 1]}}, "random_view: scale is two numbers above 0"),
        ({"sample_frames": {"frames": 0}}, "sample_frames: frames is a number of frames, not 0"),
        ({"min_max": {"to": 1}}, "min_max takes no argument 'to'; it takes none"),
    ],
)
def test_refusals(item: Any, want: str) -> None:
    with pytest.raises(InputError, match=want):
        build_transforms([item], None, "transforms")  # type: ignore[arg-type]


def test_bones_come_after_the_frames() -> None:
    feeder = Feeder(GOLDEN / "ucla_raw", stream="bone", transforms=VAL)
    joints = Feeder(GOLDEN / "ucla_raw", stream="joint", transforms=VAL)
    assert np.array_equal(feeder[0][0], derive(joints[0][0], "bone", NW_UCLA.bone_pairs))
