"""What NW-UCLA's feeders do (CTR-GCN's, MSA-GCN's): another view, each axis stretched to [-1, 1], frames by lot."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clips.streams import Clip
from errors import InputError
from feeders.agcn import check_window
from feeders.space import rotation

_COPIES = 100  # of every frame in the lot


@dataclass(frozen=True)
class RandomView:
    """The clip from another side: turned about y, then about x, and scaled.

    Both angles are whole degrees in ±``angle``; the factor is uniform between the two numbers of ``scale``.

    Shapes: (C=3, T, V, M) -> the same.
    """

    angle: int = 60
    scale: tuple[float, float] = (0.5, 1.5)

    def __post_init__(self) -> None:
        if not isinstance(self.angle, int) or self.angle < 0:
            raise InputError(f"angle is a number of whole degrees, not {self.angle!r}")
        if not (isinstance(self.scale, tuple) and len(self.scale) == 2 and 0 < self.scale[0] <= self.scale[1]):
            raise InputError(f"scale is two numbers above 0, the least and the largest, not {self.scale!r}")

    def draw(self, rng: np.random.Generator, clip: Clip) -> tuple[int, int, float]:
        about_x = int(rng.integers(-self.angle, self.angle + 1))
        about_y = int(rng.integers(-self.angle, self.angle + 1))
        return about_x, about_y, float(rng.uniform(*self.scale))

    def apply(self, clip: Clip, drawn: tuple[int, int, float]) -> Clip:
        about_x, about_y, factor = drawn
        matrix = factor * rotation(np.deg2rad([about_x, about_y, 0])).T
        seen: Clip = matrix.astype(clip.dtype) @ clip.reshape(len(clip), -1)
        return seen.reshape(clip.shape)


@dataclass(frozen=True)
class MinMax:
    """Each axis by itself to [-1, 1], over all frames, joints and bodies of the clip; absent bodies stay zero.

    An axis along which nothing differs becomes zero, where published code divides by zero.
    """

    def draw(self, rng: np.random.Generator, clip: Clip) -> None:
        return None

    def apply(self, clip: Clip, drawn: None) -> Clip:
        there = clip.any(axis=(0, 1, 2))  # (M,)
        if not there.any():
            return clip
        counted = clip if there.all() else clip[..., there]
        low, high = (end(axis=(1, 2, 3), keepdims=True) for end in (counted.min, counted.max))
        half = (high - low) / 2
        made: Clip = (clip - (high + low) / 2) / np.where(half == 0, 1, half)
        return made if there.all() else made * there


@dataclass(frozen=True)
class SampleFrames:
    """``frames`` frames in their order: drawn from a hundred copies of each, or evenly from the first to the last.

    Shapes: (C, T, V, M) -> (C, frames, V, M).
    """

    frames: int = 52
    random: bool = True

    def __post_init__(self) -> None:
        check_window(self.frames, "frames")

    def draw(self, rng: np.random.Generator, clip: Clip) -> NDArray[np.intp]:
        total = clip.shape[1]
        if not self.random:
            return np.linspace(0, total - 1, self.frames).astype(np.intp)
        copies = max(_COPIES, -(-self.frames // total))
        return np.sort(rng.choice(copies * total, self.frames, replace=False) % total)

    def apply(self, clip: Clip, drawn: NDArray[np.intp]) -> Clip:
        return clip.take(drawn, axis=1)
