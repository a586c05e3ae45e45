"""BABEL's released features: clips of five seconds in one array, and a pickle of whose they are."""

from __future__ import annotations

import operator
import os
from collections import Counter
from collections.abc import Sequence
from typing import Any

from clips.read.pickles import read_pickle
from errors import InputError

_WANTED = "(segments, (labels, sequences, chunks, annotators))"


def read_babel_labels(path: str | os.PathLike[str]) -> tuple[list[str], list[int]]:
    """Names and labels of ``{train,val}_label_{60,120}.pkl``, row by row.

    A name is segment, sequence, chunk and annotator, joined by ``_``. A segment of several actions has a row for each
    of them, with the same clip: such a name gets its label too, and a number where that is not enough.

    Raises:
        InputError: no such file, damaged, or of another form.
    """
    content = read_pickle(path)
    try:
        segments, (labels, *of_segments) = content
        columns = [[str(value) for value in column] for column in (segments, *of_segments)]
        numbers = [operator.index(label) for label in labels]
    except (TypeError, ValueError) as error:
        raise InputError(f"{path}: wanted a pickled pair {_WANTED}: {error}") from error
    lengths = {*map(len, columns), len(numbers)}
    if len(columns) != 4 or len(lengths) != 1:
        raise InputError(f"{path}: wanted {_WANTED}, columns of one length, got lengths {sorted(lengths)}")
    segments, sequences, chunks, annotators = columns
    names = ["_".join(row) for row in zip(segments, sequences, chunks, annotators, strict=True)]
    return _told_apart(names, numbers), numbers


def _told_apart(names: Sequence[str], labels: Sequence[int]) -> list[str]:
    """``names``, with label or number behind those that occur more than once."""
    with_label = _behind_repeated(names, labels)
    seen: Counter[str] = Counter()
    numbers = []
    for name in with_label:
        seen[name] += 1
        numbers.append(seen[name])
    return _behind_repeated(with_label, numbers)


def _behind_repeated(names: Sequence[str], what: Sequence[Any]) -> list[str]:
    counts = Counter(names)
    return [f"{name}_{more}" if counts[name] > 1 else name for name, more in zip(names, what, strict=True)]
