"""Whoever stands is drawn standing, whichever way the y of a picture points."""

from __future__ import annotations

import numpy as np
import pytest

from engine.show.viewpoint import upright
from graph.layouts import LAYOUTS, find_layout

HEADS = {"coco": 0, "openpose": 0, "openpose-25": 0, "halpe-26": 17, "toyota-unik": 0}
FEET = {"coco": 16, "openpose": 10, "openpose-25": 11, "halpe-26": 16, "toyota-unik": 16}


@pytest.mark.parametrize("skeleton", HEADS)
@pytest.mark.parametrize(("size", "middle"), [(1, 0), (1, 0.5), (400, 500)])
@pytest.mark.parametrize("down", [True, False])
def test_heads_are_above_feet(skeleton: str, size: float, middle: float, down: bool) -> None:
    layout = LAYOUTS[skeleton] if skeleton in LAYOUTS else find_layout(skeleton)
    rng = np.random.default_rng(0)
    clip = rng.uniform(0.4, 0.6, (2, 5, layout.num_joints, 2)).astype(np.float32)
    high, low = (0.1, 0.9) if down else (0.9, 0.1)
    for joint, name in enumerate(layout.joints):
        if any(word in name.lower() for word in ("head", "nose", "eye", "neck")):
            clip[1, :, joint] = high
        if any(word in name.lower() for word in ("ankle", "foot", "toe", "heel")):
            clip[1, :, joint] = low
    clip = (clip - 0.5) * size + middle
    y = upright(clip, layout)[1]
    assert (y[:, HEADS[skeleton]] > y[:, FEET[skeleton]]).all()


def test_where_neither_was_seen_pixels_point_down() -> None:
    layout = LAYOUTS["coco"]
    clip = np.zeros((2, 3, 17, 1), dtype=np.float32)
    clip[:, :, 7], clip[:, :, 9] = 300, 400  # an elbow and the wrist below it
    y = upright(clip, layout)[1]
    assert (y[:, 7] > y[:, 9]).all()
    y = upright(clip / 1000, layout)[1]
    assert (y[:, 7] < y[:, 9]).all()
