"""From what a pose estimator found to a clip: whom to keep, which joints were seen, pixels to units of the picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clips.streams import Clip
from errors import InputError

MOST_NUMBERS = 2**26  # in a clip, 256 MB; more is a damaged frame number


@dataclass(frozen=True)
class Poses:
    """A recording, one row for each body in each frame.

    Attributes:
        length: T, frames in which nobody is included.
        frames: (P,), from 0.
        bodies: (P,), from 0, one number for one person throughout; None where nobody was tracked.
        coordinates: (P, V, D), D = 2 or 3.
        scores: (P, V), where there are any; at 0 a joint was not seen.
    """

    length: int
    frames: NDArray[np.int64]
    bodies: NDArray[np.int64] | None
    coordinates: NDArray[np.float64]
    scores: NDArray[np.float64] | None

    def people(self) -> int:
        """How many there are: in the whole recording, or, untracked, in its fullest frame."""
        there = self.coordinates.any(axis=(1, 2))
        if self.bodies is None:
            return int(np.unique(self.frames[there], return_counts=True)[1].max(initial=0))
        return len(np.unique(self.bodies[there]))


@dataclass(frozen=True)
class Wanted:
    """What clips are made of poses.

    Attributes:
        bodies: M.
        keep_scores: whether the score is the third channel of 2-D poses.
        image_size: width and height of the picture, which then spans -1 to 1 along its longer side.
        nan_as_missing: whether a joint that is not a number counts as unseen.
    """

    bodies: int = 1
    keep_scores: bool = False
    image_size: tuple[int, int] | None = None
    nan_as_missing: bool = False


def clip_of(poses: Poses, wanted: Wanted, joints: Sequence[str], where: str) -> Clip:
    """The clip (C, T, V, M) of a recording; joints that were not seen are zero, as in Kinetics-Skeleton.

    Where there are more people than ``wanted.bodies``, those that move most are kept, in their order. Untracked people
    are put in the order of their scores in every frame, as in Kinetics-Skeleton, and the first are kept. ``joints`` are
    names for errors.

    Raises:
        InputError: a number that is none, no scores where they are to be kept, nobody there, or far too many frames.
    """
    poses = _checked(poses, wanted.nan_as_missing, joints, where)
    if wanted.keep_scores and poses.scores is None:
        raise InputError(f"{where}: there are no scores to keep")
    if not poses.coordinates.any():
        raise InputError(f"{where}: nobody is in it")
    rows, slots = _kept(poses, wanted.bodies)
    values = poses.coordinates[rows]
    if wanted.image_size is not None:
        size = np.array(wanted.image_size, np.float64)
        seen = values.any(axis=2, keepdims=True)
        values = np.where(seen, (values[..., :2] - size / 2) / (size.max() / 2), 0.0)
    if wanted.keep_scores and poses.scores is not None:
        values = np.concatenate([values, poses.scores[rows][..., None]], axis=2)
    shape = (values.shape[2], poses.length, values.shape[1], wanted.bodies)
    if np.prod(shape, dtype=np.float64) > MOST_NUMBERS:
        raise InputError(f"{where}: {poses.length} frames; this many are a damaged frame number")
    clip = np.zeros(shape, np.float32)
    with np.errstate(over="ignore"):
        clip[:, poses.frames[rows], :, slots] = values.transpose(0, 2, 1).astype(np.float32)
    if not np.isfinite(clip).all():
        raise InputError(f"{where}: a number is too large for float32")
    return clip


def _checked(poses: Poses, nan_as_missing: bool, joints: Sequence[str], where: str) -> Poses:
    """All numbers finite, and joints that were not seen zero."""
    unseen = np.zeros(poses.coordinates.shape[:2], bool)
    parts = [("coordinate", poses.coordinates)] + ([] if poses.scores is None else [("score", poses.scores[..., None])])
    for what, values in parts:
        bad = ~np.isfinite(values)
        if not bad.any():
            continue
        if np.isinf(values).any() or not nan_as_missing:
            row, joint, axis = np.argwhere(np.isinf(values) if np.isinf(values).any() else bad)[0].tolist()
            hint = "" if np.isinf(values).any() else "; --nan-as-missing takes such a joint as not seen"
            name = repr(joints[joint]) if joints else str(joint)
            raise InputError(
                f"{where}: frame {poses.frames[row]}, joint {name}: a {what} is {values[row, joint, axis]}{hint}"
            )
        unseen |= bad.any(axis=2)
    scores = poses.scores
    if scores is not None:
        unseen |= scores == 0
        scores = np.where(unseen, 0.0, scores)
    if not unseen.any():
        return poses
    coordinates = np.where(unseen[..., None], 0.0, poses.coordinates)
    return Poses(poses.length, poses.frames, poses.bodies, coordinates, scores)


def _kept(poses: Poses, bodies: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The rows that are kept, and the body of the clip that each becomes."""
    if poses.bodies is None:
        slots = _ranks(poses)
    else:
        slots = poses.bodies
        count = int(slots.max(initial=-1)) + 1
        if count > bodies:
            moved = np.array([_motion(poses.coordinates[slots == body]) for body in range(count)])
            best = np.sort(np.argsort(-moved, kind="stable")[:bodies])
            place = np.full(count, bodies)
            place[best] = np.arange(bodies)
            slots = place[slots]
    rows = np.flatnonzero(slots < bodies)
    return rows, slots[rows]


def _ranks(poses: Poses) -> NDArray[np.int64]:
    """The place of every row in its frame, the highest score first: (P,)."""
    total = np.zeros(len(poses.frames)) if poses.scores is None else poses.scores.sum(axis=1)
    order = np.lexsort((-total, poses.frames))  # stable: of equal scores the first comes first
    starts = np.searchsorted(poses.frames[order], poses.frames[order])
    ranks = np.empty(len(order), np.int64)
    ranks[order] = np.arange(len(order)) - starts
    return ranks


def _motion(coordinates: NDArray[np.float64]) -> float:
    """How much a body moves: of every joint the standard deviations while it is seen, added up; (L, V, D)."""
    seen: NDArray[np.bool_] = (coordinates != 0).any(axis=2, keepdims=True)
    if not seen.any():
        return -1.0
    times = np.maximum(seen.sum(axis=0), 1)
    away = np.where(seen, coordinates - coordinates.sum(axis=0) / times, 0.0)
    return float(np.sqrt((away**2).sum(axis=0) / times).sum())
