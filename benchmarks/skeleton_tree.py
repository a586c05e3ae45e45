"""Folders of made ``.skeleton`` files with everything in them that real ones have, damage among it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from clips.read.ntu import NUM_JOINTS, Recording
from clips.write.ntu import ntu_text
from data_gen.ntu import MISSING_LIST, read_missing_list

ON_MISSING_LIST = "S001C002P005R002A008"

# Standing, arms down, metres; joints in NTU's order.
_STANDING = np.array(
    [
        *([0, 0, 0], [0, 0.26, 0], [0, 0.58, 0], [0, 0.74, 0]),
        *([0.17, 0.46, 0], [0.22, 0.2, 0.02], [0.24, -0.02, -0.03], [0.24, -0.1, -0.05]),
        *([-0.17, 0.46, 0], [-0.22, 0.2, 0.02], [-0.24, -0.02, -0.03], [-0.24, -0.1, -0.05]),
        *([0.08, -0.03, 0], [0.1, -0.42, 0], [0.1, -0.8, 0.05], [0.11, -0.86, -0.08]),
        *([-0.08, -0.03, 0], [-0.1, -0.42, 0], [-0.1, -0.8, 0.05], [-0.11, -0.86, -0.08]),
        *([0, 0.5, 0], [0.24, -0.17, -0.06], [0.2, -0.1, -0.09], [-0.24, -0.17, -0.06], [-0.2, -0.1, -0.09]),
    ]
)


def _nan(text: str) -> str:
    lines = text.split("\n")
    at = max(number for number, line in enumerate(lines) if line.count(" ") == 11)
    lines[at] = "nan" + lines[at][lines[at].index(" ") :]
    return "\n".join(lines)


# What can be wrong with a file: each of these makes a good text a bad one.
DAMAGES: dict[str, Callable[[str], str]] = {
    "zero bytes": lambda text: "",
    "cut in a frame": lambda text: text[: int(len(text) * 0.7)],
    "joint count": lambda text: text.replace("\n25\n", "\n24\n", 1),
    "not a number": _nan,
    "too long": lambda text: "301\n" + text.split("\n", 1)[1] + "0\n" * 301,
    "all empty": lambda text: "40\n" + "0\n" * 40,
}


def make_tree(
    folder: Path, count: int, *, mean_frames: int = 84, damaged_each: int = 0, seed: int = 1
) -> dict[str, str]:
    """Write ``count`` recordings of NTU RGB+D 60 and one more from its missing list; the damage of each damaged file.

    One in four has a second body, some of those late or leaving; some have frames without a body, lost joints or a
    ghost in a third slot. ``damaged_each`` of the ``count`` have each kind of ``DAMAGES``.
    """
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    kinds = [kind for kind in DAMAGES for _ in range(damaged_each)]
    missing = read_missing_list(MISSING_LIST)
    names = [name for name in map(_name, range(count + len(missing))) if name not in missing][:count]
    at = rng.permutation(count)[: len(kinds)]
    damaged = {names[index]: kind for index, kind in zip(at, kinds, strict=True)}
    for name in names:
        text = ntu_text(make_recording(rng, mean_frames))
        if name in damaged:
            text = DAMAGES[damaged[name]](text)
        (folder / f"{name}.skeleton").write_text(text, encoding="ascii")
    (folder / f"{ON_MISSING_LIST}.skeleton").write_text("", encoding="ascii")
    return damaged


def make_recording(rng: np.random.Generator, mean_frames: int) -> Recording:
    """A recording of one or two people, with the sensor's faults."""
    num_frames = int(np.clip(rng.gamma(9, mean_frames / 9), 2, 300))
    num_bodies = 1 + int(rng.random() < 0.25)
    present = np.ones((3, num_frames), bool)
    present[num_bodies:] = False
    if num_bodies == 2 and rng.random() < 0.5:  # late, or leaving early
        cut = int(rng.integers(1, num_frames))
        present[1, :cut] = rng.random() < 0.5
        present[1, cut:] = ~present[1, 0]
    if rng.random() < 0.1:  # a chair
        present[2] = rng.random(num_frames) < 0.4
    if rng.random() < 0.1:  # nobody seen, at the start, the end or between
        start = int(rng.integers(0, num_frames))
        present[:, start : start + int(rng.integers(1, 5))] = False
    present[0, num_frames // 2] = True
    tracks = np.stack([_track(rng, num_frames, place, step) for place, step in ((0, 0.01), (0.8, 0.01), (-1, 0.0005))])
    if rng.random() < 0.1:
        tracks[:, :, int(rng.integers(NUM_JOINTS))] = 0
    frame, body = np.nonzero(present.T)
    slot = (present.cumsum(0) - 1)[body, frame]
    ids = tuple(str(72057594037931101 + 7 * int(number)) for number in body)
    return Recording(num_frames, frame, slot, ids, tracks[body, frame])


def _track(rng: np.random.Generator, num_frames: int, place: float, step: float) -> NDArray[np.float64]:
    """A body (T, V, 3) that turns to some side and then drifts and trembles."""
    angle = rng.uniform(-1, 1)
    turn = np.array([[np.cos(angle), 0, np.sin(angle)], [0, 1, 0], [-np.sin(angle), 0, np.cos(angle)]])
    drift = rng.normal(0, step, (num_frames, 1, 3)).cumsum(0) + rng.normal(0, step, (num_frames, NUM_JOINTS, 3)).cumsum(
        0
    )
    track: NDArray[np.float64] = _STANDING @ turn.T + (place, 0, 3 + rng.uniform(-0.5, 1)) + drift
    return track


def _name(index: int) -> str:
    action, rest = index % 60 + 1, index // 60
    camera, rest = (index + rest) % 3 + 1, rest // 3
    return f"S{rest // 2 % 17 + 1:03}C{camera:03}P{index % 40 + 1:03}R{rest % 2 + 1:03}A{action:03}"
