"""Prepare NTU RGB+D as pyskl does: ``python3 -m data_gen.ntu_pyskl_gendata --dataset ntu60``, or from data_gen/.

Bodies are chosen as in pyskl's ``ntu60_3danno.pkl``, and coordinates are metres from the sensor: nothing is taken off,
turned or looped, which is left to pyskl's PreNormalize3D when a clip is fed.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from tqdm import tqdm

from clips.bodies import plain_clip, pyskl_actors
from clips.read.ntu import read_ntu
from clips.streams import Clip
from clips.whole import open_whole
from clips.write.pyskl import annotation, write_pyskl
from command_line import Parser, exit_code
from data_gen.ntu import CLIP_SHAPE
from data_gen.ntu_sets import NTU60, add_set_flags, chosen_set, filled_up, prepare_once
from data_gen.workshop import Sample
from errors import InputError


@dataclass(frozen=True)
class Lineage:
    """How a recording becomes a clip: whether numbers are rounded, and to how many frames clips are filled up."""

    float16: bool
    num_frames: int = 0


def run(argv: Sequence[str] | None = None) -> int:
    """Do what the command line says.

    Raises:
        InputError: it, a file or a folder it names, or the disk, is not usable.
    """
    parser = Parser(
        "ntu_pyskl_gendata.py", description="Prepare the clips of NTU RGB+D for pyskl's recipes.", allow_abbrev=False
    )
    add_set_flags(parser, "pyskl")
    about = (
        "keep the numbers of the recordings (default: rounded to float16 as in pyskl's files, a step of 2 mm at 3 m)"
    )
    parser.add_flag("--float32", action="store_true", help=about)
    about = "also write a pickle for pyskl itself, for example ntu60_3danno.pkl"
    parser.add_flag("--pickle", metavar="FILE", help=about)
    given = parser.parse_strictly(argv)
    if given.pickle is not None and given.layout != "compact":
        raise InputError(f"--pickle: it is made from the compact store, not with --layout {given.layout}")
    if given.pickle is not None and Path(given.pickle).suffix not in (".pkl", ".pickle"):
        raise InputError(f"--pickle: wanted a file that ends in .pkl or .pickle, got {given.pickle}")
    chosen, samples = chosen_set(given)
    lineage = Lineage(not given.float32, CLIP_SHAPE[1] if given.layout == "dense" else 0)
    facts = {
        **{"lineage": "pyskl", "layout": "nturgb+d", "dataset": "ntu60" if chosen is NTU60 else "ntu120"},
        "values": "float16" if lineage.float16 else "float32",
    }
    code = prepare_once(chosen, samples, partial(pyskl_sample_clip, lineage), given, facts)
    if code == 0 and given.pickle is not None:
        _write_pickle(Path(given.out_folder), Path(given.pickle), lineage)
    return code


def pyskl_sample_clip(lineage: Lineage, sample: Sample) -> Clip:
    """The clip of a recording, as many frames as it has.

    Raises:
        InputError: the recording is damaged, longer than any of the data set, or holds nobody.
    """
    clip = plain_clip(pyskl_actors(read_ntu(sample.source, max_frames=CLIP_SHAPE[1])))
    if lineage.float16:
        with np.errstate(over="ignore"):
            clip = clip.astype(np.float16).astype(np.float32)
        if not np.isfinite(clip).all():
            raise InputError(f"{sample.source}: a coordinate is too large for float16; --float32 keeps it")
    return filled_up(clip, lineage.num_frames, sample.source)


def _write_pickle(folder: Path, path: Path, lineage: Lineage) -> None:
    whole = open_whole(folder)
    dtype = np.float16 if lineage.float16 else np.float32
    places = tqdm(list(whole.places()), unit="clip", disable=None)
    annotations = (annotation(whole.name(place), whole.label(place), whole.clip(place), dtype) for place in places)
    splits = {split: [whole.name(place) for place in places] for split, places in whole.splits.items()}
    write_pyskl(path, annotations, splits)
    print(f"{path}: {len(places)} recordings")


if __name__ == "__main__":
    sys.exit(exit_code(run))
