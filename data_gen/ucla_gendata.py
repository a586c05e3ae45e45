"""Prepare NW-UCLA: ``python3 -m data_gen.ucla_gendata``, or ``cd data_gen && python3 ucla_gendata.py``.

Recordings are small and few; in one file instead of 1,484 they are opened at once. Nothing about them is changed: what
the published feeders do (origin, scale to [-1, 1], 52 frames) is left to the feeder.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from clips.read.ucla import SPLITS, read_recording, split_names
from clips.streams import Clip
from command_line import Parser, exit_code
from data_gen.prepare import ROOT, add_preparation_flags, prepare
from data_gen.workshop import Sample
from errors import InputError

_RAW = "data/NW-UCLA/all_sqe"
_SHAPE = (3, 201, 20, 1)  # of the longest
ABOUT = {"lineage": "raw", "layout": "nw-ucla", "dataset": "nw-ucla"}


def run(argv: Sequence[str] | None = None) -> int:
    """Do what the command line says.

    Raises:
        InputError: it, or the folder, is not usable.
    """
    parser = Parser("ucla_gendata.py", description="Prepare the clips of NW-UCLA.", allow_abbrev=False)
    about = f"folder of its files, a01_s01_e00_v01.json and so on (default: {_RAW} in the repository)"
    parser.add_flag("--data-path", default=str(ROOT / _RAW), metavar="DIR", help=about)
    add_preparation_flags(parser, "data/nw-ucla")
    given = parser.parse_strictly(argv)
    if given.layout != "compact":
        raise InputError("--layout dense: recordings have no common length; data_gen.convert fills them up to one")
    return prepare(list_recordings(Path(given.data_path)), SPLITS, ucla_clip, _SHAPE, given, ABOUT)


def list_recordings(folder: Path) -> list[Sample]:
    """The recordings of both splits, in the published order; one that is not there is found damaged later.

    Raises:
        InputError: none of them is there.
    """
    parts = {name: split for split in SPLITS for name in split_names(split, str(folder))}
    held = {path.stem for path in folder.glob("*.json")}
    if not held & parts.keys():
        raise InputError(f"{folder}: there is no recording of NW-UCLA, aAA_sSS_eEE_vVV.json")
    print(
        f"{len(held & parts.keys())} of {len(parts)} recordings are there, and {len(held - parts.keys())} other files"
    )
    actions = sorted({name[:3] for name in parts})
    return [
        Sample(str(folder / f"{name}.json"), name, actions.index(name[:3]), (part,)) for name, part in parts.items()
    ]


def ucla_clip(sample: Sample) -> Clip:
    """The clip of a recording, in metres.

    Raises:
        InputError: the file is missing or damaged.
    """
    clip = read_recording(sample.source)
    if not np.isfinite(clip).all():
        raise InputError(f"{sample.source}: a coordinate is not finite")
    return clip


if __name__ == "__main__":
    sys.exit(exit_code(run))
