"""Frames and bodies filled up."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from feeders.pad import Bodies, LoopPad, Trim


@given(frames=st.integers(1, 9), window=st.integers(1, 30))
@settings(max_examples=60, deadline=None)
def test_a_shorter_clip_is_played_again(frames: int, window: int) -> None:
    clip = np.arange(frames, dtype=np.float32).reshape(1, -1, 1, 1) + 1
    made = LoopPad(window).apply(clip, None).ravel()
    assert len(made) == max(frames, window)
    assert np.array_equal(made, np.arange(len(made)) % frames + 1)


@given(bodies=st.integers(1, 5), wanted=st.integers(1, 5), absent=st.sets(st.integers(1, 4)))
@settings(max_examples=100, deadline=None)
def test_as_many_bodies_as_asked_for(bodies: int, wanted: int, absent: set[int]) -> None:
    clip = np.ones((3, 4, 2, bodies)) * np.arange(1, bodies + 1)
    clip[..., [body for body in absent if body < bodies]] = 0
    zero, loop = (Bodies(wanted, mode).apply(clip, None) for mode in ("zero", "loop"))
    assert zero.shape == loop.shape == (3, 4, 2, wanted)
    for body in range(wanted):
        there = body < bodies and body not in absent
        assert np.all(zero[..., body] == (body + 1 if there else 0))
        assert np.all(loop[..., body] == (body + 1 if there else 1))


def test_trimming_leaves_no_empty_frame_at_either_end() -> None:
    clip = np.zeros((3, 9, 2, 2), np.float32)
    clip[:, 3:7] = 1
    clip[:, 5] = 0  # a gap stays
    trimmed = Trim().apply(clip, None)
    assert np.array_equal(trimmed, clip[:, 3:7])
    assert np.array_equal(Trim(inside=True).apply(clip, None), clip[:, [3, 4, 6]])
    empty = np.zeros((3, 4, 2, 1), np.float32)
    for trim in (Trim(), Trim(inside=True)):
        assert np.array_equal(trim.apply(empty, None), empty)
