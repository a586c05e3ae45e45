"""NTU RGB+D as CTR-GCN, InfoGCN and MSA-GCN prepare it, in the three commands of their README.

Their scripts hand each other everything as pickles. Here the last command goes from the recordings to the clips in one
pass, and the first two say what it will find and do: that is faster, takes little memory, and can go on after a kill.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from clips.bodies import LARGEST_SHARE, LEAST_FRAMES, WIDEST, sgn_actors, sgn_clip
from clips.compact import CompactStore
from clips.read.ntu import read_ntu
from clips.streams import Clip
from clips.write.npz import write_npz
from command_line import Parser
from data_gen.ntu import CLIP_SHAPE
from data_gen.ntu_sets import NTU60, NTU120, NtuSet, add_set_flags, chosen_set, filled_up, prepare_once
from data_gen.prepare import ROOT
from data_gen.workshop import Sample
from errors import InputError

_NPZ = {
    NTU60.key: {"xsub": "NTU60_CS.npz", "xview": "NTU60_CV.npz"},
    NTU120.key: {"xsub": "NTU120_CSub.npz", "xset": "NTU120_CSet.npz"},
}
# Where in a recording's name stands what the rows of an .npz are grouped by.
_GROUPED_BY = {"xsub": slice(9, 12), "xview": slice(5, 8), "xset": slice(1, 4)}
_STEPS = "get_raw_skes_data, get_raw_denoised_data, seq_transformation"


@dataclass(frozen=True)
class Lineage:
    """How a recording becomes a clip: whether an only body is copied, and to how many frames clips are filled up."""

    copy_single: bool
    num_frames: int = 0


def sgn_parser(step: str, description: str) -> Parser:
    """The parser of one of the three commands: all take the same flags, so that one line serves all of them."""
    parser = Parser(f"{step}.py", description=f"{description} The steps are {_STEPS}.", allow_abbrev=False)
    add_set_flags(parser, "sgn")
    about = "an only body is copied into the second one or not (default: copied in ntu120, not in ntu, as published)"
    parser.add_flag("--single-body", choices=("copied", "alone"), help=about)
    about = f"also write {', '.join(name for names in _NPZ.values() for name in names.values())}, those of the data set"
    about += ", into DIR (default: data/ntu or data/ntu120 in the repository); 10 to 20 GB each"
    parser.add_flag("--npz", nargs="?", const="", metavar="DIR", help=about)
    return parser


def announce(step: str, argv: Sequence[str] | None) -> int:
    """Say what the last step will find and do; the exit code of the command.

    Raises:
        InputError: the command line, or a folder it names, is not usable.
    """
    about = "Say what seq_transformation will find and do, which does all three steps in one pass over the recordings."
    given = sgn_parser(step, about).parse_strictly(argv)
    chosen, samples = chosen_set(given)
    print(f"{len(samples)} are there to be read; nothing is written yet, as seq_transformation does that in one pass:")
    print("- frames without a body are left out, bodies are told apart by the numbers that the sensor gave them;")
    print(f"- of several, those in less than {LEAST_FRAMES} frames are dropped, and those that are wider than")
    print(f"  {WIDEST} times their height in a share of {LARGEST_SHARE} of their frames or more;")
    print("- the others, most motion first, become two actors, and the middle of the first one's spine the origin.")
    print(_about_single(chosen, _lineage(chosen, given)))
    return 0


def prepare_sgn(argv: Sequence[str] | None) -> int:
    """From the recordings to the store and, if asked for, the .npz files; the exit code of the command.

    Raises:
        InputError: the command line, a file or a folder it names, or the disk, is not usable.
    """
    about = "Prepare NTU RGB+D as CTR-GCN and MSA-GCN do: all three steps in one pass over the recordings."
    given = sgn_parser("seq_transformation", about).parse_strictly(argv)
    if given.npz is not None and given.layout != "compact":
        raise InputError(f"--npz: these files are made from the compact store, not with --layout {given.layout}")
    chosen, samples = chosen_set(given)
    lineage = _lineage(chosen, given)
    print(_about_single(chosen, lineage))
    convert = partial(sgn_sample_clip, lineage)
    dataset = "ntu60" if chosen is NTU60 else "ntu120"
    single = "copied" if lineage.copy_single else "alone"
    facts = {"lineage": "sgn", "layout": "ntu-rgb+d", "dataset": dataset, "single_body": single}
    code = prepare_once(chosen, samples, convert, given, facts)
    if code == 0 and given.npz is not None:
        write_all_npz(chosen, Path(given.out_folder), Path(given.npz) if given.npz else ROOT / "data" / chosen.key)
    return code


def sgn_sample_clip(lineage: Lineage, sample: Sample) -> Clip:
    """The clip of a recording, as many frames as it has.

    Raises:
        InputError: the recording is damaged, longer than any of the data set, or holds nobody.
    """
    clip = sgn_clip(sgn_actors(read_ntu(sample.source, max_frames=CLIP_SHAPE[1])), copy_single=lineage.copy_single)
    return filled_up(clip, lineage.num_frames, sample.source)


def write_all_npz(chosen: NtuSet, store: Path, folder: Path) -> None:
    """The published files from the store: rows grouped by subject, camera or setup, and in the order of names.

    Raises:
        InputError: a file of the store is damaged.
    """
    for protocol, file in _NPZ[chosen.key].items():
        parts = {}
        for part, split in (("train", "train"), ("test", "val")):
            clips = CompactStore(store, f"{protocol}_{split}")
            order = npz_order(clips.names, protocol)
            parts[part] = (_clips(clips, order), [clips.labels[index] for index in order])
        write_npz(folder / file, parts, chosen.num_classes)
        counts = ", ".join(f"{len(labels)} clips to {part}" for part, (_, labels) in parts.items())
        print(f"{folder / file}: {counts}")


def npz_order(names: Sequence[str], protocol: str) -> list[int]:
    """Which clip each row of an .npz is."""
    return sorted(range(len(names)), key=lambda index: (names[index][_GROUPED_BY[protocol]], names[index]))


def _clips(store: CompactStore, order: Sequence[int]) -> Iterator[Clip]:
    return (store.clip(index) for index in order)


def _lineage(chosen: NtuSet, given: argparse.Namespace) -> Lineage:
    copied = given.single_body == "copied" if given.single_body else chosen is NTU120
    return Lineage(copied, CLIP_SHAPE[1] if given.layout == "dense" else 0)


def _about_single(chosen: NtuSet, lineage: Lineage) -> str:
    if lineage.copy_single:
        return "where only one body is left, it is copied into the second (--single-body alone leaves that empty)"
    return (
        "where only one body is left, the second stays empty (--single-body copied fills it, as published for ntu120)"
    )
