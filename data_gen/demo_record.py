"""A recording as the text of an NTU RGB+D ``.skeleton`` file.

One item a line: the number of frames; per frame the number of bodies; per body its 10 fields, the number of joints, and
12 fields per joint. Numbers have seven significant digits.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from data_gen.demo_body import SKELETON
from data_gen.demo_camera import LOST, Recording, Track

Array = npt.NDArray[np.float64]

# bodyID clippedEdges, confidence and state of the left and the right hand, isRestricted leanX leanY trackingState
BODY = "{} %d %d %d %d %d 0 %.7g %.7g 2\n" + f"{len(SKELETON)}\n"
# x y z, depthX depthY, colorX colorY, orientation w x y z, trackingState
JOINT = "%.7g " * 11 + "%d\n"

# Focal lengths and centres in pixels, width and height of the images; the colour camera sits beside the depth camera.
DEPTH_FOCUS, DEPTH_SIZE = 366.0, (512, 424)
COLOR_FOCUS, COLOR_SIZE, COLOR_SHIFT = 1063.0, (1920, 1080), (0.052, 0.0, 0.0)
EDGES = (1, 2, 4, 8)  # right, left, top, bottom: bits of clippedEdges

PARENTS = [max(parent, 0) for _, (parent, _) in sorted(SKELETON.items())]
LEAVES = [joint for joint in SKELETON if joint not in PARENTS]


def skeleton_text(recording: Recording) -> str:
    """The whole file, lines ended by line feeds."""
    rows = [fields(track).tolist() for track in recording.tracks]
    forms = [BODY.format(track.body_id) + JOINT * len(SKELETON) for track in recording.tracks]
    text, values = [f"{len(recording.slots)}\n"], []
    for t, slots in enumerate(recording.slots):
        text.append(f"{len(slots)}\n")
        for slot in slots:
            text.append(forms[slot])
            values += rows[slot][t]
    return "".join(text) % tuple(values)


def fields(track: Track) -> Array:
    """Everything of a body that changes: (T, 7 + 25 * 12), the body's fields before the joints' ones."""
    lost = track.states == LOST
    points = track.points
    depth = pixels(points, DEPTH_FOCUS, DEPTH_SIZE)
    color = pixels(points + np.array(COLOR_SHIFT), COLOR_FOCUS, COLOR_SIZE)
    joints = np.concatenate([points, depth, color, orientations(points)], axis=-1)
    joints[lost] = 0.0
    joints = np.concatenate([joints, track.states[..., None]], axis=-1)

    (across, down), (width, height) = np.moveaxis(depth, -1, 0), DEPTH_SIZE
    beyond = np.stack([across > width, across < 0, down < 0, down > height])
    edges = np.tensordot(EDGES, (beyond & ~lost).any(axis=-1), axes=1)  # (T,)
    spine = points[:, 20] - points[:, 0]
    lean = np.clip(np.arctan2(spine[:, [0, 2]] * [1.0, -1.0], spine[:, 1:2]) / (np.pi / 4), -1.0, 1.0)
    body = np.column_stack([edges, track.hands, lean])
    return np.concatenate([body, joints.reshape(len(points), -1)], axis=1)


def pixels(points: Array, focus: float, size: tuple[int, int]) -> Array:
    """Where camera points (..., 3) lie in an image: (..., 2), x rightwards, y downwards; nonsense for lost joints."""
    depth = np.where(points[..., 2:] == 0, 1.0, points[..., 2:])
    return np.asarray(np.array(size) / 2 + points[..., :2] * [focus, -focus] / depth)


def orientations(points: Array) -> Array:
    """Unit quaternions (T, 25, 4), w first, that take y to the bone which ends at a joint, after the body's heading.

    The base has its bone to the spine. As the sensor does, the ends of limbs and of the head have zeros.
    """
    bones = points - points[:, PARENTS]
    bones[:, 0] = bones[:, 1]
    bones /= np.maximum(np.linalg.norm(bones, axis=-1, keepdims=True), 1e-9)
    w = np.sqrt(np.maximum(1 + bones[..., 1], 1e-9) / 2)
    x, z = bones[..., 2] / (2 * w), -bones[..., 0] / (2 * w)
    hips = points[:, 12] - points[:, 16]
    half = np.arctan2(-hips[:, 2], hips[:, 0])[:, None] / 2
    cos, sin = np.cos(half), np.sin(half)
    turned = np.stack([w * cos, x * cos - z * sin, w * sin, z * cos + x * sin], axis=-1)
    turned /= np.linalg.norm(turned, axis=-1, keepdims=True)
    turned[:, LEAVES] = 0.0
    return np.asarray(turned)
