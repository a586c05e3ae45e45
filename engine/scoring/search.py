"""Weights of streams, searched for: found on one part of the samples and judged on another.

Weights that are tuned on the very samples they are judged on flatter themselves; such a figure is here called the
oracle's, and only ever stands beside the honest one.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from tqdm import tqdm

from errors import InputError

GRID = tuple(step / 2 for step in range(9))  # 0 to 4: published weights are multiples of a half, up to 3.5
_NTU_NAME = re.compile(r"S\d{3}C\d{3}P(\d{3})R\d{3}A\d{3}")
_ROWS = 8192


@dataclass(frozen=True)
class Found:
    """What a search found: ``weights`` of each fold, and accuracies, held out and, beside it, the oracle's."""

    by: str
    held: np.ndarray
    weights: Sequence[Sequence[float]]
    accuracy: float
    equal: float
    oracle_weights: Sequence[float]
    oracle: float


def search(streams: Sequence[np.ndarray], names: Sequence[str], labels: np.ndarray, *, folds: int, seed: int) -> Found:
    """Weights for ``streams``, each (N, C) scores of the samples ``names``, whose classes are ``labels`` (N,).

    With 0 folds they are found on one half and judged on the other; with K, each of K parts is judged by weights that
    were found on the rest. ``equal`` is what weights of 1 reach on the held-out samples.

    Raises:
        InputError: fewer people, or samples, than parts.
    """
    part, by = split(names, labels, folds or 2, seed)
    held_parts = range(folds) if folds else (1,)
    every = np.arange(len(labels))
    with tqdm(total=len(held_parts) + 1, desc="weights", disable=None) as bar:
        weights, right = [], 0
        for number in held_parts:
            weights.append(find_weights(streams, labels, every[part != number]))
            right += hits(streams, weights[-1], labels, every[part == number])
            bar.update()
        oracle_weights = find_weights(streams, labels, every)
        bar.update()
    held = every if folds else every[part == 1]
    equal = hits(streams, [1.0] * len(streams), labels, held)
    oracle = hits(streams, oracle_weights, labels, every)
    return Found(by, held, weights, right / len(held), equal / len(held), oracle_weights, oracle / len(every))


def split(names: Sequence[str], labels: np.ndarray, parts: int, seed: int) -> tuple[np.ndarray, str]:
    """The part (N,), 0 to ``parts`` - 1, that every sample falls into, and by what.

    Where every name is one of NTU RGB+D, a person's samples stay together, and the parts get about as many samples
    each; else every class is spread over all parts.

    Raises:
        InputError: fewer people, or samples, than parts.
    """
    rng = np.random.default_rng(seed)
    matches = [_NTU_NAME.search(name) for name in names]
    people = [int(match[1]) for match in matches if match]
    if len(people) == len(names):
        return _by_person(np.array(people), parts, rng), "by person"
    if len(names) < parts:
        raise InputError(f"{len(names)} samples cannot be split into {parts} parts")
    order = rng.permutation(len(names))
    order = order[np.argsort(labels[order], kind="stable")]  # class by class, in random order within
    found = np.empty(len(names), dtype=int)
    found[order] = np.arange(len(names)) % parts
    return found, "by class"


def _by_person(people: np.ndarray, parts: int, rng: np.random.Generator) -> np.ndarray:
    numbers, counts = np.unique(people, return_counts=True)
    if len(numbers) < parts:
        raise InputError(f"the samples are of {len(numbers)} people, which cannot be split into {parts} parts")
    sizes = np.zeros(parts, dtype=int)
    part_of = np.empty(len(numbers), dtype=int)
    order = rng.permutation(len(numbers))
    for person in order[np.argsort(-counts[order], kind="stable")]:  # the busiest first, each to the smallest part
        part_of[person] = sizes.argmin()
        sizes[part_of[person]] += counts[person]
    return part_of[np.searchsorted(numbers, people)]


def find_weights(streams: Sequence[np.ndarray], labels: np.ndarray, rows: np.ndarray) -> list[float]:
    """The weights that classify most of ``rows`` right, by coordinate ascent on ``GRID`` from 1 for every stream.

    One weight after the other takes the best value with the others held, until none changes; a value is left for a
    better one only, so that equal results keep the plainer weights.
    """
    weights = [1.0] * len(streams)
    unchanged, stream, now = 0, 0, hits(streams, weights, labels, rows)
    while unchanged < len(streams):
        counts = _hits_along(streams, weights, stream, labels, rows)
        best = int(np.argmax(counts))
        if counts[best] > now:
            weights[stream], now, unchanged = GRID[best], int(counts[best]), 0
        else:
            unchanged += 1
        stream = (stream + 1) % len(streams)
    return weights


def hits(streams: Sequence[np.ndarray], weights: Sequence[float], labels: np.ndarray, rows: np.ndarray) -> int:
    """How many of ``rows`` the weighted sum of the streams classifies right."""
    right = 0
    for begin in range(0, len(rows), _ROWS):
        some = rows[begin : begin + _ROWS]
        total = sum(np.float32(weight) * values[some] for weight, values in zip(weights, streams, strict=True))
        right += int((np.asarray(total).argmax(axis=1) == labels[some]).sum())
    return right


def _hits_along(
    streams: Sequence[np.ndarray], weights: Sequence[float], stream: int, labels: np.ndarray, rows: np.ndarray
) -> np.ndarray:
    """``hits`` for every value of the grid in the place of one weight: (len(GRID),)."""
    others = [(np.float32(w), v) for i, (w, v) in enumerate(zip(weights, streams, strict=True)) if i != stream and w]
    right = np.zeros(len(GRID), dtype=int)
    for begin in range(0, len(rows), _ROWS):
        some = rows[begin : begin + _ROWS]
        mine = streams[stream][some]
        rest = np.zeros_like(mine)
        for weight, values in others:
            rest += weight * values[some]
        for number, value in enumerate(GRID):
            right[number] += int(((rest + np.float32(value) * mine).argmax(axis=1) == labels[some]).sum())
    return right
