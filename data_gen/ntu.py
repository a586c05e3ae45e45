"""NTU RGB+D 60 and 120: which recordings there are, who trains and who tests, and how one becomes a clip."""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from clips.normalize import prenormalize, strongest_bodies
from clips.read.ntu import NUM_JOINTS, read_ntu
from clips.streams import Clip
from command_line import Parser
from data_gen.prepare import add_preparation_flags, prepare
from data_gen.workshop import Sample
from errors import InputError

MISSING_LIST = Path(__file__).parent / "lists" / "ntu_missing_skeletons.txt"
CLIP_SHAPE = (3, 300, NUM_JOINTS, 2)
NUM_CLASSES_60 = 60
ABOUT = {"lineage": "agcn", "layout": "ntu-rgb+d"}

_ID = re.compile(r"S(?P<setup>\d{3})C(?P<camera>\d{3})P(?P<subject>\d{3})R\d{3}A(?P<action>\d{3})")


@dataclass(frozen=True)
class Protocol:
    """A split: recordings whose ``field`` is in ``train`` are for training, the others for testing."""

    field: str
    train: frozenset[int]


# fmt: off
_TRAIN_SUBJECTS = frozenset((
    1, 2, 4, 5, 8, 9, 13, 14, 15, 16, 17, 18, 19, 25, 27, 28, 31, 34, 35, 38,  # NTU RGB+D 60 ends here
    45, 46, 47, 49, 50, 52, 53, 54, 55, 56, 57, 58, 59, 70, 74, 78, 80, 81, 82, 83, 84, 85, 86, 89, 91, 92, 93, 94, 95,
    97, 98, 100, 103,
))
# fmt: on
CROSS_SUBJECT = Protocol("subject", _TRAIN_SUBJECTS)
CROSS_VIEW = Protocol("camera", frozenset((2, 3)))
CROSS_SETUP = Protocol("setup", frozenset(range(2, 33, 2)))


def add_ntu_flags(parser: Parser, out: str) -> None:
    """The flags that both preparations have; clips go to ``out``, a path under the repository."""
    parser.add_flag(
        "--ignored-sample-path",
        default=str(MISSING_LIST),
        metavar="FILE",
        help="list of recordings to leave out (default: the data set's own, which comes with the code)",
    )
    add_preparation_flags(parser, out, "dense")


def prepare_ntu(
    samples: Sequence[Sample], protocols: Mapping[str, Protocol], given: argparse.Namespace, dataset: str
) -> int:
    """Write the clips of ``samples`` as the flags say, every recording read once; the exit code of the command.

    ``dataset`` is what a store says it holds, ``ntu60`` or ``ntu120``.

    Raises:
        InputError: the list of recordings to leave out, or the disk, is not usable.
    """
    left_out = read_missing_list(given.ignored_sample_path)
    kept = [sample for sample in samples if Path(sample.source).stem not in left_out]
    print(f"{len(samples)} recordings, {len(samples) - len(kept)} of them on the list of those to leave out")
    parts = tuple(f"{name}/{part}" for name in protocols for part in ("train", "val"))
    return prepare(kept, parts, ntu_clip, CLIP_SHAPE, given, {**ABOUT, "dataset": dataset})


def list_recordings(
    folder: str | os.PathLike[str], name_prefix: str, protocols: Mapping[str, Protocol]
) -> list[Sample]:
    """The recordings of a folder, sorted; each is called ``name_prefix`` + file name.

    Raises:
        InputError: no such folder, or no recording in it.
    """
    try:
        files = sorted(os.listdir(folder))
    except OSError as error:
        raise InputError(f"{folder}: {error.strerror}; the .skeleton files of NTU RGB+D belong there") from error
    samples = []
    for file in files:
        stem, suffix = os.path.splitext(file)
        fields = _ID.fullmatch(stem)
        if not fields or suffix != ".skeleton":
            continue
        parts = tuple(
            f"{name}/{'train' if int(fields[protocol.field]) in protocol.train else 'val'}"
            for name, protocol in protocols.items()
        )
        samples.append(Sample(os.path.join(folder, file), name_prefix + file, int(fields["action"]) - 1, parts))
    if not samples:
        raise InputError(f"{folder}: no recording in it is called like S001C001P001R001A001.skeleton")
    return samples


def read_missing_list(path: str | os.PathLike[str]) -> frozenset[str]:
    """The recordings that a list names, whatever other lines it has.

    Raises:
        InputError: no such list.
    """
    try:
        text = Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}; it lists the recordings to leave out") from error
    return frozenset(found[0] for found in _ID.finditer(text))


def ntu_clip(sample: Sample) -> Clip:
    """The clip of MS-G3D: two bodies, 300 frames, normalised.

    Raises:
        InputError: the recording is damaged, or longer.
    """
    num_frames = CLIP_SHAPE[1]
    recording = read_ntu(sample.source, max_frames=num_frames)
    clip: Clip = prenormalize(strongest_bodies(recording).astype(np.float32), num_frames)
    return clip
