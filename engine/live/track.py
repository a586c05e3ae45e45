"""Who is who from frame to frame: bodies assigned to those of the frames before by where their joints are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from errors import InputError

Pose = NDArray[np.float64]
"""Coordinates (V, D) of one body; a joint that was not seen is zero."""

_FAR = 1.0  # sizes of a body that it may move from one frame to the next
_TRUST = 0.1  # sizes of a body that an id of the tracker before this one is worth
_NEVER = 1e6


@dataclass
class Body:
    """A body that is followed: its ``number`` from 0, its last pose, the frame of it, and the id that it came with."""

    number: int
    pose: Pose
    frame: int
    given: Any


class Tracker:
    """Numbers for bodies. One that is gone for more than ``patience`` frames comes back as another.

    Raises:
        InputError: SciPy is missing.
    """

    def __init__(self, patience: int = 30) -> None:
        try:
            from scipy.optimize import linear_sum_assignment
        except ImportError as error:
            raise InputError(
                "following bodies needs scipy, which is not installed: pip install 'skeleton-action[stream]'"
            ) from error
        self._assign = linear_sum_assignment
        self.patience = patience
        self.bodies: list[Body] = []
        self._next = 0

    def follow(self, frame: int, poses: Sequence[Pose], ids: Sequence[Any]) -> list[int]:
        """The numbers of the bodies of a frame after all those before it; ``ids`` are None where there are none."""
        self.bodies = [body for body in self.bodies if frame - body.frame <= self.patience]
        found = self.place([(body.pose, body.given) for body in self.bodies], poses, ids)
        numbers = []
        for pose, given, place in zip(poses, ids, found, strict=True):
            if place is None:
                self.bodies.append(Body(self._next, pose, frame, given))
                numbers.append(self._next)
                self._next += 1
            else:
                body = self.bodies[place]
                body.pose, body.frame, body.given = np.where(seen(pose)[:, None], pose, body.pose), frame, given
                numbers.append(body.number)
        return numbers

    def place(self, known: Sequence[tuple[Pose, Any]], poses: Sequence[Pose], ids: Sequence[Any]) -> list[int | None]:
        """Which of the ``known`` bodies (pose, id) each pose is, None for a new one: the least way in all.

        Where the ids contradict the places by more than a little, the places are believed.
        """
        found: list[int | None] = [None] * len(poses)
        if not known or not poses:
            return found
        cost = _costs(np.stack([pose for pose, _ in known]), np.stack(poses))
        for row, (_, before) in enumerate(known):
            for column, given in enumerate(ids):
                if given is not None and given == before:
                    cost[row, column] = min(cost[row, column], _FAR) - _TRUST
        cost[cost > _FAR] = _NEVER
        for row, column in zip(*self._assign(cost), strict=True):
            if cost[row, column] <= _FAR:
                found[column] = int(row)
        return found


def seen(pose: Pose) -> NDArray[np.bool_]:
    """Which joints are there: (V, D) -> (V,)."""
    return np.asarray(pose.any(axis=1))


def _costs(before: NDArray[np.float64], now: NDArray[np.float64]) -> NDArray[np.float64]:
    """The mean way of the joints seen in both, in sizes of the body (the diagonal of what it covers).

    Shapes: (K, V, D), (P, V, D) -> (K, P).
    """
    there = np.asarray(before.any(axis=2))
    both = there[:, None] & np.asarray(now.any(axis=2))  # (K, P, V)
    way = np.linalg.norm(before[:, None] - now, axis=3)
    top = np.where(there[:, :, None], before, -np.inf).max(axis=1)
    low = np.where(there[:, :, None], before, np.inf).min(axis=1)
    size = np.maximum(np.linalg.norm(top - low, axis=1), 1e-9)  # (K,)
    mean = (way * both).sum(axis=2) / np.maximum(both.sum(axis=2), 1) / size[:, None]
    return np.asarray(np.where(np.asarray(both.any(axis=2)), mean, _NEVER))
