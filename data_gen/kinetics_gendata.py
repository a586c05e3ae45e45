"""Prepare Kinetics-Skeleton: ``python3 -m data_gen.kinetics_gendata``, or from data_gen/ as in MS-G3D."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from clips.labels import class_number
from clips.read.json_file import read_json
from clips.read.kinetics import NUM_FRAMES, NUM_JOINTS, read_kinetics
from clips.streams import Clip
from command_line import Parser, exit_code
from data_gen.prepare import ROOT, add_preparation_flags, prepare
from data_gen.workshop import Sample
from errors import InputError

_RAW = "data/kinetics_raw"
_PARTS = ("val", "train")
ABOUT = {"lineage": "st-gcn", "layout": "openpose", "dataset": "kinetics"}


def run(argv: Sequence[str] | None = None) -> int:
    """Do what the command line says.

    Raises:
        InputError: it, or a file it names, is not usable.
    """
    parser = Parser("kinetics_gendata.py", description="Prepare the clips of Kinetics-Skeleton.", allow_abbrev=False)
    about = f"folder of kinetics_train/, kinetics_val/ and their label files (default: {_RAW} in the repository)"
    parser.add_flag("--data-path", default=str(ROOT / _RAW), metavar="DIR", help=about)
    add_preparation_flags(parser, "data/kinetics", "dense")
    given = parser.parse_strictly(argv)
    folder = Path(given.data_path)
    parts = tuple(part for part in _PARTS if not given.allow_missing or (folder / f"kinetics_{part}").is_dir())
    if not parts:
        raise InputError(f"{folder}: neither kinetics_train/ nor kinetics_val/ is there")
    samples = [sample for part in parts for sample in list_clips(folder, part)]
    return prepare(samples, parts, kinetics_clip, (3, NUM_FRAMES, NUM_JOINTS, 2), given, ABOUT)


def list_clips(folder: Path, part: str) -> list[Sample]:
    """The clips of a part in which OpenPose found somebody, by name.

    Raises:
        InputError: the folder or its label file is missing, or does not know one of the clips.
    """
    clips = folder / f"kinetics_{part}"
    label_file = folder / f"kinetics_{part}_label.json"
    known = read_json(label_file)
    try:
        files = sorted(file for file in os.listdir(clips) if file.endswith(".json"))
    except OSError as error:
        raise InputError(f"{clips}: {error.strerror}; the .json files of Kinetics-Skeleton belong there") from error
    samples = []
    for file in files:
        try:
            about = known[file.split(".")[0]]
            label, has_skeleton = int(about["label_index"]), bool(about["has_skeleton"])
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise InputError(f"{label_file}: no label_index and has_skeleton for {file}") from error
        if has_skeleton:
            label = class_number(label, f"{label_file}: {file}")
            samples.append(Sample(str(clips / file), file, label, (part,)))
    return samples


def kinetics_clip(sample: Sample) -> Clip:
    """The clip in a file.

    Raises:
        InputError: it is damaged, or has another label than the label file says.
    """
    clip, label = read_kinetics(sample.source)
    if label != sample.label:
        raise InputError(f"{sample.source}: its label_index is {label}, but the label file says {sample.label}")
    return clip


if __name__ == "__main__":
    sys.exit(exit_code(run))
