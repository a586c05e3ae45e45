"""NTU RGB+D 60 and 120 for the lineages that go by the sensor's body numbers: which recordings, which splits, where to.

Names are those of the recordings, ``S001C001P001R001A001``; the store's splits ``xsub_train``, ``xsub_val`` and so on.
"""

from __future__ import annotations

import argparse
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from clips.compact import ABOUT
from clips.files import write_text
from clips.streams import Clip
from command_line import Parser
from data_gen.ntu import (
    CLIP_SHAPE,
    CROSS_SETUP,
    CROSS_SUBJECT,
    CROSS_VIEW,
    MISSING_LIST,
    NUM_CLASSES_60,
    Protocol,
    list_recordings,
    read_missing_list,
)
from data_gen.prepare import ROOT, add_preparation_flags, prepare
from data_gen.workshop import Sample, state_of
from errors import InputError

_SET = "{dataset}"  # in the default of --out-folder
_RAW = ("data/nturgbd_raw/nturgb+d_skeletons", "data/nturgbd_raw/nturgb+d_skeletons120")
MADE_FROM = ".made_from"


@dataclass(frozen=True)
class NtuSet:
    """One of the two data sets; ``key`` is what folders are called after."""

    key: str
    raw: tuple[str, ...]
    protocols: Mapping[str, Protocol]
    num_classes: int

    @property
    def parts(self) -> tuple[str, ...]:
        return tuple(f"{protocol}/{part}" for protocol in self.protocols for part in ("train", "val"))


NTU60 = NtuSet("ntu", _RAW[:1], {"xsub": CROSS_SUBJECT, "xview": CROSS_VIEW}, NUM_CLASSES_60)
NTU120 = NtuSet("ntu120", _RAW, {"xsub": CROSS_SUBJECT, "xset": CROSS_SETUP}, 120)
SETS = {"ntu": NTU60, "ntu60": NTU60, "ntu120": NTU120}


def add_set_flags(parser: Parser, lineage: str) -> None:
    """The flags that say what is prepared; clips go to ``data/ntu_{lineage}`` or ``data/ntu120_{lineage}``."""
    parser.add_flag("--dataset", default="ntu", choices=tuple(SETS), help="ntu and ntu60 are one (default: ntu)")
    about = f"folders of .skeleton files (default: {_RAW[0]} in the repository, for ntu120 {Path(_RAW[1]).name} too)"
    parser.add_flag("--data-path", nargs="+", metavar="DIR", help=about)
    about = "list of recordings to leave out (default: the data set's own, which comes with the code)"
    parser.add_flag("--ignored-sample-path", default=str(MISSING_LIST), metavar="FILE", help=about)
    add_preparation_flags(parser, f"data/{_SET}_{lineage}")


def chosen_set(given: argparse.Namespace) -> tuple[NtuSet, list[Sample]]:
    """The data set that the flags name and its recordings, sorted by name; ``given.out_folder`` becomes a folder.

    Raises:
        InputError: a folder or the list of recordings to leave out is not usable.
    """
    chosen = SETS[given.dataset]
    given.out_folder = given.out_folder.replace(_SET, chosen.key)
    folders = given.data_path or [str(ROOT / raw) for raw in chosen.raw]
    samples = [sample for folder in dict.fromkeys(folders) for sample in list_recordings(folder, "", chosen.protocols)]
    found = {Path(sample.source).stem: sample for sample in samples if sample.label < chosen.num_classes}
    left_out = read_missing_list(given.ignored_sample_path) & found.keys()
    kept = [replace(found[name], name=name) for name in sorted(found.keys() - left_out)]
    print(f"{len(found)} recordings, {len(left_out)} of them on the list of those to leave out")
    return chosen, kept


def prepare_once(
    chosen: NtuSet,
    samples: Sequence[Sample],
    convert: Callable[[Sample], Clip],
    given: argparse.Namespace,
    about: Mapping[str, Any],
) -> int:
    """As ``prepare``, but clips that were made from these very files before stay; the exit code of the command."""
    out = Path(given.out_folder)
    state = hashlib.sha256(
        repr((chosen.parts, sorted(about.items()), given.layout, given.allow_missing, samples)).encode()
        + state_of([sample.source for sample in samples]).encode()
    ).hexdigest()
    note = out / MADE_FROM
    results = [ABOUT] if given.layout == "compact" else [f"{part}_data_joint.npy" for part in chosen.parts]
    if note.is_file() and note.read_text() == state and all((out / result).is_file() for result in results):
        print(f"{out}: made from these recordings before")
        return 0
    note.unlink(missing_ok=True)
    code = prepare(samples, chosen.parts, convert, CLIP_SHAPE, given, about)
    if code == 0:
        write_text(note, state)
    return code


def filled_up(clip: Clip, num_frames: int, source: str) -> Clip:
    """With empty frames at the end, where ``num_frames`` is more than it has.

    Raises:
        InputError: nobody is in it, or it has too many frames for the data set.
    """
    if not clip.any():
        raise InputError(f"{source}: all coordinates are zero")
    missing = num_frames - clip.shape[1]
    if clip.shape[1] > CLIP_SHAPE[1]:  # one body number twice in a frame makes a body longer than its recording
        raise InputError(f"{source}: the frames of its bodies add up to {clip.shape[1]}, more than {CLIP_SHAPE[1]}")
    return np.pad(clip, ((0, 0), (0, missing), (0, 0), (0, 0))) if missing > 0 else clip
