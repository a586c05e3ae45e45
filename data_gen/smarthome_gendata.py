"""Prepare Toyota Smarthome: ``python3 -m data_gen.smarthome_gendata``, or from data_gen/.

Recordings keep their length. UNIK's files, in which everybody is replayed up to 4,000 frames, come of ``--looped``.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from clips.class_names import class_names
from clips.normalize import replayed
from clips.read.smarthome import People, read_smarthome
from clips.smarthome import agcn_clip, unik_clip
from clips.streams import Clip
from command_line import Parser, exit_code
from data_gen.prepare import ROOT, add_preparation_flags, prepare
from data_gen.workshop import Sample
from errors import InputError

NUM_FRAMES = 4000  # of the published files, the most that a recording has
_RAW = "data/smarthome_raw"
_NAME = re.compile(r"(?P<action>[A-Za-z.]+)_p(?P<subject>\d+)_r\d+_v\d+_c(?P<camera>\d+)")


@dataclass(frozen=True)
class Protocol:
    """Which classes there are, and the numbers of ``field`` (subject or camera) that each part takes."""

    classes: str
    field: str
    parts: dict[str, frozenset[int]]


_CAMERAS = {"val": frozenset((5,)), "test": frozenset((2,))}
PROTOCOLS = {
    "cs": Protocol(
        "smarthome-cs",
        "subject",
        {
            "train": frozenset((3, 4, 6, 7, 9, 12, 13, 15, 17, 19, 25)),
            "test": frozenset((2, 10, 11, 14, 16, 18, 20)),
        },
    ),
    "cv1": Protocol("smarthome-cv", "camera", {"train": frozenset((1,)), **_CAMERAS}),
    "cv2": Protocol("smarthome-cv", "camera", {"train": frozenset((1, 3, 4, 6, 7)), **_CAMERAS}),
}


@dataclass(frozen=True)
class Kind:
    """What of a recording becomes a clip."""

    pose: str
    clip: Callable[[People], Clip]
    shape: tuple[int, int, int, int]
    lineage: str
    layout: str


KINDS = {
    "2d": Kind("pose2d", unik_clip, (2, NUM_FRAMES, 17, 2), "unik", "toyota-unik"),
    "3d": Kind("pose3d", agcn_clip, (3, NUM_FRAMES, 15, 1), "agcn-daily-living", "toyota-agcn"),
}


def run(argv: Sequence[str] | None = None) -> int:
    """Do what the command line says.

    Raises:
        InputError: it, or the folder, is not usable.
    """
    given = _parser().parse_strictly(argv)
    if given.looped and given.kind == "3d":
        raise InputError("--looped: that is UNIK's way, and its clips are --kind 2d")
    kind, codes = KINDS[given.kind], []
    how = "looped" if given.looped else "filled" if given.layout == "dense" else "recorded"
    about = {"lineage": kind.lineage, "layout": kind.layout, "frames": how}
    for name in dict.fromkeys(given.protocol):
        protocol = PROTOCOLS[name]
        samples = list_recordings(given.data_path, protocol, name)
        mine = argparse.Namespace(**{**vars(given), "out_folder": str(Path(given.out_folder) / name)})
        more = {**about, "dataset": f"smarthome-{name}"}
        codes.append(
            prepare(samples, tuple(protocol.parts), partial(smarthome_clip, kind, how), kind.shape, mine, more)
        )
    return max(codes)


def _parser() -> Parser:
    parser = Parser("smarthome_gendata.py", description="Prepare the clips of Toyota Smarthome.", allow_abbrev=False)
    about = f"folder of its .json files, Cutbread_p02_r00_v02_c03.json and so on (default: {_RAW} in the repository)"
    parser.add_flag("--data-path", default=str(ROOT / _RAW), metavar="DIR", help=about)
    about = "which protocols, each in a folder of its own (default: all)"
    parser.add_flag("--protocol", nargs="+", default=list(PROTOCOLS), choices=tuple(PROTOCOLS), help=about)
    about = "UNIK's 17 joints of two people, or the 15 of one in space of 2s-AGCN-For-Daily-Living (default: 2d)"
    parser.add_flag("--kind", default="2d", choices=tuple(KINDS), help=about)
    about = (
        f"replay everybody up to {NUM_FRAMES} frames, as UNIK's files have it (default: recordings keep their length)"
    )
    parser.add_flag("--looped", action="store_true", help=about)
    add_preparation_flags(parser, "data/smarthome")
    return parser


def list_recordings(folder: str | os.PathLike[str], protocol: Protocol, called: str) -> list[Sample]:
    """The recordings of a protocol, by name; how many others there are is said.

    Raises:
        InputError: no such folder, no recording in it, or one that is there twice.
    """
    try:
        files = sorted(file for file in os.listdir(folder) if file.endswith(".json"))
    except OSError as error:
        raise InputError(f"{folder}: {error.strerror}; the .json files of Toyota Smarthome belong there") from error
    labels = {name: label for label, name in enumerate(class_names(protocol.classes))}
    found: dict[str, Sample] = {}
    others: Counter[str] = Counter()
    for file in files:
        name = file.removesuffix(".json").removesuffix("_pose3d")
        fields = _NAME.fullmatch(name)
        if fields is None:
            continue
        if name in found:
            raise InputError(f"{folder}: {name} is there twice, with and without _pose3d; keep one version in a folder")
        parts = tuple(part for part, numbers in protocol.parts.items() if int(fields[protocol.field]) in numbers)
        if fields["action"] not in labels:
            others[f"of the class {fields['action']}"] += 1
        elif not parts:
            others[f"of {protocol.field} {int(fields[protocol.field])}"] += 1
        else:
            found[name] = Sample(os.path.join(folder, file), name, labels[fields["action"]], parts)
    if not found:
        raise InputError(f"{folder}: no recording of {called} is there, called like Cutbread_p02_r00_v02_c03.json")
    print(f"{called}: {len(found)} recordings")
    for what, count in sorted(others.items()):
        print(f"{called}: {count} recordings {what} stay out, which is none of its own")
    return list(found.values())


def smarthome_clip(kind: Kind, how: str, sample: Sample) -> Clip:
    """The clip of a recording: as long as ``recorded``, or ``looped`` or ``filled`` up with empty frames to 4,000.

    Raises:
        InputError: the file is missing, damaged, or longer.
    """
    clip = kind.clip(read_smarthome(sample.source, kind.pose))
    missing = NUM_FRAMES - clip.shape[1]
    if missing < 0:
        raise InputError(f"{sample.source}: it has {clip.shape[1]} frames, wanted at most {NUM_FRAMES}")
    if how == "looped":
        looped: Clip = replayed(clip, NUM_FRAMES)
        return looped
    return np.pad(clip, ((0, 0), (0, missing), (0, 0), (0, 0))) if how == "filled" else clip


if __name__ == "__main__":
    sys.exit(exit_code(run))
