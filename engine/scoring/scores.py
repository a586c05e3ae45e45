"""Scores of samples by name: saved, found, joined and judged. What is joined is joined by name."""

from __future__ import annotations

import csv
import io
import os
import pickle
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from clips.files import atomic_write, write_text
from engine.scoring.metrics import top_k_accuracy
from errors import InputError

Labels = tuple[str, Mapping[str, int]]
"""Where labels are from, and name -> class number."""

BEST_SCORES = Path("files") / "best_score.pkl"  # where InfoGCN's and MSA-GCN's commands look for scores
_SCORE_FILE = re.compile(r"epoch(\d+)_test_score\.pkl")
_SURE = 1e-3  # how far from 1 the sum of probabilities may be, which half precision makes of it


@dataclass(frozen=True)
class Scores:
    """Scores ``values`` (N, num_class) float32 of the samples ``names``; ``labels`` by name, if they came with them.

    ``by_position`` says that the file names no samples, and ``names`` are their numbers in it.
    """

    source: str
    names: Sequence[str]
    values: np.ndarray
    labels: Mapping[str, int] | None = None
    by_position: bool = False


def save_scores(
    folder: str | os.PathLike[str], epoch: int, names: Sequence[str], labels: np.ndarray, logits: np.ndarray
) -> Path:
    """Write ``epoch<E>_test_score.pkl``, as MS-G3D does, and ``epoch<E>_test_labels.csv``; the first's path."""
    return _save(Path(folder) / f"epoch{epoch}_test_score.pkl", names, labels, logits)


def save_best_scores(
    folder: str | os.PathLike[str], names: Sequence[str], labels: np.ndarray, logits: np.ndarray
) -> Path:
    """Write ``files/best_score.pkl``, which InfoGCN's and MSA-GCN's commands fuse, and its labels; the first's path."""
    return _save(Path(folder) / BEST_SCORES, names, labels, logits)


def _save(path: Path, names: Sequence[str], labels: np.ndarray, logits: np.ndarray) -> Path:
    with atomic_write(path) as file:
        pickle.dump({name: np.array(row) for name, row in zip(names, logits, strict=True)}, file)
    table = io.StringIO()
    csv.writer(table, lineterminator="\n").writerows([("name", "label"), *zip(names, labels.tolist(), strict=True)])
    write_text(_labels_beside(path), table.getvalue())
    return path


def find_scores(path: str | os.PathLike[str], *, best: bool = False) -> Path:
    """The score file that ``path`` is, or the latest of that work dir; with ``best``, its ``files/best_score.pkl``.

    A test is always called epoch 1; where training left scores too, the file that was written last is meant.

    Raises:
        InputError: no such file or folder, or a folder without scores.
    """
    path = Path(path)
    if path.is_file():
        return path
    if not path.is_dir():
        raise InputError(f"{path}: no such file or folder")
    if best and (path / BEST_SCORES).is_file():
        return path / BEST_SCORES
    found = {int(match[1]): file for file in path.iterdir() if (match := _SCORE_FILE.fullmatch(file.name))}
    if not found:
        inside = sorted(file.parent.name for file in path.glob("*/*.pkl") if _SCORE_FILE.fullmatch(file.name))
        hint = f"its folders {', '.join(dict.fromkeys(inside))} hold some" if inside else "test the network first"
        raise InputError(f"{path}: there is no epoch<E>_test_score.pkl; {hint}")
    return max(found.items(), key=lambda item: (item[1].stat().st_mtime_ns, item[0]))[1]


def read_labels_beside(path: Path) -> dict[str, int] | None:
    """The labels saved with a score file, None where there are none.

    Raises:
        InputError: the file is there but not ``name,label`` lines.
    """
    beside = _labels_beside(path)
    if beside == path or not beside.is_file():
        return None
    try:
        rows = list(csv.reader(io.StringIO(beside.read_text(encoding="utf-8"))))
        return {name: int(label) for name, label in rows[1:]}
    except (ValueError, OSError, csv.Error) as error:
        raise InputError(f"{beside}: wanted lines 'name,label': {error}") from error


def aligned(scores: Scores, like: Scores) -> Scores:
    """``scores`` in the order of samples of ``like``.

    Raises:
        InputError: they are not of the same samples (one is named) or the same number of classes.
    """
    if scores.names != like.names:
        rows = rows_of(scores, like.names, like.source)
        scores = replace(scores, names=like.names, values=scores.values[rows])
    mine, theirs = like.values.shape[1], scores.values.shape[1]
    if mine != theirs:
        raise InputError(f"{like.source} scores {mine} classes, but {scores.source} {theirs}")
    return scores


def rows_of(scores: Scores, names: Sequence[str], source: str) -> list[int]:
    """The rows of ``scores`` in which the samples ``names`` of ``source`` are, in their order.

    Raises:
        InputError: they are not the same samples; one is named.
    """
    row = {name: number for number, name in enumerate(scores.names)}
    wanted = set(names)
    for here, mine, there, theirs in (
        (source, names, scores.source, row),
        (scores.source, scores.names, source, wanted),
    ):
        missing = [name for name in mine if name not in theirs]
        if missing:
            raise InputError(
                f"{there} has no scores for {len(missing)} of the {len(mine)} samples of {here}, "
                f"{missing[0]!r} among them"
            )
    return [row[name] for name in names]


def fuse(
    streams: Iterable[Scores], weights: Sequence[float], seen: Callable[[Scores], None] = lambda scores: None
) -> Scores:
    """The weighted sum of the streams' scores, sample by sample (late fusion; MS-G3D: joint + alpha·bone).

    Args:
        streams: in any order of samples; they are asked for one after the other, and none is kept.
        weights: one for each.
        seen: gets every stream in the order of the first, before it is added.

    Raises:
        InputError: the streams do not hold the same samples (one is named) or the same number of classes; or the sum
            is more than float32 can hold.
    """
    fused: Scores | None = None
    for stream, weight in zip(streams, weights, strict=True):
        scores = stream if fused is None else aligned(stream, fused)
        seen(scores)
        with np.errstate(over="ignore", invalid="ignore"):
            values = np.float32(weight) * scores.values
            if fused is None:
                fused = replace(scores, values=values)
            else:
                np.add(fused.values, values, out=fused.values)
    assert fused is not None
    if not np.isfinite(fused.values).all():
        raise InputError(f"the fused scores are not finite: the weights {' '.join(map(str, weights))} are too large")
    return fused


def probabilities(values: np.ndarray) -> np.ndarray:
    """The softmax of every row of ``values`` (N, num_class)."""
    raised: np.ndarray = np.exp(values - values.max(axis=1, keepdims=True))
    raised /= raised.sum(axis=1, keepdims=True)
    return raised


def are_probabilities(values: np.ndarray) -> bool:
    """Whether every row of ``values`` (N, num_class) is a distribution already, as in pyskl's results."""
    return bool(values.min() >= 0 and np.abs(values.sum(axis=1) - 1).max() < _SURE)


def agreed(found: Sequence[Labels]) -> Labels:
    """The first of the labels found, once the others were seen not to contradict them.

    Raises:
        InputError: they do; a sample is named.
    """
    source, labels = found[0]
    for other_source, other in found[1:]:
        for name, label in labels.items():
            if other.get(name, label) != label:
                raise InputError(f"{name!r} has label {label} in {source}, but {other[name]} in {other_source}")
    return source, labels


def truth_of(scores: Scores, labels: Labels) -> np.ndarray:
    """The class number of every sample of ``scores``: (N,).

    Raises:
        InputError: a sample without a label, or a label that the scores do not reach.
    """
    source, by_name = labels
    missing = [name for name in scores.names if name not in by_name]
    if missing:
        raise InputError(
            f"{source} has no label for {len(missing)} of {len(scores.names)} samples, {missing[0]!r} among them"
        )
    truth = np.array([by_name[name] for name in scores.names])
    if truth.min() < 0 or truth.max() >= scores.values.shape[1]:
        wrong = truth.max() if truth.max() >= scores.values.shape[1] else truth.min()
        raise InputError(f"{source} has label {wrong}, but the scores are for {scores.values.shape[1]} classes")
    return truth


def judge(scores: Scores, labels: Labels, ks: Sequence[int] = (1, 5)) -> dict[int, float]:
    """Top-k accuracies of ``scores`` against ``labels``.

    Raises:
        InputError: as ``truth_of``.
    """
    truth = truth_of(scores, labels)
    return {k: top_k_accuracy(scores.values, truth, k) for k in ks}


def _labels_beside(path: Path) -> Path:
    return path.with_name(path.name.replace("_score.pkl", "_labels.csv"))
