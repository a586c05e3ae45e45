"""Numbers to poses: what readers of every form share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clips.poses import Poses
from errors import InputError

_MANY = 8  # people; an array that has more of them than frames has its axes in another order
_COORDINATES = {2: 2, 3: 3, 4: 3}  # of so many numbers for a joint, when nothing is said


def numbers(value: Any) -> NDArray[np.float64]:
    """Nested lists as an array; None is not a number.

    Raises:
        ValueError: rows of several lengths, or something else than numbers.
    """
    try:
        return np.array(value, dtype=np.float64)
    except (TypeError, OverflowError, RecursionError) as error:
        raise ValueError(str(error)) from error


def split_score(
    values: NDArray[np.float64], joints: int, dims: int | None, where: str
) -> tuple[NDArray[np.float64], NDArray[np.float64] | None]:
    """Coordinates and scores of bodies: (P, V, C) -> (P, V, D) and (P, V), or None.

    Raises:
        InputError: another number of joints, or numbers for a joint that are not its coordinates and perhaps a score.
    """
    if values.shape[1] != joints:
        raise InputError(f"{where}: {values.shape[1]} joints, and the skeleton has {joints}")
    count = values.shape[2]
    dims = _COORDINATES.get(count, 0) if dims is None else dims
    if not dims or count not in (dims, dims + 1):
        asked = f"{dims} coordinates and perhaps a score" if dims else "2 or 3 coordinates and perhaps a score"
        raise InputError(f"{where}: {count} numbers for a joint, wanted {asked}")
    return values[..., :dims], values[..., dims] if count > dims else None


def from_grid(values: NDArray[np.float64], joints: int, dims: int | None, where: str) -> Poses:
    """The poses in an array (T, V, C), or (T, M, V, C) where a body keeps its place.

    Raises:
        InputError: another shape, or so many bodies in so few frames that it is pyskl's (M, T, V, C) or (C, T, V, M).
    """
    if values.ndim == 3:
        values = values[:, None]
    if values.ndim != 4 or 0 in values.shape:
        raise InputError(f"{where}: wanted numbers (T, V, C) or (T, M, V, C), got {values.shape}")
    length, bodies = values.shape[:2]
    if bodies > max(length, _MANY):
        raise InputError(f"{where}: wanted (T, M, V, C), got {values.shape}: {bodies} people in {length} frames?")
    coordinates, scores = split_score(values.reshape(length * bodies, *values.shape[2:]), joints, dims, where)
    frames = np.repeat(np.arange(length), bodies)
    return Poses(length, frames, np.tile(np.arange(bodies), length), coordinates, scores)


def from_people(
    frames: Sequence[int],
    ids: Sequence[int] | None,
    values: tuple[NDArray[np.float64], NDArray[np.float64] | None],
    span: tuple[int, int],
    where: str,
) -> Poses:
    """The poses of people found one by one: in frame ``frames[p]``, the one whom ``ids[p]`` says, if anything does.

    ``values`` are coordinates (P, V, D) and scores (P, V); ``span`` is the first and the last frame.

    Raises:
        InputError: somebody is twice in a frame.
    """
    first, last = span
    at = np.array([frame - first for frame in frames], np.int64)
    if ids is None:
        return Poses(last - first + 1, at, None, *values)
    _, bodies = np.unique(np.array(ids, np.int64), return_inverse=True)
    seen: set[tuple[int, int]] = set()
    for frame, body in zip(frames, ids, strict=True):
        if (frame, body) in seen:
            raise InputError(f"{where}: frame {frame} has body {body} twice")
        seen.add((frame, body))
    return Poses(last - first + 1, at, bodies.reshape(-1).astype(np.int64), *values)
