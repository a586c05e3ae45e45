"""Joints that are null in files of JSON: NaN, and so not seen where NaN counts as that."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from clips.poses import Wanted, clip_of
from clips.read.poses import read_poses
from graph.layout import SkeletonLayout

CHAIN = SkeletonLayout("chain", 5, ((1, 0), (2, 1), (3, 2), (4, 3)), joints=tuple(f"joint {v}" for v in range(5)))


def _lists(joints: list[Any]) -> Any:
    return [joints]


def _bodies(joints: list[Any]) -> Any:
    return [[joints, None]]


def _landmarks(joints: list[Any]) -> Any:
    return [[None if joint is None else dict(zip(("x", "y", "visibility"), joint, strict=True)) for joint in joints]]


def _mmpose(joints: list[Any]) -> Any:
    one = {
        "keypoints": [joint and joint[:2] for joint in joints],
        "keypoint_scores": [joint and joint[2] for joint in joints],
    }
    return [{"frame_id": 0, "instances": [one]}]


@pytest.mark.parametrize("form", [_lists, _bodies, _landmarks, _mmpose])
@pytest.mark.parametrize("unseen", [(0,), (3, 4), (0, 1, 2, 3)])
def test_a_joint_that_is_null_was_not_seen(form: Any, unseen: tuple[int, ...], tmp_path: Path) -> None:
    joints: list[Any] = [[1.0 + joint, 2.0, 0.9] for joint in range(5)]
    for joint in unseen:
        joints[joint] = None
    (tmp_path / "a.json").write_text(json.dumps(form(joints)))
    poses = read_poses(tmp_path / "a.json", CHAIN, 2)
    assert poses.coordinates.shape == (1, 5, 2)
    assert np.isnan(poses.coordinates[0]).all(axis=1).tolist() == [joint in unseen for joint in range(5)]
    clip = clip_of(poses, Wanted(nan_as_missing=True, keep_scores=True), CHAIN.joints, "a")
    for joint in range(5):
        wanted = [0, 0, 0] if joint in unseen else [1 + joint, 2, 0.9]
        np.testing.assert_allclose(clip[:, 0, joint, 0], wanted)


def test_a_body_of_which_no_joint_was_seen(tmp_path: Path) -> None:
    there = [[float(joint), 2.0] for joint in range(5)]
    for gone in ([None] * 5, [[None] * 2] * 5):
        for frames in ([[there], [gone], [there]], [[there, gone], [gone], [there, there]]):
            (tmp_path / "a.json").write_text(json.dumps(frames))
            poses = read_poses(tmp_path / "a.json", CHAIN)
            clip = clip_of(poses, Wanted(nan_as_missing=True), CHAIN.joints, "a")
            assert clip.shape == (2, 3, 5, 1)
            assert clip.any(axis=(0, 2, 3)).tolist() == [True, False, True]
