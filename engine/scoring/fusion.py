"""The fusion of streams whose scores were saved: read one after the other, with their labels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path

import numpy as np

from engine.scoring.files import read_scores
from engine.scoring.labels import labels_of_dataset
from engine.scoring.scores import (
    Labels,
    Scores,
    agreed,
    are_probabilities,
    find_scores,
    fuse,
    probabilities,
    read_labels_beside,
    truth_of,
)
from engine.scoring.weighting import Stream, preset_weights
from errors import InputError


@dataclass
class Fusion:
    """One fusion: what it is of, and what is known once it has run.

    Args:
        streams: where the scores are.
        softmax: fuse probabilities in place of the scores themselves.
        keep: hold on to every stream's scores, for a search.
        found: labels and where they are from; those in and beside the files of scores are added.
        dataset: where labels come from when there are none of these.
        samples: the names of results that do not have them.
    """

    streams: Sequence[Stream]
    softmax: bool = False
    keep: bool = False
    found: list[Labels] = field(default_factory=list)
    dataset: str | None = None
    samples: Sequence[str] | None = None
    weights: Sequence[float] = ()
    predicted: list[np.ndarray] = field(default_factory=list)  # (N,) of every stream
    kept: list[np.ndarray] = field(default_factory=list)  # (N, C) of every stream
    distributions: list[bool] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def run(self) -> tuple[Scores, np.ndarray]:
        """The fused scores, and the class number (N,) of every sample.

        Raises:
            InputError: as ``read_scores``, ``fuse``, ``agreed`` and ``truth_of``.
        """
        beside = [(stream.path, read_labels_beside(Path(stream.path))) for stream in self.streams]
        self.found[:0] = [(f"the labels beside {path}", labels) for path, labels in beside if labels is not None]
        read = self._read()
        first = next(read)
        self.weights = preset_weights(self.streams, first.values.shape[1])
        fused = fuse(chain([first], read), self.weights, self._see)
        if not self.found:
            if self.dataset is None:
                raise InputError(
                    f"there are no labels beside {self.streams[0].path}: name them with --labels or --dataset"
                )
            self.found.append(labels_of_dataset(self.dataset, fused.names))
        return fused, truth_of(fused, agreed(self.found))

    def confidences(self, fused: Scores) -> np.ndarray:
        """Probabilities (N, C): the weighted mean of the streams', or the softmax of the weighted mean of scores.

        Raises:
            InputError: a weight below 0 on probabilities, or nothing but zeros.
        """
        total = sum(map(abs, self.weights))
        if not total or (all(self.distributions) and min(self.weights) < 0):
            raise InputError("probabilities of the fused result want weights that are not all 0, and none below 0")
        mean = fused.values / np.float32(total)
        return mean if all(self.distributions) else probabilities(mean)

    def _read_one(self, path: str) -> Scores:
        """The scores of one file, as probabilities where those are fused; what it says of labels is kept.

        Raises:
            InputError: as ``read_scores``.
        """
        scores = read_scores(path, self.samples)
        if scores.labels is not None:
            self.found.append((f"the labels in {path}", scores.labels))
        if scores.by_position:
            self.notes.append(f"{path} names no samples: they are taken in its order")
        is_distribution = are_probabilities(scores.values)
        if self.softmax and not is_distribution:
            scores = replace(scores, values=probabilities(scores.values))
        elif self.softmax:
            self.notes.append(f"{path} holds probabilities already")
        if self.distributions and self.distributions[0] != (is_distribution or self.softmax):
            kinds = ("scores", "probabilities") if is_distribution else ("probabilities", "scores")
            self.notes.append(f"{self.streams[0].path} holds {kinds[0]}, {path} {kinds[1]}: --softmax fuses alike")
        self.distributions.append(is_distribution or self.softmax)
        return scores

    def _read(self) -> Iterator[Scores]:
        for stream in self.streams:
            yield self._read_one(stream.path)

    def _see(self, scores: Scores) -> None:
        self.predicted.append(scores.values.argmax(axis=1))
        if self.keep:
            self.kept.append(scores.values)


def fused_scores(
    sources: Sequence[str | Path], weights: Sequence[float] | None = None, *, softmax: bool = False
) -> tuple[Scores, np.ndarray]:
    """The weighted sum (1 each, if not said) of the scores in these files or work dirs, and their class numbers (N,).

    Raises:
        InputError: as ``Fusion.run``.
    """
    each = weights or [1.0] * len(sources)
    streams = [Stream("", str(find_scores(source)), weight) for source, weight in zip(sources, each, strict=True)]
    return Fusion(streams, softmax).run()
