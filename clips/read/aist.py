"""AIST++: a pickle of body poses or of joint positions for every dance, 60 frames a second."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clips.read.pickles import read_pickle
from errors import InputError, in_a_line

Poses = NDArray[np.float32]  # (T, V, 3)

NUM_SMPL_JOINTS, NUM_COCO_JOINTS = 24, 17


def read_smpl_poses(path: str | os.PathLike[str]) -> Poses:
    """``smpl_poses`` of ``motions/<sequence>.pkl``: 24 rotations as axis times angle, in radians.

    Shapes: -> (T, 24, 3).

    Raises:
        InputError: no such file, damaged, or without ``smpl_poses`` (T, 72) or (T, 24, 3).
    """
    return _poses(path, ("smpl_poses",), NUM_SMPL_JOINTS)


def read_keypoints3d(path: str | os.PathLike[str]) -> Poses:
    """The optimised positions of ``keypoints3d/<sequence>.pkl``, the plain ones where there are no others.

    COCO's joints, in centimetres. Shapes: -> (T, 17, 3).

    Raises:
        InputError: no such file, damaged, or without ``keypoints3d_optim`` or ``keypoints3d`` (T, 17, 3).
    """
    return _poses(path, ("keypoints3d_optim", "keypoints3d"), NUM_COCO_JOINTS)


def read_smpl_positions(path: str | os.PathLike[str]) -> Poses:
    """Positions of SMPL's joints that its user computed, a ``.npy`` of the first 24 joints or more. -> (T, 24, 3).

    Raises:
        InputError: no such file, damaged, or not real numbers (T, 24 or more, 3).
    """
    try:
        values = np.lib.format.open_memmap(path, mode="r")
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file") from error
    except Exception as error:  # damaged bytes can make NumPy raise nearly anything
        raise InputError(f"{path}: not a readable .npy array: {in_a_line(error)}") from error
    if values.dtype.kind != "f" or values.ndim != 3 or values.shape[1] < NUM_SMPL_JOINTS or values.shape[2] != 3:
        raise InputError(f"{path}: wanted positions (T, 24 joints or more, 3), got {values.dtype} {values.shape}")
    return _float32(values[:, :NUM_SMPL_JOINTS])


def finite_frames(poses: Poses) -> Poses:
    """Without the frames in which a number is missing: (T, V, 3) -> (T', V, 3)."""
    return poses[np.isfinite(poses).all(axis=(1, 2))]


def _poses(path: str | os.PathLike[str], keys: tuple[str, ...], joints: int) -> Poses:
    content = read_pickle(path)
    if not isinstance(content, dict):
        raise InputError(f"{path}: wanted a dictionary with {' or '.join(keys)}, got {type(content).__name__}")
    key = next((key for key in keys if key in content), None)
    if key is None:
        raise InputError(f"{path}: there is no {' or '.join(keys)}")
    values: Any = content[key]
    if not isinstance(values, np.ndarray) or values.dtype.kind not in "fiu":
        raise InputError(f"{path}: {key} must be an array of numbers")
    if values.shape[1:] not in ((joints, 3), (joints * 3,)):
        raise InputError(f"{path}: wanted {key} (T, {joints}, 3) or (T, {joints * 3}), got {values.shape}")
    return _float32(values.reshape(-1, joints, 3))


def _float32(values: NDArray[Any]) -> Poses:
    with np.errstate(over="ignore", invalid="ignore"):  # too large becomes infinite, and such frames are dropped
        return np.array(values, dtype=np.float32)
