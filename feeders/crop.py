"""Cropping and resizing in time, as the CTR-GCN lineage does it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from clips.streams import Clip
from errors import InputError
from feeders.agcn import check_window


@dataclass(frozen=True)
class CropResize:
    """A stretch of the valid frames, resized to ``window`` frames by linear interpolation (CTR-GCN's crop-resize).

    Valid frames run from the first of the clip to as many as are not empty. With two numbers in ``p_interval`` the
    share to keep is drawn between them (at least ``min_frames`` where there are as many) and so is the start; with
    one number that share is kept from the middle.
    """

    window: int = 64
    p_interval: tuple[float, ...] = (0.95,)
    min_frames: int = 64

    def __post_init__(self) -> None:
        check_window(self.window)
        limits = self.p_interval if isinstance(self.p_interval, tuple) else ()
        if len(limits) not in (1, 2) or not 0 < limits[0] <= limits[-1] <= 1:
            raise InputError(
                f"p_interval is one share of the frames or two, above 0 and up to 1, not {self.p_interval}"
            )

    def draw(self, rng: np.random.Generator, clip: Clip) -> tuple[int, int]:
        valid = int((clip != 0).any(axis=(0, 2, 3)).sum()) or clip.shape[1]
        if len(self.p_interval) == 1:
            cut = int((1 - self.p_interval[0]) * valid / 2)
            return cut, valid - cut
        share = rng.uniform(self.p_interval[0], self.p_interval[1])
        length = min(max(int(valid * share), self.min_frames), valid)
        start = int(rng.integers(valid - length + 1))
        return start, start + length

    def apply(self, clip: Clip, drawn: tuple[int, int]) -> Clip:
        begin, end = drawn
        return resize(clip[:, begin:end], self.window)


def resize(clip: Clip, frames: int) -> Clip:
    """Linear interpolation to ``frames`` frames, each the centre of an equal stretch of time (half-pixel centres).

    Shapes: (C, T, V, M) -> (C, frames, V, M).
    """
    length = clip.shape[1]
    position = np.clip((np.arange(frames) + 0.5) * (length / frames) - 0.5, 0, length - 1)
    before = position.astype(np.intp)
    after = np.minimum(before + 1, length - 1)
    weight = (position - before).astype(clip.dtype)[:, None, None]
    resized: Clip = clip[:, before] * (1 - weight) + clip[:, after] * weight
    return resized
