"""Placing and turning bodies in space."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from clips.streams import Clip
from errors import InputError
from feeders.agcn import check_number


def present(clip: Clip) -> np.ndarray:
    """Which joints were seen: (C, T, V, M) -> (1, T, V, M), False where all coordinates are zero."""
    seen: np.ndarray = (clip != 0).any(axis=0, keepdims=True)
    return seen


@dataclass(frozen=True)
class Center:
    """The first body's ``joint`` becomes the origin, in the first frame that it was seen in.

    Joints that were not seen stay zero, unless ``keep_zeros`` is false: NW-UCLA's feeder moves them like any other, and
    looks at the first frame alone.
    """

    joint: int = 1
    keep_zeros: bool = True

    def __post_init__(self) -> None:
        if type(self.joint) is not int or self.joint < 0:
            raise InputError(f"joint is the number of a joint, from 0, not {self.joint!r}")

    def draw(self, rng: np.random.Generator, clip: Clip) -> None:
        return None

    def apply(self, clip: Clip, drawn: None) -> Clip:
        seen = clip[:, :, self.joint, 0].any(axis=0)
        first = int(seen.argmax()) if self.keep_zeros else 0
        centred: Clip = clip - clip[:, first : first + 1, self.joint : self.joint + 1, :1]
        return centred * present(clip) if self.keep_zeros else centred


@dataclass(frozen=True)
class Scale:
    """Multiply every coordinate by ``factor``: from the unit of a data set to metres, say."""

    factor: float

    def __post_init__(self) -> None:
        check_number("factor", self.factor)

    def draw(self, rng: np.random.Generator, clip: Clip) -> None:
        return None

    def apply(self, clip: Clip, drawn: None) -> Clip:
        scaled: Clip = clip * np.asarray(self.factor, dtype=clip.dtype)
        return scaled


@dataclass(frozen=True)
class RandomRotation:
    """One rotation of the whole clip, R = Rz Ry Rx with each angle uniform in ±``theta`` radians (CTR-GCN, pyskl).

    For 2-D poses, whose third channel is a score, there is ``RandomRotation2D``.
    """

    theta: float = 0.3

    def __post_init__(self) -> None:
        check_number("theta", self.theta, least=0)

    def draw(self, rng: np.random.Generator, clip: Clip) -> np.ndarray:
        return rng.uniform(-self.theta, self.theta, 3)

    def apply(self, clip: Clip, drawn: np.ndarray) -> Clip:
        turned: Clip = rotation(drawn).astype(clip.dtype) @ clip.reshape(len(clip), -1)
        return turned.reshape(clip.shape)


@dataclass(frozen=True)
class RandomRotation2D:
    """One rotation of the plane, its angle uniform in ±``theta`` radians; further channels, as the score, stay.

    pyskl's RandomRot of 2-D poses, which by a slip draws from -theta up to 1 instead.
    """

    theta: float = 0.3

    def __post_init__(self) -> None:
        check_number("theta", self.theta, least=0)

    def draw(self, rng: np.random.Generator, clip: Clip) -> float:
        return float(rng.uniform(-self.theta, self.theta))

    def apply(self, clip: Clip, drawn: float) -> Clip:
        sine, cosine = np.sin(drawn), np.cos(drawn)
        turned: Clip = clip.copy()
        turned[0] = cosine * clip[0] - sine * clip[1]
        turned[1] = sine * clip[0] + cosine * clip[1]
        return turned


@dataclass(frozen=True)
class RandomScale:
    """Each channel of the whole clip times a factor of its own, uniform in 1 ± ``scale`` (pyskl).

    ``scale`` is one number, or one per channel: ``[0.2, 0.2, 0]`` leaves the score of 2-D poses alone.
    """

    scale: float | tuple[float, ...] = 0.2

    def __post_init__(self) -> None:
        for number in self.scale if isinstance(self.scale, tuple) else (self.scale,):
            check_number("scale", number, least=0)

    def draw(self, rng: np.random.Generator, clip: Clip) -> np.ndarray:
        spread = np.asarray(self.scale, dtype=np.float64)
        if spread.ndim and len(spread) != len(clip):
            raise ValueError(f"scale has {len(spread)} numbers")
        return 1 + rng.uniform(-1, 1, len(clip)) * spread

    def apply(self, clip: Clip, drawn: np.ndarray) -> Clip:
        scaled: Clip = clip * drawn.astype(clip.dtype)[:, None, None, None]
        return scaled


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
