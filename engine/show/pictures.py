"""Clips as a strip of frames or an animation, and a confusion matrix."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np

matplotlib.use("Agg")  # pictures go to files; there may be no screen
from matplotlib.animation import FuncAnimation
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from clips.files import atomic_write
from clips.streams import Clip
from engine.show.viewpoint import upright
from graph.layout import SkeletonLayout

COLORS = ("#1f6f8b", "#d1603d")  # first body, further bodies
FRAMES_PER_SECOND = 30
STRIP = 8  # frames of a strip


def draw_strip(clips: Mapping[str, Clip], layout: SkeletonLayout, title: str, frames: int = STRIP) -> Figure:
    """``frames`` frames of each clip (C, T, V, M), evenly spaced, side by side on one scale; a row for each clip."""
    views = {name: _flatten(clip, layout) for name, clip in clips.items()}
    columns = min(frames, max(clip.shape[1] for clip in clips.values()))
    tall = [max(1.6 * np.ptp(limits[1]) / np.ptp(limits[0]), 1.2) for _, limits in views.values()]
    figure = Figure(figsize=(1.6 * columns, sum(tall) + 0.5 * len(views)), layout="constrained")
    rows = figure.subplots(len(views), columns, squeeze=False, height_ratios=tall)
    for row, (name, (flat, limits)) in zip(rows, views.items(), strict=True):
        times = np.linspace(0, flat.shape[1] - 1, min(columns, flat.shape[1])).astype(int)
        for axes, time in zip(row, times, strict=False):
            _draw_frame(axes, flat[:, time], layout, limits)
            axes.set_title(f"{name}  {time}" if name and time == times[0] else f"{time}", fontsize=8, color="0.4")
        for axes in row[len(times) :]:
            axes.set_axis_off()
    figure.suptitle(title, fontsize=10)
    return figure


def animate(clips: Mapping[str, Clip], layout: SkeletonLayout, title: str) -> FuncAnimation:
    """Clips (C, T, V, M), side by side, as an animation at 30 frames a second; all take as long as the longest."""
    views = {name: _flatten(clip, layout) for name, clip in clips.items()}
    height = max(max(3.2 * np.ptp(limits[1]) / np.ptp(limits[0]), 2.4) for _, limits in views.values())
    figure = Figure(figsize=(3.2 * len(views), height), layout="constrained")
    panels = figure.subplots(1, len(views), squeeze=False)[0]
    length = max(clip.shape[1] for clip in clips.values())

    def draw(time: int) -> Sequence[Any]:
        for axes, (name, (flat, limits)) in zip(panels, views.items(), strict=True):
            axes.clear()
            _draw_frame(axes, flat[:, time * flat.shape[1] // length], layout, limits)
            axes.set_title(f"{title}, {name}" if name else title, fontsize=9)
        return ()

    return FuncAnimation(figure, draw, frames=length, interval=1000 / FRAMES_PER_SECOND)


def draw_confusion(labels: np.ndarray, predicted: np.ndarray, names: Sequence[str], title: str) -> Figure:
    """How often each class (row, (N,) ``labels``) was taken for each other (column), as shares of the row."""
    counts = np.zeros((len(names), len(names)))
    np.add.at(counts, (labels, predicted), 1)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    size = max(3.5, 0.28 * len(names) + 1.5)
    figure = Figure(figsize=(size + 0.8, size), layout="constrained")
    axes = figure.subplots()
    image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    figure.colorbar(image, ax=axes, shrink=0.7, label="share of the true class")
    ticks = range(len(names))
    axes.set_xticks(ticks, names, rotation=90, fontsize=7)
    axes.set_yticks(ticks, names, fontsize=7)
    axes.set(xlabel="predicted", ylabel="true", title=title)
    return figure


def save_figure(figure: Figure, path: str | Path) -> None:
    """Write a figure in the format of ``path``'s suffix, whole or not at all."""
    with atomic_write(path) as file:
        figure.savefig(file, format=Path(path).suffix.removeprefix(".") or "png", dpi=130)


def _flatten(clip: Clip, layout: SkeletonLayout) -> tuple[np.ndarray, np.ndarray]:
    """A clip seen from the front: (2, T, V, M), up upwards, NaN where nothing was seen; and its limits (2, 2)."""
    flat = upright(clip, layout)[:2]
    low, high = np.nanmin(flat, axis=(1, 2, 3)), np.nanmax(flat, axis=(1, 2, 3))
    margin = 0.05 * max((high - low).max(), 1e-6)
    return flat, np.stack([low - margin, high + margin], axis=1)


def _draw_frame(axes: Axes, points: np.ndarray, layout: SkeletonLayout, limits: np.ndarray) -> None:
    """One frame (2, V, M)."""
    edges = np.array(layout.edges, dtype=int).reshape(-1, 2)
    for body in range(points.shape[2]):
        joints = points[:, :, body].T  # (V, 2)
        color = COLORS[min(body, len(COLORS) - 1)]
        segments = joints[edges]
        axes.add_collection(
            LineCollection(list(segments[np.isfinite(segments).all(axis=(1, 2))]), colors=color, lw=1.6)
        )
        axes.plot(joints[:, 0], joints[:, 1], ".", color=color, markersize=3)
    axes.set(xlim=limits[0], ylim=limits[1], aspect="equal", xticks=[], yticks=[])
    axes.set_frame_on(False)
