"""Prepare AIST++ in segments of equal length: ``python3 -m data_gen.aist_gendata --kind smpl``, or from data_gen/."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from tqdm import tqdm

from clips.read.aist import (
    NUM_COCO_JOINTS,
    NUM_SMPL_JOINTS,
    Poses,
    finite_frames,
    read_keypoints3d,
    read_smpl_poses,
    read_smpl_positions,
)
from clips.streams import Clip
from command_line import Parser, exit_code, whole_number
from data_gen.prepare import ROOT, add_preparation_flags, prepare
from data_gen.workshop import Sample
from errors import InputError

GENRES = ("BR", "PO", "LO", "MH", "LH", "HO", "WA", "KR", "JS", "JB")  # of labels 0 to 9
PARTS = ("train", "val", "test")
IGNORED_LIST = Path(__file__).parent / "lists" / "aist_ignored.txt"
_RAW = "data/aist_raw"
_OUT = "data/aist/aist_{kind}_{length}"


@dataclass(frozen=True)
class Kind:
    """What of a dance becomes a clip: where its files lie, how one is read, and the layout of its skeleton."""

    folder: str
    suffix: str
    read: Callable[[str], Poses]
    num_joints: int
    layout: str


KINDS = {
    "smpl": Kind("motions", ".pkl", read_smpl_poses, NUM_SMPL_JOINTS, "smpl"),
    "smpl24": Kind("smpl24", ".npy", read_smpl_positions, NUM_SMPL_JOINTS, "smpl"),
    "keypoints3d": Kind("keypoints3d", ".pkl", read_keypoints3d, NUM_COCO_JOINTS, "coco"),
}


def run(argv: Sequence[str] | None = None) -> int:
    """Do what the command line says.

    Raises:
        InputError: it, or a file it names, is not usable.
    """
    given = _parser().parse_strictly(argv)
    kind, length = KINDS[given.kind], given.segment_length
    given.out_folder = given.out_folder.replace("{kind}", given.kind).replace("{length}", str(length))
    parts = split_of_sequences(Path(given.data_path) / "splits")
    left_out = _names_in(Path(given.ignored_sample_path), "it lists the sequences to leave out")
    files = sequences(Path(given.data_path) / kind.folder, kind.suffix, parts, left_out)
    samples = segments(files, kind, length, parts)
    about = {"lineage": "pyskl-aist", "layout": kind.layout, "dataset": f"aist-{given.kind}-{length}"}
    shape = (3, length, kind.num_joints, 1)
    return prepare(samples, PARTS, partial(segment_clip, kind.read, length), shape, given, about)


def _parser() -> Parser:
    parser = Parser("aist_gendata.py", description="Prepare segments of the dances of AIST++.", allow_abbrev=False)
    about = "SMPL's rotations, joint positions that you made of them, or positions triangulated from the videos"
    parser.add_flag("--kind", required=True, choices=tuple(KINDS), help=about)
    about = f"folder of splits/ and motions/, smpl24/ or keypoints3d/ (default: {_RAW} in the repository)"
    parser.add_flag("--data-path", default=str(ROOT / _RAW), metavar="DIR", help=about)
    about = "frames of a segment (default: 60, which is one second)"
    parser.add_flag("--segment-length", default=60, type=whole_number(1), metavar="N", help=about)
    about = "list of sequences to leave out (default: the data set's own, which comes with the code)"
    parser.add_flag("--ignored-sample-path", default=str(IGNORED_LIST), metavar="FILE", help=about)
    add_preparation_flags(parser, _OUT)
    return parser


def split_of_sequences(folder: Path) -> dict[str, tuple[str, ...]]:
    """The parts of every sequence that ``pose_train.txt``, ``pose_val.txt`` or ``pose_test.txt`` names.

    Raises:
        InputError: a list is missing, or names something that is no sequence of a known genre.
    """
    parts: dict[str, tuple[str, ...]] = {}
    for part in PARTS:
        path = folder / f"pose_{part}.txt"
        for name in _names_in(path, "the lists of AIST++ belong there"):
            if name[:1] != "g" or name[1:3] not in GENRES:
                raise InputError(f"{path}: {name!r} is not called after a genre, as gBR_sBM_cAll_d04_mBR0_ch01 is")
            parts[name] = (*parts.get(name, ()), part)
    return parts


def sequences(
    folder: Path, suffix: str, parts: Mapping[str, tuple[str, ...]], left_out: Sequence[str]
) -> dict[str, Path]:
    """The files of all sequences that a split names, by name; one that is not there is found damaged later.

    Raises:
        InputError: none of them is there.
    """
    held = {path.stem for path in folder.glob(f"g*{suffix}")}
    if not held & parts.keys():
        raise InputError(f"{folder}: there is no sequence of the splits, such as gBR_sBM_cAll_d04_mBR0_ch01{suffix}")
    kept = sorted(parts.keys() - set(left_out))
    ignored, unknown = parts.keys() & set(left_out), held - parts.keys() - set(left_out)
    print(f"{len(parts)} sequences, {len(ignored)} of them on the list of those to leave out")
    if unknown:
        print(f"{len(unknown)} sequences are in no split and stay out: {min(unknown)}, ...")
    return {name: folder / f"{name}{suffix}" for name in kept}


def segments(files: Mapping[str, Path], kind: Kind, length: int, parts: Mapping[str, tuple[str, ...]]) -> list[Sample]:
    """All segments of ``length`` frames, and what is left out, said; a file that cannot be read is one of them."""
    samples, short, dropped = [], [], {}
    for name, path in tqdm(files.items(), unit="sequence", disable=None):
        label = GENRES.index(name[1:3])
        try:
            poses = kind.read(str(path))
        except InputError:
            samples.append(Sample(str(path), name, label, parts[name]))
            continue
        frames = len(finite_frames(poses))
        if frames < len(poses):
            dropped[name] = len(poses) - frames
        if frames < length:
            short.append(name)
        for number, start in enumerate(segment_starts(frames, length), 1):
            samples.append(Sample(str(path), f"{name}_{number:02d}", label, parts[name], start))
    if dropped:
        print(f"{sum(dropped.values())} frames of {len(dropped)} sequences are not finite and stay out")
    if short:
        print(f"{len(short)} sequences are shorter than {length} frames and stay out: {', '.join(short)}")
    return samples


def segment_starts(frames: int, length: int) -> list[int]:
    """Where segments begin: one after the other, the last moved back to the end; none in a shorter sequence."""
    return [min(start, frames - length) for start in range(0, frames, length)] if frames >= length else []


def segment_clip(read: Callable[[str], Poses], length: int, sample: Sample) -> Clip:
    """The segment that begins at frame ``sample.item`` of those that are finite: (C=3, ``length``, V, M=1).

    Raises:
        InputError: the file is missing or damaged.
    """
    start = sample.item or 0
    poses = finite_frames(read(sample.source))[start : start + length]
    if len(poses) < length:
        raise InputError(f"{sample.source}: there are fewer finite frames than a moment ago")
    return np.ascontiguousarray(poses.transpose(2, 0, 1))[..., None]


def _names_in(path: Path, what: str) -> list[str]:
    """The lines of a list, without the blanks around them."""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}; {what}") from error
    return [name for line in lines if (name := line.strip())]


if __name__ == "__main__":
    sys.exit(exit_code(run))
