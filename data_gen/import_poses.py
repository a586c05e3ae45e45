"""Recordings of one's own: ``python3 -m data_gen.import_poses POSES --labels labels.csv --skeleton mediapipe-33 ...``.

POSES is a folder with a file or a folder for each recording, in the form that a pose estimator left it in
(``clips.read.poses``). What comes out is a compact store, the names of its classes, and a configuration that trains on
it. docs/own_data.md goes through it step by step.
"""

from __future__ import annotations

import argparse
import shlex
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from clips.compact import SKELETON
from clips.files import write_text
from clips.poses import Wanted, clip_of
from clips.read.poses import find_recordings, read_poses
from clips.streams import Clip
from command_line import Parser, exit_code, whole_number
from data_gen.own_config import NETWORKS, OwnData, training_yaml
from data_gen.own_labels import Division, Labels, divide, missing_sentences, read_labels, training_and_test
from data_gen.prepare import add_preparation_flags, prepare
from data_gen.workers import in_order
from data_gen.workshop import Sample
from errors import InputError
from graph.layout import SkeletonLayout
from graph.layouts import BUILT_IN, ESTIMATORS, find_layout

CLASS_NAMES, CONFIG = "class_names.txt", "train.yaml"
_FAR = 1.5  # estimators guess joints a little beyond the edge, which is at 1


@dataclass(frozen=True)
class Look:
    """What a recording holds: T, people, coordinates of a joint; and why it is no clip, if it is none.

    ``reach`` is how far from the middle of the picture it goes, whose longer side is 2; 0 where that is not known.
    """

    frames: int = 0
    people: int = 0
    dims: int = 0
    reach: float = 0.0
    problem: str = ""


def run(argv: Sequence[str] | None = None) -> int:
    """Do what the command line says.

    Raises:
        InputError: it, or a file it names, is not usable.
    """
    given = _parser().parse_strictly(argv)
    _check_flags(given)
    layout = find_layout(given.skeleton)
    table, samples, notes = _samples(given)
    train, test = training_and_test([part for sample in samples for part in sample.parts])
    size = (given.image_size[0], given.image_size[1]) if given.image_size else None
    wanted = Wanted(given.bodies, given.keep_scores, size, given.nan_as_missing)
    looks = _look_at(samples, layout, given, wanted)
    common = given.dims or _common_dims(samples, looks)
    dims = common or 3
    if dims == 3 and (wanted.keep_scores or size):
        raise InputError("--keep-scores and --image-size are for 2-D poses, and these are 3-D; --dims 2 leaves z out")
    whole = [sample for sample, look in zip(samples, looks, strict=True) if not look.problem]
    if given.allow_missing:
        _check_sides(samples, looks, (train, test))
    channels = dims + wanted.keep_scores
    made = prepare(
        samples,
        tuple(dict.fromkeys(part for sample in samples for part in sample.parts)),
        partial(own_clip, layout=layout, dims=common, wanted=wanted),
        (channels, 1, layout.num_joints, wanted.bodies),
        given,
        _about(layout, table, wanted, dims),
    )
    if made != 0:
        return made
    data = OwnData(
        store=given.out_folder.rstrip("/"),
        layout=_layout_for_training(given),
        center=layout.center,
        train=train,
        test=test,
        shape=(channels, layout.num_joints, wanted.bodies),
        dims=dims,
        scores=wanted.keep_scores,
        in_units=size is not None,
        num_class=len(table.class_names),
        clips=sum(train in sample.parts for sample in whole),
    )
    _write_rest(table, data, given)
    for sentence in [*notes, *_remarks(looks, wanted, dims), *_split_remarks(table, whole, (train, test))]:
        print(sentence)
    print(f"train: python3 main.py --config {shlex.quote(str(Path(given.out_folder) / CONFIG))}")
    return 0


def _samples(given: argparse.Namespace) -> tuple[Labels, list[Sample], list[str]]:
    """The labels of the recordings that are there, the recordings in the same order, and what is left out."""
    labels, folder = Path(given.labels), Path(given.poses)
    table = read_labels(labels, Path(given.classes) if given.classes else None)
    if table.unused:
        print(f"{labels}: not used: {', '.join(map(repr, table.unused))}")
    others = [path for path in (labels, given.classes, given.test_list, given.skeleton) if path]
    recordings = find_recordings(folder, frozenset(Path(path).resolve() for path in others))
    notes = missing_sentences(table, list(recordings), labels, folder)
    if notes and not given.allow_missing:
        raise InputError(f"{'; '.join(notes)}; --allow-missing leaves them out")
    everybody, table = table, table.only(recordings)
    if not table.names:
        raise InputError(f"{'; '.join(notes)}: nothing is left")
    test_list = Path(given.test_list) if given.test_list else None
    division = Division(given.test_subjects, test_list, given.test_share, given.seed, given.by_subject)
    rows = zip(table.names, table.labels, divide(table, division, labels, everybody), strict=True)
    samples = [Sample(str(recordings[n]), n, label, (split,) if split else ()) for n, label, split in rows]
    return table, samples, notes


def own_clip(sample: Sample, layout: SkeletonLayout, dims: int | None, wanted: Wanted) -> Clip:
    """The clip (C, T, V, M) of a recording.

    Raises:
        InputError: it is damaged, or of another skeleton; the frame is named.
    """
    return clip_of(read_poses(Path(sample.source), layout, dims), wanted, layout.joints, sample.source)


def _parser() -> Parser:
    about = "Make clips of poses that an estimator found, and a configuration that trains on them (docs/own_data.md)."
    parser = Parser("import_poses.py", description=about, allow_abbrev=False)
    parser.add_argument("poses", metavar="POSES", help="folder with a file or a folder for each recording")
    parser.add_flag("--labels", required=True, metavar="FILE", help="CSV file: name,label and perhaps subject,split")
    skeletons = f"{', '.join(ESTIMATORS)}, a data set's, or a YAML file"
    parser.add_flag("--skeleton", required=True, metavar="NAME", help=skeletons)
    parser.add_flag("--classes", metavar="FILE", help="names of the classes in their order (default: the alphabet's)")
    parser.add_flag("--test-subjects", nargs="+", metavar="S", help="who is tested on, by the column subject")
    parser.add_flag("--test-list", metavar="FILE", help="names of the recordings that are tested on, one a line")
    parser.add_flag("--test-share", type=_share, metavar="X", help="share of every class that is tested on, drawn")
    parser.add_flag("--seed", type=whole_number(0), default=1, metavar="N", help="of that draw (default: 1)")
    parser.add_flag("--by-subject", action="store_true", help="draw subjects: nobody is on both sides")
    parser.add_flag("--bodies", type=whole_number(1), default=1, metavar="M", help="people in a clip (default: 1)")
    parser.add_flag("--dims", type=int, choices=(2, 3), help="coordinates of a joint (default: as many as there are)")
    parser.add_flag("--keep-scores", action="store_true", help="2-D: the score is the third channel")
    size = "2-D: pixels of the picture, whose longer side becomes -1 to 1"
    parser.add_flag("--image-size", nargs=2, type=whole_number(1), metavar=("W", "H"), help=size)
    parser.add_flag("--nan-as-missing", action="store_true", help="a joint with NaN or an empty cell was not seen")
    parser.add_flag("--network", choices=NETWORKS, default="msg3d", help="that the configuration trains")
    add_preparation_flags(parser, "data/mine")
    return parser


def _share(text: str) -> float:
    try:
        share = float(text)
    except ValueError:
        share = 0.0
    if not 0 < share < 1:
        raise argparse.ArgumentTypeError(f"wanted a share between 0 and 1, got {text!r}")
    return share


def _check_flags(given: argparse.Namespace) -> None:
    if given.layout != "compact":
        raise InputError("--layout dense: recordings have no common length; data_gen.convert fills them up to one")
    if given.keep_scores and given.dims == 3:
        raise InputError("--keep-scores is for 2-D poses: the third channel is then the score")
    out, poses = Path(given.out_folder).resolve(), Path(given.poses).resolve()
    named = f"{given.out_folder}{out.name}"  # both become part of a configuration, where braces are placeholders
    if "{" in named or "}" in named or not named.isprintable():
        raise InputError(f"--out-folder {given.out_folder!r}: wanted a name without braces and control characters")
    if out == poses or poses in out.parents:
        raise InputError(f"--out-folder {given.out_folder}: it lies in {given.poses}, where recordings are looked for")


def _look_at(
    samples: Sequence[Sample], layout: SkeletonLayout, given: argparse.Namespace, wanted: Wanted
) -> list[Look]:
    """Make every clip once before anything is written; damaged recordings are named later."""
    looking = in_order(partial(_look, layout=layout, dims=given.dims, wanted=wanted), samples, given.n_cores)
    return list(tqdm(looking, total=len(samples), unit="recording", desc="looking", disable=None))


def _look(sample: Sample, layout: SkeletonLayout, dims: int | None, wanted: Wanted) -> Look:
    look = Look()
    try:
        poses = read_poses(Path(sample.source), layout, dims)
        look = Look(poses.length, poses.people(), poses.coordinates.shape[2])
        clip = clip_of(poses, wanted, layout.joints, sample.source)
        look = replace(look, reach=float(np.abs(clip[:2]).max()) if wanted.image_size else 0.0)
    except InputError as error:
        return replace(look, problem=str(error))
    return look


def _common_dims(samples: Sequence[Sample], looks: Sequence[Look]) -> int | None:
    """The coordinates of a joint in every recording that somebody is in; None where there is none.

    Raises:
        InputError: not everywhere the same.
    """
    found: dict[int, str] = {}
    for sample, look in zip(samples, looks, strict=True):
        if look.people:
            found.setdefault(look.dims, sample.source)
    if len(found) > 1:
        raise InputError(f"{found[2]} has 2 coordinates of a joint and {found[3]} 3; say which are meant with --dims")
    return next(iter(found), None)


def _check_sides(samples: Sequence[Sample], looks: Sequence[Look], used: Sequence[str]) -> None:
    """Refuse to leave out all that there is to train on, or to test."""
    for split in used:
        problems = [look.problem for sample, look in zip(samples, looks, strict=True) if split in sample.parts]
        if all(problems):
            raise InputError(f"split {split}: nothing is left, all {len(problems)} are damaged: {problems[0]}")


def _about(layout: SkeletonLayout, table: Labels, wanted: Wanted, dims: int) -> dict[str, Any]:
    """What the store says of itself; the same recordings with other flags are another preparation."""
    about: dict[str, Any] = {"lineage": "own", "class_names": table.class_names, "joint_names": list(layout.joints)}
    about |= {"dims": dims, "scores": wanted.keep_scores, "image_size": wanted.image_size}
    about |= {"nan_as_missing": wanted.nan_as_missing}
    return about | ({"layout": layout.name} if BUILT_IN.get(layout.name) is layout else {})


def _layout_for_training(given: argparse.Namespace) -> str:
    """What the configuration calls the skeleton: a built-in's name, or the file, of which the store has a copy."""
    if given.skeleton in BUILT_IN:
        return str(given.skeleton)
    copy = Path(given.out_folder) / SKELETON
    write_text(copy, Path(given.skeleton).read_text(encoding="utf-8"))
    return str(copy)


def _write_rest(table: Labels, data: OwnData, given: argparse.Namespace) -> None:
    """The names of the classes and the configuration; one that is there already and differs is the user's."""
    out = Path(given.out_folder)
    config = training_yaml(data, given.network, out.resolve().name)
    write_text(out / CLASS_NAMES, "".join(f"{name}\n" for name in table.class_names))
    print(f"{out / CLASS_NAMES}: {len(table.class_names)} classes")
    path = out / CONFIG
    if path.exists() and path.read_text(encoding="utf-8") != config:
        print(f"{path}: left as it was; remove it for a new one")
        return
    write_text(path, config)
    print(f"{path}: the configuration")


def _remarks(looks: Sequence[Look], wanted: Wanted, dims: int) -> list[str]:
    seen = [look for look in looks if not look.problem]
    remarks = []
    if seen:
        lengths = sorted(look.frames for look in seen)
        remarks.append(f"{lengths[0]} to {lengths[-1]} frames, {lengths[len(lengths) // 2]} in the middle")
    crowded = [look.people for look in seen if look.people > wanted.bodies]
    if crowded:
        remarks.append(
            f"{len(crowded)} recordings have more than {wanted.bodies} people, up to {max(crowded)}: those were kept "
            f"that move most, or, untracked, have the highest scores in a frame; --bodies takes more"
        )
    outside = [look.reach for look in seen if look.reach > _FAR]
    if outside and wanted.image_size:
        width, height = wanted.image_size
        remarks.append(
            f"{len(outside)} recordings go far beyond a picture of {width} by {height}: is --image-size right?"
        )
    if dims == 2 and wanted.image_size is None:
        remarks.append(
            "coordinates are as they were; training stretches what a clip's joints cover to -1 to 1 "
            "(pre_normalize_2d), and --image-size W H keeps the place in the picture and its shape"
        )
    return remarks


def _split_remarks(table: Labels, samples: Sequence[Sample], used: Sequence[str]) -> list[str]:
    """What about classes and subjects of the splits that are ``used`` may be a slip."""
    remarks = []
    spelled = Counter(name.casefold() for name in table.class_names)
    alike = [name for name in table.class_names if spelled[name.casefold()] > 1]
    if alike:
        remarks.append(f"classes that only capitals tell apart: {', '.join(alike)}")
    for split in used:
        held = {sample.label for sample in samples if split in sample.parts}
        absent = [name for label, name in enumerate(table.class_names) if label not in held]
        if absent:
            more = ", ..." if len(absent) > 3 else ""
            remarks.append(f"split {split} has no clip of {len(absent)} classes: {', '.join(absent[:3])}{more}")
    if table.subjects is not None:
        subject = dict(zip(table.names, table.subjects, strict=True))
        sides = [{subject[sample.name] for sample in samples if split in sample.parts} for split in used]
        both = sorted(set.intersection(*sides))
        if both:
            remarks.append(
                f"{len(both)} subjects are both trained and tested on: {', '.join(both[:3])}"
                f"{', ...' if len(both) > 3 else ''}; --test-share with --by-subject keeps them apart"
            )
    return remarks


if __name__ == "__main__":
    sys.exit(exit_code(run))
