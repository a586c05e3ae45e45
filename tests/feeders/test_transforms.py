"""Pipelines from YAML, and what every transform owes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clips.streams import bone, motion
from errors import InputError
from feeders.agcn import AutoPad, RandomChoose, RandomMove, RandomShift
from feeders.crop import CropResize
from feeders.pad import Bodies, LoopPad, Trim
from feeders.prenormalize import PreNormalize2D, PreNormalize3D
from feeders.space import Center, RandomRotation, RandomRotation2D, RandomScale, Scale
from feeders.transforms import TRANSFORMS, DeriveStream, Normalize, build_transforms
from feeders.ucla import MinMax, RandomView, SampleFrames
from feeders.uniform import UniformSample

PAIRS = ((0, 0), (1, 0), (2, 1), (3, 2))
EVERY = {
    "auto_pad": AutoPad(12),
    "auto_pad of a longer clip": AutoPad(2),
    "auto_pad at random": AutoPad(12, random_start=True),
    "center": Center(2),
    "crop_resize": CropResize(5, (0.5, 1.0), min_frames=2),
    "crop_resize of the middle": CropResize(12),
    "random_choose": RandomChoose(3),
    "random_choose of a shorter clip": RandomChoose(12),
    "random_move": RandomMove(moves=(1, 2)),
    "random_rotation": RandomRotation(),
    "random_shift": RandomShift(),
    "scale": Scale(0.5),
    "trim": Trim(),
    "bodies": Bodies(2),
    "loop_pad": LoopPad(12),
    "loop_pad of a longer clip": LoopPad(2),
    "pre_normalize_2d": PreNormalize2D(),
    "pre_normalize_2d of what there is": PreNormalize2D(mode="auto"),
    "pre_normalize_3d": PreNormalize3D((0, 1), (2, 3)),
    "random_rotation_2d": RandomRotation2D(),
    "random_scale": RandomScale(),
    "random_view": RandomView(),
    "min_max": MinMax(),
    "sample_frames": SampleFrames(),
    "sample_frames evenly": SampleFrames(5, random=False),
    "uniform_sample": UniformSample(6, 2),
    "uniform_sample of a seed": UniformSample(6, 2, seed=255, starts="spread", wrap="clip"),
    "normalize": Normalize(np.full((3, 1, 4, 1), 0.5, np.float32), np.full((3, 1, 4, 1), 2, np.float32)),
    **{stream: DeriveStream(stream, PAIRS) for stream in ("joint", "bone", "joint_motion", "bone_motion")},
}
STREAM = DeriveStream("bone", PAIRS)


@pytest.fixture
def clip() -> np.ndarray:
    clip = np.random.default_rng(0).normal(size=(3, 8, 4, 2)).astype(np.float32)
    clip[:, 5:] = clip[:, 2, :, 1] = 0
    return clip


def test_every_transform_is_looked_at() -> None:
    assert {type(transform) for transform in EVERY.values()} == {*TRANSFORMS.values(), Normalize, DeriveStream}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", EVERY)
def test_the_clip_given_stays_and_so_does_its_type(name: str, dtype: type, clip: np.ndarray) -> None:
    transform, original = EVERY[name], clip.astype(dtype)
    original.flags.writeable = False
    made = transform.apply(original, transform.draw(np.random.default_rng(0), original))
    assert np.array_equal(original, clip)
    assert made.dtype == dtype
    assert (made.ndim, made.shape[0], made.shape[2:]) == (4, 3, (4, 2))


@pytest.mark.parametrize("name", EVERY)
@given(frames=st.integers(1, 7), bodies=st.integers(1, 5), absent=st.sets(st.integers(0, 4)), seed=st.integers(0, 9))
@settings(max_examples=15, deadline=None)
def test_clips_of_every_size_stay_finite_and_absent_bodies_absent(
    name: str, frames: int, bodies: int, absent: set[int], seed: int
) -> None:
    original = np.random.default_rng(seed).normal(size=(3, frames, 4, bodies)).astype(np.float32)
    original[..., [body for body in absent if body < bodies]] = 0
    transform = EVERY[name]
    made = transform.apply(original, transform.draw(np.random.default_rng(seed), original))
    assert np.isfinite(made).all()
    assert made.shape[1] > 0
    if not isinstance(transform, (RandomMove, Normalize)):  # which move what is absent, too, as published
        assert made.any(axis=(0, 1, 2)).sum() <= original.any(axis=(0, 1, 2)).sum()


@pytest.mark.parametrize("name", EVERY)
def test_all_chance_is_in_the_draw(name: str, clip: np.ndarray) -> None:
    transform = EVERY[name]
    drawn = transform.draw(np.random.default_rng(3), clip)
    first, second = transform.apply(clip, drawn), transform.apply(clip, drawn)
    again = transform.apply(clip, transform.draw(np.random.default_rng(3), clip))
    assert np.array_equal(first, second)
    assert np.array_equal(first, again)


@pytest.mark.parametrize(
    "name",
    [
        *("auto_pad at random", "crop_resize", "random_choose", "random_move", "random_rotation", "random_shift"),
        *("random_rotation_2d", "random_scale", "uniform_sample", "random_view", "sample_frames"),
    ],
)
def test_what_is_random_differs(name: str, clip: np.ndarray) -> None:
    transform = EVERY[name]
    made = [transform.apply(clip, transform.draw(np.random.default_rng(seed), clip)) for seed in range(8)]
    assert any(not np.array_equal(one, made[0]) for one in made[1:])


def test_normalizing_brings_mean_and_deviation(clip: np.ndarray) -> None:
    made = EVERY["normalize"].apply(clip, None)
    np.testing.assert_allclose(made, (clip - 0.5) / 2, rtol=1e-6)


def test_a_list_of_names_and_arguments_makes_a_pipeline() -> None:
    items = [
        "random_shift",
        {"center": {"joint": 3}},
        {"crop_resize": {"window": 16, "p_interval": [0.5, 1]}},
        {"random_rotation": None},
        {"scale": {"factor": 0.001}},
        "stream",
        {"auto_pad": {"window": 20}},
    ]
    *before, scale, stream, pad = build_transforms(items, STREAM, "transforms")
    assert before == [RandomShift(), Center(3), CropResize(16, (0.5, 1)), RandomRotation(0.3)]
    assert scale == Scale(0.001)
    assert stream == STREAM
    assert pad == AutoPad(20)


def test_the_stream_comes_first_unless_it_is_placed(clip: np.ndarray) -> None:
    assert build_transforms([], STREAM, "transforms") == [STREAM]
    assert build_transforms(["random_shift"], STREAM, "transforms") == [STREAM, RandomShift()]
    assert build_transforms(["random_shift", "stream"], STREAM, "transforms") == [RandomShift(), STREAM]
    made = clip
    for transform in build_transforms([{"center": {"joint": 0}}, "stream"], STREAM, "transforms"):
        made = transform.apply(made, transform.draw(np.random.default_rng(0), made))
    assert np.array_equal(made, bone(Center(0).apply(clip, None), PAIRS))


def test_the_stream_is_placed_once() -> None:
    with pytest.raises(InputError, match="transforms: stream is there 2 times"):
        build_transforms(["stream", {"stream": {"scores": "mean"}}], STREAM, "transforms")
    (stream,) = build_transforms([{"stream": {"scores": "mean"}}], STREAM, "transforms")
    assert stream == DeriveStream("bone", PAIRS, "mean")


def test_streams_are_derived(clip: np.ndarray) -> None:
    assert np.array_equal(EVERY["bone_motion"].apply(clip, None), motion(bone(clip, PAIRS)))


@pytest.mark.parametrize(
    ("item", "want"),
    [
        ("random_rotate", "there is no transform 'random_rotate'; did you mean 'random_rotation'"),
        ("xyz", "there is no transform 'xyz'$"),
        ({"random_chose": {"window": 3}}, "did you mean 'random_choose'"),
        ({"random_rotation": {"teta": 1}}, "random_rotation takes no argument 'teta'; did you mean 'theta'"),
        ({"random_rotation": {1: 1}}, "random_rotation takes no argument 1; it takes theta"),
        ({"random_shift": {"x": 1}}, "random_shift takes no argument 'x'; it takes none"),
        ({"crop_resize": {"xyz": 1}}, "it takes window, p_interval"),
        ("random_choose", "random_choose: .* missing .*'window'"),
        ({"scale": None}, "scale: .* missing .*'factor'"),
        ({"auto_pad": {"window": 0}}, "auto_pad: window is a number of frames, not 0"),
        ({"random_choose": {"window": "all"}}, "random_choose: window is a number of frames, not 'all'"),
        ({"crop_resize": {"p_interval": 0.95}}, "crop_resize: p_interval is one share"),
        ({"crop_resize": {"p_interval": ["a"]}}, "crop_resize: '<' not supported"),
        ({"center": {"joint": "hip"}}, "center: joint is the number of a joint, from 0, not 'hip'"),
        ({"center": {"joint": -1}}, "center: joint is the number of a joint, from 0, not -1"),
        ({"scale": {"factor": "big"}}, "scale: factor is a number, not 'big'"),
        ({"scale": {"factor": [1, 2]}}, r"scale: factor is a number, not \(1, 2\)"),
        ({"random_rotation": {"theta": -1}}, "random_rotation: theta is a number of at least 0, not -1"),
        ({"random_rotation_2d": {"theta": True}}, "theta is a number of at least 0, not True"),
        ({"random_scale": {"scale": None}}, "random_scale: scale is a number of at least 0, not None"),
        ({"random_move": {"angles": []}}, r"random_move: angles is a list of numbers to draw from, not \(\)"),
        ({"random_move": {"moves": [0]}}, "random_move: moves is a number of at least 1, not 0"),
        ({"center": 5}, "wanted 'name' or"),
        ({"center": {}, "stream": {}}, "wanted 'name' or"),
        ("steam", "did you mean 'stream'"),
        ({"stream": {"score": "mean"}}, "stream takes no argument 'score'; did you mean 'scores'"),
        ({"stream": {"scores": "sum"}}, "scores is one of difference, mean, mean_in_bones, .*, not 'sum'"),
        ({"bodies": {"num_person": 0}}, "bodies: num_person is a number of bodies, not 0"),
        ({"bodies": {"mode": "copy"}}, "bodies: mode is zero or loop, not 'copy'"),
        ({"loop_pad": {"window": -1}}, "loop_pad: window is a number of frames, not -1"),
        ({"pre_normalize_2d": {"mode": "best"}}, "pre_normalize_2d: mode is fix or auto, not 'best'"),
        ({"pre_normalize_2d": {"img_shape": 1080}}, "img_shape is the picture's height and width, not 1080"),
        ({"pre_normalize_2d": {"img_shape": [0, 1]}}, r"img_shape is the picture's height and width, not \(0, 1\)"),
        ({"pre_normalize_3d": {"zaxis": 1}}, "pre_normalize_3d: zaxis is two joints, not 1"),
        ({"pre_normalize_3d": {"xaxis": [1, "a"]}}, r"pre_normalize_3d: xaxis is two joints, not \(1, 'a'\)"),
        ("uniform_sample", "uniform_sample: .* missing .*'clip_len'"),
        ({"uniform_sample": {"clip_len": 0}}, "uniform_sample: clip_len is a number of frames, not 0"),
        ({"uniform_sample": {"clip_len": 9, "num_clips": 0}}, "uniform_sample: num_clips is a number of clips, not 0"),
        ({"uniform_sample": {"clip_len": 9, "p_interval": 0}}, "uniform_sample: p_interval is one share"),
        ({"uniform_sample": {"clip_len": 9, "seed": -1}}, "uniform_sample: seed is a whole number from 0"),
        ({"uniform_sample": {"clip_len": 9, "starts": "end"}}, "uniform_sample: starts is random or spread, not 'end'"),
        ({"uniform_sample": {"clip_len": 9, "wrap": "no"}}, "uniform_sample: wrap is stretch or clip, not 'no'"),
        (["center"], "wanted 'name' or"),
        (None, "wanted 'name' or"),
        (3, "wanted 'name' or"),
    ],
)
def test_items_that_are_no_transforms(item: Any, want: str) -> None:
    with pytest.raises(InputError, match=f"^train_feeder_args: .*{want}"):
        build_transforms([item], STREAM, "train_feeder_args")
