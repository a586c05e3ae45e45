"""Kinetics-Skeleton: OpenPose's people in a JSON file per clip, as st-gcn published them."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clips.labels import class_number
from clips.read.json_file import read_json
from clips.streams import Clip
from errors import InputError

NUM_FRAMES, NUM_JOINTS = 300, 18
_PEOPLE_READ, _PEOPLE_KEPT = 5, 2


def read_kinetics(path: str | os.PathLike[str]) -> tuple[Clip, int]:
    """The clip (C=3, T=300, V=18, M=2) in a file, and its label.

    Channels are x and y from the middle of the image, y up, and the score; where that is 0, x and y are too. In every
    frame the two people with the highest scores, of the first five, come first; nobody is tracked.

    Raises:
        InputError: no such file, or not of this form; the frame is named.
    """
    content = read_json(path)
    try:
        frames, label = content["data"], class_number(int(content["label_index"]), str(path))
        people = np.zeros((3, NUM_FRAMES, NUM_JOINTS, _PEOPLE_READ))
        for frame in frames:
            _fill(people, frame, f"{path}, frame {frame.get('frame_index')!r}")
    except (AttributeError, KeyError, TypeError, ValueError, OverflowError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(
            f"{path}: wanted data (frames with frame_index and skeleton) and label_index: {error!r}"
        ) from error
    return likeliest(people), label


def likeliest(people: NDArray[np.float64]) -> Clip:
    """Of the people of every frame, x, y from 0 to 1 and score, the two with the highest scores, centred, y up.

    Shapes: (C=3, T, V, M) -> (C, T, V, 2), M at least 2.
    """
    x, y, score = people
    placed = np.where(score == 0, 0, np.stack([x - 0.5, (y - 0.5) * -1]))
    order = np.argsort(-score.sum(axis=1), axis=1, kind="stable")[:, :_PEOPLE_KEPT]
    clip: Clip = np.take_along_axis(np.stack([*placed, score]), order[None, :, None, :], axis=3).astype(np.float32)
    return clip


def _fill(people: NDArray[np.float64], frame: Any, where: str) -> None:
    index = frame["frame_index"]
    if not isinstance(index, int) or not 0 <= index < NUM_FRAMES:
        raise InputError(f"{where}: wanted an index from 0 to {NUM_FRAMES - 1}")
    for body, person in enumerate(frame["skeleton"][:_PEOPLE_READ]):
        pose, score = np.array(person["pose"], np.float64), np.array(person["score"], np.float64)
        if pose.shape != (2 * NUM_JOINTS,) or score.shape != (NUM_JOINTS,):
            raise InputError(
                f"{where}: wanted {2 * NUM_JOINTS} numbers of pose and {NUM_JOINTS} of score, "
                f"got {pose.size} and {score.size}"
            )
        if not (np.isfinite(pose).all() and np.isfinite(score).all()):
            raise InputError(f"{where}: a coordinate or score is not finite")
        people[:, index, :, body] = pose[0::2], pose[1::2], score
