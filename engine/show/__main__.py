"""The command: ``python3 -m engine.show data/ntu/xsub/val_data_joint.npy:S001C001P003R001A001 --out clip.gif``.

Pictures: a clip as a strip of frames (PNG) or an animation (GIF), a confusion matrix, what a data set holds.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.animation import PillowWriter

from clips.files import atomic_path
from clips.read.anything import LINEAGES
from clips.streams import Clip
from clips.whole import open_whole
from command_line import Parser, exit_code
from data_gen.verify import verify
from engine.clip_sources import fed, find_clip
from engine.scoring.fusion import fused_scores
from engine.scoring.metrics import top_k_accuracy
from engine.scoring.tables import names_of_classes
from engine.show.histograms import draw_histograms
from engine.show.pictures import FRAMES_PER_SECOND, animate, draw_confusion, draw_strip, save_figure
from errors import InputError
from graph.layout import SkeletonLayout


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
    if given.stream and not given.config:
        raise InputError(f"--stream {given.stream}: it is that of a configuration, which --config names")
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
        _check_drawable(clip, f"{given.clip}: clip {name!r}{f', {which}' if which else ''}")
    if suffix == ".gif":
        with atomic_path(given.out) as beside:
            animate(clips, layout, name).save(beside, writer=PillowWriter(fps=FRAMES_PER_SECOND))
    else:
        save_figure(draw_strip(clips, layout, name), given.out)
    lengths = ", ".join(f"{clip.shape[1]} frames{f' {which}' if which else ''}" for which, clip in clips.items())
    print(f"{given.out}: {name}, {lengths}")
    return 0


def _check_drawable(clip: Clip, where: str) -> None:
    """Refuse a clip (C, T, V, M) that holds nothing, or what is no number."""
    if not clip.any():
        raise InputError(f"{where}: it is empty")
    bad = np.argwhere(~np.isfinite(clip))
    if len(bad):
        channel, frame, joint, body = bad[0].tolist()
        raise InputError(
            f"{where}: frame {frame}, joint {joint}, body {body}: channel {channel} is {clip[tuple(bad[0])]}, "
            f"wanted finite numbers"
        )


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


if __name__ == "__main__":
    sys.exit(main())
