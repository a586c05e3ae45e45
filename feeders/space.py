"""Placing and turning bodies in space."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from clips.streams import Clip


def present(clip: Clip) -> np.ndarray:
    """Which joints were seen: (C, T, V, M) -> (1, T, V, M), False where all coordinates are zero."""
    seen: np.ndarray = (clip != 0).any(axis=0, keepdims=True)
    return seen


@dataclass(frozen=True)
class Center:
    """The first body's ``joint`` in the first frame becomes the origin; joints that were not seen stay zero."""

    joint: int = 1

    def draw(self, rng: np.random.Generator, clip: Clip) -> None:
        return None

    def apply(self, clip: Clip, drawn: None) -> Clip:
        centred: Clip = (clip - clip[:, :1, self.joint : self.joint + 1, :1]) * present(clip)
        return centred


@dataclass(frozen=True)
class Scale:
    """Multiply every coordinate by ``factor``: from the unit of a data set to metres, say."""

    factor: float

    def draw(self, rng: np.random.Generator, clip: Clip) -> None:
        return None

    def apply(self, clip: Clip, drawn: None) -> Clip:
        scaled: Clip = clip * np.asarray(self.factor, dtype=clip.dtype)
        return scaled


@dataclass(frozen=True)
class RandomRotation:
    """One rotation of the whole clip, R = Rz Ry Rx with each angle uniform in ±``theta`` radians (CTR-GCN, pyskl)."""

    theta: float = 0.3

    def draw(self, rng: np.random.Generator, clip: Clip) -> np.ndarray:
        return rng.uniform(-self.theta, self.theta, 3)

    def apply(self, clip: Clip, drawn: np.ndarray) -> Clip:
        turned: Clip = np.einsum("dc,ctvm->dtvm", rotation(drawn).astype(clip.dtype), clip)
        return turned


def rotation(angles: np.ndarray) -> np.ndarray:
    """Rz Ry Rx for angles (x, y, z) in radians: a (3, 3) matrix for column vectors.

    Positive angles turn clockwise, seen from the tip of the axis, as in the published code.
    """
    (sx, sy, sz), (cx, cy, cz) = -np.sin(angles), np.cos(angles)
    rx = np.array([[1, 0, 0], [0, cx, -sx], [0, sx, cx]])
    ry = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    rz = np.array([[cz, -sz, 0], [sz, cz, 0], [0, 0, 1]])
    turn: np.ndarray = rz @ ry @ rx
    return turn
