"""Pad, crop, shift and move: the published functions' own draws give their own output, and what always holds."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feeders.agcn import AutoPad, RandomChoose, RandomMove, RandomShift, key_frames, occupied, place

TRANSFORMS = {
    "auto_pading": AutoPad(29),
    "auto_pading_random": AutoPad(29, random_start=True),
    "auto_pading_long": AutoPad(5),
    "random_choose_crop": RandomChoose(12),
    "random_choose_pad": RandomChoose(27),
    "random_choose_same": RandomChoose(20),
    "random_choose_nopad": RandomChoose(27, pad=False),
    "random_shift": RandomShift(),
    "random_move": RandomMove(),
    "random_move64": RandomMove(),
    "random_move_times": RandomMove(moves=(1, 2, 3)),
}


@st.composite
def clips(draw: st.DrawFn) -> np.ndarray:
    """Clips of whole numbers, often with empty frames at either end or nothing but empty frames."""
    before, filled, after = (draw(st.integers(0, 5)) for _ in range(3))
    clip = np.zeros((3, max(before + filled + after, 1), 2, 2), dtype=np.float32)
    clip[:, before : before + filled] = np.random.default_rng(draw(st.integers(0, 9))).integers(1, 9, (3, filled, 2, 2))
    return clip


@pytest.mark.parametrize("number", range(3))
@pytest.mark.parametrize("name", TRANSFORMS)
def test_published_draws_give_the_published_clip(name: str, number: int, agcn: Any, agcn_draws: Any) -> None:
    case, transform = f"{name}/{number}", TRANSFORMS[name]
    clip, want = agcn[f"{case}/in/x"], agcn[f"{case}/out/y"]
    drawn = transform.draw(agcn_draws(agcn.seeds[case]), clip)
    made = transform.apply(clip, drawn)
    assert made.dtype == clip.dtype
    np.testing.assert_allclose(made, want, rtol=0, atol=1e-6 if clip.dtype == np.float32 else 1e-10)


def test_the_published_moves_among_them_have_several_stretches(agcn: Any, agcn_draws: Any) -> None:
    case = "random_move_times/0"
    drawn = TRANSFORMS["random_move_times"].draw(agcn_draws(agcn.seeds[case]), agcn[f"{case}/in/x"])
    assert drawn.frames.tolist() == [0, 10, 20]


@given(clip=clips(), seed=st.integers(0, 9), window=st.integers(1, 20))
@settings(max_examples=60, deadline=None)
def test_padding_keeps_every_frame(clip: np.ndarray, seed: int, window: int) -> None:
    for random_start in (False, True):
        pad = AutoPad(window, random_start)
        start = pad.draw(np.random.default_rng(seed), clip)
        made = pad.apply(clip, start)
        frames = clip.shape[1]
        assert made.shape[1] == max(frames, window)
        assert start == 0 or random_start
        assert np.array_equal(made[:, start : start + frames], clip)
        assert np.abs(made).sum() == np.abs(clip).sum()


@given(clip=clips(), seed=st.integers(0, 9), window=st.integers(1, 20))
@settings(max_examples=60, deadline=None)
def test_choosing_gives_the_length_that_was_asked_for(clip: np.ndarray, seed: int, window: int) -> None:
    frames = clip.shape[1]
    for pad in (True, False):
        choose = RandomChoose(window, pad)
        start = choose.draw(np.random.default_rng(seed), clip)
        made = choose.apply(clip, start)
        assert made.shape[1] == (window if pad else min(frames, window))
        if frames >= window:
            assert np.array_equal(made, clip[:, start : start + window])
        elif pad:
            assert np.array_equal(made[:, start : start + frames], clip)
            assert np.abs(made).sum() == np.abs(clip).sum()


def test_choosing_reaches_every_place() -> None:
    long, short = np.ones((1, 5, 1, 1)), np.ones((1, 1, 1, 1))
    draws = [RandomChoose(3).draw(np.random.default_rng(seed), long) for seed in range(60)]
    assert set(draws) == {0, 1, 2}
    draws = [RandomChoose(3).draw(np.random.default_rng(seed), short) for seed in range(60)]
    assert set(draws) == {0, 1, 2}


@given(clip=clips(), seed=st.integers(0, 9))
@settings(max_examples=60, deadline=None)
def test_shifting_keeps_content_and_length(clip: np.ndarray, seed: int) -> None:
    shift = RandomShift()
    made = shift.apply(clip, shift.draw(np.random.default_rng(seed), clip))
    assert made.shape == clip.shape
    first, last = occupied(clip)
    new_first, new_last = occupied(made)
    assert np.array_equal(made[:, new_first:new_last], clip[:, first:last])


def test_shifting_reaches_every_place() -> None:
    clip = place(np.ones((1, 2, 1, 1)), 1, 5)
    shift = RandomShift()
    starts = {occupied(shift.apply(clip, shift.draw(np.random.default_rng(seed), clip))) for seed in range(60)}
    assert starts == {(0, 2), (1, 3), (2, 4), (3, 5)}


@pytest.mark.parametrize(
    ("frames", "want"), [([], (0, 4)), ([0], (0, 1)), ([3], (3, 4)), ([1, 3], (1, 4)), ([0, 1, 2, 3], (0, 4))]
)
def test_occupied_frames(frames: list[int], want: tuple[int, int]) -> None:
    clip = np.zeros((2, 4, 2, 1))
    for frame in frames:
        clip[:, frame, 1, 0] = (1, -1)  # adds up to nothing, and yet something is there
    assert occupied(clip) == want


@given(frames=st.integers(1, 12), seed=st.integers(0, 99), moves=st.integers(1, 4))
@settings(max_examples=60, deadline=None)
def test_moving_turns_scales_and_shifts_within_limits(frames: int, seed: int, moves: int) -> None:
    clip = np.zeros((3, frames, 3, 2))
    clip[0, :, 1] = clip[1, :, 2] = clip[2] = 1  # joints at (0, 0, 1), (1, 0, 1) and (0, 1, 1)
    move = RandomMove(moves=(moves,))
    made = move.apply(clip, move.draw(np.random.default_rng(seed), clip))
    assert np.array_equal(made[2], clip[2])
    at = made[0] + 1j * made[1]
    origin, x, y = at[:, 0], at[:, 1] - at[:, 0], at[:, 2] - at[:, 0]
    np.testing.assert_allclose(y, 1j * x, atol=1e-12)
    assert np.all((np.abs(x) > 0.9 - 1e-9) & (np.abs(x) < 1.1 + 1e-9))
    assert np.all(np.abs(np.angle(x, deg=True)) < 10 + 1e-9)
    assert np.all((np.abs(origin.real) < 0.2 + 1e-9) & (np.abs(origin.imag) < 0.2 + 1e-9))
    assert np.array_equal(at[..., 0], at[..., 1])  # both bodies alike


def test_moving_by_nothing_changes_nothing() -> None:
    clip = np.random.default_rng(0).normal(size=(3, 7, 4, 2)).astype(np.float32)
    still = RandomMove(angles=(0.0,), scales=(1.0,), shifts=(0.0,), moves=(1, 2))
    assert np.array_equal(still.apply(clip, still.draw(np.random.default_rng(0), clip)), clip)


def test_a_quarter_turn_goes_from_x_to_y() -> None:
    clip = np.zeros((3, 2, 1, 1))
    clip[0] = 1
    turn = RandomMove(angles=(90.0,), scales=(2.0,), shifts=(0.5,))
    made = turn.apply(clip, turn.draw(np.random.default_rng(0), clip))
    np.testing.assert_allclose(made[:, 0, 0, 0], [0.5, 2.5, 0], atol=1e-12)


@pytest.mark.parametrize(
    ("frames", "moves", "want"), [(20, 1, [0, 20]), (20, 3, [0, 7, 13, 20]), (5, 2, [0, 2, 5]), (1, 1, [0, 1])]
)
def test_key_frames(frames: int, moves: int, want: list[int]) -> None:
    assert key_frames(frames, moves).tolist() == want
