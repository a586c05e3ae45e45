"""Who acts in the demo's recordings, and how."""

from __future__ import annotations

import numpy as np
import pytest

from data_gen.demo_actions import ACTIONS, keyed
from data_gen.demo_body import FEET, SKELETON
from data_gen.demo_gendata import TEST_SUBJECTS, TRAIN_SUBJECTS, make
from data_gen.demo_people import MAX_FRAMES, MIN_FRAMES, NAMES, draw_subject, perform

TWO_PEOPLE = {"handshake", "push"}
PARENTS = [max(SKELETON[joint][0], 0) for joint in range(25)]


def performance(action: str, number: int = 1) -> np.ndarray:
    return perform(action, draw_subject(1, number), draw_subject(1, number, 1), np.random.default_rng((5, number)))


@pytest.mark.parametrize("action", ACTIONS)
def test_bones_keep_their_length(action: str) -> None:
    points = performance(action)
    assert points.shape[0] == (2 if action in TWO_PEOPLE else 1)
    assert MIN_FRAMES <= points.shape[1] <= MAX_FRAMES
    lengths = np.linalg.norm(points - points[:, :, PARENTS], axis=-1)
    np.testing.assert_allclose(lengths, np.broadcast_to(lengths[:, :1], lengths.shape), atol=1e-12)


@pytest.mark.parametrize("action", ACTIONS)
def test_people_stand_upright_on_the_ground(action: str) -> None:
    for number in range(1, 6):
        points = performance(action, number)
        assert points[..., 1].min() > -1e-9
        assert (points[:, :, 3, 1] > points[:, :, 0, 1] + 0.3).all()  # the head is above the pelvis
        if action != "jump":
            np.testing.assert_allclose(points[..., 1].min(axis=2), 0.0, atol=1e-9)


@pytest.mark.parametrize("action", sorted(set(ACTIONS) - {"kick", "push", "jump"}))
def test_feet_do_not_slide(action: str) -> None:
    feet = performance(action, 3)[:, :, FEET].mean(axis=3)  # (M, T, 2, 3)
    assert np.abs(np.diff(feet, axis=1)).max() < 0.01


def test_people_differ_and_stay_themselves() -> None:
    heights = [np.abs(draw_subject(1, number).offsets[:, 1]).sum() for number in range(1, 21)]
    assert np.std(heights) / np.mean(heights) > 0.03
    np.testing.assert_array_equal(draw_subject(1, 3).offsets, draw_subject(1, 3).offsets)
    assert (draw_subject(2, 3).offsets[1:] != draw_subject(1, 3).offsets[1:]).any()


def test_hands_meet() -> None:
    gaps = []
    for number in range(1, 9):
        first, second = performance("handshake", number)
        gaps.append(np.linalg.norm(first[:, 11] - second[:, 11], axis=-1).min())
    assert np.median(gaps) < 0.12 and max(gaps) < 0.3


def test_who_is_pushed_staggers_back() -> None:
    for number in range(1, 9):
        first, second = performance("push", number)
        apart = np.linalg.norm(first[:, 0] - second[:, 0], axis=-1)
        assert apart[-1] > apart.min() + 0.2


def test_reversed_pairs() -> None:
    for action, joint, falls in (("sit down", 0, 1), ("stand up", 0, -1), ("lower both arms", 7, 1)):
        height = performance(action)[0, :, joint, 1]
        assert falls * (height[0] - height[-1]) > 0.2


def test_keyed_rests_at_its_keys() -> None:
    values = keyed(np.array([-0.1, 0.0, 0.25, 0.5, 1.0, 2.0]), (0.0, 0.5, 1.0), (0.0, 2.0, 1.0))
    np.testing.assert_allclose(values, [0.0, 0.0, 1.0, 2.0, 1.0, 1.0])


def normal(points: np.ndarray) -> np.ndarray:
    """(T, 25, 3) around the middle of the spine, axes along the first frame's shoulders and spine."""
    lost = ~points.any(axis=-1, keepdims=True)
    points = points - points[:, 1:2]
    across, up = points[0, 8] - points[0, 4], points[0, 1] - points[0, 0]
    ahead = np.cross(across, up)
    axes = np.stack([np.cross(up, ahead), ahead, up])
    return np.where(lost, 0.0, points @ (axes / np.linalg.norm(axes, axis=1, keepdims=True)).T)


def accuracy(features: np.ndarray, labels: np.ndarray, train: np.ndarray) -> float:
    """Ridge regression of +-1 labels, on people who are not those it learnt from."""
    features = (features - features[train].mean(axis=0)) / features[train].std(axis=0).mean()
    kernel = features @ features[train].T
    known = kernel[train]
    shrink = 0.03 * known.trace() / len(known) * np.eye(len(known))
    guess = kernel[~train] @ np.linalg.solve(known + shrink, labels[train])
    return float(np.mean(np.sign(guess) == labels[~train]))


@pytest.mark.parametrize(
    ("pair", "better"),
    [
        (("thumb up", "thumb down"), "bone"),
        (("drink", "phone call"), "bone"),
        (("sit down", "stand up"), "motion"),
        (("raise both arms", "lower both arms"), "motion"),
    ],
)
def test_what_bones_and_motion_tell_better(pair: tuple[str, str], better: str) -> None:
    """As the docstring of ``demo_actions`` says, for a linear classifier on the recordings of one seed."""
    features: dict[str, list[np.ndarray]] = {"joint": [], better: []}
    labels, train = [], []
    for subject in TRAIN_SUBJECTS + TEST_SUBJECTS:
        for sign, action in zip((-1, 1), pair, strict=True):
            for recording in make(1, subject, 1, NAMES.index(action) + 1).values():
                joint = normal(recording.tracks[0].points).reshape(-1, 25, 3)
                other = joint - joint[:, PARENTS] if better == "bone" else np.diff(joint, axis=0)
                for stream, values in (("joint", joint), (better, other)):
                    # In eight parts by time; for motion without any order: mean and spread over all frames.
                    parts = np.array_split(values, 8) if better == "bone" else [values]
                    seen = [part.mean(axis=0).ravel() for part in parts] + [values.std(axis=0).ravel()]
                    features[stream].append(np.concatenate(seen))
                labels.append(sign)
                train.append(subject in TRAIN_SUBJECTS)
    right = {name: accuracy(np.array(rows), np.array(labels), np.array(train)) for name, rows in features.items()}
    assert right[better] > right["joint"] + 0.05 and right[better] > 0.75, right
