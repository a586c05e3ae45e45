"""Toyota Smarthome's raw recordings: LCR-Net's people in a JSON file per clip, in the picture and in space."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clips.read.json_file import read_json
from errors import InputError

People = NDArray[np.float64]  # (T, M, V=13, 2 or 3), zero where a frame has fewer people

NUM_JOINTS = 13
MOST_PEOPLE = 4  # of a frame, in the file's order; more are not looked at
_SIZES = {"pose2d": 2, "pose3d": 3}


def read_smarthome(path: str | os.PathLike[str], pose: str) -> People:
    """The people of every frame: ``pose2d`` in pixels of 640 x 480, y down, or ``pose3d`` as it is.

    Joints are ankles, knees, hips, wrists, elbows and shoulders, the right one first, and the head. A file lists all x,
    then all y, then all z.

    Raises:
        InputError: no such file, or not of this form; the frame is named.
    """
    content = read_json(path)
    if not isinstance(content, dict) or not isinstance(content.get("frames"), list) or not content["frames"]:
        raise InputError(f"{path}: wanted a dictionary with frames, a list of people for each")
    if content.get("njts", NUM_JOINTS) != NUM_JOINTS:
        raise InputError(f"{path}: its people have {content['njts']!r} joints, wanted {NUM_JOINTS}")
    frames = content["frames"]
    people = np.zeros((len(frames), MOST_PEOPLE, NUM_JOINTS, _SIZES[pose]))
    for number, frame in enumerate(frames):
        if not isinstance(frame, list):
            raise InputError(f"{path}, frame {number}: wanted a list of people, got {type(frame).__name__}")
        for slot, person in enumerate(frame[:MOST_PEOPLE]):
            people[number, slot] = _joints(person, pose, f"{path}, frame {number}, person {slot}")
    return people


def _joints(person: Any, pose: str, where: str) -> NDArray[np.float64]:
    """Shapes: -> (V, 2 or 3)."""
    try:
        values = np.array(person[pose], np.float64)
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise InputError(f"{where}: wanted {pose}, a list of numbers: {error!r}") from error
    if values.shape != (_SIZES[pose] * NUM_JOINTS,):
        raise InputError(f"{where}: wanted {_SIZES[pose] * NUM_JOINTS} numbers of {pose}, got {values.size}")
    if not np.isfinite(values).all():
        raise InputError(f"{where}: a coordinate is not finite")
    joints: NDArray[np.float64] = values.reshape(_SIZES[pose], NUM_JOINTS).T
    return joints
