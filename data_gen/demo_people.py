"""Who acts in the demo's recordings and how: persons with limbs and habits of their own, and one performance.

The world's axes: y up, the ground at y = 0, z towards the camera in the middle; metres.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from data_gen.demo_actions import ACTIONS, Beat, Contact, Motion
from data_gen.demo_body import ANGLES, draw_body, move, rotations

Array = npt.NDArray[np.float64]

NAMES = tuple(ACTIONS)
MIN_FRAMES, MAX_FRAMES = 40, 120
CUT = 0.15  # up to this part of an action lies before the recording, and up to this part after it
PACE = 24.0  # frames of one cycle of a repeated action, 30 frames a second
GESTURES = ("drink", "phone call", "wave", "clap", "rub hands", "thumb up", "thumb down", "raise both arms")
FIDGETS = 0.6  # how often somebody does, faintly, a gesture with what is free
FIDGET_SHARE = (0.1, 0.6)  # its strength

REST = {"elbow": 14.0, "arm open": 7.0, "hip open": 3.0}  # posture of somebody who does nothing, degrees
LIMITS = {"elbow": (0.0, 150.0), "knee": (0.0, 150.0), "arm flex": (-60.0, 180.0), "arm open": (-35.0, 165.0)}
LEG = ("hip flex", "hip open", "knee", "ankle")


@dataclass(frozen=True)
class Subject:
    """One person: bone offsets (25, 3) in metres, the better hand, and habits."""

    offsets: Array
    hand: str
    tempo: float
    vigour: float
    posture: dict[str, float]


def draw_subject(seed: int, *number: int) -> Subject:
    """Person ``number`` of the set made with ``seed``."""
    rng = np.random.default_rng((seed, *number))
    return Subject(
        offsets=draw_body(rng),
        hand="left" if rng.random() < 0.15 else "right",
        tempo=float(rng.uniform(0.8, 1.25)),
        vigour=float(rng.uniform(0.88, 1.04)),
        posture={name: REST.get(joint_angle(name), 0.0) + float(rng.normal(0.0, 2.5)) for name in ANGLES},
    )


def joint_angle(name: str) -> str:
    """The name of an angle without its side."""
    return name.removeprefix("left ").removeprefix("right ")


def perform(action: str, subject: Subject, partner: Subject, rng: np.random.Generator) -> Array:
    """One performance in the world, seen by nobody yet: (M, T, 25, 3) metres, M as many bodies as the action takes.

    Somebody alone faces the middle camera, more or less; two people face each other across its view.
    """
    length = MIN_FRAMES + int((MAX_FRAMES + 1 - MIN_FRAMES) * rng.beta(0.8, 6.0))
    motions = ACTIONS[action](draw_beat(subject, length, rng))
    contact = motions[-1].contact
    if contact:
        motions = level(motions, (subject, partner), contact)
    bodies = [embody(motion, who, length, rng) for motion, who in zip(motions, (subject, partner), strict=False)]
    heading = rng.normal(0.0, 0.25)
    if contact:
        bodies[1][..., [0, 2]] *= -1  # turned about, to face the first
        bodies[1] += meeting(bodies[0], bodies[1], contact)
        middle = (bodies[0][:1, :1] + bodies[1][:1, :1]) / 2 * [1.0, 0.0, 1.0]
        bodies = [body - middle for body in bodies]
        heading += np.pi / 2 * rng.choice((-1, 1))
    turn = rotations(np.array([0.0, heading, 0.0]))
    place = np.array([rng.uniform(-0.25, 0.25), 0.0, rng.uniform(-0.25, 0.25)])
    return np.asarray(np.stack(bodies) @ turn.T + place)


def level(motions: Sequence[Motion], people: Sequence[Subject], contact: Contact) -> tuple[Motion, ...]:
    """``motions`` in which arms reach up or down to somebody of another height."""
    shoulders = [who.offsets[[1, 20, 8], 1].sum() - who.offsets[[16, 17, 18, 19], 1].sum() for who in people]
    gap = (shoulders[1] - shoulders[0]) / sum(map(bool, contact.arms))
    done = []
    for motion, who, names, sign in zip(motions, people, contact.arms, (1, -1), strict=True):
        tilt = sign * np.degrees(gap / np.linalg.norm(who.offsets[[9, 10, 11]], axis=1).sum()) * contact.reach
        done.append(replace(motion, angles=motion.angles | {name: motion.angles[name] + tilt for name in names}))
    return tuple(done)


def meeting(first: Array, second: Array, contact: Contact) -> Array:
    """The way on the ground (3,) that brings ``second`` to where it meets ``first``, both (T, 25, 3)."""
    gap = first[:, contact.first].mean(axis=1) - second[:, contact.second].mean(axis=1)
    return np.asarray(np.average(gap, axis=0, weights=contact.when) * [1.0, 0.0, 1.0])


def draw_beat(subject: Subject, length: int, rng: np.random.Generator) -> Beat:
    """When and how ``subject`` does something in ``length`` frames; the recording may cut off its begin and its end."""
    start, end = rng.uniform(-CUT, 0.2), rng.uniform(0.8, 1.0 + CUT)
    return Beat(
        phase=np.clip((np.arange(length) / length - start) / (end - start), 0.0, 1.0),
        cycles=max(1.0, subject.tempo * rng.uniform(0.8, 1.2) * length / PACE),
        side=subject.hand,
        manner=float(rng.uniform(-1.0, 1.0)),
    )


def embody(motion: Motion, subject: Subject, length: int, rng: np.random.Generator) -> Array:
    """A motion as this person does it this time: (length, 25, 3) in metres."""
    time = np.linspace(0.0, 1.0, length)
    effort = np.clip(rng.normal(subject.vigour, 0.1), 0.75, 1.1)
    # Left and right err alike: hands that miss each other, or feet at two heights, would be no clap and no squat.
    scale = {stem: rng.normal(effort, 0.05) for stem in dict.fromkeys(map(joint_angle, ANGLES))}
    scale |= dict.fromkeys(LEG, effort)  # one factor for the whole leg keeps soles level
    fidget: dict[str, Array] = {}
    if rng.random() < FIDGETS:
        beat = draw_beat(subject, length, rng)
        gesture = ACTIONS[str(rng.choice(GESTURES))](replace(beat, side=beat.other))[0]
        share = rng.uniform(*FIDGET_SHARE)
        fidget = {name: share * values for name, values in gesture.angles.items() if name not in motion.angles}
    still = np.zeros(length)
    angles = {}
    for name in ANGLES:
        stem = joint_angle(name)
        angle = subject.posture[name] + (motion.angles.get(name, still) + fidget.get(name, still)) * scale[stem]
        if stem not in LEG:  # who stands has their feet still
            sway = rng.uniform(0.5, 2.5) * np.sin(2 * np.pi * (rng.uniform(0.3, 1.5) * time + rng.random()))
            angle = angle + sway + rng.normal(0.0, 3.0)
        angles[name] = np.radians(np.clip(angle, *LIMITS.get(stem, (-180.0, 180.0))))
    return move(subject.offsets, angles, lift=motion.lift)
