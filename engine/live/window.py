"""The last frames of a live stream, in order, and who is in them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clips.poses import Poses
from engine.live.frames import Frame
from engine.live.track import Pose, Tracker, seen

GAP = 15  # missing frames that are filled by the pose before them; after more the window begins anew


@dataclass
class Row:
    """One frame of the window: the bodies in it by number, or those held from the frame before."""

    number: int
    held: bool
    bodies: dict[int, tuple[Pose, NDArray[np.float64] | None, Any]]


class Window:
    """The last ``size`` frames. Frames may be missing, late, out of order or repeated; all is counted in ``counts``.

    A frame that is missing is the one before it until it comes; more than ``GAP`` of them, and the window begins anew.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self.rows: list[Row] = []
        self.tracker = Tracker()
        self.counts: Counter[str] = Counter()

    def add(self, frame: Frame) -> int:
        """Take a frame in; how many frames the window moved on, 0 for one that is late or repeated."""
        last = self.rows[-1].number if self.rows else None
        number = frame.number if frame.number is not None else 0 if last is None else last + 1
        if last is not None and number <= last:
            self._late(number, frame)
            return 0
        missing = 0 if last is None else number - last - 1
        if missing > GAP:
            self.counts["cuts"] += 1
            self.rows, missing = [], 0
        before = self.rows[-1] if self.rows else None
        self.rows += [Row(number - back, True, dict(before.bodies)) for back in range(missing, 0, -1) if before]
        self.counts["missing"] += missing
        numbers = self.tracker.follow(number, frame.poses, frame.ids)
        self.rows.append(Row(number, False, _bodies(numbers, frame)))
        del self.rows[: -self.size]
        self.counts["frames"] += 1
        return missing + 1

    def _late(self, number: int, frame: Frame) -> None:
        """A frame for a place that others have passed: it takes the place of what was held there."""
        row = self.rows[number - self.rows[-1].number - 1] if number >= self.rows[0].number else None
        if row is None:
            self.counts["too late"] += 1
        elif not row.held:
            self.counts["repeated"] += 1
        else:
            known = [(pose, given) for pose, _, given in row.bodies.values()]
            found = self.tracker.place(known, frame.poses, frame.ids)
            numbers = [None if place is None else list(row.bodies)[place] for place in found]
            row.held, row.bodies = False, _bodies(numbers, frame)
            self.counts["late"] += 1

    def seen(self) -> int:
        """In how many frames somebody was seen."""
        return sum(bool(row.bodies) and not row.held for row in self.rows)

    def poses(self) -> Poses | None:
        """All its frames, everybody by a number from 0; None if nobody is in them."""
        slots = {body: slot for slot, body in enumerate(sorted({body for row in self.rows for body in row.bodies}))}
        every = [(place, slots[body], *row.bodies[body]) for place, row in enumerate(self.rows) for body in row.bodies]
        if not every:
            return None
        known = any(score is not None for _, _, _, score, _ in every)
        return Poses(
            len(self.rows),
            np.array([place for place, *_ in every], np.int64),
            np.array([slot for _, slot, *_ in every], np.int64),
            np.stack([pose for _, _, pose, _, _ in every]),
            np.stack([seen(pose) * 1.0 if score is None else score for _, _, pose, score, _ in every])
            if known
            else None,
        )


def _bodies(
    numbers: list[int] | list[int | None], frame: Frame
) -> dict[int, tuple[Pose, NDArray[np.float64] | None, Any]]:
    every = zip(numbers, frame.poses, frame.scores, frame.ids, strict=True)
    return {number: (pose, score, given) for number, pose, score, given in every if number is not None}
