"""The command line of ensemble.py: late fusion of streams whose scores were saved, and what the result is worth."""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from command_line import Parser, whole_number
from engine.scoring.files import read_scores, write_result
from engine.scoring.fusion import Fusion
from engine.scoring.labels import DATASETS, labels_in, labels_of_annotations
from engine.scoring.metrics import top_k_accuracy
from engine.scoring.scores import Scores, agreed, aligned, find_scores, read_labels_beside, rows_of
from engine.scoring.search import Found, search
from engine.scoring.tables import difference, figures, names_of_classes, write_report
from engine.scoring.weighting import PRESETS, Stream, named_streams
from errors import InputError


def fuse_from_command_line(argv: Sequence[str] | None = None) -> int:
    """Fuse the scores that the flags name, and print the accuracy as MS-G3D does; the exit code, 0.

    Raises:
        InputError: a flag or a file is not usable, or the files do not hold the same samples.
    """
    given = parser().parse_strictly(argv)
    streams = streams_of(given)
    if given.split and not given.ann_file:
        raise InputError("--split names a part of the annotations in --ann-file, which is missing")
    if given.folds and not given.search:
        raise InputError("--folds goes with --search")
    if given.against:
        find_scores(given.against)  # before the work
    fusion = Fusion(streams, given.softmax, given.search, dataset=given.dataset)
    if given.labels:
        fusion.found.append(labels_in(given.labels))
    if given.ann_file:
        fusion.samples, labels = labels_of_annotations(given.ann_file, given.split)
        fusion.found.append(labels)
    fused, truth = fusion.run()
    if len(streams) > 1:
        for stream, weight, guesses in zip(streams, fusion.weights, fusion.predicted, strict=True):
            print(f"{stream.title} (weight {weight:g}): {np.mean(guesses == truth):.2%}")
    for note in fusion.notes:
        print(f"note: {note}")
    for k in given.show_topk:
        print(f"Top{k} Acc: {top_k_accuracy(fused.values, truth, k):.4%}")
    if given.search:
        _say_search(search(fusion.kept, fused.names, truth, folds=given.folds or 0, seed=given.seed))
    fusion.kept.clear()
    if given.report or given.against or given.out:
        _evaluate(fusion, fused, truth, given)
    return 0


def parser() -> Parser:
    """The flags of ensemble.py."""
    about = "Fuse the scores of several streams, sample by sample, and say what the result is worth."
    parser = Parser("ensemble.py", description=about, allow_abbrev=False)
    what = "score files, or work dirs that hold one; a stream may be named: joint=PATH"
    parser.add_argument("--scores", nargs="+", metavar="[NAME=]PATH", help=what)
    parser.add_argument("--weights", nargs="+", type=float, metavar="W", help="a weight for each of them (default: 1)")
    parser.add_argument(
        "--preset", choices=PRESETS, help="published weights, in the order joint, bone, motions, prompts"
    )
    parser.add_argument(
        "--softmax", action="store_true", help="fuse probabilities, as pyskl does, in place of the scores themselves"
    )
    parser.add_argument("--joint-dir", metavar="DIR", help="work dir of the tested joint model (MS-G3D)")
    parser.add_argument("--bone-dir", metavar="DIR", help="work dir of the tested bone model")
    parser.add_argument("--alpha", type=float, default=1.0, metavar="A", help="weight of the bone scores (default: 1)")
    best = "work dirs, whose files/best_score.pkl is read, or score files, of weight"
    parser.add_flag("--position-ckpts", nargs="+", metavar="PATH", help=f"{best} 1.5 each (InfoGCN, MSA-GCN)")
    parser.add_flag("--motion-ckpts", nargs="+", metavar="PATH", help="the same, of weight 1 each")
    parser.add_argument(
        "--labels", "--label-path", "--label_path", metavar="FILE",
        help="pickle of names and labels (left out: those saved with the scores)",
    )  # fmt: skip
    parser.add_argument("--dataset", choices=DATASETS, help="take the labels from ./data/<dataset>/val_label.pkl")
    parser.add_flag("--ann-file", metavar="FILE", help="pyskl's annotations: names and labels of results without them")
    parser.add_argument("--split", metavar="NAME", help="which of its splits the results are of, such as xsub_val")
    parser.add_flag("--show-topk", nargs="+", type=whole_number(1), default=[1, 5], metavar="K", help="(default: 1 5)")
    parser.add_argument("--search", action="store_true", help="find weights on one half, and judge them on the other")
    parser.add_argument("--folds", type=whole_number(2), metavar="K", help="on K parts, each judged by the others'")
    parser.add_argument("--seed", type=whole_number(0), default=1, metavar="N", help="of the parts (default: 1)")
    parser.add_argument("--report", metavar="DIR", help="write metrics.json, predictions, classes and confusions there")
    parser.add_flag("--class-names", metavar="SET", help="names for them: a data set, or a file with one name a line")
    parser.add_argument("--against", metavar="PATH", help="another run on the same clips: the paired difference to it")
    parser.add_argument("--out", metavar="FILE", help="write the fused result as pyskl does, in annotation order")
    return parser


def streams_of(given: argparse.Namespace) -> list[Stream]:
    """The streams that one of the three forms names, with their weights where the form says them.

    Raises:
        InputError: none of the forms, more than one, or half of one.
    """
    forms = {
        "--scores": bool(given.scores),
        "--joint-dir and --bone-dir": bool(given.joint_dir or given.bone_dir),
        "--position-ckpts and --motion-ckpts": bool(given.position_ckpts or given.motion_ckpts),
    }
    used = [form for form, is_used in forms.items() if is_used]
    if len(used) > 1:
        raise InputError(f"give either {used[0]}, or {used[1]}")
    if not used or (used == ["--joint-dir and --bone-dir"] and not (given.joint_dir and given.bone_dir)):
        raise InputError("name the scores to fuse: --joint-dir DIR --bone-dir DIR, or --scores A B ...")
    if not given.scores and (given.weights or given.preset):
        hint = "with --joint-dir and --bone-dir it is --alpha" if given.joint_dir else "1.5 and 1 are those of InfoGCN"
        raise InputError(f"--{'weights' if given.weights else 'preset'} goes with --scores; {hint}")
    if given.joint_dir:
        streams = [Stream("", given.joint_dir, 1.0), Stream("", given.bone_dir, given.alpha)]
    elif given.scores:
        streams = named_streams(given.scores, given.weights, given.preset)
    else:
        streams = [Stream("", path, 1.5, best=True) for path in given.position_ckpts or []]
        streams += [Stream("", path, 1.0, best=True) for path in given.motion_ckpts or []]
    weights = [stream.weight for stream in streams if stream.weight is not None]
    if not all(map(math.isfinite, weights)):
        raise InputError(f"the weights of the streams must be finite numbers, got {' '.join(map(str, weights))}")
    return [replace(stream, path=str(find_scores(stream.path, best=stream.best))) for stream in streams]


def _say_search(found: Found) -> None:
    for number, weights in enumerate(found.weights):
        part = f"part {number + 1}: " if len(found.weights) > 1 else ""
        print(f"searched ({found.by}): {part}weights {' '.join(f'{weight:g}' for weight in weights)}")
    print(f"held out, {len(found.held)} clips: {found.accuracy:.4%} with these, {found.equal:.4%} with weights of 1")
    weights_text = " ".join(f"{weight:g}" for weight in found.oracle_weights)
    print(
        f"oracle, searched on the clips it is judged on, not a result: {found.oracle:.4%} with weights {weights_text}"
    )


def _evaluate(fusion: Fusion, fused: Scores, truth: np.ndarray, given: argparse.Namespace) -> None:
    """What ``--report``, ``--against`` and ``--out`` ask for."""
    names = names_of_classes(given.class_names, fused.values.shape[1])
    shares = fusion.confidences(fused)
    found: dict[str, Any] = {"streams": [s.path for s in fusion.streams], "weights": fusion.weights}
    found |= figures(shares, truth, given.show_topk)
    print(f"Mean Class Acc: {found['mean_class_accuracy']:.4%}")
    print(f"Top1 Acc, 95 % interval: {_span(found['top1_interval_95'])}")
    print(f"Expected calibration error, 15 bins: {found['expected_calibration_error']:.4f}")
    if given.against:
        path = find_scores(given.against)
        other = aligned(read_scores(path, fusion.samples), fused)
        mine = ("the fused streams", dict(zip(fused.names, truth.tolist(), strict=True)))
        agreed([mine, (f"the labels of {path}", read_labels_beside(path) or other.labels or {})])
        found |= {"against": str(path), **difference(fused.values.argmax(1), other.values.argmax(1), truth)}
        print(f"Against {path}: {found['difference']:+.4%}, 95 % interval {_span(found['difference_interval_95'])}")
    if given.out:
        order = rows_of(fused, fusion.samples or fused.names, str(given.ann_file))
        write_result(given.out, shares[order])
        print(f"{given.out}: {len(order)} results")
    if given.report:
        write_report(Path(given.report), found, fused.names, shares, truth, names)
        print(f"{given.report}: metrics.json, predictions.csv, per_class.csv, confusion.csv")


def _span(interval: tuple[float, float]) -> str:
    return f"{interval[0]:.2%} to {interval[1]:.2%}"
