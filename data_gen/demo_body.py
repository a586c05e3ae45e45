"""A human body of 25 joints (NTU RGB+D order) that is moved by named angles: forward kinematics.

Axes of a body that faces forward: x to its own left, y up, z forward; metres and radians. A rotation belongs to the
bone that ends at a joint, so leaning the spine leaves the legs where they are.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

X, Y, Z = 0, 1, 2

# Joint: (the joint it hangs on, offset from it) of an adult of 1.70 m who stands with hanging arms.
SKELETON: dict[int, tuple[int, tuple[float, float, float]]] = {
    0: (-1, (0.0, 0.0, 0.0)),
    1: (0, (0.0, 0.27, 0.0)),
    20: (1, (0.0, 0.23, 0.0)),
    2: (20, (0.0, 0.07, 0.0)),
    3: (2, (0.0, 0.15, 0.02)),
    4: (20, (0.17, -0.04, 0.0)),
    5: (4, (0.02, -0.27, 0.0)),
    6: (5, (0.0, -0.24, 0.0)),
    7: (6, (0.0, -0.08, 0.0)),
    21: (7, (0.0, -0.08, 0.0)),
    22: (7, (-0.01, -0.03, 0.06)),
    8: (20, (-0.17, -0.04, 0.0)),
    9: (8, (-0.02, -0.27, 0.0)),
    10: (9, (0.0, -0.24, 0.0)),
    11: (10, (0.0, -0.08, 0.0)),
    23: (11, (0.0, -0.08, 0.0)),
    24: (11, (0.01, -0.03, 0.06)),
    12: (0, (0.085, -0.03, 0.0)),
    13: (12, (0.02, -0.41, 0.0)),
    14: (13, (0.0, -0.39, 0.0)),
    15: (14, (0.01, -0.06, 0.13)),
    16: (0, (-0.085, -0.03, 0.0)),
    17: (16, (-0.02, -0.41, 0.0)),
    18: (17, (0.0, -0.39, 0.0)),
    19: (18, (-0.01, -0.06, 0.13)),
}
TRUNK, SHOULDERS, ARMS, HIPS, LEGS = (
    (1, 2, 3, 20),
    (4, 8),
    (5, 6, 7, 9, 10, 11, 21, 22, 23, 24),
    (12, 16),
    (13, 14, 15, 17, 18, 19),
)
FEET = ((14, 15), (18, 19))

# Angle: (joint at the bone's end, axis, sign). Positive flexes forward (knees: backward), opens sideways, turns inward.
ANGLES: dict[str, tuple[int, int, int]] = {
    "lean": (1, X, 1),
    "tilt": (1, Z, 1),
    "bend": (20, X, 1),
    "twist": (20, Y, 1),
    "nod": (3, X, 1),
    "look": (3, Y, 1),
}
for _side, _sign, _arm, _leg in (("left", 1, 5, 13), ("right", -1, 9, 17)):
    ANGLES |= {
        f"{_side} arm flex": (_arm, X, -1),
        f"{_side} arm open": (_arm, Z, _sign),
        f"{_side} arm turn": (_arm, Y, -_sign),
        f"{_side} elbow": (_arm + 1, X, -1),
        f"{_side} palm": (_arm + 2, Y, -_sign),
        f"{_side} wrist": (_arm + 2, X, -1),
        f"{_side} hip flex": (_leg, X, -1),
        f"{_side} hip open": (_leg, Z, _sign),
        f"{_side} knee": (_leg + 1, X, 1),
        f"{_side} ankle": (_leg + 2, X, -1),
    }


def draw_body(rng: np.random.Generator) -> Array:
    """Bone offsets (25, 3) in metres of one person: stature, and within it trunk, limbs and widths of their own."""
    offsets = np.zeros((len(SKELETON), 3))
    for joint, (_, offset) in SKELETON.items():
        offsets[joint] = offset
    for joints in (TRUNK, SHOULDERS, ARMS, HIPS, LEGS):
        offsets[list(joints)] *= rng.normal(1.0, 0.05)
    return offsets * float(np.clip(rng.normal(1.0, 0.06), 0.85, 1.15))


def rotations(angles: Array) -> Array:
    """Rx @ Rz @ Ry of angles (..., 3) around x, y, z in radians: matrices (..., 3, 3).

    In this order a limb first turns about itself, then opens sideways, and is flexed as a whole.
    """
    (cx, cy, cz), (sx, sy, sz) = np.moveaxis(np.cos(angles), -1, 0), np.moveaxis(np.sin(angles), -1, 0)
    rows = (
        (cz * cy, -sz, cz * sy),
        (cx * sz * cy + sx * sy, cx * cz, cx * sz * sy - sx * cy),
        (sx * sz * cy - cx * sy, sx * cz, sx * sz * sy + cx * cy),
    )
    return np.stack([np.stack(row, axis=-1) for row in rows], axis=-2)


def move(offsets: Array, angles: Mapping[str, Array], lift: Array | float = 0.0) -> Array:
    """Joint positions (T, 25, 3) of a body through T frames; it walks as its legs make it.

    ``angles`` give radians (T,) by the names of ``ANGLES``; what is left out hangs straight. The lowest sole stands
    on y = 0 plus ``lift`` metres (T,). In frame 0 the feet stand around x = z = 0; from then on what bears the body
    stays where it is.
    """
    frames = len(next(iter(angles.values())))
    euler = np.zeros((frames, len(SKELETON), 3))
    for name, values in angles.items():
        joint, axis, sign = ANGLES[name]
        euler[:, joint, axis] += sign * values
    turned = set(np.flatnonzero(euler.any(axis=(0, 2))))
    local = rotations(euler)

    bones = np.empty_like(local)
    points = np.zeros((frames, len(SKELETON), 3))
    for joint, (parent, _) in SKELETON.items():  # parents come first
        if parent < 0:
            bones[:, joint] = local[:, joint]
            continue
        bones[:, joint] = bones[:, parent] @ local[:, joint] if joint in turned else bones[:, parent]
        points[:, joint] = points[:, parent] + bones[:, joint] @ offsets[joint]
    return planted(points, lift)


def planted(points: Array, lift: Array | float) -> Array:
    """``points`` (T, 25, 3) moved as a whole so that soles rest on the ground and bearing feet do not slide."""
    feet = points[:, FEET]  # (T, 2 feet, heel and toe, 3)
    height = feet[..., Y].min(axis=2)
    height -= height.min(axis=1, keepdims=True)
    bears = np.exp(-height / 0.01)  # one centimetre up, a foot bears a third
    bears /= bears.sum(axis=1, keepdims=True)
    place = feet.mean(axis=2)  # (T, 2, 3)
    slides = ((bears[1:] + bears[:-1])[..., None] / 2 * np.diff(place, axis=0)).sum(axis=1)
    shift = np.zeros((len(points), 3))
    shift[0] = -place[0].mean(axis=0)
    shift[1:] = shift[0] - np.cumsum(slides, axis=0)
    shift[:, Y] = lift - feet[..., Y].min(axis=(1, 2))
    return np.asarray(points + shift[:, None])
