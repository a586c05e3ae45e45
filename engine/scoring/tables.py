"""What a set of scores amounts to, in figures and as tables that a spreadsheet opens."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from clips.class_names import class_names
from clips.files import write_text
from engine.scoring.metrics import (
    bootstrap_interval,
    calibration_error,
    class_accuracies,
    confusion_matrix,
    mean_class_accuracy,
    top_k_accuracy,
)
from errors import InputError

_SEED = 0  # of the bootstrap, so that a report is the same whenever it is made


def figures(probabilities: np.ndarray, labels: np.ndarray, ks: Sequence[int]) -> dict[str, Any]:
    """The accuracies of (N, C) probabilities and their 95 % interval, mean class accuracy and calibration error."""
    predicted = probabilities.argmax(axis=1)
    confusion = confusion_matrix(predicted, labels, probabilities.shape[1])
    return {
        "clips": len(labels),
        **{f"top{k}": top_k_accuracy(probabilities, labels, k) for k in ks},
        "top1_interval_95": bootstrap_interval(predicted == labels, seed=_SEED),
        "mean_class_accuracy": mean_class_accuracy(confusion),
        "expected_calibration_error": calibration_error(probabilities, labels),
    }


def difference(predicted: np.ndarray, other: np.ndarray, labels: np.ndarray) -> dict[str, Any]:
    """By how much ``predicted`` (N,) is more accurate than ``other`` (N,), and the paired 95 % interval."""
    gain = (predicted == labels).astype(int) - (other == labels)
    return {"difference": float(gain.mean()), "difference_interval_95": bootstrap_interval(gain, seed=_SEED)}


def write_report(
    folder: Path,
    found: dict[str, Any],
    sample_names: Sequence[str],
    probabilities: np.ndarray,
    labels: np.ndarray,
    words: Sequence[str],
) -> None:
    """Write ``metrics.json`` (``found``), ``predictions.csv``, ``per_class.csv`` and ``confusion.csv``.

    Args:
        folder: where to; made if it is not there.
        found: figures by name.
        sample_names: N.
        probabilities: (N, C).
        labels: (N,) class numbers.
        words: the names of the C classes.
    """
    predicted = probabilities.argmax(axis=1)
    sure = probabilities[np.arange(len(predicted)), predicted]
    confusion = confusion_matrix(predicted, labels, len(words))
    rows = zip(sample_names, labels.tolist(), predicted.tolist(), sure.tolist(), strict=True)
    write_table(
        folder / "predictions.csv",
        ("name", "truth", "prediction", "probability"),
        ((name, words[truth], words[guess], f"{share:.6f}") for name, truth, guess, share in rows),
    )
    header = (
        "label",
        "class",
        "clips",
        "right",
        "accuracy",
        "taken for it",
        "precision",
        "most often taken for",
        "times",
    )
    write_table(folder / "per_class.csv", header, _per_class(confusion, words))
    lines = ((name, *row) for name, row in zip(words, confusion.tolist(), strict=True))
    write_table(folder / "confusion.csv", ("truth \\ prediction", *words), lines)
    write_text(folder / "metrics.json", json.dumps(found, indent=2) + "\n")


def write_table(path: Path, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Write a CSV file, whole or not at all."""
    table = io.StringIO()
    csv.writer(table, lineterminator="\n").writerows([header, *rows])
    write_text(path, table.getvalue())


def _per_class(confusion: np.ndarray, words: Sequence[str]) -> Iterable[Sequence[Any]]:
    """A row for every class; what cannot be said of a class without clips, or that was never guessed, is empty."""
    clips, guesses = confusion.sum(axis=1), confusion.sum(axis=0)
    wrong = confusion - np.diag(confusion.diagonal())
    recalls, precisions = class_accuracies(confusion), class_accuracies(confusion.T)
    for label, name in enumerate(words):
        worst = int(wrong[label].argmax())
        times = int(wrong[label, worst])
        yield (
            *(label, name, int(clips[label]), int(confusion[label, label]), _share(recalls[label])),
            *(int(guesses[label]), _share(precisions[label]), words[worst] if times else "", times),
        )


def _share(value: float) -> str:
    return "" if np.isnan(value) else f"{value:.4f}"


def names_of_classes(source: str | None, count: int) -> Sequence[str]:
    """``count`` names of classes: of a data set, of a file with one a line, or their numbers when None.

    Raises:
        InputError: another data set, an unreadable file, or another number of names.
    """
    if source is None:
        return [str(label) for label in range(count)]
    path = Path(source)
    try:
        names = path.read_text(encoding="utf-8").splitlines() if path.is_file() else class_names(source)
    except UnicodeDecodeError as error:
        raise InputError(f"{source}: wanted one class name a line: {error}") from error
    if len(names) != count:
        raise InputError(f"--class-names: {source} has {len(names)} names for {count} classes")
    return names
