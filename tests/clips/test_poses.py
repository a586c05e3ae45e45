"""Whom a clip keeps, which joints count as seen, and where the picture's pixels go."""

from __future__ import annotations

import numpy as np
import pytest

from clips.poses import Poses, Wanted, clip_of
from errors import InputError


def poses(grid: np.ndarray, scores: np.ndarray | None = None, tracked: bool = True) -> Poses:
    """Of (T, M, V, D) and (T, M, V)."""
    T, M, V, D = grid.shape
    frames, bodies = np.repeat(np.arange(T), M), np.tile(np.arange(M), T)
    flat = None if scores is None else scores.reshape(T * M, V)
    return Poses(T, frames, bodies if tracked else None, grid.reshape(T * M, V, D).astype(np.float64), flat)


def test_a_joint_with_score_0_was_not_seen() -> None:
    grid, scores = np.full((2, 1, 3, 2), 7.0), np.ones((2, 1, 3))
    scores[1, 0, 2] = 0
    clip = clip_of(poses(grid, scores), Wanted(keep_scores=True), "abc", "x")
    assert clip[:, 1, :, 0].tolist() == [[7, 7, 0], [7, 7, 0], [1, 1, 0]]
    assert (clip[:, 0] != 0).all()


def test_the_longer_side_of_the_picture_spans_minus_1_to_1_and_unseen_joints_stay_zero() -> None:
    grid = np.array([[[[0.0, 0.0], [1920, 1080], [960, 540], [1920, 1e-9]]]])
    scores = np.array([[[0.0, 1, 1, 1]]])
    clip = clip_of(poses(grid, scores), Wanted(image_size=(1920, 1080)), "abcd", "x")
    np.testing.assert_allclose(clip[:, 0, :, 0], [[0, 1, 0, 1], [0, 0.5625, 0, -0.5625]], atol=1e-7)
    unscored = clip_of(poses(grid), Wanted(image_size=(1080, 1920)), "abcd", "x")
    np.testing.assert_allclose(unscored[:, 0, 1, 0], [(1920 - 540) / 960, (1080 - 960) / 960], atol=1e-7)
    assert not unscored[:, 0, 0].any()


def test_those_who_move_most_are_kept_in_their_order() -> None:
    rng = np.random.default_rng(0)
    swing = np.array([0.1, 5.0, 0.0, 3.0, 1.0])
    grid = 10 + swing[None, :, None, None] * rng.normal(size=(20, 5, 4, 3))
    for bodies, kept in ((1, [1]), (2, [1, 3]), (3, [1, 3, 4]), (5, [0, 1, 2, 3, 4])):
        clip = clip_of(poses(grid), Wanted(bodies=bodies), "abcd", "x")
        np.testing.assert_array_equal(clip, grid[:, kept].transpose(3, 0, 2, 1).astype(np.float32))


def test_a_body_that_is_away_moves_only_while_it_is_there() -> None:
    grid = np.ones((6, 2, 3, 2))
    grid[::2, 0] = 0  # comes and goes, and stands still
    grid[:, 1] += np.linspace(0, 0.1, 6)[:, None, None]
    clip = clip_of(poses(grid), Wanted(), "abc", "x")
    assert clip.any(axis=(0, 2, 3)).all()


def test_a_joint_that_is_lost_now_and_then_does_not_move() -> None:
    rng = np.random.default_rng(0)
    grid = np.full((20, 2, 3, 2), 500.0)
    grid[::3, 0, 1] = 0  # stands still, a joint flickers
    grid[:, 1] += rng.normal(size=(20, 3, 2))
    clip = clip_of(poses(grid), Wanted(), "abc", "x")
    np.testing.assert_array_equal(clip[..., 0], grid[:, 1].transpose(2, 0, 1).astype(np.float32))


def test_untracked_people_are_sorted_by_score_in_every_frame() -> None:
    grid = np.arange(1.0, 7).reshape(2, 3, 1, 1).repeat(2, axis=3)
    scores = np.array([[[0.1], [0.9], [0.5]], [[0.3], [0.3], [0.2]]])
    clip = clip_of(poses(grid, scores, tracked=False), Wanted(bodies=2), "a", "x")
    assert clip[0, :, 0].tolist() == [[2, 3], [4, 5]]


def test_absent_people_do_not_count() -> None:
    grid = np.ones((4, 3, 2, 2))
    grid[:, 1] = 0
    assert poses(grid).people() == poses(grid, tracked=False).people() == 2
    grid[:2, 2] = 0
    grid[2:, 0] = 0
    assert (poses(grid).people(), poses(grid, tracked=False).people()) == (2, 1)
    assert poses(np.zeros((2, 2, 2, 2)), tracked=False).people() == 0


def test_more_bodies_than_people_are_zero() -> None:
    clip = clip_of(poses(np.ones((3, 2, 4, 2))), Wanted(bodies=5), "abcd", "x")
    assert clip.shape == (2, 3, 4, 5)
    assert clip.any(axis=(0, 1, 2)).tolist() == [True, True, False, False, False]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_is_named(value: float) -> None:
    grid, scores = np.ones((3, 2, 4, 2)), np.ones((3, 2, 4))
    grid[2, 1, 3, 0] = value
    with pytest.raises(InputError, match=f"^x: frame 2, joint 'd': a coordinate is {value}"):
        clip_of(poses(grid, scores), Wanted(bodies=2), "abcd", "x")
    scores[1, 0, 2] = value
    with pytest.raises(InputError, match=f"^x: frame 1, joint 2: a score is {value}"):
        clip_of(poses(np.ones((3, 2, 4, 2)), scores), Wanted(bodies=2), "", "x")


def test_infinity_is_never_a_missing_joint() -> None:
    grid = np.ones((3, 1, 4, 2))
    grid[0, 0, 0, 0], grid[1, 0, 1, 1] = np.nan, np.inf
    with pytest.raises(InputError, match=r"^x: frame 1, joint 'b': a coordinate is inf$"):
        clip_of(poses(grid), Wanted(nan_as_missing=True), "abcd", "x")


def test_a_score_that_is_missing_makes_its_joint_unseen() -> None:
    grid, scores = np.ones((2, 1, 3, 2)), np.ones((2, 1, 3))
    scores[0, 0, 1] = np.nan
    clip = clip_of(poses(grid, scores), Wanted(keep_scores=True, nan_as_missing=True), "abc", "x")
    assert (clip == 0).sum() == 3
    assert not clip[:, 0, 1].any()
