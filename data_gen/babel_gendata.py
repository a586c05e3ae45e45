"""Prepare BABEL from its released features: ``python3 -m data_gen.babel_gendata --classes 60``, or from data_gen/.

The features are clips of five seconds, normalised and looped as in MS-G3D, so they are taken as they are. The test part
comes without labels and is left out. Making features from AMASS's motions is not done here.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from clips.dense import open_array
from clips.read.babel import read_babel_labels
from clips.streams import Clip
from command_line import Parser, exit_code
from data_gen.prepare import ROOT, add_preparation_flags, prepare
from data_gen.workshop import Sample
from errors import InputError

CLIP_SHAPE = (3, 150, 25, 1)
_RAW = "data/babel_raw"
_OUT = "data/babel/{classes}"
_PARTS = ("train", "val")


def run(argv: Sequence[str] | None = None) -> int:
    """Do what the command line says.

    Raises:
        InputError: it, or a file it names, is not usable.
    """
    parser = Parser("babel_gendata.py", description="Prepare BABEL from its released features.", allow_abbrev=False)
    parser.add_flag("--classes", required=True, type=int, choices=(60, 120), help="BABEL-60 or BABEL-120")
    about = f"folder of train_ntu_sk_60.npy, train_label_60.pkl and so on (default: {_RAW} in the repository)"
    parser.add_flag("--data-path", default=str(ROOT / _RAW), metavar="DIR", help=about)
    add_preparation_flags(parser, _OUT)
    given = parser.parse_strictly(argv)
    given.out_folder = given.out_folder.replace("{classes}", str(given.classes))
    folder = Path(given.data_path)
    parts = tuple(part for part in _PARTS if not given.allow_missing or _features(folder, part, given.classes).exists())
    if not parts:
        raise InputError(
            f"{folder}: neither train_ntu_sk_{given.classes}.npy nor val_ntu_sk_{given.classes}.npy is there"
        )
    samples = [sample for part in parts for sample in list_clips(folder, part, given.classes)]
    if _features(folder, "test", given.classes).exists():
        print(f"test_ntu_sk_{given.classes}.npy stays out: its labels are not public")
    about_store = {"lineage": "agcn", "layout": "nturgb+d", "dataset": f"babel-{given.classes}"}
    return prepare(samples, parts, babel_clip, CLIP_SHAPE, given, about_store)


def list_clips(folder: Path, part: str, classes: int) -> list[Sample]:
    """The clips of a part, in the order of the released files.

    Raises:
        InputError: a file is missing or damaged, the two do not belong together, or a label is none of the classes.
    """
    features, labels = _features(folder, part, classes), folder / f"{part}_label_{classes}.pkl"
    shape = open_array(features).shape
    if shape[1:] != CLIP_SHAPE:
        raise InputError(f"{features}: wanted clips (N, C, T, V, M) = (N, 3, 150, 25, 1), got {shape}")
    names, numbers = read_babel_labels(labels)
    if len(names) != shape[0]:
        raise InputError(f"{features} has {shape[0]} clips, but {labels} names {len(names)}")
    for name, label in zip(names, numbers, strict=True):
        if not 0 <= label < classes:
            raise InputError(f"{labels}: the label of {name} is {label}, wanted one from 0 to {classes - 1}")
    return [
        Sample(str(features), name, label, (part,), row)
        for row, (name, label) in enumerate(zip(names, numbers, strict=True))
    ]


def babel_clip(sample: Sample) -> Clip:
    """Row ``sample.item`` of the array; opened anew, as what stays mapped counts as memory.

    Raises:
        InputError: the file is missing or damaged, or a coordinate is not finite.
    """
    row = sample.item or 0
    with np.errstate(over="ignore", invalid="ignore"):
        clip: Clip = open_array(sample.source)[row].astype(np.float32)
    if not np.isfinite(clip).all():
        raise InputError(f"{sample.source}: row {row} ({sample.name}): a coordinate is not finite")
    return clip


def _features(folder: Path, part: str, classes: int) -> Path:
    return folder / f"{part}_ntu_sk_{classes}.npy"


if __name__ == "__main__":
    sys.exit(exit_code(run))
