"""Dense files made from the joints of others: bones, motions, and two streams in one (6 channels)."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

from clips.dense import new_array, open_array, row_writer
from clips.files import sync
from clips.streams import derive
from command_line import Parser, whole_number
from data_gen.prepare import ROOT
from data_gen.workers import in_order
from errors import InputError
from graph.layout import Pairs
from graph.layouts import NTU, OPENPOSE

# What {part}_data_{key}.npy holds: these streams, one after the other along the channels (2s-AGCN, MST-GCN).
_STREAMS = {
    "bone": ("bone",),
    "joint_motion": ("joint_motion",),
    "bone_motion": ("bone_motion",),
    "joint_bone": ("joint", "bone"),
    "joint_jm": ("joint", "joint_motion"),
    "bone_jm": ("bone", "bone_motion"),
}
_DATASETS = {"ntu": ("ntu/xview", "ntu/xsub"), "ntu120": ("ntu120/xset", "ntu120/xsub"), "kinetics": ("kinetics",)}
_SKELETONS = {"ntu": NTU, "ntu120": NTU, "kinetics": OPENPOSE}
_BLOCK = 64  # clips that are derived at once


@dataclass(frozen=True)
class _Block:
    source: Path
    target: Path
    start: int
    streams: tuple[str, ...]
    bone_pairs: Pairs


def write_derived(argv: Sequence[str] | None, kinds: Sequence[str], description: str) -> int:
    """Write the files of these ``kinds`` beside the joints, as a command line says; the exit code of the command.

    A part whose joints are not there is named, and the code is then 1.

    Raises:
        InputError: a flag or a file of joints is not usable, or no part is there.
    """
    parser = Parser(description=description, allow_abbrev=False)
    parser.add_flag("--dataset", choices=tuple(_DATASETS), help="left out: every data set that is prepared")
    about = "where the data sets are (default: data in the repository)"
    parser.add_flag("--data-path", default=str(ROOT / "data"), metavar="DIR", help=about)
    parser.add_flag("--n-cores", default=1, type=whole_number(1), metavar="N", help="processes (default: 1)")
    given = parser.parse_strictly(argv)
    joints = {
        Path(given.data_path) / benchmark / f"{part}_data_joint.npy": dataset
        for dataset in ([given.dataset] if given.dataset else _DATASETS)
        for benchmark in _DATASETS[dataset]
        for part in ("train", "val")
    }
    there = {path: dataset for path, dataset in joints.items() if path.exists()}
    if not there:
        raise InputError(f"{', '.join(map(str, joints))}: none of these files is there; prepare the data set first")
    try:
        for path, dataset in there.items():
            for kind in kinds:
                _write(path, dataset, kind, given.n_cores)
    except OSError as error:
        raise InputError(f"{error.filename}: {error.strerror or error}") from error
    missing = [path for path, dataset in joints.items() if path not in there and dataset == given.dataset]
    for path in missing:
        print(f"{path}: no such file, so nothing was derived from it", file=sys.stderr)
    return 1 if missing else 0


def _write(joint: Path, dataset: str, kind: str, cores: int) -> None:
    """Write one file, whole or not at all."""
    size, channels, *rest = open_array(joint).shape
    skeleton = _SKELETONS[dataset]
    if rest[1] != skeleton.num_joints:
        raise InputError(f"{joint}: {rest[1]} joints, but {dataset} has {skeleton.num_joints}")
    target = joint.with_name(joint.name.replace("_data_joint.npy", f"_data_{kind}.npy"))
    partial = target.with_name(f"{target.name}.partial")
    streams = _STREAMS[kind]
    blocks = [_Block(joint, partial, start, streams, skeleton.bone_pairs) for start in range(0, size, _BLOCK)]
    try:
        new_array(partial, (size, channels * len(streams), *rest))
        for _ in tqdm(in_order(_derive_block, blocks, cores), str(target), len(blocks), unit="block", disable=None):
            pass
        sync(partial)
        os.replace(partial, target)
    finally:
        partial.unlink(missing_ok=True)
    print(f"{target}: {size} clips")


def _derive_block(block: _Block) -> None:
    joints = open_array(block.source)[block.start : block.start + _BLOCK]
    with row_writer(block.target) as write:
        for row, clip in enumerate(np.asarray(joints), block.start):
            write(row, np.concatenate([derive(clip, stream, block.bone_pairs) for stream in block.streams]))
