"""From a recording to MS-G3D's clip: the bodies that move most, looped, centred and turned to face one way.

The steps of 2s-AGCN, MS-G3D and MST-GCN, to the last bit: sums decide what counts as absent, coordinates stay in the
precision of the clip, and rotations are computed in float64.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clips.read.ntu import NUM_JOINTS, Recording

Floats = NDArray[Any]

_Z = np.array([0.0, 0.0, 1.0])
_X = np.array([1.0, 0.0, 0.0])
_NEGLIGIBLE = 1e-6


def strongest_bodies(recording: Recording, *, slots: int = 4, keep: int = 2) -> NDArray[np.float64]:
    """The ``keep`` of the first ``slots`` bodies with the highest energy, the highest first: (C, T, V, M).

    A slot's energy is the spread of its x plus that of y and z, over the frames that it has a body in. Ghosts (chairs,
    reflections) hardly move. Frames without the body are zero.
    """
    rows = [np.flatnonzero(recording.slot == slot) for slot in range(slots)]
    order = strongest([recording.xyz[row] for row in rows], keep)
    bodies = np.zeros((keep, recording.num_frames, NUM_JOINTS, 3))
    for body, slot in zip(bodies, order, strict=True):
        body[recording.frame[rows[slot]]] = recording.xyz[rows[slot]]
    clip: NDArray[np.float64] = bodies.transpose(3, 1, 2, 0)
    return clip


def strongest(tracks: Sequence[NDArray[np.float64]], keep: int) -> list[int]:
    """Which ``keep`` of the tracks (T, V, C) have the highest energy, the highest first; of equals the last first."""
    energy = [_energy(track) for track in tracks]
    return [int(track) for track in np.argsort(energy, kind="stable")[::-1][:keep]]


def _energy(track: NDArray[np.float64]) -> float:
    """Shapes: (T, V, C) -> a number."""
    track = track[track.sum(-1).sum(-1) != 0]
    return float(track.reshape(-1, track.shape[-1]).std(axis=0).sum()) if len(track) else 0.0


def replayed(clip: Floats, num_frames: int) -> Floats:
    """Every body again and again up to ``num_frames``, each from its own first frame on; absent ones stay empty.

    Shapes: (C, T, V, M) -> (C, num_frames, V, M), T <= num_frames.
    """
    out = np.zeros((clip.shape[0], num_frames, *clip.shape[2:]), clip.dtype)
    for body in range(clip.shape[-1]):
        track = _present(clip[..., body])
        if track.shape[1]:
            out[..., body] = _looped(track, num_frames)
    return out


def prenormalize(
    clip: Floats, num_frames: int, *, zaxis: tuple[int, int] = (0, 1), xaxis: tuple[int, int] = (8, 4)
) -> Floats:
    """Loop every body to ``num_frames``, take the middle of the first one's spine off, turn all bodies as one.

    The first frame of the first body decides the turn: joints ``zaxis`` (hip to spine) come to lie along z, then
    joints ``xaxis`` (right to left shoulder, as the reference names them) along x.

    Shapes: (C=3, T, V, M) -> (C, num_frames, V, M), T <= num_frames, in the clip's precision.
    """
    tracks = [_present(clip[..., body]) for body in range(clip.shape[-1])]
    round_of_main = tracks[0].shape[1]
    bodies = [
        # A body that repeats together with the first is needed for one round only.
        (m, track if track.shape[1] == round_of_main else _looped(track, num_frames))
        for m, track in enumerate(tracks)
        if track.shape[1]
    ]
    if round_of_main:  # else all joints of the first body are zero: nothing to take off, no turn
        center = bodies[0][1][:, :, 1:2].copy()
        bodies = [(m, (x - _looped(center, x.shape[1])) * _filled(x)) for m, x in bodies]
        for (top, bottom), target in (((zaxis[1], zaxis[0]), _Z), (xaxis, _X)):
            first = bodies[0][1][:, 0]
            matrix = rotation_between(first[:, top] - first[:, bottom], target)
            bodies = [(m, _turned(x, matrix)) for m, x in bodies]
    out = np.zeros((3, num_frames, *clip.shape[2:]), clip.dtype)
    for m, x in bodies:
        out[..., m] = _looped(x, num_frames)
    return out


def rotation_between(vector: Floats, target: NDArray[np.float64]) -> NDArray[np.float64] | None:
    """The rotation (3, 3) that takes ``vector`` onto ``target``; None where there is nothing to turn."""
    (a, b, c), (d, e, f) = vector.astype(np.float64), target
    axis = np.array([b * f - c * e, c * d - a * f, a * e - b * d])
    return rotation_matrix(axis, angle_between(vector, target))


def angle_between(vector: Floats, target: Floats) -> float:
    """The angle in radians; 0 where one of the two is negligible."""
    if np.abs(vector).sum() < _NEGLIGIBLE or np.abs(target).sum() < _NEGLIGIBLE:
        return 0.0
    cosine = (vector / np.linalg.norm(vector)).dot(target / np.linalg.norm(target))
    return float(np.arccos(min(max(cosine, -1.0), 1.0)))


def rotation_matrix(axis: NDArray[np.float64], angle: float) -> NDArray[np.float64] | None:
    """Euler-Rodrigues: the rotation by ``angle`` about ``axis``; None where either is negligible."""
    if np.abs(axis).sum() < _NEGLIGIBLE or abs(angle) < _NEGLIGIBLE:
        return None
    w = math.cos(angle / 2)
    x, y, z = (-axis / math.sqrt(axis.dot(axis)) * math.sin(angle / 2)).tolist()
    return np.array(
        [
            [w * w + x * x - y * y - z * z, 2 * (x * y + w * z), 2 * (x * z - w * y)],
            [2 * (x * y - w * z), w * w + y * y - x * x - z * z, 2 * (y * z + w * x)],
            [2 * (x * z + w * y), 2 * (y * z - w * x), w * w + z * z - x * x - y * y],
        ]
    )


def _present(track: Floats) -> Floats:
    """The frames that are looped: all that hold the body if the first does not, else all up to the last that does.

    Shapes: (C, T, V) -> (C, L, V), contiguous; L = 0 for an absent body.
    """
    track = np.ascontiguousarray(track)
    held = np.flatnonzero(_frame_sums(track) != 0)
    if not len(held):
        return track[:, :0]
    return track[:, held] if held[0] else track[:, : held[-1] + 1]


def _looped(track: Floats, length: int) -> Floats:
    """Shapes: (C, L, V) -> (C, length, V)."""
    return track if track.shape[1] == length else track[:, np.arange(length) % track.shape[1]]


def _filled(track: Floats) -> NDArray[np.bool_]:
    """Which joints are there: a lost one is zero. Shapes: (C, T, V) -> (T, V)."""
    filled: NDArray[np.bool_] = track[0] + track[1] + track[2] != 0
    return filled


def _frame_sums(track: Floats) -> Floats:
    """Shapes: (C, T, V) -> (T,)."""
    first, *others = track.sum(-1)
    sums: Floats = sum(others, start=first)
    return sums


def _turned(track: Floats, matrix: NDArray[np.float64] | None) -> Floats:
    """Every frame that is not null, turned.

    Shapes: (C, T, V) -> the same.
    """
    if matrix is None:
        return track
    points = track.transpose(1, 2, 0).astype(np.float64, order="C")[..., None]
    turned = np.ascontiguousarray(
        # A product for each joint, as published: one for all of them would round other bits.
        np.matmul(matrix, points)[..., 0].transpose(2, 0, 1),
        dtype=track.dtype,
    )
    null = _frame_sums(track) == 0
    if null.any():
        turned[:, null] = track[:, null]
    return turned
