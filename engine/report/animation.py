"""Clips that play in the page: upright, not longer than can be followed, as whole numbers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clips.streams import Clip
from engine.report.bodies import Bodies
from engine.report.packed import packed, weight_of
from engine.report.results import Pair
from engine.show.viewpoint import is_planar, upright
from graph.layout import SkeletonLayout

FRAMES_PER_SECOND = 30
MOST_FRAMES = 150
MOST_BYTES = 3_500_000  # of all clips of a page


def moving(clip: Clip, layout: SkeletonLayout | None) -> dict[str, Any] | None:
    """A clip (C, T, V, M) to play: ``points`` packed (T, M, V, 3), ``fps``, and whether it is ``flat``.

    Empty frames at the end are left out, and where more than ``MOST_FRAMES`` remain only every second, third, ... is
    kept. An empty clip is None.
    """
    clip = np.asarray(clip, dtype=np.float32)
    frames = np.flatnonzero(clip.any(axis=(0, 2, 3)))
    if not len(frames):
        return None
    bodies = np.flatnonzero(clip.any(axis=(0, 1, 2)))
    every = -(-(int(frames[-1]) + 1) // MOST_FRAMES)
    points = upright(clip[:, : frames[-1] + 1, :, bodies], layout)[:, ::every]
    content = packed(points.transpose(1, 3, 2, 0))  # (3, T, V, M) -> (T, M, V, 3)
    return {"points": content, "fps": FRAMES_PER_SECOND / every, "flat": is_planar(clip, layout)}


def clips_of_pairs(pairs: Sequence[Pair], names: Sequence[str], bodies: Bodies, notes: list[str]) -> dict[str, Any]:
    """The clips of the pairs, by sample name, as ``moving`` makes them; as many pairs as fit into the page."""
    assert bodies.store is not None
    number = {name: index for index, name in enumerate(bodies.store.names)}
    found: dict[str, Any] = {}
    size = 0
    for shown, pair in enumerate(pairs):
        wanted = [names[sample] for sample in (pair.mistaken, pair.typical) if sample is not None]
        new = _moving(wanted, number, bodies, found)
        size += sum(weight_of(content["points"]) for content in new.values())
        if size > MOST_BYTES:
            notes.append(
                f"only the first {shown} pairs of confused classes have their clips, so that the page is small"
            )
            break
        found |= new
    return found


def standing(bodies: Bodies) -> NDArray[np.float64] | None:
    """A body to draw figures of joints on, (V, 2): the frame of the first clips of the store in which most is seen."""
    assert bodies.store is not None
    best, most = None, 0
    for index in range(min(8, len(bodies.store.names))):
        points = upright(bodies.store.clip(index), bodies.layout)[:2] if bodies.store.clip(index).any() else None
        if points is None:
            continue
        seen = np.isfinite(points[0]).sum(axis=1)  # (T, M)
        frame, body = np.unravel_index(seen.argmax(), seen.shape)
        if seen[frame, body] > most:
            best, most = points[:, frame, :, body].T, int(seen[frame, body])
    return best


def _moving(
    wanted: Iterable[str], number: Mapping[str, int], bodies: Bodies, have: Mapping[str, Any]
) -> dict[str, Any]:
    assert bodies.store is not None
    new = {}
    for name in wanted:
        if name in number and name not in have:
            content = moving(bodies.store.clip(number[name]), bodies.layout)
            if content is not None:
                new[name] = content
    return new
