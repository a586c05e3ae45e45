"""Poses in JSON: OpenPose's folders, and one file for a recording as AlphaPose, MMPose and MediaPipe users have it.

A file for a recording is told by what is in it:

- AlphaPose: ``[{image_id, keypoints: [x, y, score, ...], score, idx}, ...]``, one entry for each person in each frame;
- MMPose: ``{instance_info: [{frame_id, instances: [{keypoints, keypoint_scores}]}]}``, or that list alone;
- MediaPipe: a list of frames, or ``{frames: [...]}``, a frame being 33 landmarks ``{x, y, z, visibility}``;
- numbers in nested lists: the same with ``[x, y(, z)(, score)]`` in place of a landmark.

In the last two a frame may also be a list of bodies, and null or empty where nobody is there. In all but the first a
joint may be null, which is NaN.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clips.poses import Poses
from clips.read.json_file import read_json
from clips.read.pose_rows import from_grid, from_people, numbers, split_score
from errors import InputError, in_a_line

_LARGEST = 2**53
_KINDS = "AlphaPose's (image_id, keypoints), MMPose's (instance_info) or frames of landmarks"


def read_openpose(folder: Path, joints: int, dims: int | None) -> Poses:
    """The poses in a folder of OpenPose's files, one for each frame, in the order of the last number in their names.

    With ``dims`` 3 they are ``pose_keypoints_3d``, otherwise ``pose_keypoints_2d``. People are tracked where
    ``person_id`` tells everybody apart.

    Raises:
        InputError: there are no such files, or one of them is another; it is named.
    """
    files = sorted(file for file in folder.glob("*.json") if not file.name.startswith("."))
    if not files:
        raise InputError(f"{folder}: a folder is a recording of OpenPose, and there is no .json file in it")
    numbered = dict(sorted(zip(_numbered([f.stem for f in files], folder), files, strict=True)))
    key = "pose_keypoints_3d" if dims == 3 else "pose_keypoints_2d"
    frames, ids, flat = [], [], []
    for frame, file in numbered.items():
        for person in _people(read_json(file), file):
            if not isinstance(person, Mapping) or not isinstance(person.get(key), list):
                raise InputError(f"{file}: a person has no {key}")
            if person[key]:
                frames.append(frame)
                ids.append(_id(person.get("person_id")))
                flat.append(person[key])
    values = _flat(flat, joints, 3 if dims == 3 else 2, frames, str(folder))
    return from_people(frames, _tracked(frames, ids), values, (min(numbered), max(numbered)), str(folder))


def read_pose_json(path: Path, joints: int, dims: int | None) -> Poses:
    """The poses in one file; see above for its kinds. ``dims`` is as in ``clips.read.poses.read_poses``.

    Raises:
        InputError: it is none of these kinds; the frame is named.
    """
    content = read_json(path)
    if isinstance(content, Mapping):
        kind = next((key for key in ("instance_info", "frames") if key in content), None)
        if kind is None:
            raise InputError(f"{path}: wanted {_KINDS}, got {', '.join(map(repr, list(content)[:3])) or 'nothing'}")
        content = content[kind]
    if not isinstance(content, list) or not content:
        raise InputError(f"{path}: wanted {_KINDS}, got {'nothing' if content in ([], None) else 'something else'}")
    first = content[0] if isinstance(content[0], Mapping) else {}
    try:
        if "image_id" in first:
            return _alphapose(content, joints, dims, path)
        if "instances" in first:
            return _mmpose(content, joints, dims, path)
        return _frames(content, joints, dims, str(path))
    except (KeyError, TypeError, AttributeError, IndexError) as error:
        raise InputError(f"{path}: wanted {_KINDS}, and it does not go on as one: {error!r}") from error


def _people(content: Any, file: Path) -> list[Any]:
    people = content.get("people") if isinstance(content, Mapping) else None
    if not isinstance(people, list):
        raise InputError(f"{file}: not a file of OpenPose, which has a list of people")
    return people


def _alphapose(content: list[Any], joints: int, dims: int | None, path: Path) -> Poses:
    if dims == 3:
        raise InputError(f"{path}: AlphaPose's keypoints have 2 coordinates, and 3 are wanted")
    frames = _numbered([Path(str(person["image_id"])).stem for person in content], path)
    ids = _tracked(frames, [_id(person.get("idx")) for person in content])
    values = _flat([person["keypoints"] for person in content], joints, 2, frames, str(path))
    return from_people(frames, ids, values, (min(frames), max(frames)), str(path))


def _mmpose(content: list[Any], joints: int, dims: int | None, path: Path) -> Poses:
    all_frames = [_frame_number(frame["frame_id"], path) for frame in content]
    if len(set(all_frames)) < len(all_frames):
        raise InputError(f"{path}: two entries have the same frame_id")
    found = [(n, one) for n, frame in zip(all_frames, content, strict=True) for one in frame["instances"]]
    frames = [number for number, _ in found]
    points = _stacked([one["keypoints"] for _, one in found], (joints, dims or 2), frames, str(path))
    if dims is not None:
        if points.shape[2] < dims:
            raise InputError(f"{path}: its keypoints have {points.shape[2]} coordinates, and {dims} are wanted")
        points = points[..., :dims]
    coordinates, scores = split_score(points, joints, points.shape[2], str(path))
    if coordinates.shape[2] not in (2, 3):
        raise InputError(f"{path}: its keypoints have {coordinates.shape[2]} coordinates, wanted 2 or 3")
    if any("keypoint_scores" in one for _, one in found):
        listed = [[[score] for score in one["keypoint_scores"]] for _, one in found]
        scores = _stacked(listed, (joints, 1), frames, str(path))[..., 0]
        if scores.shape != coordinates.shape[:2]:
            raise InputError(f"{path}: keypoint_scores are not one for each of {joints} joints")
    ids = _tracked(frames, [_id(one.get("track_id")) for _, one in found])
    return from_people(frames, ids, (coordinates, scores), (min(all_frames), max(all_frames)), str(path))


def _frames(content: list[Any], joints: int, dims: int | None, where: str) -> Poses:
    """A list of frames, each one body or a list of bodies, of landmarks or of lists of numbers."""
    try:
        grid = numbers(content)
    except ValueError:  # landmarks, or frames with several numbers of bodies
        pass
    else:
        return from_grid(grid, joints, dims, where)
    frames, ids, bodies = [], [], []
    for number, frame in enumerate(content):
        for body, person in enumerate(_bodies(frame, joints, f"{where}, frame {number}")):
            if person:
                if dims is None and isinstance(landmark := _first(person), Mapping):
                    dims = 3 if "z" in landmark else 2
                frames.append(number)
                ids.append(body)
                bodies.append(_points(person, dims, f"{where}, frame {number}"))
    values = _stacked(bodies, (joints, dims or 3), frames, where)
    return from_people(frames, ids, split_score(values, joints, dims, where), (0, len(content) - 1), where)


def _bodies(frame: Any, joints: int, where: str) -> list[Any]:
    """The bodies of a frame, each a list of joints."""
    if frame is None or frame == []:
        return []
    if not isinstance(frame, list):
        raise InputError(f"{where}: wanted a list of joints or of bodies, got {type(frame).__name__}")
    inside = [_first(item) for item in frame if isinstance(item, list) and item]
    if any(isinstance(item, Mapping) for item in frame):
        return [frame]
    if any(isinstance(item, list | Mapping) for item in inside) or not inside:
        return frame
    unseen = all(item is None for item in inside) and len(frame) != joints  # bodies of which no joint was seen
    return frame if unseen else [frame]


def _first(values: Any) -> Any:
    """The first of a list that is not null, if there is one."""
    return next((value for value in values if value is not None), None) if isinstance(values, list) else None


def _points(person: Any, dims: int | None, where: str) -> list[Any]:
    """The joints of a body as lists of numbers, or null."""
    if not isinstance(person, list):
        raise InputError(f"{where}: wanted a list of joints, got {type(person).__name__}")
    landmark = _first(person)
    if not isinstance(landmark, Mapping):
        return person
    axes = "xyz" if dims == 3 else "xy"
    score = next((key for key in ("visibility", "score") if key in landmark), None)
    keys = (*axes, *([score] if score else []))
    try:
        return [None if joint is None else [joint[key] for key in keys] for joint in person]
    except (KeyError, TypeError) as error:
        raise InputError(f"{where}: a landmark without {error}, which others have") from error


def _flat(
    rows: Sequence[Any], joints: int, dims: int, frames: Sequence[int], where: str
) -> tuple[NDArray[np.float64], NDArray[np.float64] | None]:
    """Coordinates and scores of bodies written in one list each: x, y, score, x, y, score, ..."""
    width = (dims + 1) * joints
    for frame, row in zip(frames, rows, strict=True):
        if not isinstance(row, list) or len(row) != width:
            got = len(row) if isinstance(row, list) else type(row).__name__
            raise InputError(f"{where}, frame {frame}: wanted {width} numbers for {joints} joints, got {got}")
    return split_score(_stacked(rows, (width,), frames, where).reshape(-1, joints, dims + 1), joints, dims, where)


def _stacked(rows: Sequence[Any], empty: tuple[int, ...], frames: Sequence[int], where: str) -> NDArray[np.float64]:
    """Bodies of one shape in an array; ``empty`` is the shape of one where there is none."""
    shape: tuple[int, ...] | None = None
    if not rows:
        return np.zeros((0, *empty))
    for given in (rows, _filled(rows, empty[-1])) if len(empty) == 2 else (rows,):
        try:
            stacked = numbers(given)
        except ValueError:
            continue
        if stacked.ndim == 1 + len(empty):
            return stacked
    for frame, row in zip(frames, rows, strict=True):
        try:
            found = numbers(row).shape
        except ValueError as error:
            raise InputError(f"{where}, frame {frame}: not numbers: {in_a_line(error)}") from error
        if len(found) != len(empty) or shape not in (None, found):
            raise InputError(f"{where}, frame {frame}: a body of numbers {found}, wanted {shape or empty}")
        shape = found
    raise InputError(f"{where}: bodies of several forms")


def _filled(bodies: Sequence[Any], width: int) -> list[Any]:
    """Bodies with NaN for joints that are null: as many as other joints have numbers, ``width`` where no joint has."""
    lists = [body for body in bodies if isinstance(body, list)]
    width = next((len(joint) for body in lists for joint in body if isinstance(joint, list)), width)
    blank = [float("nan")] * width
    return [_with(blank, body) if isinstance(body, list) else body for body in bodies]


def _with(blank: list[float], body: list[Any]) -> list[Any]:
    return [blank if joint is None else joint for joint in body]


def _numbered(names: Sequence[str], where: Path) -> list[int]:
    """The last number in each name; one that two names share would put two frames into one."""
    found = [re.findall(r"[0-9]+", name) for name in names]
    for name, digits in zip(names, found, strict=True):
        if not digits:
            raise InputError(f"{where}: {name!r} has no number, by which frames are put in order")
    numbers_of = [_frame_number(int(digits[-1][:20]), where) for digits in found]
    name_of: dict[int, str] = {}
    for name, number in zip(names, numbers_of, strict=True):
        if name_of.setdefault(number, name) != name:
            raise InputError(f"{where}: {name_of[number]!r} and {name!r} have the same last number, and are two frames")
    return numbers_of


def _frame_number(value: Any, where: Path) -> int:
    if not isinstance(value, int) or not 0 <= value < _LARGEST:
        raise InputError(f"{where}: frame {value!r}, wanted a whole number")
    return value


def _id(value: Any) -> int | None:
    """Who somebody is, if a tracker said so: a number, or a list of it."""
    value = value[0] if isinstance(value, list) and value else value
    return int(value) if isinstance(value, int | float) and 0 <= value < _LARGEST and value == int(value) else None


def _tracked(frames: Sequence[int], ids: Sequence[int | None]) -> list[int] | None:
    """The people, where it is known of all who they are; AlphaPose without a tracker calls everybody 0."""
    known = [one for one in ids if one is not None]
    pairs = set(zip(frames, ids, strict=True))
    return known if len(known) == len(ids) == len(pairs) else None
