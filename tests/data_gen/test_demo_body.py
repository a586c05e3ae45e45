"""The jointed body that acts in the demo's recordings."""

from __future__ import annotations

import numpy as np

from data_gen.demo_body import ANGLES, FEET, draw_body, move, rotations

STILL = np.zeros(1)


def test_elbows_bend_forward_and_knees_backward() -> None:
    offsets = draw_body(np.random.default_rng(0))
    rest = move(offsets, {"nod": STILL})[0]
    assert rest[4, 0] > 0 > rest[8, 0]  # facing z with y up, the left is at positive x
    bent = {name: STILL + 0.8 for name in ANGLES if name.endswith(("elbow", "knee"))}
    points = move(offsets, bent)[0]
    assert (points[[6, 10], 2] > points[[5, 9], 2] + 0.1).all()
    assert (points[[14, 18], 2] < points[[13, 17], 2] - 0.1).all()


def test_palms_turn_thumbs_inward() -> None:
    offsets = draw_body(np.random.default_rng(0))
    arms = {f"{side} elbow": STILL + np.pi / 2 for side in ("left", "right")}
    up = move(offsets, arms)[0]
    inward = move(offsets, arms | {f"{side} palm": STILL + np.pi / 2 for side in ("left", "right")})[0]
    assert (up[[22, 24], 1] > up[[7, 11], 1] + 0.04).all()  # forearms level: thumbs point up
    assert inward[22, 0] < up[22, 0] - 0.04 and inward[24, 0] > up[24, 0] + 0.04


def test_legs_walk_and_bearing_feet_stay() -> None:
    swing = np.radians(20) * np.sin(np.linspace(-np.pi / 2, np.pi / 2, 30))
    lifted = np.radians(40) * np.cos(np.linspace(-np.pi / 2, np.pi / 2, 30))
    angles = {"left hip flex": swing, "left knee": lifted, "left ankle": lifted, "right hip flex": -swing}
    points = move(draw_body(np.random.default_rng(0)), angles)
    assert points[-1, 0, 2] > points[0, 0, 2] + 0.3  # the left foot steps forward
    right = points[:, FEET[1]].mean(axis=1)[:, [0, 2]]
    assert np.abs(np.diff(right[7:-7], axis=0)).max() < 0.005
    np.testing.assert_allclose(points[:, FEET, 1].min(axis=(1, 2)), 0.0, atol=1e-12)


def test_a_jump_leaves_the_ground() -> None:
    lift = np.array([0.0, 0.3, 0.0])
    points = move(draw_body(np.random.default_rng(0)), {"nod": np.zeros(3)}, lift)
    np.testing.assert_allclose(points[..., 1].min(axis=1), lift, atol=1e-12)


def test_rotations() -> None:
    matrices = rotations(np.random.default_rng(0).normal(size=(5, 3)))
    np.testing.assert_allclose(matrices @ matrices.swapaxes(1, 2), np.broadcast_to(np.eye(3), (5, 3, 3)), atol=1e-12)
    np.testing.assert_allclose(np.linalg.det(matrices), 1.0)
