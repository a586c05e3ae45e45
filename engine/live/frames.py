"""Frames of a live stream: ``{"t": 12, "bodies": [{"id": 1, "joints": [[x, y], ...]}]}``, a line of JSON each."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from engine.live.track import Pose
from errors import InputError

LONGEST = 2**20  # bytes of a line
LATEST = 10**12  # of t
MOST_BODIES = 64  # in a frame


@dataclass(frozen=True)
class Frame:
    """What was seen at one time: ``number`` of the frame (None: the next), poses (V, D), their scores (V,) and ids."""

    number: int | None
    poses: list[Pose]
    scores: list[NDArray[np.float64] | None]
    ids: list[Any]


def lines_of(stream: BinaryIO) -> Iterator[str]:
    """The lines of a stream as they come; for one that is too long or no UTF-8 a sentence, which is no JSON."""
    while found := stream.readline(LONGEST):
        if len(found) == LONGEST and not found.endswith(b"\n"):
            while (rest := stream.readline(LONGEST)) and not rest.endswith(b"\n"):
                pass
            found = b"(a line of more than %d bytes)" % LONGEST
        try:
            line = found.decode("utf-8-sig")
        except UnicodeDecodeError:
            line = "(a line that is not UTF-8)"
        if line.strip():
            yield line


def read_frame(given: str | Mapping[str, Any], joints: int, dims: int | None, fps: float | None) -> Frame:
    """A frame out of a line of JSON, or out of what it holds.

    Args:
        given: the line or the dictionary.
        joints: V.
        dims: 2 or 3 coordinates; of more numbers the next is a score. None: 2 of two numbers, else 3.
        fps: frames a second, where ``t`` is in seconds; None where it is the number of a frame.

    Raises:
        InputError: it is damaged.
    """
    if isinstance(given, str):
        line = given
        try:
            given = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise InputError(f"not a line of JSON: {line.strip()[:60]!r}") from error
    if not isinstance(given, Mapping) or not isinstance(given.get("bodies"), list):
        raise InputError('wanted {"t": ..., "bodies": [...]}')
    bodies = given["bodies"]
    if len(bodies) > MOST_BODIES:
        raise InputError(f"{len(bodies)} bodies, wanted at most {MOST_BODIES}")
    frame = Frame(_number(given.get("t"), fps), [], [], [])
    for place, body in enumerate(bodies):
        if not isinstance(body, Mapping) or "joints" not in body:
            raise InputError(f'body {place}: wanted {{"joints": [[x, y], ...]}}')
        pose, score = _pose(body["joints"], joints, dims, f"body {place}")
        given_id = body.get("id")
        if not (given_id is None or isinstance(given_id, (str, int, float))):
            raise InputError(f"body {place}: an id is a number or a word, not {given_id!r}")
        if pose.any():
            frame.poses.append(pose)
            frame.scores.append(score)
            frame.ids.append(given_id)
    return frame


def _number(t: Any, fps: float | None) -> int | None:
    if t is None:
        return None
    if isinstance(t, bool) or not isinstance(t, (int, float)) or t != t:
        raise InputError(f"t is {str(t)[:40]!r}, wanted a number")
    if abs(t) > LATEST:  # an int may be larger than any float
        wanted = "the number of a frame or, with --fps, seconds"
        raise InputError(f"t is {str(t)[:40]}, wanted {wanted}, at most {LATEST:.0e}")
    if fps is None and t != int(t):
        raise InputError(f"t is {t}, wanted the number of a frame; say --fps where it is in seconds")
    return round(t * fps) if fps is not None else int(t)


def _pose(values: Any, joints: int, dims: int | None, where: str) -> tuple[Pose, NDArray[np.float64] | None]:
    """Coordinates (V, D) and scores (V,); a joint that is null, or has the score 0, was not seen."""
    if not isinstance(values, list) or len(values) != joints:
        got = f"{len(values)} joints" if isinstance(values, list) else type(values).__name__
        raise InputError(f"{where}: {got}, wanted {joints}")
    width = next((len(joint) for joint in values if isinstance(joint, list)), 0)
    blank = [0.0] * width
    try:
        table = np.array([blank if joint is None else joint for joint in values], np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise InputError(f"{where}: wanted {joints} joints of as many numbers each, or null") from error
    D = dims or min(max(width, 2), 3)
    if width and (table.ndim != 2 or not D <= width <= D + 1):
        raise InputError(f"{where}: joints of {width} numbers, wanted {D} or, with a score, {D + 1}")
    if not np.isfinite(table).all() or np.abs(table).max(initial=0) > 1e30:
        raise InputError(f"{where}: a number is not finite; null is a joint that was not seen")
    if not width:
        return np.zeros((joints, D)), None
    pose = table[:, :D]
    if width == D:
        return pose, None
    return np.where(table[:, D:] == 0, 0.0, pose), table[:, D]
