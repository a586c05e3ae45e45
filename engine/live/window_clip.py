"""The clip that a window of a live stream is: what a preparation makes of a recording, made of what was seen."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clips.poses import Poses, Wanted, clip_of
from clips.read import kinetics, ntu, smarthome
from clips.read.anything import LINEAGES
from clips.smarthome import agcn_clip, unik_clip
from clips.streams import Clip
from engine.provenance import as_learned


@dataclass(frozen=True)
class Raw:
    """Recordings whose preparation changes joints or units: what a frame of them holds, and what is made of it.

    Attributes:
        joints: of a body.
        dims: coordinates of a joint.
        clip: from people (T, M, V, D), zero where they are not, and scores (T, M, V) to the clip (C, T, V, M).
    """

    joints: int
    dims: int
    clip: Callable[[NDArray[np.float64], NDArray[np.float64]], Clip]


def _kinetics(people: NDArray[np.float64], scores: NDArray[np.float64]) -> Clip:
    frames, bodies = max(len(people), kinetics.NUM_FRAMES), max(people.shape[1], 2)
    whole = np.zeros((3, frames, people.shape[2], bodies))
    whole[:2, : len(people), :, : people.shape[1]] = people.transpose(3, 0, 2, 1)
    whole[2, : len(people), :, : people.shape[1]] = scores.transpose(0, 2, 1)
    return kinetics.likeliest(whole)


RAW = {
    "st-gcn": Raw(kinetics.NUM_JOINTS, 2, _kinetics),
    "unik": Raw(smarthome.NUM_JOINTS, 2, lambda people, _: unik_clip(people)),
    "agcn-daily-living": Raw(smarthome.NUM_JOINTS, 3, lambda people, _: agcn_clip(people)),
}
"""By lineage. NTU RGB+D's take the sensor's joints, all others joints as they are in their clips."""


def window_clip(poses: Poses, facts: Mapping[str, Any], bodies: int) -> Clip:
    """The window as a clip (C, T, V, M) of the lineage that the network learned from; ``bodies`` is its M.

    Frames before and after everybody are left out where the preparation does not know what to do with them.

    Raises:
        InputError: a number that float32 cannot hold, or no scores where the network knows them.
    """
    lineage, dims = facts.get("lineage"), poses.coordinates.shape[2]
    if lineage in LINEAGES and poses.coordinates.shape[1:] == (ntu.NUM_JOINTS, 3):
        recording = _recording(poses)
        return as_learned(recording, facts, slots=max(4, int(recording.slot.max()) + 1))
    if lineage in RAW:
        return RAW[lineage].clip(*_people(poses))
    own = lineage == "own"
    size = facts.get("image_size") if own else None
    wanted = Wanted(
        bodies=int(facts.get("bodies") or bodies),
        keep_scores=bool(facts.get("scores")) if own else facts.get("channels") == dims + 1,
        image_size=(int(size[0]), int(size[1])) if size else None,
    )
    return clip_of(_trimmed(poses), wanted, (), "the window")


def _recording(poses: Poses) -> ntu.Recording:
    """What NTU RGB+D's sensor would have written down, had it followed people as the window did."""
    assert poses.bodies is not None
    names = tuple(map(str, poses.bodies.tolist()))
    return ntu.Recording(poses.length, poses.frames, poses.bodies, names, poses.coordinates)


def _people(poses: Poses) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(T, M, V, D) and their scores (T, M, V), 1 for what was seen where none are known; zero where nobody is."""
    assert poses.bodies is not None
    shape = (poses.length, int(poses.bodies.max()) + 1, *poses.coordinates.shape[1:])
    people, scores = np.zeros(shape), np.zeros(shape[:3])
    people[poses.frames, poses.bodies] = poses.coordinates
    scores[poses.frames, poses.bodies] = poses.coordinates.any(axis=2) if poses.scores is None else poses.scores
    return people, scores


def _trimmed(poses: Poses) -> Poses:
    """From the first frame that somebody is in to the last."""
    first, last = int(poses.frames.min()), int(poses.frames.max())
    return replace(poses, length=last - first + 1, frames=poses.frames - first)
