"""Clips to play, and what stands upright."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from engine.report import animation
from engine.report.animation import clips_of_pairs, moving, standing
from engine.report.bodies import Bodies
from engine.report.packed import unpacked
from engine.report.results import Pair
from engine.show.viewpoint import upright
from graph.layouts import LAYOUTS

NTU, COCO = LAYOUTS["ntu-rgb+d"], LAYOUTS["coco"]


@pytest.fixture
def clip() -> np.ndarray:
    clip = np.zeros((3, 20, 25, 2), dtype=np.float32)
    clip[:, :12, :, 0] = np.random.default_rng(0).normal(0, 0.3, (3, 12, 25))
    clip[1, :12, :, 0] += np.linspace(0, 1.7, 25)
    return clip


class Held:
    """A store of a few clips."""

    def __init__(self, clips: dict[str, np.ndarray]) -> None:
        self.names, self.clips = list(clips), list(clips.values())

    def clip(self, index: int) -> np.ndarray:
        return self.clips[index]


def _bodies(clips: dict[str, np.ndarray]) -> Bodies:
    store: Any = Held(clips)
    return Bodies(store, store, NTU)


def test_a_clip_is_what_was_seen_of_it(clip: np.ndarray) -> None:
    clip[:, 3, 7, 0] = 0  # lost in one frame
    content = moving(clip, NTU)
    assert content is not None and content["fps"] == 30 and content["flat"] is False
    points = unpacked(content["points"])
    assert points.shape == (12, 1, 25, 3), "(T, M, V, 3) without empty frames and absent people"
    assert np.isnan(points[3, 0, 7]).all()
    wanted = clip[:, :12, :, 0].transpose(1, 2, 0)
    wanted[3, 7] = np.nan
    np.testing.assert_allclose(points[:, 0], wanted, atol=content["points"]["step"])


def test_a_long_clip_is_thinned_and_keeps_its_pace() -> None:
    clip = np.zeros((3, 310, 25, 1), dtype=np.float32)
    clip[0] = np.arange(1, 311)[None, :, None, None]
    clip[1] = np.linspace(0, 900, 25)[:, None]
    content = moving(clip, NTU)
    assert content is not None and content["fps"] == 10
    np.testing.assert_allclose(unpacked(content["points"])[:, 0, 0, 0], np.arange(1, 311, 3), atol=0.02)


def test_an_empty_clip_is_none() -> None:
    assert moving(np.zeros((3, 9, 25, 2), dtype=np.float32), NTU) is None


def test_pictures_are_flat_and_pixels_point_down() -> None:
    clip = np.ones((3, 2, 17, 1), dtype=np.float32) * 100
    clip[1, :, 0] = 20  # the nose, above the rest
    points = upright(clip, COCO)
    assert (points[2] == 0).all() and points[1, 0, 0, 0] > points[1, 0, 1, 0]
    content = moving(clip, COCO)
    assert content is not None and content["flat"] is True


def test_where_z_is_up_a_body_is_turned_not_mirrored() -> None:
    clip = np.random.default_rng(0).normal(0, 0.1, (3, 1, 25, 1)).astype(np.float32)
    clip[2] += np.linspace(0, 1.7, 25)[:, None]
    x, y, z = upright(clip, NTU)
    np.testing.assert_allclose(y, clip[2])
    turn = np.linalg.lstsq(clip.reshape(3, -1).T, np.stack([x, y, z]).reshape(3, -1).T, rcond=None)[0]
    assert np.linalg.det(turn) == pytest.approx(1)


def test_clips_of_pairs_are_those_named_as_long_as_there_is_room(
    clip: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    bodies = _bodies({f"c{number}": clip for number in range(6)})
    pairs = [Pair(0, 1, 3, 0, 0, 1), Pair(0, 2, 2, 0, 0, None), Pair(1, 2, 1, 0, 4, 5)]
    names = [f"c{number}" for number in range(6)]
    notes: list[str] = []
    assert list(clips_of_pairs(pairs, names, bodies, notes)) == ["c0", "c1", "c4", "c5"]
    assert notes == []
    monkeypatch.setattr(animation, "MOST_BYTES", 6_000)
    assert list(clips_of_pairs(pairs, names, bodies, notes)) == ["c0", "c1"]
    assert notes == ["only the first 2 pairs of confused classes have their clips, so that the page is small"]


def test_the_body_to_draw_on_is_the_one_that_was_seen_best(clip: np.ndarray) -> None:
    poor = clip.copy()
    for frame in range(12):
        poor[:, frame, frame] = 0  # a joint is lost in every frame
    pose = standing(_bodies({"empty": np.zeros_like(clip), "poor": poor, "whole": clip}))
    assert pose is not None and pose.shape == (25, 2)
    np.testing.assert_allclose(pose, clip[:2, 0, :, 0].T)
    assert standing(_bodies({"empty": np.zeros_like(clip)})) is None
