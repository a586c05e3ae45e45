"""Centring, scaling and turning bodies."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feeders.space import Center, RandomRotation, Scale, present, rotation

ANGLES = st.tuples(*[st.floats(-np.pi, np.pi)] * 3)


def made(bodies: int = 2) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(3, 6, 5, bodies)).astype(np.float32)


@pytest.mark.parametrize("case", ["0.3_5", "0.3_6", "0.1_5", "0.1_6"])
def test_published_draws_give_the_published_rotation(case: str, ctrgcn: Any, ctrgcn_draws: Any) -> None:
    case = f"random_rot_{case}"
    turn = RandomRotation(float(case.split("_")[2]))
    clip, want = ctrgcn[f"{case}/in/x"], ctrgcn[f"{case}/out/y"]
    turned = turn.apply(clip, turn.draw(ctrgcn_draws(ctrgcn.seeds[case]), clip))
    assert turned.dtype == want.dtype
    np.testing.assert_allclose(turned, want, rtol=0, atol=1e-6 * max(1.0, np.abs(want).max()))


@given(angles=ANGLES)
@settings(max_examples=60, deadline=None)
def test_a_rotation_keeps_lengths_angles_and_hands(angles: tuple[float, float, float]) -> None:
    matrix = rotation(np.array(angles))
    np.testing.assert_allclose(matrix @ matrix.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(matrix) == pytest.approx(1)
    clip = made()
    turned = RandomRotation().apply(clip, np.array(angles))
    np.testing.assert_allclose(np.linalg.norm(turned, axis=0), np.linalg.norm(clip, axis=0), rtol=1e-5)
    np.testing.assert_allclose(turned[:, 1, 2, 0], matrix @ clip[:, 1, 2, 0], atol=1e-5)  # all frames and joints alike


@pytest.mark.parametrize(
    ("angles", "point", "image"),
    [
        ((np.pi / 2, 0, 0), (0, 0, 1), (0, 1, 0)),
        ((0, np.pi / 2, 0), (1, 0, 0), (0, 0, 1)),
        ((0, 0, np.pi / 2), (0, 1, 0), (1, 0, 0)),
        ((np.pi / 2, 0, np.pi / 2), (0, 0, 1), (1, 0, 0)),  # about x first, then z
        ((0, np.pi / 2, np.pi / 2), (0, 1, 0), (1, 0, 0)),  # about y first, which leaves it, then z
        ((np.pi / 2, np.pi / 2, 0), (0, 1, 0), (1, 0, 0)),  # to -z, then to x
    ],
)
def test_a_rotation_turns_about_x_then_y_then_z(angles: Any, point: Any, image: Any) -> None:
    np.testing.assert_allclose(rotation(np.array(angles)) @ point, image, atol=1e-12)


def test_angles_fill_their_range() -> None:
    draws = np.array([RandomRotation(0.3).draw(np.random.default_rng(seed), made()) for seed in range(200)])
    assert draws.shape == (200, 3)
    assert np.all(np.abs(draws) <= 0.3)
    assert np.all(draws.min(axis=0) < -0.28)
    assert np.all(draws.max(axis=0) > 0.28)


def test_joints_that_were_seen() -> None:
    clip = np.zeros((3, 2, 2, 1))
    clip[:, 0, 1, 0] = (1, -1, 0)
    assert present(clip).tolist() == [[[[False], [True]], [[False], [False]]]]


def test_centring_moves_the_first_body_to_the_origin_and_keeps_all_distances() -> None:
    clip = made()
    clip[:, 3:, :, 1] = 0  # the second body leaves
    clip[:, 4, 2, 0] = 0  # a joint of the first is lost for a frame
    centred = Center(joint=2).apply(clip, None)
    seen = (clip != 0).any(axis=0)
    assert not centred[:, 0, 2, 0].any()
    assert not centred[:, ~seen].any()
    np.testing.assert_allclose((clip - centred)[:, seen], np.tile(clip[:, 0, 2, 0, None], seen.sum()), atol=1e-6)


def test_centring_waits_for_the_joint_to_be_seen() -> None:
    clip = made()
    clip[:, :2, 2, 0] = 0
    centred = Center(joint=2).apply(clip, None)
    assert not centred[:, 2, 2, 0].any()
    seen = (clip != 0).any(axis=0)
    np.testing.assert_allclose((clip - centred)[:, seen], np.tile(clip[:, 2, 2, 0, None], seen.sum()), atol=1e-6)
    as_published = clip - clip[:, :1, 2:3, :1]  # NW-UCLA's feeder
    np.testing.assert_array_equal(Center(joint=2, keep_zeros=False).apply(clip, None), as_published)
    clip[:, :, 2, 0] = 0  # never
    assert np.array_equal(Center(joint=2).apply(clip, None), clip)


def test_scaling_keeps_the_type_and_what_was_not_seen() -> None:
    clip = made()
    clip[:, 4, 2, 0] = 0
    scaled = Scale(0.25).apply(clip, None)
    assert scaled.dtype == np.float32
    np.testing.assert_array_equal(scaled, clip / 4)
