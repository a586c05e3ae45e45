"""Scores: sample name -> logits; how they are saved, read, joined and judged. Nothing is ever joined by position."""

from __future__ import annotations

import csv
import io
import os
import pickle
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from clips.files import atomic_write, write_text
from clips.read.pickles import read_pickle
from errors import InputError

Scores = dict[str, np.ndarray]
"""Sample name -> logits (num_class,)."""

_SCORE_FILE = re.compile(r"epoch(\d+)_test_score\.pkl")


def top_k_accuracy(logits: np.ndarray, labels: np.ndarray, k: int) -> float:
    """Share of rows of ``logits`` (N, num_class) whose label (N,) is among the ``k`` largest."""
    best = np.argsort(logits, axis=1)[:, -k:]
    return float((best == np.asarray(labels)[:, None]).any(axis=1).mean())


def save_scores(
    folder: str | os.PathLike[str], epoch: int, names: Sequence[str], labels: np.ndarray, logits: np.ndarray
) -> Path:
    """Write ``epoch<E>_test_score.pkl``, as MS-G3D does, and ``epoch<E>_test_labels.csv``; the first's path."""
    path = Path(folder) / f"epoch{epoch}_test_score.pkl"
    with atomic_write(path) as file:
        pickle.dump({name: np.array(row) for name, row in zip(names, logits, strict=True)}, file)
    table = io.StringIO()
    csv.writer(table, lineterminator="\n").writerows([("name", "label"), *zip(names, labels.tolist(), strict=True)])
    write_text(_labels_beside(path), table.getvalue())
    return path


def find_scores(path: str | os.PathLike[str]) -> Path:
    """The score file that ``path`` is, or the latest of that work dir.

    A test is always called epoch 1; where training left scores too, the file that was written last is meant.

    Raises:
        InputError: no such file or folder, or a folder without scores.
    """
    path = Path(path)
    if path.is_file():
        return path
    if not path.is_dir():
        raise InputError(f"{path}: no such file or folder")
    found = {int(match[1]): file for file in path.iterdir() if (match := _SCORE_FILE.fullmatch(file.name))}
    if not found:
        raise InputError(f"{path}: there is no epoch1_test_score.pkl; test the model with --save-score True first")
    return max(found.items(), key=lambda item: (item[1].stat().st_mtime_ns, item[0]))[1]


def read_scores(path: str | os.PathLike[str]) -> Scores:
    """The scores in a pickled dictionary of name -> vector.

    Raises:
        InputError: unreadable, or anything but vectors of one length with finite values.
    """
    content = read_pickle(path)
    if not isinstance(content, dict) or not content:
        raise InputError(f"{path}: wanted scores by sample name, got {type(content).__name__}")
    try:
        scores = {str(name): np.asarray(value) for name, value in content.items()}
    except ValueError as error:  # lists within lists, of different lengths
        raise InputError(f"{path}: wanted a vector of scores for every sample: {error}") from error
    length = next(iter(scores.values())).size
    for name, row in scores.items():
        if row.dtype.kind not in "fiu" or row.shape != (length,) or not np.isfinite(row).all():
            raise InputError(f"{path}: the scores of {name!r} are not {length} finite numbers")
    return scores


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


def fuse(streams: Sequence[tuple[str, Scores]], weights: Sequence[float]) -> Scores:
    """The weighted sum of the streams' scores, sample by sample (late fusion; MS-G3D: joint + alpha·bone).

    Args:
        streams: (what to call it, its scores), in any order of samples.
        weights: one for each.

    Raises:
        InputError: the streams do not hold the same samples (one is named) or the same number of classes.
    """
    source, first = streams[0]
    for other_source, other in streams[1:]:
        _same_samples(source, first, other_source, other)
    for other_source, other in streams[1:]:
        mine, theirs = len(next(iter(first.values()))), len(next(iter(other.values())))
        if mine != theirs:
            raise InputError(f"{source} scores {mine} classes, but {other_source} {theirs}")
    return {name: np.sum([w * s[name] for (_, s), w in zip(streams, weights, strict=True)], axis=0) for name in first}


def probabilities(scores: Scores) -> Scores:
    """The softmax of every row of scores."""
    found = {}
    for name, row in scores.items():
        raised = np.exp(row.astype(np.float64) - row.max())
        found[name] = raised / raised.sum()
    return found


def judge(scores: Scores, labels: Mapping[str, int], source: str, ks: Sequence[int] = (1, 5)) -> dict[int, float]:
    """Top-k accuracies of ``scores`` against ``labels`` from ``source``.

    Raises:
        InputError: a sample without a label, or a label that the scores do not reach.
    """
    missing = [name for name in scores if name not in labels]
    if missing:
        raise InputError(
            f"{source} has no label for {len(missing)} of {len(scores)} samples, {missing[0]!r} among them"
        )
    logits = np.stack(list(scores.values()))
    truth = np.array([labels[name] for name in scores])
    if truth.min() < 0 or truth.max() >= logits.shape[1]:
        wrong = truth.max() if truth.max() >= logits.shape[1] else truth.min()
        raise InputError(f"{source} has label {wrong}, but the scores are for {logits.shape[1]} classes")
    return {k: top_k_accuracy(logits, truth, k) for k in ks}


def _labels_beside(path: Path) -> Path:
    return path.with_name(path.name.replace("_score.pkl", "_labels.csv"))


def _same_samples(source: str, first: Scores, other_source: str, other: Scores) -> None:
    for here, mine, there, theirs in ((source, first, other_source, other), (other_source, other, source, first)):
        missing = [name for name in mine if name not in theirs]
        if missing:
            raise InputError(
                f"{there} has no scores for {len(missing)} of the {len(mine)} samples of {here}, "
                f"{missing[0]!r} among them"
            )
