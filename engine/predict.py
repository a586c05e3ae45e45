"""What clips are taken for: ``python3 -m engine.predict CLIP... --weights work_dir/gym/checkpoints/best.pt``.

A clip is a recording in any form that a preparation reads, a folder of them, or ``STORE:NAME``.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

from tqdm import tqdm

from clips.read.anything import is_recording
from clips.read.poses import recording_name
from clips.streams import stream_of_file
from command_line import Parser, exit_code, whole_number
from engine.clip_sources import open_named
from engine.live.stream import Live, run_stream
from engine.predictor import Prediction, Predictor
from errors import InputError

_SHOWN = 3  # entries of a folder that are named; all are counted


def run(argv: Sequence[str] | None = None) -> int:
    """Do what the command line says; 1 when a clip could not be read, which does not keep the others from it.

    Raises:
        InputError: the command line, or a file of weights, is not usable.
    """
    given = _parser().parse_strictly(argv)
    predictor = Predictor.load(
        given.weights,
        weights=given.fusion_weights,
        device=given.device,
        allow_import=given.allow_import,
        class_names=given.class_names,
    )
    if given.stream:
        if given.clips:
            raise InputError("--stream reads frames from its input: name no clips")
        if sys.stdin is None:
            raise InputError("--stream reads frames from its input, which is closed")
        held = {"hop": given.hop, "window": given.window, "min_frames": given.min_frames, "keep": given.keep}
        return run_stream(Live(predictor, **held, fps=given.fps, top=given.top), sys.stdin.buffer)
    if not given.clips:
        raise InputError("name at least one clip, or --stream")
    damaged = 0
    listed = [found for source in given.clips for found in named_clips(source)]
    for name, clip in tqdm(listed, unit="clip", disable=None if len(listed) > 1 else True):
        try:
            prediction = predictor(clip() if callable(clip) else clip, name)
        except InputError as error:
            damaged += 1
            tqdm.write(f"error: {error}", file=sys.stderr)
            continue
        tqdm.write(as_json(name, prediction, given.top) if given.json else as_text(name, prediction, given.top))
    if damaged:
        print(f"{damaged} of {len(listed)} clips could not be read", file=sys.stderr)
    return 1 if damaged else 0


def _parser() -> Parser:
    parser = Parser("engine.predict", description="Say what clips are taken for.", allow_abbrev=False)
    about = "a recording (.skeleton, .json, .csv, .npy, .pkl, a folder of frames), a folder of them, or STORE:NAME"
    parser.add_argument("clips", nargs="*", metavar="CLIP", help=about)
    about = "checkpoints of this program (checkpoints/best.pt), averaged if several; or an .onnx of engine.export"
    parser.add_flag("--weights", nargs="+", required=True, metavar="FILE", help=about)
    parser.add_flag("--fusion-weights", nargs="+", type=float, metavar="W", help="of each file (default: 1)")
    parser.add_flag("--top", type=whole_number(1), default=5, metavar="K", help="likeliest classes (default: 5)")
    parser.add_flag("--json", action="store_true", help="a line of JSON for each clip")
    about = "a data set, or a file with one name a line (default: those in the checkpoint)"
    parser.add_flag("--class-names", metavar="SET", help=about)
    parser.add_flag("--device", default="cpu", metavar="NAME", help="cpu or cuda (default: cpu)")
    parser.add_flag("--allow-import", nargs="+", default=[], metavar="PACKAGE", help="whose classes a file may name")
    about = "frames as lines of JSON on standard input, a label for every --hop of them: docs/export.md"
    parser.add_flag("--stream", action="store_true", help=about)
    parser.add_flag("--hop", type=whole_number(1), default=15, metavar="N", help="frames between labels (default: 15)")
    about = "the last frames that are looked at (default: 300)"
    parser.add_flag("--window", type=whole_number(1), default=300, metavar="N", help=about)
    about = "frames that somebody must be in before there is a label (default: 15)"
    parser.add_flag("--min-frames", type=whole_number(1), default=15, metavar="N", help=about)
    about = "how much likelier another class must be to take over at once (default: 0.1)"
    parser.add_flag("--keep", type=float, default=0.1, metavar="P", help=about)
    about = "frames a second, where t is in seconds (default: t is the number of a frame)"
    parser.add_flag("--fps", type=float, default=None, metavar="F", help=about)
    return parser


def named_clips(source: str) -> Iterator[tuple[str, Any]]:
    """The clips that an argument means: (name, what the predictor takes, or a function that gives it).

    What in a folder is no recording is counted on stderr.

    Raises:
        InputError: there is no such file, clip or recording.
    """
    path, name = (source, "") if Path(source).exists() else source.partition(":")[::2]
    if not Path(path).exists():
        raise InputError(f"{path}: no such file or folder")
    if Path(path).is_dir() and not (Path(path) / "store.json").is_file():
        yield from [(recording_name(Path(path)), path)] if _is_one(Path(path)) else _in_folder(Path(path))
    elif is_recording(Path(path)):
        yield recording_name(Path(path)), path
    else:
        if stream_of_file(path) not in (None, "joint"):
            raise InputError(f"{path}: the streams are made of joints; name the file of joints beside it")
        yield from ((store.names[number], partial(store.clip, number)) for store, number in open_named(path, name))


def _is_one(folder: Path) -> bool:
    """Whether a folder holds the frames of one recording; one that cannot be told holds several, some damaged."""
    try:
        return is_recording(folder)
    except InputError:
        return False


def _in_folder(folder: Path) -> list[tuple[str, Any]]:
    """Its recordings, as in ``named_clips``; one that is damaged says so when its turn comes."""
    found: list[tuple[str, Any]] = []
    others = []
    for entry in sorted(entry for entry in folder.iterdir() if not entry.name.startswith(".")):
        try:
            taken = is_recording(entry)
        except InputError as error:
            found.append((recording_name(entry), partial(_refuse, error)))
            continue
        if taken:
            found.append((recording_name(entry), str(entry)))
        else:
            others.append(entry.name)
    if not found:
        raise InputError(f"{folder}: there are no recordings in it")
    if others:
        more = ", ..." if len(others) > _SHOWN else ""
        print(f"{folder}: {len(others)} entries are no recordings: {', '.join(others[:_SHOWN])}{more}", file=sys.stderr)
    return found


def _refuse(error: InputError) -> NoReturn:
    raise error


def as_json(name: str, prediction: Prediction, top: int) -> str:
    """One line: the clip, its likeliest classes and their probabilities."""
    found = [{"class": label, "probability": round(share, 6)} for label, share in prediction.top(top)]
    return json.dumps({"clip": name, "predictions": found}, ensure_ascii=False)


def as_text(name: str, prediction: Prediction, top: int) -> str:
    """The clip, and below it its likeliest classes."""
    return "\n".join([name, *(f"  {share:7.2%}  {label}" for label, share in prediction.top(top))])


if __name__ == "__main__":
    sys.exit(exit_code(run))
