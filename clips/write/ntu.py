"""NTU RGB+D recordings as ``.skeleton`` text, as a Kinect v2 would have written them."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from clips.read.ntu import NUM_JOINTS, Recording

_JOINT = "%.7g " * 11 + "2\n"  # seven significant digits and "tracked", as in the real files
_BODY = "%s 0 1 1 0 0 0 0 0 2\n%d\n" + _JOINT * NUM_JOINTS


def ntu_text(recording: Recording) -> str:
    """The text of a recording; reading it gives the recording back, its coordinates to seven digits."""
    joints = _joint_fields(recording.xyz).reshape(len(recording.xyz), -1)
    per_frame = np.bincount(recording.frame, minlength=recording.num_frames)
    lines = [f"{recording.num_frames}\n"]
    row = 0
    for count in per_frame:
        lines.append(f"{count}\n")
        for _ in range(count):
            lines.append(_BODY % (recording.body_id[row], NUM_JOINTS, *joints[row]))
            row += 1
    return "".join(lines)


def write_ntu(path: str | os.PathLike[str], recording: Recording) -> None:
    """Write a ``.skeleton`` file."""
    Path(path).write_text(ntu_text(recording), encoding="ascii")


def _joint_fields(xyz: NDArray[np.float64]) -> NDArray[np.float64]:
    """Position, pixel in the depth and in the colour image, and some orientation: (K, V, 3) -> (K, V, 11)."""
    x, y, z = np.moveaxis(xyz, -1, 0)
    away = np.maximum(z, 0.1)
    depth = (256 + 366 * x / away, 212 - 366 * y / away)
    colour = (960 + 1057 * x / away, 540 - 1057 * y / away)
    length = np.sqrt(1 + x * x + y * y + z * z)
    return np.stack([x, y, z, *depth, *colour, 1 / length, x / length, y / length, z / length], axis=-1)
