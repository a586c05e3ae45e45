"""Where a recording begins, as pyskl has it: bodies centred and turned to face one way, pixels in [-1, 1]."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from clips.normalize import rotation_between
from clips.streams import Clip
from errors import InputError
from feeders.agcn import check_number
from feeders.space import present

_Z = np.array([0.0, 0.0, 1.0])
_X = np.array([1.0, 0.0, 0.0])


@dataclass(frozen=True)
class PreNormalize3D:
    """Frames with the main body only, its centre in the first of them at the origin, all bodies turned as one (pyskl).

    The main body, the one in the most frames, comes first. ``center`` is the joint that becomes the origin; None is
    pyskl's choice: 1 of 25 joints, 3 of 24, the last of any other number. With ``align_spine`` joints ``zaxis``
    (bottom, top) of the main body's first frame come to lie along z, then joints ``xaxis`` (right, left) along x.
    Joints that were not seen stay zero.

    Shapes: (C=3, T, V, M) -> (C, T', V, M), T' the frames of the main body; an empty clip stays as it is.
    """

    zaxis: tuple[int, int] = (0, 1)
    xaxis: tuple[int, int] = (8, 4)
    align_spine: bool = True
    align_center: bool = True
    center: int | None = None

    def __post_init__(self) -> None:
        for name, axis in (("zaxis", self.zaxis), ("xaxis", self.xaxis)):
            if not (isinstance(axis, tuple) and len(axis) == 2 and all(isinstance(joint, int) for joint in axis)):
                raise InputError(f"{name} is two joints, not {axis!r}")

    def draw(self, rng: np.random.Generator, clip: Clip) -> None:
        return None

    def apply(self, clip: Clip, drawn: None) -> Clip:
        clip = main_body_first(clip)
        if self.align_center and clip.any():
            joint = _center(clip.shape[2]) if self.center is None else self.center
            clip = (clip - clip[:, 0, joint, 0][:, None, None, None]) * present(clip)
        if self.align_spine:
            turn = facing(clip[:, 0, :, 0], self.zaxis, self.xaxis)
            clip = (turn.astype(clip.dtype) @ clip.reshape(len(clip), -1)).reshape(clip.shape)
        return clip


def main_body_first(clip: Clip) -> Clip:
    """The body in the most frames changes places with the first, and frames without it are left out.

    Shapes: (C, T, V, M) -> (C, T', V, M); T' = T where there is no body at all.
    """
    there = (clip != 0).any(axis=(0, 2))  # (T, M)
    main = int(there.sum(axis=0).argmax())  # the first of those that are in as many frames
    kept = there[:, main]
    if main and kept.any():
        order = np.arange(clip.shape[-1])
        order[[0, main]] = main, 0
        clip = clip[..., order]
    return clip if kept.all() or not kept.any() else clip[:, kept]


def facing(frame: Clip, zaxis: tuple[int, int], xaxis: tuple[int, int]) -> NDArray[np.float64]:
    """The rotation that brings ``zaxis`` (bottom, top) of one body along z, and then ``xaxis`` (right, left) along x.

    Shapes: (C=3, V) -> (3, 3), for column vectors.
    """
    about_z = rotation_between(frame[:, zaxis[1]] - frame[:, zaxis[0]], _Z)
    upright = np.eye(3) if about_z is None else about_z
    turned = upright @ frame.astype(np.float64)
    about_x = rotation_between(turned[:, xaxis[0]] - turned[:, xaxis[1]], _X)
    return upright if about_x is None else about_x @ upright


def _center(joints: int) -> int:
    return {25: 1, 24: 3}.get(joints, joints - 1)


@dataclass(frozen=True)
class PreNormalize2D:
    """Pixels to [-1, 1]; joints whose score is ``threshold`` or less become zero, their scores stay (pyskl).

    Mode ``fix`` takes the picture's size (``img_shape``: height and width; a recording that knows its own goes before
    it), mode ``auto`` the stretch that the joints that were seen cover, if it is over ``least`` pixels both ways. The
    third channel is the score, if there is one; without it a joint was seen that is not at the origin.

    Shapes: (C=2 or 3, T, V, M) -> the same.
    """

    img_shape: tuple[float, float] = (1080, 1920)
    threshold: float = 0.01
    mode: str = "fix"
    least: float = 10

    def __post_init__(self) -> None:
        if self.mode not in ("fix", "auto"):
            raise InputError(f"mode is fix or auto, not {self.mode!r}")
        check_number("least", self.least, least=0)
        if not (isinstance(self.img_shape, tuple) and len(self.img_shape) == 2 and min(self.img_shape) > 0):
            raise InputError(f"img_shape is the picture's height and width, not {self.img_shape!r}")

    def of_picture(self, img_shape: tuple[float, float] | None) -> PreNormalize2D:
        """This transform for one recording, whose picture is ``img_shape`` (height, width) if that is known."""
        return self if img_shape is None else replace(self, img_shape=img_shape)

    def draw(self, rng: np.random.Generator, clip: Clip) -> None:
        return None

    def apply(self, clip: Clip, drawn: None) -> Clip:
        if clip.shape[0] not in (2, 3):
            raise ValueError("pixels have two channels, or three with the score")
        counted = clip[2] > self.threshold if len(clip) == 3 else present(clip)[0]  # (T, V, M)
        made: Clip = clip.copy()
        stretch = self._stretch(clip, counted)
        if stretch is not None:
            low, high = (end.reshape(2, 1, 1, 1) for end in stretch)
            made[:2] = (clip[:2] - (low + high) / 2) / ((high - low) / 2)
        made[:2] *= counted
        return made

    def _stretch(self, clip: Clip, counted: NDArray[np.bool_]) -> tuple[Clip, Clip] | None:
        """What becomes -1 and what 1, in x and in y; None where nothing is to be stretched."""
        if self.mode == "fix":
            height, width = self.img_shape
            return np.zeros(2, clip.dtype), np.array([width, height], clip.dtype)
        points = clip[:2, counted]  # (2, joints)
        if not points.shape[1]:
            return None
        low, high = points.min(axis=1), points.max(axis=1)
        return (low, high) if np.all(high - low > self.least) else None
