"""The augmentations of the 2s-AGCN lineage, as MS-G3D's feeder has them: pad, crop, shift in time, move in space."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import numpy as np

from clips.streams import Clip
from errors import InputError


def place(clip: Clip, start: int, length: int) -> Clip:
    """``clip`` at frame ``start`` of an otherwise empty clip: (C, T, V, M) -> (C, length, V, M)."""
    placed = np.zeros((clip.shape[0], length, *clip.shape[2:]), dtype=clip.dtype)
    placed[:, start : start + clip.shape[1]] = clip
    return placed


def check_number(name: str, value: object, *, least: float | None = None) -> None:
    """Refuse a ``value`` of the argument ``name`` that is no finite number, or one below ``least``."""
    number = float(value) if isinstance(value, int | float) and not isinstance(value, bool) else math.nan
    if not math.isfinite(number) or (least is not None and number < least):
        raise InputError(f"{name} is a number{'' if least is None else f' of at least {least:g}'}, not {value!r}")


def check_window(window: int, name: str = "window") -> None:
    """Refuse a ``window`` that is no number of frames; ``name`` is what the argument is called."""
    if not isinstance(window, int) or window < 1:
        raise InputError(f"{name} is a number of frames, not {window!r}")


def occupied(clip: Clip) -> tuple[int, int]:
    """First frame with a non-zero value, and one past the last such frame; (0, T) for an all-zero clip."""
    channels, length, joints, bodies = clip.shape
    # A sum of absolute values is zero for zeros alone; a matrix product sums faster than any reduction.
    sums = np.abs(clip).reshape(channels, length, -1) @ np.ones(joints * bodies, clip.dtype)
    frames = np.flatnonzero(sums.any(axis=0))
    return (int(frames[0]), int(frames[-1]) + 1) if len(frames) else (0, clip.shape[1])


@dataclass(frozen=True)
class AutoPad:
    """Pad a shorter clip with empty frames to ``window`` frames; a longer one stays."""

    window: int
    random_start: bool = False

    def __post_init__(self) -> None:
        check_window(self.window)

    def draw(self, rng: np.random.Generator, clip: Clip) -> int:
        room = max(self.window - clip.shape[1], 0)
        return int(rng.integers(room + 1)) if self.random_start else 0

    def apply(self, clip: Clip, drawn: int) -> Clip:
        return clip if clip.shape[1] >= self.window else place(clip, drawn, self.window)


@dataclass(frozen=True)
class RandomChoose:
    """A random stretch of ``window`` frames; a shorter clip is placed at random among empty frames."""

    window: int
    pad: bool = True

    def __post_init__(self) -> None:
        check_window(self.window)

    def draw(self, rng: np.random.Generator, clip: Clip) -> int:
        return int(rng.integers(abs(clip.shape[1] - self.window) + 1))

    def apply(self, clip: Clip, drawn: int) -> Clip:
        frames = clip.shape[1]
        if frames >= self.window:
            return clip[:, drawn : drawn + self.window]
        return place(clip, drawn, self.window) if self.pad else clip


@dataclass(frozen=True)
class RandomShift:
    """The occupied stretch of frames moved to a random place in time."""

    def draw(self, rng: np.random.Generator, clip: Clip) -> int:
        begin, end = occupied(clip)
        return int(rng.integers(clip.shape[1] - (end - begin) + 1))

    def apply(self, clip: Clip, drawn: int) -> Clip:
        begin, end = occupied(clip)
        return place(clip[:, begin:end], drawn, clip.shape[1])


@dataclass(frozen=True)
class Motion:
    """A drawn planar motion: key frames, and at each one angle (degrees), scale and shift along x and y."""

    frames: np.ndarray
    angle: np.ndarray
    scale: np.ndarray
    shift_x: np.ndarray
    shift_y: np.ndarray


@dataclass(frozen=True)
class RandomMove:
    """A camera that turns, zooms and drifts: x and y rotated, scaled and shifted, linearly between key frames.

    Angles are in degrees, shifts in the unit of the data. Empty joints and bodies are moved like any other, as in
    the published feeder. A key frame more than ``moves`` is drawn.
    """

    angles: tuple[float, ...] = (-10.0, -5.0, 0.0, 5.0, 10.0)
    scales: tuple[float, ...] = (0.9, 1.0, 1.1)
    shifts: tuple[float, ...] = (-0.2, -0.1, 0.0, 0.1, 0.2)
    moves: tuple[int, ...] = (1,)

    def __post_init__(self) -> None:
        for name in ("angles", "scales", "shifts", "moves"):
            values = getattr(self, name)
            if not isinstance(values, tuple) or not values:
                raise InputError(f"{name} is a list of numbers to draw from, not {values!r}")
            for value in values:
                check_number(name, value, least=1 if name == "moves" else None)

    def draw(self, rng: np.random.Generator, clip: Clip) -> Motion:
        frames = key_frames(clip.shape[1], int(rng.choice(self.moves)))
        candidates = (self.angles, self.scales, self.shifts, self.shifts)
        return Motion(frames, *(rng.choice(values, len(frames)) for values in candidates))

    def apply(self, clip: Clip, drawn: Motion) -> Clip:
        rows = np.stack([np.deg2rad(drawn.angle), drawn.scale, drawn.shift_x, drawn.shift_y])
        angle, scale, shift_x, shift_y = _between(clip.shape[1], drawn.frames, rows)[:, :, None, None]
        cosine, sine = np.cos(angle) * scale, np.sin(angle) * scale
        x, y = clip[0], clip[1]  # (T, V, M)
        moved: Clip = clip.copy()
        moved[0] = cosine * x - sine * y + shift_x
        moved[1] = sine * x + cosine * y + shift_y
        return moved


def key_frames(frames: int, moves: int) -> np.ndarray:
    """Frame numbers at which ``moves`` equal stretches of a clip begin, and its end."""
    return np.append(np.arange(0, frames, frames / moves).round().astype(int), frames)


def _between(length: int, frames: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Rows of values at every frame: each stretch runs evenly from its first to its last frame, both inclusive.

    Shapes: ``frames`` (K,), ``values`` (rows, K) -> (rows, length).
    """
    result = np.empty((len(values), length))
    for number, (begin, end) in enumerate(itertools.pairwise(frames.tolist())):
        result[:, begin:end] = np.linspace(values[:, number], values[:, number + 1], end - begin, axis=1)
    return result
