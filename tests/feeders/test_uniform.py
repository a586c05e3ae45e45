"""Sampling in time: what always holds; the published samples are in test_pyskl_golden."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from errors import InputError
from feeders.uniform import UniformSample, taken_apart

SAMPLES = st.builds(
    UniformSample,
    clip_len=st.integers(1, 30),
    num_clips=st.integers(1, 4),
    p_interval=st.tuples(st.floats(0.01, 1), st.floats(0.01, 1)).map(lambda shares: tuple(sorted(shares))),
    seed=st.sampled_from([None, 0, 255]),
    starts=st.sampled_from(["random", "spread"]),
    wrap=st.sampled_from(["stretch", "clip"]),
)


def frames_of(sample: UniformSample, total: int, seed: int = 0) -> np.ndarray:
    """(K, clip_len)"""
    drawn = sample.draw(np.random.default_rng(seed), np.zeros((1, total, 1, 1)))
    return drawn.reshape(sample.num_clips, sample.clip_len)


@given(sample=SAMPLES, total=st.integers(1, 90), seed=st.integers(0, 99))
@settings(max_examples=200, deadline=None)
def test_every_clip_is_as_long_as_asked_for_and_of_frames_that_there_are(
    sample: UniformSample, total: int, seed: int
) -> None:
    frames = frames_of(sample, total, seed)
    assert np.all((frames >= 0) & (frames < total))
    if sample.seed is not None:
        assert np.array_equal(frames, frames_of(sample, total, seed + 1))


@given(clip_len=st.integers(1, 30), total=st.integers(1, 90), seed=st.integers(0, 99))
@settings(max_examples=200, deadline=None)
def test_a_long_recording_is_spread_over_evenly_and_a_short_one_gone_round(
    clip_len: int, total: int, seed: int
) -> None:
    (frames,) = frames_of(UniformSample(clip_len), total, seed)
    steps = np.diff(frames)
    if total < clip_len:
        assert np.all((steps == 1) | (steps == 1 - total))
    elif total < 2 * clip_len:
        assert set(steps) <= {1, 2}
    else:
        parts = np.arange(clip_len + 1) * total // clip_len
        assert np.all((parts[:-1] <= frames) & (frames < parts[1:]))


def test_every_frame_of_a_recording_of_the_clips_length_is_there() -> None:
    assert frames_of(UniformSample(12), 12).tolist() == [list(range(12))]


@given(clip_len=st.integers(2, 20), total=st.integers(1, 60), seed=st.integers(0, 99))
@settings(max_examples=100, deadline=None)
def test_a_short_stretch_stays_by_itself_or_runs_on(clip_len: int, total: int, seed: int) -> None:
    share = 0.5
    length = max(int(share * total), 1)
    (alone,) = frames_of(UniformSample(clip_len, p_interval=share), total, seed)
    (on,) = frames_of(UniformSample(clip_len, p_interval=share, wrap="clip"), total, seed)
    assert alone.max() - alone.min() < length
    if length < clip_len:
        assert np.all((np.diff(on) == 1) | (np.diff(on) == 1 - total))


@pytest.mark.parametrize(("total", "starts"), [(3, [0, 1, 2, 0]), (8, [0, 2, 4, 6]), (4, [0, 1, 2, 3])])
def test_starts_spread_over_a_short_recording(total: int, starts: list[int]) -> None:
    frames = frames_of(UniformSample(9, 4, starts="spread"), total)
    assert frames[:, 0].tolist() == starts


def test_a_recording_of_one_frame_has_a_share_too() -> None:
    for wrap in ("stretch", "clip"):
        assert not frames_of(UniformSample(5, 2, (0.5, 1), wrap=wrap), 1).any()


def test_every_start_and_every_frame_of_a_part_is_reached() -> None:
    draws = [frames_of(UniformSample(3), total, seed)[0] for total in (2, 7) for seed in range(60)]
    assert {int(frames[0]) for frames in draws[:60]} == {0, 1}
    assert {int(frames[2]) for frames in draws[60:]} == {4, 5, 6}


@given(clips=st.integers(1, 4), frames=st.integers(1, 5), bodies=st.integers(1, 3), seed=st.integers(0, 9))
@settings(max_examples=30, deadline=None)
def test_clips_are_taken_apart_again(clips: int, frames: int, bodies: int, seed: int) -> None:
    parts = np.random.default_rng(seed).normal(size=(clips, 3, frames, 2, bodies))
    assert np.array_equal(taken_apart(np.concatenate(list(parts), axis=1), clips), parts)


def test_clips_of_other_lengths_are_refused() -> None:
    with pytest.raises(InputError, match="7 frames are not 2 clips of one length"):
        taken_apart(np.zeros((3, 7, 1, 1)), 2)
