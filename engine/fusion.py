"""The command line of ensemble.py: late fusion of streams whose scores were saved."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from clips.dense import read_labels
from command_line import Parser
from engine.scores import Scores, find_scores, fuse, judge, probabilities, read_labels_beside, read_scores
from errors import InputError

DATASETS = ("ntu/xsub", "ntu/xview", "ntu120/xsub", "ntu120/xset", "kinetics")


def fuse_from_command_line(argv: Sequence[str] | None = None) -> int:
    """Fuse the scores that the flags name, and print the accuracy as MS-G3D does; the exit code, 0.

    Raises:
        InputError: a flag or a file is not usable, or the files do not hold the same samples.
    """
    given = parser().parse_strictly(argv)
    if given.scores:
        if given.joint_dir or given.bone_dir:
            raise InputError("give either --scores, or --joint-dir and --bone-dir")
        sources = given.scores
        weights = given.weights or [1.0] * len(sources)
    elif given.joint_dir and given.bone_dir:
        if given.weights:
            raise InputError("--weights goes with --scores; with --joint-dir and --bone-dir it is --alpha")
        sources, weights = [given.joint_dir, given.bone_dir], [1.0, given.alpha]
    else:
        raise InputError("name the scores to fuse: --joint-dir DIR --bone-dir DIR, or --scores A B ...")
    if len(weights) != len(sources):
        raise InputError(f"--weights: {len(weights)} numbers for {len(sources)} score files")
    if not all(map(math.isfinite, weights)):
        raise InputError(f"the weights of the streams must be finite numbers, got {' '.join(map(str, weights))}")
    paths = [find_scores(source) for source in sources]
    streams = [(str(path), read_scores(path)) for path in paths]
    if given.softmax:
        streams = [(name, probabilities(scores)) for name, scores in streams]
    fused = fuse(streams, weights)
    labels, source = find_labels(paths, given.labels, given.dataset)
    if len(streams) > 1:
        for (name, scores), weight in zip(streams, weights, strict=True):
            print(f"{name} (weight {weight:g}): {judge(scores, labels, source)[1]:.2%}")
    for k, accuracy in judge(fused, labels, source).items():
        print(f"Top{k} Acc: {accuracy:.4%}")
    return 0


def parser() -> Parser:
    """The flags of ensemble.py."""
    parser = Parser(
        "ensemble.py", description="Fuse the scores of several streams, sample by sample.", allow_abbrev=False
    )
    parser.add_argument("--scores", nargs="+", metavar="PATH", help="score files, or work dirs that hold one")
    parser.add_argument("--weights", nargs="+", type=float, metavar="W", help="a weight for each of them (default: 1)")
    parser.add_argument(
        "--softmax", action="store_true", help="fuse probabilities, as pyskl does, in place of the scores themselves"
    )
    parser.add_argument("--joint-dir", metavar="DIR", help="work dir of the tested joint model")
    parser.add_argument("--bone-dir", metavar="DIR", help="work dir of the tested bone model")
    parser.add_argument("--alpha", type=float, default=1.0, metavar="A", help="weight of the bone scores (default: 1)")
    parser.add_argument(
        "--labels", metavar="FILE", help="pickle of names and labels (left out: those saved with the scores)"
    )
    parser.add_argument("--dataset", choices=DATASETS, help="take the labels from ./data/<dataset>/val_label.pkl")
    return parser


def fused_scores(sources: Sequence[str | Path]) -> tuple[Scores, Mapping[str, int], str]:
    """The sum of the scores in these files or work dirs, their labels, and where those are from.

    Raises:
        InputError: as ``fuse`` and ``find_labels``.
    """
    paths = [find_scores(source) for source in sources]
    fused = fuse([(str(path), read_scores(path)) for path in paths], [1.0] * len(paths))
    return fused, *find_labels(paths)


def find_labels(
    paths: Sequence[Path], given: str | None = None, dataset: str | None = None
) -> tuple[Mapping[str, int], str]:
    """Labels and where they are from: saved with the scores, else ``--labels``, else the data set's own file.

    Raises:
        InputError: there are none, or two sources contradict each other.
    """
    found: list[tuple[str, Mapping[str, int]]] = []
    for path in paths:
        beside = read_labels_beside(path)
        if beside is not None:
            found.append((f"the labels beside {path}", beside))
    if given:
        found.append((given, dict(zip(*read_labels(given), strict=True))))
    if not found and dataset:
        path = Path("data") / dataset / "val_label.pkl"
        found.append((str(path), dict(zip(*read_labels(path), strict=True))))
    if not found:
        raise InputError(f"there are no labels beside {paths[0]}: name them with --labels or --dataset")
    source, labels = found[0]
    for other_source, other in found[1:]:
        for name in labels.keys() & other.keys():
            if labels[name] != other[name]:
                raise InputError(f"{name!r} has label {labels[name]} in {source}, but {other[name]} in {other_source}")
    return labels, source
