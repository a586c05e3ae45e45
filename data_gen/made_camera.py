"""What a depth camera makes of bodies, and MS-G3D's normal form of what it saw. Joints in NTU RGB+D order."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from data_gen.demo_body import rotations

Array = npt.NDArray[np.float64]

BASE, MIDDLE, LEFT_SHOULDER, RIGHT_SHOULDER = 0, 1, 4, 8
LIMB_ENDS = (6, 7, 10, 11, 14, 15, 18, 19, 21, 22, 23, 24)  # a camera sees these worst
LOSABLE = (3, 5, 9, 13, 17, *LIMB_ENDS)
NOISE = (0.008, 0.021)  # metres at a distance of 3 m


def watch(points: Array, rng: np.random.Generator) -> Array:
    """What a depth camera a few metres away reports of ``points`` (M, T, 25, 3): metres, y up, z away from it.

    Bodies appear turned, shaken by noise that grows with the distance, and without the joints lost from sight (zero).
    """
    yaw, pitch = np.pi + rng.uniform(-0.8, 0.8), rng.uniform(-0.15, 0.15)
    turn, tip = rotations(np.array([[0.0, yaw, 0.0], [pitch, 0.0, 0.0]]))
    place = np.array([rng.uniform(-0.5, 0.5), -1.0, rng.uniform(2.2, 3.8)])
    seen: Array = (points @ turn.T + place) @ tip.T

    spread = rng.uniform(*NOISE) * (place[2] / 3) ** 2 * np.array([1.0, 1.0, 1.5])
    white = rng.normal(size=(2, *points.shape))
    slow = np.cumsum(white[1], axis=1)
    slow[:, 7:] -= slow[:, :-7].copy()  # sums over 7 frames: errors that stay for a while
    noise = (white[0] + slow / np.sqrt(7)) * spread
    noise[:, :, LIMB_ENDS] *= 2
    seen += noise

    frames = points.shape[1]
    for body in seen:
        for _ in range(rng.poisson(1.0)):
            begin, span = rng.integers(0, frames), rng.integers(frames // 8, frames // 2)
            body[begin : begin + span, rng.choice(LOSABLE)] = 0.0
    return seen


def normalise(points: Array) -> Array:
    """MS-G3D's normal form of ``points`` (M, T, 25, 3): the middle of body 0's spine is the origin of every frame.

    One rotation for the whole clip takes body 0's spine in frame 0 to z, a second one its shoulders to x. Lost joints
    stay zero.
    """
    lost = ~points.any(axis=-1, keepdims=True)
    points = points - points[:1, :, MIDDLE : MIDDLE + 1]
    for start, end, axis in ((BASE, MIDDLE, 2), (LEFT_SHOULDER, RIGHT_SHOULDER, 0)):
        line = points[0, 0, end] - points[0, 0, start]
        points = points @ rotation_onto(line, np.eye(3)[axis]).T
    return np.asarray(np.where(lost, 0.0, points))


def rotation_onto(line: Array, axis: Array) -> Array:
    """The smallest rotation (3, 3) that takes the direction of ``line`` (3,) to the unit vector ``axis`` (3,)."""
    about, cosine = np.cross(line, axis), line @ axis
    sine = np.linalg.norm(about)
    if sine < 1e-9 * np.linalg.norm(line):
        return np.eye(3)  # parallel already, or opposite: MS-G3D leaves that alone too
    x, y, z = about / sine
    cross = np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
    angle = np.arctan2(sine, cosine)
    return np.asarray(np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross)
