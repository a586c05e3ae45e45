from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from clips.read.aist import finite_frames, read_keypoints3d, read_smpl_poses, read_smpl_positions
from errors import InputError


def write(path: Path, content: Any) -> Path:
    path.write_bytes(pickle.dumps(content))
    return path


@pytest.mark.parametrize("shape", [(5, 72), (5, 24, 3)])
def test_rotations_in_either_shape(shape: tuple[int, ...], tmp_path: Path) -> None:
    made = np.random.default_rng(0).normal(size=shape)
    found = read_smpl_poses(write(tmp_path / "a.pkl", {"smpl_poses": made}))
    assert (found.dtype, found.shape) == (np.float32, (5, 24, 3))
    assert np.array_equal(found, made.reshape(5, 24, 3).astype(np.float32))


def test_optimised_positions_go_before_plain_ones(tmp_path: Path) -> None:
    plain, better = np.zeros((2, 17, 3)), np.ones((2, 17, 3))
    both = write(tmp_path / "a.pkl", {"keypoints3d": plain, "keypoints3d_optim": better})
    assert np.array_equal(read_keypoints3d(both), better)
    assert np.array_equal(read_keypoints3d(write(tmp_path / "b.pkl", {"keypoints3d": plain})), plain)


def test_the_first_24_of_smpls_joints(tmp_path: Path) -> None:
    made = np.random.default_rng(0).normal(size=(4, 45, 3))
    np.save(tmp_path / "a.npy", made)
    assert np.array_equal(read_smpl_positions(tmp_path / "a.npy"), made[:, :24].astype(np.float32))


def test_frames_that_lack_a_number_go() -> None:
    poses = np.ones((4, 24, 3), np.float32)
    poses[1, 2, 0], poses[3, 5, 2] = np.nan, np.inf
    assert len(finite_frames(poses)) == 2


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([1], "wanted a dictionary with smpl_poses, got list"),
        ({"poses": 1}, "there is no smpl_poses"),
        ({"smpl_poses": [[1.0]]}, "smpl_poses must be an array of numbers"),
        ({"smpl_poses": np.array(["a"])}, "smpl_poses must be an array of numbers"),
        ({"smpl_poses": np.zeros((2, 71))}, "wanted smpl_poses (T, 24, 3) or (T, 72), got (2, 71)"),
        ({"smpl_poses": np.float64(1)}, "smpl_poses must be an array of numbers"),
    ],
)
def test_another_form_is_one_sentence(content: Any, message: str, tmp_path: Path) -> None:
    path = write(tmp_path / "a.pkl", content)
    with pytest.raises(InputError) as refused:
        read_smpl_poses(path)
    assert str(refused.value).startswith(f"{path}: ")
    assert message in str(refused.value)


@pytest.mark.parametrize("array", [np.zeros((3, 23, 3)), np.zeros((3, 24)), np.zeros((3, 24, 3), np.int64)])
def test_positions_of_another_form(array: np.ndarray, tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", array)
    with pytest.raises(InputError, match=r"wanted positions \(T, 24 joints or more, 3\)"):
        read_smpl_positions(tmp_path / "a.npy")
    with pytest.raises(InputError, match="no such file"):
        read_smpl_positions(tmp_path / "b.npy")


def test_too_large_for_float32_is_not_finite(tmp_path: Path) -> None:
    made = np.ones((2, 24, 3))
    made[0, 0, 0] = 1e300
    assert len(finite_frames(read_smpl_poses(write(tmp_path / "a.pkl", {"smpl_poses": made})))) == 1
