"""Crop and resize: the published function's own draws give its own output, and what always holds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from errors import InputError
from feeders.crop import CropResize, resize

GOLDEN = Path(__file__).parents[1] / "golden"
with np.load(GOLDEN / "data_ctrgcn.npz") as arrays:
    CASES = sorted({name.partition("/")[0] for name in arrays if name.startswith("valid_crop_resize")})

CLIPS = hnp.arrays(
    np.float32,
    st.tuples(st.integers(1, 3), st.integers(1, 12), st.integers(1, 3), st.integers(1, 2)),
    elements=st.floats(-100, 100, width=32),
)


def transform_of(case: str) -> CropResize:
    """``valid_crop_resize_T90_61_p0.5-1_w64_0``: 90 frames, 61 of them valid, shares 0.5 to 1, 64 frames made."""
    _, _, _, _, _, shares, window, _ = case.split("_")
    return CropResize(int(window[1:]), tuple(float(share) for share in shares[1:].split("-")))


@pytest.mark.parametrize("case", CASES)
def test_published_draws_give_the_published_clip(case: str, ctrgcn: Any, ctrgcn_draws: Any) -> None:
    clip, want = ctrgcn[f"{case}/in/x"], ctrgcn[f"{case}/out/y"]
    crop = transform_of(case)
    drawn = crop.draw(ctrgcn_draws(ctrgcn.seeds[case]), clip)
    assert np.random.rand() == ctrgcn[f"{case}/out/next_rand"]  # as many numbers were drawn
    made = crop.apply(clip, drawn)
    assert made.dtype == want.dtype == np.float32
    np.testing.assert_allclose(made, want, rtol=0, atol=1e-6 * max(1.0, np.abs(want).max()))


def test_there_are_published_clips_of_each_kind() -> None:
    assert len(CASES) == 25
    assert {len(transform_of(case).p_interval) for case in CASES} == {1, 2}


@given(clip=CLIPS)
@settings(max_examples=60, deadline=None)
def test_resizing_to_the_same_length_changes_nothing(clip: np.ndarray) -> None:
    assert np.array_equal(resize(clip, clip.shape[1]), clip)


@given(clip=CLIPS, frames=st.integers(1, 30))
@settings(max_examples=100, deadline=None)
def test_resizing_stays_between_least_and_largest(clip: np.ndarray, frames: int) -> None:
    made = resize(clip, frames)
    assert made.shape == (clip.shape[0], frames, *clip.shape[2:])
    assert made.dtype == clip.dtype
    low, high = clip.min(axis=1, keepdims=True), clip.max(axis=1, keepdims=True)
    rounding = 1e-6 * np.abs(clip).max(axis=1, keepdims=True) + 1e-30
    assert np.all((low - rounding <= made) & (made <= high + rounding))


@given(value=st.floats(-100, 100, width=32), length=st.integers(1, 12), frames=st.integers(1, 30))
@settings(max_examples=60, deadline=None)
def test_a_clip_at_rest_stays_at_rest(value: float, length: int, frames: int) -> None:
    still = np.full((3, length, 2, 1), value, dtype=np.float32)
    np.testing.assert_allclose(resize(still, frames), np.full((3, frames, 2, 1), value), rtol=1e-6, atol=1e-30)


@given(length=st.integers(2, 20), frames=st.integers(1, 40))
@settings(max_examples=60, deadline=None)
def test_an_even_movement_stays_even_but_for_the_ends(length: int, frames: int) -> None:
    clip = np.arange(length, dtype=np.float64).reshape(1, -1, 1, 1)
    centres = (np.arange(frames) + 0.5) * length / frames - 0.5
    np.testing.assert_allclose(resize(clip, frames).ravel(), np.clip(centres, 0, length - 1), atol=1e-9)


@given(clip=CLIPS, seed=st.integers(0, 99), low=st.floats(0.01, 1), high=st.floats(0.01, 1), least=st.integers(1, 9))
@settings(max_examples=100, deadline=None)
def test_the_stretch_lies_in_the_valid_frames(clip: np.ndarray, seed: int, low: float, high: float, least: int) -> None:
    valid = int((clip != 0).any(axis=(0, 2, 3)).sum()) or clip.shape[1]
    low, high = sorted((low, high))
    rng = np.random.default_rng(seed)
    begin, end = CropResize(8, (low, high), least).draw(rng, clip)
    assert 0 <= begin < end <= valid
    assert min(least, valid) <= end - begin <= max(least, valid * high + 1e-9)
    begin, end = CropResize(8, (low,)).draw(rng, clip)
    assert 0 <= begin < end <= valid
    assert begin == valid - end
    assert end - begin >= low * valid - 1e-9


def test_every_stretch_is_reached() -> None:
    clip = np.ones((1, 4, 1, 1))
    crop = CropResize(2, (0.5, 1.0), min_frames=1)
    drawn = {crop.draw(np.random.default_rng(seed), clip) for seed in range(200)}
    assert drawn == {(0, 2), (1, 3), (2, 4), (0, 3), (1, 4)}


def test_frames_whose_coordinates_add_up_to_nothing_are_not_empty() -> None:
    clip = np.zeros((2, 6, 1, 1), dtype=np.float32)
    clip[0, :4], clip[1, :4] = 1, -1
    assert CropResize(8, (1.0,)).draw(np.random.default_rng(0), clip) == (0, 4)


def test_a_clip_without_anyone_is_resized_whole() -> None:
    clip = np.zeros((3, 5, 2, 1), dtype=np.float32)
    crop = CropResize(8, (0.5, 1.0))
    assert crop.draw(np.random.default_rng(0), clip) == (0, 5)
    assert np.array_equal(crop.apply(clip, (0, 5)), np.zeros((3, 8, 2, 1)))


@pytest.mark.parametrize("shares", [(), (0.0,), (1.1,), (0.9, 0.5), (0.5, 0.7, 0.9), (-0.5, 1.0), 0.95, "0.95"])
def test_shares_that_are_none(shares: Any) -> None:
    with pytest.raises(InputError, match="p_interval is one share of the frames or two"):
        CropResize(64, shares)


@pytest.mark.parametrize("window", [0, -1, 64.0, "64", None])
def test_windows_that_are_none(window: Any) -> None:
    with pytest.raises(InputError, match="window is a number of frames, not"):
        CropResize(window)
