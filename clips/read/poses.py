"""Recordings of one's own: files of poses, one for each recording, in the forms that pose estimators leave them in.

==========================  ============================================================================
``name/`` (a folder)        OpenPose: ``*.json``, one file for each frame, numbered
``name.csv``                a row for each frame and body, columns by joint name (``clips.read.pose_csv``)
``name.json``               AlphaPose, MMPose, MediaPipe or nested lists (``clips.read.pose_json``)
``name.npy``                numbers (T, V, C) or (T, M, V, C)
==========================  ============================================================================
"""

from __future__ import annotations

import unicodedata
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from clips.poses import MOST_NUMBERS, Poses
from clips.read.pose_csv import read_pose_csv
from clips.read.pose_json import read_openpose, read_pose_json
from clips.read.pose_rows import from_grid
from errors import InputError, in_a_line
from graph.layout import SkeletonLayout

SUFFIXES = (".csv", ".json", ".npy")
_MAGIC = b"\x93NUMPY"


def find_recordings(folder: Path, others: frozenset[Path] = frozenset()) -> dict[str, Path]:
    """The recordings in a folder by name, in the order of their names; ``others`` are files that are none.

    Raises:
        InputError: no such folder, nothing in it, or two recordings of one name.
    """
    try:
        entries = sorted(folder.iterdir())
    except OSError as error:
        raise InputError(f"{folder}: {error.strerror}") from error
    found: dict[str, Path] = {}
    for path in entries:
        is_folder = path.is_dir()
        if path.name.startswith(".") or path.resolve() in others or not (is_folder or path.suffix.lower() in SUFFIXES):
            continue
        name = recording_name(path)
        if name in found:
            raise InputError(f"{folder}: {found[name].name} and {path.name} are two recordings of one name")
        found[name] = path
    if not found:
        raise InputError(f"{folder}: there are no recordings: folders of OpenPose's files, .csv, .json or .npy")
    return found


def recording_name(path: Path) -> str:
    """The name of a recording: of its file without the ending, or of its folder.

    Names are composed (NFC), as people type them; macOS's disks take letters and accents apart.
    """
    return unicodedata.normalize("NFC", path.name if path.is_dir() else path.stem)


def read_poses(path: Path, layout: SkeletonLayout, dims: int | None = None) -> Poses:
    """The poses of a recording, whatever its form.

    Args:
        path: the recording.
        layout: the skeleton whose joints it has.
        dims: how many coordinates of a joint to read, 2 or 3; a number after them is the score. None: all that there
            are, of which a fourth is the score.

    Raises:
        InputError: it cannot be read, or not as poses of this skeleton; the frame or column is named.
    """
    if path.is_dir():
        return read_openpose(path, layout.num_joints, dims)
    suffix = path.suffix.lower()
    if suffix == ".csv":
        return read_pose_csv(path, layout.joints, dims)
    if suffix == ".json":
        return read_pose_json(path, layout.num_joints, dims)
    return from_grid(_read_npy(path), layout.num_joints, dims, str(path))


def _read_npy(path: Path) -> NDArray[np.float64]:
    """The numbers in a ``.npy`` file; a damaged size asks for no memory."""
    try:
        with open(path, "rb") as file:
            if file.read(len(_MAGIC)) != _MAGIC:  # np.load would open other kinds of files too
                raise ValueError("it does not begin as one")
        array = np.load(path, mmap_mode="r" if path.stat().st_size > 128 else None, allow_pickle=False)
        if array.dtype.kind not in "fiu" or array.size > MOST_NUMBERS:
            raise ValueError(f"{array.dtype} {array.shape}")
        with np.errstate(invalid="ignore"):  # signalling NaNs; they are found later
            return np.array(array, np.float64)
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file") from error
    except Exception as error:  # damaged bytes can make NumPy raise nearly anything
        raise InputError(f"{path}: not a readable .npy array of numbers: {in_a_line(error)}") from error
