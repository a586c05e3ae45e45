"""What scores are judged by: pure functions of arrays. N clips, C classes; labels and predictions are class numbers."""

from __future__ import annotations

import numpy as np

_ROWS = 8192  # rows that are worked on at a time, so that temporaries stay small


def top_k_accuracy(logits: np.ndarray, labels: np.ndarray, k: int) -> float:
    """Share of rows of ``logits`` (N, C) whose label (N,) is among the ``k`` largest; of equals the first counts."""
    labels, right = np.asarray(labels), 0
    for begin in range(0, len(labels), _ROWS):
        rows, truth = logits[begin : begin + _ROWS], labels[begin : begin + _ROWS, None]
        score = np.take_along_axis(rows, truth, axis=1)
        before = ~(rows <= score) | ((rows == score) & (np.arange(rows.shape[1]) < truth))  # so is what is no number
        right += int((before.sum(axis=1) < k).sum())
    return right / len(labels)


def confusion_matrix(predicted: np.ndarray, labels: np.ndarray, num_class: int) -> np.ndarray:
    """How often a class (row) was taken for each other (column): (C, C) counts."""
    counts = np.zeros((num_class, num_class), dtype=np.int64)
    np.add.at(counts, (labels, predicted), 1)
    return counts


def class_accuracies(confusion: np.ndarray) -> np.ndarray:
    """Share of the clips of each class that were taken for it: (C,), NaN for a class without clips."""
    clips = confusion.sum(axis=1)
    shares = np.full(len(clips), np.nan)
    np.divide(confusion.diagonal(), clips, out=shares, where=clips > 0)
    return shares


def mean_class_accuracy(confusion: np.ndarray) -> float:
    """The mean of the accuracies of the classes that have clips (mmaction's and pyskl's ``mean_class_accuracy``)."""
    return float(np.nanmean(class_accuracies(confusion)))


def calibration_error(probabilities: np.ndarray, labels: np.ndarray, bins: int = 15) -> float:
    """The expected calibration error of (N, C) probabilities, 0 where confidence is what accuracy turns out to be.

    Clips are put into ``bins`` intervals of equal width, open below and closed above, by their confidence, the largest
    probability; it is the mean over clips of |accuracy - mean confidence| of their bin (Guo et al. 2017, eq. 3).
    """
    confidence = probabilities.max(axis=1).astype(np.float64)
    right = probabilities.argmax(axis=1) == labels
    number = np.clip(np.ceil(confidence * bins).astype(int) - 1, 0, bins - 1)
    gaps = np.bincount(number, weights=right - confidence, minlength=bins)
    return float(np.abs(gaps).sum() / len(labels))


def bootstrap_interval(
    values: np.ndarray, *, seed: int, level: float = 0.95, draws: int = 10_000
) -> tuple[float, float]:
    """The percentile bootstrap interval of the mean of ``values`` (N,), resampled clip by clip.

    With right and wrong as 1 and 0 it is that of an accuracy; with the differences of two runs on the same clips (1, 0,
    -1), the paired one of their difference. Drawing N clips with replacement draws how often each value occurs from a
    multinomial distribution, which is what is done. Clips count as independent; where few people are in many clips, the
    interval is too narrow.
    """
    kinds, counts = np.unique(np.asarray(values, dtype=np.float64), return_counts=True)
    drawn = np.random.default_rng(seed).multinomial(len(values), counts / len(values), size=draws)
    low, high = np.quantile(drawn @ kinds / len(values), [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
