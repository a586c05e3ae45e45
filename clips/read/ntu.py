"""NTU RGB+D recordings: the ``.skeleton`` text files of a Kinect v2."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from clips.read.decimals import MARGIN, decimals
from errors import InputError

NUM_JOINTS = 25
_NEWLINE = b"\n"
_BODY_FIELDS = 10  # id, clipped edges, confidence and state of both hands, restricted, lean x y, tracking state
_JOINT_FIELDS = 12  # x y z, depth x y, colour x y, orientation w x y z, tracking state


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


class _DamageError(Exception):
    """What is wrong, and where in the text."""

    def __init__(self, problem: str, position: int) -> None:
        super().__init__(problem)
        self.position = position


def read_ntu(path: str | os.PathLike[str], *, max_frames: int | None = None) -> Recording:
    """The recording in a ``.skeleton`` file. Lines after the announced frames are not looked at.

    Raises:
        InputError: no such file, damaged (file and line are named), no body in any frame, or more than
            ``max_frames`` frames.
    """
    try:
        text = Path(path).read_bytes()
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from error
    if not text.strip():
        raise InputError(f"{path}: the file is empty")
    text = _framed(text)
    try:
        return _parse(text, max_frames)
    except _DamageError:  # or only other blanks than one space between fields
        text = _framed(_NEWLINE.join(b" ".join(line.split()) for line in text[1 : -MARGIN - 1].split(_NEWLINE)))
    try:
        return _parse(text, max_frames)
    except _DamageError as error:
        damage = min([error, *_odd_lines(text)], key=lambda found: found.position)
    raise InputError(f"{path}, line {text.count(_NEWLINE, 0, damage.position + 1)}: {damage}")


def _odd_lines(text: bytes) -> list[_DamageError]:
    """The first line with another number of fields than its place has: what comes after it is read at wrong places."""
    lines = iter(text[1 : -MARGIN - 1].split(_NEWLINE)[:-1])  # the last may be cut, which is said better elsewhere
    position = 0

    def take(fields: int, what: str) -> bytes:
        nonlocal position
        line = next(lines)
        if len(line.split()) != fields:
            raise _DamageError(f"wanted {what}, got {line[:60].decode('ascii', 'replace')!r}", position)
        position += len(line) + 1
        return line

    try:
        for _ in range(int(take(1, "a count"))):
            for _ in range(int(take(1, "a count"))):
                take(_BODY_FIELDS, f"the {_BODY_FIELDS} numbers of a body")
                take(1, "a count")
                for _ in range(NUM_JOINTS):
                    take(_JOINT_FIELDS, f"the {_JOINT_FIELDS} numbers of a joint")
    except _DamageError as error:
        return [error]
    except (StopIteration, ValueError):  # cut, or a count that is none: said better elsewhere
        pass
    return []


def _framed(text: bytes) -> bytes:
    """The text between newlines, and then enough for ``decimals``."""
    return b"\n%b\n%b" % (text, b"~" * MARGIN)


def _parse(text: bytes, max_frames: int | None) -> Recording:
    """Field k of a text is what lies between its blanks k and k + 1."""
    buffer = np.frombuffer(text, np.uint8)
    blanks = np.flatnonzero(buffer <= ord(" "))
    newline = buffer[blanks] == ord(_NEWLINE)
    lonely = np.flatnonzero(newline[:-1] & newline[1:])  # fields that are a line of their own: the counts
    edges = zip(lonely.tolist(), (blanks[lonely] + 1).tolist(), blanks[lonely + 1].tolist(), strict=True)
    words = {field: text[start:end] for field, start, end in edges}

    def count(field: int, what: str, frame: int | None = None) -> int:
        word = words.get(field, b"")
        if not word.isdigit() or len(word) > 9:
            where = what if frame is None else f"{what} in frame {frame + 1} of {num_frames}"
            raise _no_count(text, int(blanks[field]) if field < len(blanks) else len(text) - 1, where)
        return int(word)

    num_frames = count(0, "number of frames")
    if max_frames is not None and num_frames > max_frames:
        raise _DamageError(f"{num_frames} frames, more than {max_frames}", 0)
    frames, slots, firsts = [], [], []  # of each body: its frame, its slot, the field of its first joint
    field = 1
    for frame in range(num_frames):
        num_bodies = count(field, "number of bodies", frame)
        field += 1
        for slot in range(num_bodies):
            num_joints = count(field + _BODY_FIELDS, "number of joints", frame)
            if num_joints != NUM_JOINTS:
                where = int(blanks[field + _BODY_FIELDS])
                raise _DamageError(f"{num_joints} joints in frame {frame + 1}, wanted {NUM_JOINTS}", where)
            frames.append(frame)
            slots.append(slot)
            firsts.append(field + _BODY_FIELDS + 1)
            field = firsts[-1] + NUM_JOINTS * _JOINT_FIELDS
            if field >= len(blanks):
                raise _DamageError(f"the file ends in frame {frame + 1} of {num_frames}", len(text) - MARGIN - 2)
    if not firsts:
        raise _DamageError(f"no body in any of {num_frames} frames", 0)
    ids = blanks[np.array(firsts)[:, None] - (_BODY_FIELDS + 1, _BODY_FIELDS)].tolist()
    body_id = tuple(text[start + 1 : end].decode("latin-1") for start, end in ids)
    return Recording(num_frames, np.array(frames), np.array(slots), body_id, _coordinates(text, buffer, blanks, firsts))


def _no_count(text: bytes, start: int, what: str) -> _DamageError:
    line = text[start + 1 : -MARGIN - 1].split(_NEWLINE, 1)[0]
    if not line:
        return _DamageError(f"the file ends, or a line is empty, before the {what}", min(start, len(text) - MARGIN - 2))
    return _DamageError(f"wanted the {what}, got {line[:60].decode('ascii', 'replace')!r}", start)


def _coordinates(
    text: bytes, buffer: NDArray[np.uint8], blanks: NDArray[np.intp], firsts: list[int]
) -> NDArray[np.float64]:
    """The x, y and z of all joints of the bodies whose first fields are given, (K, V, 3)."""
    joints = (np.array(firsts)[:, None] + np.arange(0, NUM_JOINTS * _JOINT_FIELDS, _JOINT_FIELDS)).ravel()
    whole = buffer[blanks[joints]] == ord("\n")  # a joint begins its line, and the line has just its fields
    whole &= buffer[blanks[joints + _JOINT_FIELDS]] == ord("\n")
    edges = blanks[joints[:, None] + np.arange(4)]
    xyz = decimals(text, edges[:, :3].ravel() + 1, edges[:, 1:].ravel()).reshape(-1, NUM_JOINTS, 3)
    if not (whole.all() and np.isfinite(xyz).all()):
        bad = int(edges[np.argmin(whole & np.isfinite(xyz).all(axis=-1).ravel()), 0])
        line = text[bad + 1 :].split(_NEWLINE, 1)[0][:60].decode("ascii", "replace")
        raise _DamageError(f"wanted the {_JOINT_FIELDS} numbers of a joint, got {line!r}", bad)
    return xyz
