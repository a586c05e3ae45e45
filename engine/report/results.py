"""What the scores of the runs amount to, each and fused: figures, the confusion matrix, pairs of clips to look at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.report.gather import WorkFolder
from engine.scoring.fusion import Fusion
from engine.scoring.metrics import confusion_matrix
from engine.scoring.scores import Scores
from engine.scoring.tables import difference, figures
from engine.scoring.weighting import Stream, named_streams
from errors import InputError

MOTIONS = ("joint", "bone", "joint_motion", "bone_motion")  # the streams that pyskl's 2:2:1:1 is for


@dataclass(frozen=True)
class Row:
    """A line of the table: a stream or a fusion, ``how`` it came about, and its figures by name."""

    name: str
    how: str
    figures: dict[str, Any]


@dataclass(frozen=True)
class Results:
    """All lines, and the last of them clip by clip: names (N), labels (N,), predictions (N,), probabilities (N, C)."""

    rows: list[Row]
    names: Sequence[str]
    labels: NDArray[np.int64]
    predicted: NDArray[np.int64]
    probabilities: NDArray[np.float32]

    @property
    def confusion(self) -> NDArray[np.int64]:
        """(C, C): how often a class (row) was taken for each other (column)."""
        return confusion_matrix(self.predicted, self.labels, self.probabilities.shape[1])


@dataclass(frozen=True)
class Pair:
    """Two classes that are taken for each other.

    ``truth`` was taken for ``guess`` ``times`` times, and ``guess`` for ``truth`` ``back`` times; ``mistaken`` is the
    clip of ``truth`` that was taken for ``guess`` most surely, ``typical`` the surest clip of ``guess`` itself (None
    where that has none): numbers of samples.
    """

    truth: int
    guess: int
    times: int
    back: int
    mistaken: int
    typical: int | None


def judge_runs(folders: Sequence[WorkFolder]) -> Results:
    """The figures of every run and of the fusions that apply to them; what the page shows in detail is the last.

    Fusions are of all runs with weights of 1, and, where they are the four streams of pyskl, its 2:2:1:1 of
    probabilities. Which is shown does not depend on what it scores.

    Raises:
        InputError: the runs are not of the same samples or classes, or have no labels.
    """
    rows, singles = [], []
    for folder in folders:
        scores, labels, shares = _fused([Stream(folder.name, str(folder.scores), 1.0)])
        singles.append((scores, labels, scores.values.argmax(axis=1)))
        rows.append(Row(folder.name, "stream", _figures(shares, labels)))
    if len(folders) == 1:
        return Results(rows, scores.names, labels, scores.values.argmax(axis=1), shares)
    best = max(range(len(rows)), key=lambda number: rows[number].figures["top1"])
    for name, how, streams, softmax in _fusions(folders):
        scores, labels, shares = _fused(streams, softmax)
        predicted = scores.values.argmax(axis=1)
        order = {sample: number for number, sample in enumerate(singles[best][0].names)}
        other = singles[best][2][[order[sample] for sample in scores.names]]
        gain = difference(predicted, other, labels) | {"than": rows[best].name}
        rows.append(Row(name, how, _figures(shares, labels) | gain))
    return Results(rows, scores.names, labels, predicted, shares)


def confused_pairs(results: Results, most: int) -> list[Pair]:
    """At most ``most`` pairs of classes, those first that are taken for each other most often."""
    confusion = results.confusion - np.diag(results.confusion.diagonal())
    both = np.triu(confusion + confusion.T)
    order = np.argsort(-both, axis=None, kind="stable")[:most]
    pairs = []
    for a, b in zip(*np.unravel_index(order, both.shape), strict=True):
        if not both[a, b]:
            break
        truth, guess = (int(a), int(b)) if confusion[a, b] >= confusion[b, a] else (int(b), int(a))
        sure = results.probabilities[:, guess]
        mistaken = _surest(sure, (results.labels == truth) & (results.predicted == guess))
        is_it = results.labels == guess
        right = is_it & (results.predicted == guess)
        typical = _surest(sure, right if right.any() else is_it)
        assert mistaken is not None
        times, back = int(confusion[truth, guess]), int(confusion[guess, truth])
        pairs.append(Pair(truth, guess, times, back, mistaken, typical))
    return pairs


def _surest(sure: NDArray[np.float32], among: NDArray[np.bool_]) -> int | None:
    return int(np.where(among, sure, -1).argmax()) if among.any() else None


def _fusions(folders: Sequence[WorkFolder]) -> list[tuple[str, str, list[Stream], bool]]:
    """Name, how it is done, streams with weights, and whether probabilities are fused, of every fusion."""
    paths = {folder.name: str(folder.scores) for folder in folders}
    equal = [Stream(name, path, 1.0) for name, path in paths.items()]
    found = []
    if len(folders) > 2 and {"joint", "bone"} <= paths.keys():
        found.append(("joint + bone", "1:1, scores", [s for s in equal if s.name in ("joint", "bone")], False))
    ratio = ":".join("1" * len(folders)) if len(folders) <= 8 else f"{len(folders)} × 1"
    found.append((" + ".join(paths) if len(folders) <= 4 else "all", f"{ratio}, scores", equal, False))
    if set(paths) == set(MOTIONS):
        four = named_streams([f"{name}={paths[name]}" for name in MOTIONS], None, "2:2:1:1")
        found.append(("all four", "2:2:1:1, probabilities", four, True))
    return found


def _fused(streams: Sequence[Stream], softmax: bool = False) -> tuple[Scores, NDArray[np.int64], NDArray[np.float32]]:
    fusion = Fusion(streams, softmax)
    scores, labels = fusion.run()
    if not len(labels):
        raise InputError(f"{streams[0].path}: there are no scores in it")
    return scores, labels, fusion.confidences(scores)


def _figures(shares: NDArray[np.float32], labels: NDArray[np.int64]) -> dict[str, Any]:
    return figures(shares, labels, [1, 5] if shares.shape[1] > 5 else [1])
