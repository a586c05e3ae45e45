"""``python3 -m data_gen.made_clips --out data/demo``: a small labelled clip set that needs no download.

Jointed bodies (``demo_body``) act (``demo_actions``), a depth camera sees them with its errors (``made_camera``), and
the clips are written in MS-G3D's dense layout: ``{train,val}_data_joint.npy`` (N, 3, T, 25, 2) and
``{train,val}_label.pkl``. People of one part never appear in the other. Every clip is a pure function of (seed, part,
number).
"""

from __future__ import annotations

import argparse
import pickle
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from clips.files import atomic_write
from data_gen.demo_actions import ACTIONS, Beat, Motion
from data_gen.demo_body import ANGLES, SKELETON, draw_body, move
from data_gen.made_camera import normalise, watch
from errors import InputError

Array = npt.NDArray[np.float64]

PARTS = ("train", "val")
SUBJECTS = {"train": range(1, 13), "val": range(13, 21)}
NAMES = tuple(ACTIONS)
NUM_BODIES = 2
MIN_FRAMES = 16

# How hard the set is. With these a small temporal convolution network (0.1 M parameters) ends between 83 and 90 %.
CUT = 0.2  # up to this part of an action lies before the clip, and up to this part after it
GESTURES = NAMES[:8]
FIDGETS = 0.7  # how often somebody does, faintly, a gesture besides what they do
FIDGET_SHARE = (0.1, 0.7)  # its strength

REST = {"elbow": 14.0, "arm open": 7.0, "hip open": 3.0}  # posture of somebody who does nothing, degrees
LIMITS = {"elbow": (0.0, 150.0), "knee": (0.0, 150.0), "arm flex": (-60.0, 180.0), "arm open": (-35.0, 165.0)}


def joint_angle(name: str) -> str:
    """The name of an angle without its side."""
    return name.removeprefix("left ").removeprefix("right ")


@dataclass(frozen=True)
class Subject:
    """One person: bone offsets (25, 3) in metres, the better hand, and habits."""

    offsets: Array
    hand: str
    tempo: float
    vigour: float
    posture: dict[str, float]


def draw_subject(seed: int, number: int) -> Subject:
    """Person ``number`` of the set made with ``seed``."""
    rng = np.random.default_rng((seed, len(PARTS), number))
    return Subject(
        offsets=draw_body(rng),
        hand="left" if rng.random() < 0.15 else "right",
        tempo=float(rng.uniform(0.8, 1.25)),
        vigour=float(rng.uniform(0.75, 1.05)),
        posture={name: REST.get(joint_angle(name), 0.0) + float(rng.normal(0.0, 2.5)) for name in ANGLES},
    )


def sample(part: str, index: int) -> tuple[str, int]:
    """Name and label of clip ``index``: classes take turns, and with each round of them the subject changes."""
    turn, label = divmod(index, len(NAMES))
    repetition, subject = divmod(turn, len(SUBJECTS[part]))
    return f"made_S{SUBJECTS[part][subject]:02d}A{label + 1:02d}R{repetition + 1:03d}", label


def make_clip(seed: int, part: str, index: int, frames: int) -> npt.NDArray[np.float32]:
    """Clip ``index`` of a part, as a network reads it: (3, frames, 25, 2), absent bodies zero."""
    rng = np.random.default_rng((seed, PARTS.index(part), index))
    turn, label = divmod(index, len(NAMES))
    people = SUBJECTS[part]
    first = turn % len(people)
    second = (first + int(rng.integers(1, len(people)))) % len(people)
    subjects = [draw_subject(seed, people[i]) for i in (first, second)]
    length = int(rng.integers(frames * 6 // 10, frames + 1))
    points = watch(act(NAMES[label], subjects, length, rng), rng)
    points = normalise(points[:, np.arange(frames) % length])  # a short clip plays again until T is full

    clip = np.zeros((3, frames, len(SKELETON), NUM_BODIES), dtype=np.float32)
    clip[..., : len(points)] = points.transpose(3, 1, 2, 0)  # (M, T, V, C) -> (C, T, V, M)
    return clip


def act(action: str, subjects: Sequence[Subject], length: int, rng: np.random.Generator) -> Array:
    """One performance, without any camera: (M, length, 25, 3) in metres, y up, the ground at y = 0.

    The first body stands at the origin and faces z; a second one faces it. M is as many bodies as the action takes.
    """
    actor = subjects[0]
    motions = ACTIONS[action](draw_beat(actor, length, rng))
    bodies = [perform(motion, subject, length, rng) for motion, subject in zip(motions, subjects, strict=False)]
    for other in bodies[1:]:
        reach = np.linalg.norm(actor.offsets[[5, 6, 7]], axis=1).sum()
        other[..., [0, 2]] *= -1  # turned about, to face the first
        other[..., 2] += 1.5 * reach * rng.uniform(0.92, 1.08)
    if rng.random() < 0.3:
        bodies.reverse()  # who is told first is the sensor's whim
    return np.stack(bodies)


def draw_beat(subject: Subject, length: int, rng: np.random.Generator) -> Beat:
    """When and how ``subject`` does something within ``length`` frames; the clip may cut off its begin and its end."""
    start, end = rng.uniform(-CUT, 0.2), rng.uniform(0.8, 1.0 + CUT)
    return Beat(
        phase=np.clip((np.arange(length) / length - start) / (end - start), 0.0, 1.0),
        cycles=float(rng.uniform(2.0, 4.0)) * subject.tempo,
        side=subject.hand,
        manner=float(rng.uniform(-1.0, 1.0)),
    )


def perform(motion: Motion, subject: Subject, length: int, rng: np.random.Generator) -> Array:
    """A motion as this person does it this time: (length, 25, 3) in metres."""
    time = np.linspace(0.0, 1.0, length)
    effort = np.clip(rng.normal(subject.vigour, 0.2), 0.55, 1.15)
    # Left and right err alike: hands that miss each other, or feet at two heights, would be no clap and no squat.
    scale = {stem: rng.normal(effort, 0.08) for stem in dict.fromkeys(map(joint_angle, ANGLES))}
    fidget: dict[str, Array] = {}
    if rng.random() < FIDGETS:
        gesture = ACTIONS[GESTURES[rng.integers(len(GESTURES))]](draw_beat(subject, length, rng))[0]
        share = rng.uniform(*FIDGET_SHARE)
        fidget = {name: share * values for name, values in gesture.angles.items()}
    still = np.zeros(length)
    angles = {}
    for name in ANGLES:
        sway = rng.uniform(0.5, 2.5) * np.sin(2 * np.pi * (rng.uniform(0.3, 1.5) * time + rng.random()))
        aim = (motion.angles.get(name, still) + fidget.get(name, still)) * scale[joint_angle(name)]
        angle = subject.posture[name] + aim * rng.normal(1.0, 0.02) + sway + rng.normal(0.0, 2.0)
        angles[name] = np.radians(np.clip(angle, *LIMITS.get(joint_angle(name), (-180.0, 180.0))))
    return move(subject.offsets, angles, lift=motion.lift)


def write_part(out: Path, seed: int, part: str, count: int, frames: int) -> list[Path]:
    """Make ``count`` clips and write both files of a part; they appear whole or not at all. Returns their paths."""
    data = np.zeros((count, 3, frames, len(SKELETON), NUM_BODIES), dtype=np.float32)
    for index in tqdm(range(count), desc=part, unit="clip"):
        data[index] = make_clip(seed, part, index, frames)
    names, labels = zip(*(sample(part, index) for index in range(count)), strict=True)
    paths = [out / f"{part}_data_joint.npy", out / f"{part}_label.pkl"]
    with atomic_write(paths[0]) as file:
        np.save(file, data)
    with atomic_write(paths[1]) as file:
        pickle.dump((list(names), list(labels)), file, protocol=4)
    return paths


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise InputError(f"{message}; --help lists the arguments")


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """The command line; numbers that make no clips are refused."""
    parser = _Parser(prog="python3 -m data_gen.made_clips", description=__doc__, allow_abbrev=False)
    parser.add_argument("--out", type=Path, required=True, help="folder to write to; made if missing")
    parser.add_argument("--seed", type=int, default=1, help="the same seed gives the same bytes (default: 1)")
    parser.add_argument("--train", type=int, default=480, help="training clips (default: 480)")
    parser.add_argument("--val", type=int, default=240, help="validation clips, of other people (default: 240)")
    parser.add_argument("--frames", type=int, default=64, help="frames T of a clip (default: 64)")
    args = parser.parse_args(argv)
    for key, least in (("seed", 0), ("train", 1), ("val", 1), ("frames", MIN_FRAMES)):
        if getattr(args, key) < least:
            raise InputError(f"--{key} is {getattr(args, key)}, wanted {least} or more")
    return args


def main(argv: Sequence[str] | None = None) -> int:
    """The command; returns its exit code."""
    try:
        args = parse(argv)
        written = {part: write_part(args.out, args.seed, part, getattr(args, part), args.frames) for part in PARTS}
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except (OSError, MemoryError) as error:
        print(f"error: --out {args.out}: {error}", file=sys.stderr)
        return 2
    for part, (data, label) in written.items():
        shape = (getattr(args, part), 3, args.frames, len(SKELETON), NUM_BODIES)
        print(f"{data}: {shape} float32, {data.stat().st_size / 1e6:.1f} MB")
        print(f"{label}: {shape[0]} names, {len(NAMES)} classes, {label.stat().st_size / 1e6:.3f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
