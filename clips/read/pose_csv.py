"""Poses in a CSV file: columns ``frame``, perhaps ``body``, ``<joint>_x``, ``_y``, perhaps ``_z`` and ``_score``."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from clips.poses import Poses
from clips.read.pose_rows import from_people
from errors import InputError, did_you_mean, in_a_line

_LARGEST = 2**53  # whole numbers up to here are exact in float64
_SHOWN = 3


def plain(name: str) -> str:
    """A joint's name without what people write differently: ``Left Hand``, ``left-hand`` and ``left_hand`` are one."""
    return re.sub(r"[\s_-]+", "_", name.strip().casefold())


def read_pose_csv(path: Path, joints: Sequence[str], dims: int | None) -> Poses:
    """The poses in a file with a row for each body in each frame; columns stand in any order, rows too.

    Frames are whole numbers, counted from the least; in those that are left out nobody is there. ``_visibility`` is
    another word for ``_score``. An empty cell is not a number. ``dims`` is as in ``clips.read.poses.read_poses``.

    Raises:
        InputError: a column is missing, unknown or there twice, or a cell is no number; it is named.
    """
    if not joints:
        raise InputError(f"{path}: columns go by the names of joints, and the skeleton has none")
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not text: {in_a_line(error)}") from error
    lines = text.splitlines()
    if not lines:
        raise InputError(f"{path}: it is empty")
    columns = _columns(lines[0], joints, str(path))
    table = _numbers(lines, len(columns), str(path))
    if not len(table):
        raise InputError(f"{path}: there are no rows under the header")
    place = {name: number for number, name in enumerate(columns)}
    frames = _whole(table[:, place["frame"]], "frame", str(path))
    ids = _whole(table[:, place["body"]], "body", str(path)) if "body" in place else [0] * len(table)
    coordinates = _coordinates(table, place, joints, dims, str(path))
    scores = [place[f"{plain(joint)}_score"] for joint in joints if f"{plain(joint)}_score" in place]
    values = coordinates, table[:, scores] if scores else None
    return from_people(frames, ids, values, (min(frames), max(frames)), str(path))


def _columns(header: str, joints: Sequence[str], where: str) -> list[str]:
    """The columns under plain names, all of them known and none missing."""
    try:
        columns = [plain(cell) for cell in next(csv.reader([header]))]
    except (csv.Error, StopIteration) as error:
        raise InputError(f"{where}: the header is not readable: {in_a_line(error)}") from error
    columns = [re.sub("_visibility$", "_score", column) for column in columns]
    names = [plain(joint) for joint in joints]
    if len(set(names)) < len(names):
        twice = next(joint for joint, name in zip(joints, names, strict=True) if names.count(name) > 1)
        raise InputError(f"{where}: the skeleton has two joints that columns cannot tell apart, {twice!r} for one")
    needed = ["frame", *(f"{name}_{axis}" for name in names for axis in "xy")]
    depths, scores = [f"{name}_z" for name in names], [f"{name}_score" for name in names]
    held = set(columns)
    for some in (depths, scores):
        needed += some if held & set(some) else []
    known = {"frame", "body", *needed, *depths, *scores}
    for number, column in enumerate(columns):
        if column in columns[:number]:
            raise InputError(f"{where}: column {column!r} is there twice")
        if column not in known:
            hint = did_you_mean(column, sorted(known)) or "; columns are frame, body, <joint>_x, _y, _z and _score"
            raise InputError(f"{where}: unknown column {column!r}{hint}")
    missing = [column for column in needed if column not in held]
    if missing:
        more = ", ..." if len(missing) > _SHOWN else ""
        raise InputError(f"{where}: {len(missing)} columns are missing: {', '.join(missing[:_SHOWN])}{more}")
    return columns


def _numbers(lines: list[str], width: int, where: str) -> NDArray[np.float64]:
    """The cells under the header: (rows, columns)."""
    try:
        if any(line.strip() for line in lines[1:]):
            table = np.loadtxt(lines, delimiter=",", skiprows=1, ndmin=2, comments=None, dtype=np.float64)
            if table.shape[1] == width:
                return table
    except (ValueError, OverflowError):
        pass  # it has an empty cell, or one to be named
    rows = []
    for number, line in enumerate(lines[1:], start=2):
        if not line.strip():
            continue
        try:
            cells = next(csv.reader([line]))
        except (csv.Error, StopIteration) as error:
            raise InputError(f"{where}, line {number}: {in_a_line(error)}") from error
        if len(cells) != width:
            raise InputError(f"{where}, line {number}: {len(cells)} cells, the header has {width}")
        rows.append([_number(cell, f"{where}, line {number}") for cell in cells])
    return np.array(rows, np.float64).reshape(-1, width)


def _number(cell: str, where: str) -> float:
    try:
        if "_" in cell:  # Python's own, in nobody's tables
            raise ValueError
        return float(cell) if cell.strip() else float("nan")
    except ValueError as error:
        raise InputError(f"{where}: {cell!r} is no number") from error


def _whole(column: NDArray[np.float64], name: str, where: str) -> list[int]:
    bad = ~((column == np.round(column)) & (np.abs(column) < _LARGEST))  # true of what is no number, too
    if bad.any():
        raise InputError(f"{where}: {name} is {column[bad][0]}, wanted a whole number")
    return [int(number) for number in column]


def _coordinates(
    table: NDArray[np.float64], place: dict[str, int], joints: Sequence[str], dims: int | None, where: str
) -> NDArray[np.float64]:
    deep = f"{plain(joints[0])}_z" in place
    if dims == 3 and not deep:
        raise InputError(f"{where}: there is no z, and 3 coordinates of a joint are wanted")
    axes = "xyz" if deep and dims != 2 else "xy"
    chosen = [place[f"{plain(joint)}_{axis}"] for joint in joints for axis in axes]
    return table[:, chosen].reshape(len(table), len(joints), len(axes))
