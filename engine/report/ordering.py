"""Orders of classes in which a confusion matrix can be read."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from engine.scoring.metrics import class_accuracies


def orders(confusion: NDArray[np.int64], names: Sequence[str]) -> dict[str, list[int]]:
    """The classes by number, by name, by accuracy (the worst first, those without clips last), and by confusion."""
    accuracy = class_accuracies(confusion)
    return {
        "number": list(range(len(names))),
        "name": sorted(range(len(names)), key=lambda label: (names[label].casefold(), label)),
        "accuracy": np.argsort(accuracy, kind="stable").tolist(),  # NaN comes last
        "confusion": by_confusion(confusion),
    }


def by_confusion(confusion: NDArray[np.int64]) -> list[int]:
    """The classes so ordered that those which are taken for each other stand together.

    The two groups that are most confused on average are joined, over and over (average linkage on the shares of both
    directions), each turned so that their nearest ends meet; groups that nothing joins follow by their first class.
    """
    clips = np.maximum(confusion.sum(axis=1, keepdims=True), 1)
    near = confusion / clips
    near = near + near.T
    np.fill_diagonal(near, -1)
    between, size = near.copy(), np.ones(len(near))
    groups = {label: [label] for label in range(len(near))}
    while len(groups) > 1:
        a, b = np.unravel_index(between.argmax(), between.shape)
        a, b = sorted((int(a), int(b)))
        if between[a, b] <= 0:
            break
        groups[a] = _joined(groups[a], groups.pop(b), near)
        mean = (size[a] * between[a] + size[b] * between[b]) / (size[a] + size[b])
        size[a] += size[b]
        between[a], between[:, a] = mean, mean
        between[b], between[:, b], between[a, a] = -1, -1, -1
    return [label for first in sorted(groups) for label in groups[first]]


def _joined(one: list[int], other: list[int], near: NDArray[np.float64]) -> list[int]:
    """Two rows of classes as one, turned so that the most confused ends meet."""
    ways = [(mine, theirs) for mine in (one, one[::-1]) for theirs in (other, other[::-1])]
    mine, theirs = max(ways, key=lambda way: float(near[way[0][-1], way[1][0]]))
    return mine + theirs
