"""A clip as somebody would look at it: upright, seen from the front, lost joints left out."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from clips.streams import Clip
from graph.layout import SkeletonLayout

_ABOVE = ("head", "nose", "eye", "neck")  # in the names of joints that are, of somebody who stands, above ...
_BELOW = ("ankle", "foot", "heel", "toe", "knee", "hip")  # ... these
PLANAR = ("openpose", "openpose-25", "coco", "halpe-26", "toyota-unik")  # skeletons that were seen in images


def is_planar(clip: Clip, layout: SkeletonLayout | None) -> bool:
    """Whether the clip (C, T, V, M) was seen in an image; a third channel is a score then."""
    return len(clip) < 3 or (layout is not None and layout.name in PLANAR)


def upright(clip: Clip, layout: SkeletonLayout | None) -> NDArray[np.float64]:
    """(3, T, V, M): x to the right, y up, z towards whoever looks; NaN where nothing was seen.

    In space, up is whichever of y and z the body is longer along (camera coordinates, or the 2s-AGCN lineage's). In
    an image it is y, turned so that heads are above feet, and z is 0.
    """
    planar = is_planar(clip, layout)
    if planar and _points_down(clip, layout):
        clip = clip * np.array([1, -1, *[1] * (len(clip) - 2)], dtype=clip.dtype)[:, None, None, None]
    seen = (clip[: 2 if planar else 3] != 0).any(axis=0)  # (T, V, M)
    origin = ~seen.any(axis=0)  # a joint that is zero in every frame is where the clip was centred
    seen |= seen.any(axis=1, keepdims=True) & origin
    if planar:
        axes = [clip[0], clip[1], np.zeros_like(clip[0])]
    elif np.ptp(clip[1][seen]) >= np.ptp(clip[2][seen]):
        axes = [clip[0], clip[1], clip[2]]
    else:
        axes = [clip[0], clip[2], -clip[1]]
    return np.where(seen, np.stack(axes), np.nan).astype(np.float64)


def _points_down(clip: Clip, layout: SkeletonLayout | None) -> bool:
    """Whether y of poses in an image points down, as heads and feet have it; as pixels do where neither was seen."""
    names = [name.lower() for name in layout.joints] if layout is not None else []
    seen = (clip[:2] != 0).any(axis=0)  # (T, V, M)
    heights = []
    for words in (_ABOVE, _BELOW):
        joints = [joint for joint, name in enumerate(names[: clip.shape[2]]) if any(word in name for word in words)]
        values = clip[1][:, joints][seen[:, joints]]
        heights.append(values.mean() if values.size else None)
    above, below = heights
    if above is None or below is None:
        return bool(np.abs(clip[:2]).max() > 2)
    return bool(above < below)
