"""Centring, turning and pixels: what always holds; the published results are in test_pyskl_golden."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from errors import InputError
from feeders.prenormalize import PreNormalize2D, PreNormalize3D, main_body_first


@st.composite
def clips(draw: st.DrawFn, channels: int = 3) -> np.ndarray:
    """Clips of 9 to 25 joints and 1 to 5 bodies, each of them there in some of the frames or in none."""
    shape = (channels, draw(st.integers(1, 8)), draw(st.sampled_from([9, 20, 24, 25])), draw(st.integers(1, 5)))
    clip = np.random.default_rng(draw(st.integers(0, 99))).normal(size=shape).astype(np.float32)
    there = draw(st.lists(st.booleans(), min_size=shape[1] * shape[3], max_size=shape[1] * shape[3]))
    return clip * np.array(there).reshape(shape[1], 1, shape[3])


@given(clip=clips(), spine=st.booleans(), centre=st.booleans())
@settings(max_examples=150, deadline=None)
def test_what_was_not_seen_stays_zero_and_distances_stay(clip: np.ndarray, spine: bool, centre: bool) -> None:
    made = PreNormalize3D(align_spine=spine, align_center=centre).apply(clip, None)
    main = main_body_first(clip)
    assert made.dtype == np.float32
    assert made.shape == main.shape
    empty = ~main.any(axis=(0, 2))
    assert not made.any(axis=(0, 2))[empty].any()
    if main.any():
        joints, others = np.linalg.norm(np.diff(main, axis=2), axis=0), np.linalg.norm(np.diff(made, axis=2), axis=0)
        np.testing.assert_allclose(others, joints, atol=2e-5)
        assert main[:, :, :, 0].any(axis=(0, 2)).all()  # the main body is in every frame


@given(clip=clips())
@settings(max_examples=60, deadline=None)
def test_a_body_stands_upright_and_faces_one_way(clip: np.ndarray) -> None:
    made = PreNormalize3D().apply(clip, None)
    if not made.any():
        return
    origin = {25: 1, 24: 3}.get(clip.shape[2], clip.shape[2] - 1)
    np.testing.assert_allclose(made[:, 0, origin, 0], 0, atol=1e-6)
    across = made[:, 0, 8, 0] - made[:, 0, 4, 0]
    np.testing.assert_allclose(across[1:], 0, atol=1e-4)
    assert across[0] > 0


def test_without_the_second_turn_the_spine_is_along_z() -> None:
    clip = np.random.default_rng(0).normal(size=(3, 4, 25, 1)).astype(np.float32)
    made = PreNormalize3D(xaxis=(5, 5)).apply(clip, None)
    spine = made[:, 0, 1, 0] - made[:, 0, 0, 0]
    np.testing.assert_allclose(spine, [0, 0, np.linalg.norm(clip[:, 0, 1, 0] - clip[:, 0, 0, 0])], atol=1e-6)


@pytest.mark.parametrize(("joints", "origin"), [(25, 1), (24, 3), (17, 16)])
def test_the_origin_is_a_joint_of_the_first_frame_and_stays_there(joints: int, origin: int) -> None:
    clip = np.random.default_rng(0).normal(size=(3, 4, joints, 2)).astype(np.float32)
    made = PreNormalize3D(align_spine=False).apply(clip, None)
    np.testing.assert_allclose(made, clip - clip[:, :1, origin : origin + 1, :1], atol=1e-6)
    made = PreNormalize3D(align_spine=False, center=5).apply(clip, None)
    np.testing.assert_allclose(made, clip - clip[:, :1, 5:6, :1], atol=1e-6)


def test_a_body_that_is_there_more_often_comes_first() -> None:
    clip = np.zeros((3, 5, 2, 3), dtype=np.float32)
    clip[:, :2, :, 0], clip[:, 1:5, :, 1], clip[:, :4, :, 2] = 1, 2, 3
    made = main_body_first(clip)
    assert np.array_equal(made, clip[:, 1:][..., [1, 0, 2]])


def test_neither_step_changes_only_the_frames() -> None:
    clip = np.ones((3, 4, 25, 1), dtype=np.float32)
    clip[:, 2] = 0
    made = PreNormalize3D(align_spine=False, align_center=False).apply(clip, None)
    assert np.array_equal(made, np.ones((3, 3, 25, 1)))


@given(clip=clips(channels=2), mode=st.sampled_from(["fix", "auto"]), scored=st.booleans())
@settings(max_examples=100, deadline=None)
def test_pixels_of_absent_bodies_stay_zero_and_scores_stay(clip: np.ndarray, mode: str, scored: bool) -> None:
    clip = np.abs(clip) * 300
    score = (clip[:1] != 0) * np.float32(0.5)
    given = np.concatenate([clip, score]) if scored else clip
    made = PreNormalize2D(mode=mode).apply(given, None)
    assert (made.dtype, made.shape) == (given.dtype, given.shape)
    assert not made[..., ~clip.any(axis=(0, 1, 2))].any()
    assert np.array_equal(made[2:], given[2:])
    if scored:
        assert not made[:2, score[0] == 0].any()
    if mode == "auto" and made[:2].any() and made[:2].max() < 5:  # else less than 10 pixels, and left alone
        np.testing.assert_allclose([made[:2].min(), made[:2].max()], [-1, 1], atol=1e-6)


def test_joints_that_were_not_seen_do_not_count_and_stay_zero() -> None:
    clip = np.random.default_rng(0).uniform(300, 500, (2, 20, 17, 2)).astype(np.float32)
    want = PreNormalize2D(mode="auto").apply(clip, None)
    ends = {int(place) for axis in clip for place in (axis.argmin(), axis.argmax())}
    lost = next(place for place in range(clip[0].size) if place not in ends)
    clip.reshape(2, -1)[:, lost] = 0
    made = PreNormalize2D(mode="auto").apply(clip, None).reshape(2, -1)
    assert not made[:, lost].any()
    np.testing.assert_allclose(np.delete(made, lost, 1), np.delete(want.reshape(2, -1), lost, 1), atol=1e-6)
    for mode in ("fix", "auto"):
        absent = np.zeros((2, 20, 17, 1), np.float32)
        assert not PreNormalize2D(mode=mode).apply(np.concatenate([clip, absent], axis=3), None)[..., 2].any()


def test_what_covers_little_is_stretched_where_that_is_wanted() -> None:
    clip = np.random.default_rng(0).uniform(0.4, 0.6, (2, 20, 17, 1)).astype(np.float32)
    assert np.array_equal(PreNormalize2D(mode="auto").apply(clip, None), clip)
    made = PreNormalize2D(mode="auto", least=0).apply(clip, None)
    np.testing.assert_allclose([made.min(axis=(1, 2, 3)), made.max(axis=(1, 2, 3))], [[-1, -1], [1, 1]], atol=1e-5)
    still = np.full((2, 4, 17, 1), 0.5, np.float32)
    assert np.array_equal(PreNormalize2D(mode="auto", least=0).apply(still, None), still)
    with pytest.raises(InputError, match="least"):
        PreNormalize2D(least=-1)


def test_corners_of_the_picture() -> None:
    clip = np.array([[0, 640, 320], [0, 480, 240], [1, 1, 0.01]], dtype=np.float32).reshape(3, 1, 3, 1)
    made = PreNormalize2D((480, 640)).apply(clip, None)[:, 0, :, 0]
    np.testing.assert_allclose(made, [[-1, 1, 0], [-1, 1, 0], [1, 1, 0.01]])
    assert PreNormalize2D().of_picture((480, 640)) == PreNormalize2D((480, 640))
    assert PreNormalize2D().of_picture(None) == PreNormalize2D()
    with pytest.raises(InputError, match="img_shape is the picture's height and width"):
        PreNormalize2D().of_picture((0, 640))


def test_what_covers_few_pixels_is_not_stretched() -> None:
    clip = np.array([[5, 14.9], [100, 300]], dtype=np.float32).reshape(2, 1, 2, 1)
    assert np.array_equal(PreNormalize2D(mode="auto").apply(clip, None), clip)
