"""NTU RGB+D recordings: the ``.skeleton`` text files of a Kinect v2."""

from __future__ import annotations

import os
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray

from errors import InputError

NUM_JOINTS = 25
_LINES_OF_BODY = 2 + NUM_JOINTS  # its id and state, the number of joints, the joints
_FIELDS_OF_JOINT = 12  # x y z, depth x y, colour x y, orientation w x y z, tracking state


@dataclass(frozen=True)
class Recording:
    """The bodies of a recording, one row for every body in every frame, in the order of the file.

    Attributes:
        num_frames: T, frames without a body among them.
        frame: (K,), the frame of each row.
        slot: (K,), its place among the bodies of its frame; the sensor may put one person into several.
        body_id: K texts, the number that the sensor gave the body (17 digits: no float holds them).
        xyz: (K, V, 3) metres from the sensor: x to its left, y up, z away from it.
    """

    num_frames: int
    frame: NDArray[np.intp]
    slot: NDArray[np.intp]
    body_id: tuple[str, ...]
    xyz: NDArray[np.float64]


def read_ntu(path: str | os.PathLike[str], *, max_frames: int | None = None) -> Recording:
    """The recording in a ``.skeleton`` file. Lines after the announced frames are not looked at.

    Raises:
        InputError: no such file, damaged (file and line are named), no body in any frame, or more than
            ``max_frames`` frames.
    """
    path = Path(path)
    try:
        text = path.read_bytes()
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file") from error
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from error
    return _Reader(path, text.split(b"\n")).read(max_frames) if text.strip() else _refuse_empty(path)


def _refuse_empty(path: Path) -> NoReturn:
    raise InputError(f"{path}: the file is empty")


class _Reader:
    """A walk along the lines of one file; the numbers are converted at the end, all at once."""

    def __init__(self, path: Path, lines: list[bytes]) -> None:
        self.path, self.lines = path, lines

    def read(self, max_frames: int | None) -> Recording:
        num_frames = self.count(0, "number of frames")
        if max_frames is not None and num_frames > max_frames:
            raise InputError(f"{self.path}: {num_frames} frames, more than {max_frames}")
        frames: list[int] = []
        slots: list[int] = []
        starts: list[int] = []  # line of each body's first joint
        at = 1
        for frame in range(num_frames):
            num_bodies = self.count(at, f"number of bodies of frame {frame + 1} of {num_frames}")
            at += 1
            for slot in range(num_bodies):
                num_joints = self.count(at + 1, f"number of joints in frame {frame + 1} of {num_frames}")
                if num_joints != NUM_JOINTS:
                    self.refuse(at + 1, f"frame {frame + 1} has a body of {num_joints} joints, wanted {NUM_JOINTS}")
                frames.append(frame)
                slots.append(slot)
                starts.append(at + 2)
                at += _LINES_OF_BODY
        if not starts:
            raise InputError(f"{self.path}: no body in any of {num_frames} frames")
        return Recording(
            num_frames,
            np.array(frames),
            np.array(slots),
            tuple(self.lines[start - 2].split(None, 1)[0].decode("ascii", "replace") for start in starts),
            self.coordinates(starts),
        )

    def coordinates(self, starts: list[int]) -> NDArray[np.float64]:
        """x, y and z of all joints, (K, V, 3), correctly rounded."""
        lines = self.lines
        last = starts[-1] + NUM_JOINTS - 1
        if last >= len(lines) or len(lines[last].split()) != _FIELDS_OF_JOINT:
            self.refuse(min(last, len(lines) - 1), "the file ends within a body, or its last joint is not whole")
        joints = [line for start in starts for line in islice(lines, start, start + NUM_JOINTS)]
        try:
            cells = [cell for line in joints for cell in line.split(None, 3)[:3]]
            flat = np.fromiter(map(float, cells), np.float64, len(joints) * 3)
            intact = len(cells) == len(flat) and bool(np.isfinite(flat).all())
        except ValueError:
            intact = False
        if not intact:
            self.refuse_joint(starts)
        return flat.reshape(-1, NUM_JOINTS, 3)

    def count(self, at: int, what: str) -> int:
        """The whole number on line ``at`` (counted from 0)."""
        if at >= len(self.lines) or (not self.lines[at].strip() and at == len(self.lines) - 1):
            self.refuse(len(self.lines) - 1, f"the file ends before the {what}")
        try:
            number = int(self.lines[at])
        except ValueError:
            number = -1
        if number < 0:
            self.refuse(at, f"wanted the {what}, got {_shown(self.lines[at])}")
        return number

    def refuse_joint(self, starts: list[int]) -> NoReturn:
        """Find the joint that is not three finite numbers, and name its line."""
        for start in starts:
            for at in range(start, start + NUM_JOINTS):
                try:
                    xyz = [float(cell) for cell in self.lines[at].split(None, 3)[:3]]
                except ValueError:
                    xyz = []
                if len(xyz) != 3 or not np.isfinite(xyz).all():
                    self.refuse(at, f"wanted the x, y and z of a joint, got {_shown(self.lines[at])}")
        raise AssertionError(f"{self.path}: every joint is intact")

    def refuse(self, at: int, problem: str) -> NoReturn:
        raise InputError(f"{self.path}, line {at + 1}: {problem}")


def _shown(line: bytes) -> str:
    return repr(line[:60].decode("ascii", "replace").strip())
