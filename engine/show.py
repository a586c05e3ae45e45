"""Pictures: a clip as a strip of frames (PNG) or an animation (GIF), a confusion matrix, what a data set holds.

``python3 -m engine.show data/ntu/xsub/val_data_joint.npy:S001C001P003R001A001.skeleton --out clip.gif``
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np

matplotlib.use("Agg")  # pictures go to files; there may be no screen
from matplotlib.animation import FuncAnimation, PillowWriter
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from clips.files import atomic_path, atomic_write
from clips.read.anything import LINEAGES
from clips.streams import Clip
from clips.whole import open_whole
from command_line import Parser, exit_code
from data_gen.verify import verify
from engine.clip_sources import fed, find_clip
from engine.histograms import draw_histograms
from engine.metrics import top_k_accuracy
from engine.score_tables import names_of_classes
from engine.streams import fused_scores
from engine.viewpoint import upright
from errors import InputError
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


def main(argv: Sequence[str] | None = None) -> int:
    """Draw what the command line says; the exit code is 2 when it, or a file it names, is not usable."""
    return exit_code(_draw, argv)


def _draw(argv: Sequence[str] | None) -> int:
    about = "Draw a clip as a PNG strip or a GIF animation, how a run confuses classes, or what a data set holds."
    parser = Parser("engine.show", description=about, allow_abbrev=False)
    about = "a recording in any form that a preparation reads, or a store, .npy, .npz or .pkl and which of its clips"
    parser.add_argument("clip", nargs="?", metavar="FILE[:NAME]", help=about)
    parser.add_argument("--out", required=True, metavar="FILE", help="picture to write: .png or .gif")
    parser.add_flag("--scores", nargs="+", metavar="DIR", help="draw the confusion matrix of these streams, fused 1:1")
    parser.add_flag("--data-set", metavar="PATH", help="draw how many clips of each class and length these data have")
    parser.add_flag("--class-names", metavar="SET", help="names for it: a data set, or a file with one name a line")
    parser.add_argument("--labels", metavar="FILE", help="label pickle of a .npy (default: the one beside it)")
    parser.add_argument("--layout", metavar="NAME", help="skeleton: built-in name or YAML file")
    about = "beside the clip: what this lineage's preparation makes of a .skeleton"
    parser.add_flag("--lineage", choices=LINEAGES, help=about)
    about = (
        "beside the clip: what the test feeder of this configuration makes of it (after the --lineage, if one is given)"
    )
    parser.add_flag("--config", metavar="FILE", help=about)
    parser.add_flag("--stream", metavar="STREAM", help="of it, with --config (default: the configuration's)")
    given = parser.parse_strictly(argv)
    if sum(map(bool, (given.clip, given.scores, given.data_set))) != 1:
        raise InputError("name a clip to draw, or the --scores of a confusion matrix, or a --data-set")
    suffix = Path(given.out).suffix
    if suffix not in ((".png", ".gif") if given.clip else (".png",)):
        raise InputError(f"--out: {given.out} must end in .png" + (" or .gif" if given.clip else ""))
    if given.data_set:
        report = verify(open_whole(given.data_set, given.labels), None)
        save_figure(draw_histograms(report), given.out)
        print(f"{given.out}: {report['clips']} clips of {given.data_set}")
        return 0
    if given.scores:
        print(f"{given.out}: {_draw_scores(given.scores, given.class_names, given.out)}")
        return 0
    clips, layout, name = _clips_of(given)
    for which, clip in clips.items():
        if not clip.any():
            raise InputError(f"{given.clip}: clip {name!r} is empty{f' when {which}' if which else ''}")
    if suffix == ".gif":
        with atomic_path(given.out) as beside:
            animate(clips, layout, name).save(beside, writer=PillowWriter(fps=FRAMES_PER_SECOND))
    else:
        save_figure(draw_strip(clips, layout, name), given.out)
    lengths = ", ".join(f"{clip.shape[1]} frames{f' {which}' if which else ''}" for which, clip in clips.items())
    print(f"{given.out}: {name}, {lengths}")
    return 0


def _clips_of(given: argparse.Namespace) -> tuple[dict[str, Clip], SkeletonLayout, str]:
    """The clip as it lies there and, where that is asked for, prepared and fed."""
    clip, layout, name = find_clip(given.clip, given.labels, given.layout)
    clips = {"recorded" if given.lineage or given.config else "": clip}
    if given.lineage:
        clip = clips["prepared"] = find_clip(given.clip, given.labels, given.layout, given.lineage)[0]
    if given.config:
        clips["fed"] = fed(clip, layout, name, given.config, given.stream)
    return clips, layout, name


def _draw_scores(folders: Sequence[str], class_names_of: str | None, out: str) -> str:
    """Write the confusion matrix of fused streams; its title."""
    scores, truth = fused_scores(folders)
    title = f"{len(truth)} clips, top-1 {top_k_accuracy(scores.values, truth, 1):.2%}"
    names = names_of_classes(class_names_of, scores.values.shape[1])
    save_figure(draw_confusion(truth, scores.values.argmax(axis=1), names, title), out)
    return title


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


if __name__ == "__main__":
    sys.exit(main())
