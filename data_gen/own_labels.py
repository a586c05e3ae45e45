"""Labels and splits of recordings of one's own: what ``labels.csv`` and the flags beside it say."""

from __future__ import annotations

import csv
import difflib
import io
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from errors import InputError, did_you_mean

_COLUMNS = ("name", "label", "subject", "split")
_MISTYPED = 0.8  # how near to a column that is not there another is taken for it
_SHOWN = 3
_SPLIT = re.compile(r"[A-Za-z0-9_-]*")


@dataclass(frozen=True)
class Labels:
    """Recordings in the order of the file.

    ``subjects`` and ``splits`` are None where the file has no such column; an empty split is none. ``unused`` are the
    columns that mean nothing here.
    """

    names: list[str]
    labels: list[int]
    class_names: list[str]
    subjects: list[str] | None
    splits: list[str] | None
    unused: tuple[str, ...] = ()

    def only(self, held: Iterable[str]) -> Labels:
        """Without the recordings that are not ``held``."""
        kept = set(held)
        rows = [row for row, name in enumerate(self.names) if name in kept]
        return Labels(
            [self.names[row] for row in rows],
            [self.labels[row] for row in rows],
            self.class_names,
            self.subjects and [self.subjects[row] for row in rows],
            self.splits and [self.splits[row] for row in rows],
            self.unused,
        )


@dataclass(frozen=True)
class Division:
    """What tells training from testing; at most one of the first three is given.

    Attributes:
        test_subjects: who is tested on.
        test_list: file of the names that are tested on, one a line.
        test_share: how much of every class is tested on, drawn with ``seed``; of the subjects with ``by_subject``.
        seed: of the draw.
        by_subject: whether ``test_share`` never puts a subject on both sides.
    """

    test_subjects: Sequence[str] | None = None
    test_list: Path | None = None
    test_share: float | None = None
    seed: int = 1
    by_subject: bool = False


def read_labels(path: Path, classes: Path | None = None) -> Labels:
    """The labels in a CSV file with columns name and label, perhaps subject and split, and others that are not used.

    A label is the name of a class or its number. Names are numbered in the order of ``classes``, a file with one a
    line, else in that of the alphabet; numbers count from 0, and without ``classes`` none may be left out.

    Raises:
        InputError: no such file, a column that is not there or twice, a name twice, an empty cell, an unknown class, or
            only one; it is named.
    """
    header, rows, lines = _rows(path)
    cells = {name: [row[header.index(name)] for row in rows] for name in header}
    for name in ("name", "label", *(["subject"] if "subject" in header else [])):
        empty = [line for line, cell in zip(lines, cells[name], strict=True) if not cell]
        if empty:
            raise InputError(f"{path}: {len(empty)} rows have no {name}, the first is in line {empty[0]}")
    twice = [name for name, count in Counter(cells["name"]).items() if count > 1]
    if twice:
        raise InputError(f"{path}: {_some(twice, 'recordings')} are there more than once")
    for split in set(cells.get("split", ())):
        if not _SPLIT.fullmatch(split):
            raise InputError(f"{path}: split {split!r}; letters, digits, _ and - make the name of a split")
    labels, class_names = _classes(cells["label"], classes, path)
    if len(class_names) < 2:
        raise InputError(f"{path}: {class_names[0]!r} is the only class, and there is nothing to tell apart")
    unused = tuple(name for name in header if name not in _COLUMNS)
    return Labels(cells["name"], labels, class_names, cells.get("subject"), cells.get("split"), unused)


def divide(table: Labels, division: Division, path: Path, everybody: Labels | None = None) -> list[str]:
    """The split of every recording: those of the file, or ``train`` and ``test`` as ``division`` says.

    ``table`` is what is there of ``everybody`` in the file, of whom ``division`` may speak (default: the same).

    Raises:
        InputError: nothing or too much says it, or it names what there is not.
    """
    asked = {
        "--test-subjects": division.test_subjects,
        "--test-list": division.test_list,
        "--test-share": division.test_share,
    }
    said = [flag for flag, value in asked.items() if value is not None]
    if table.splits is not None:
        said = [f"the column split of {path}", *said]
    if len(said) != 1:
        got = f"{' and '.join(said)} both say it" if said else "nothing says it"
        raise InputError(f"what is for testing? {got}; one of a column split, {', '.join(asked)} does")
    if division.by_subject and (division.test_share is None or table.subjects is None):
        raise InputError("--by-subject goes with --test-share and a column subject")
    if table.splits is not None:
        return table.splits
    if division.test_subjects is not None:
        test = _of_subjects(table, division.test_subjects, path, everybody or table)
    elif division.test_list is not None:
        test = _of_list(table, division.test_list, path, everybody or table)
    else:
        assert division.test_share is not None
        rng = np.random.default_rng(division.seed)
        if division.by_subject:
            test = _share_of_subjects(table, division.test_share, rng, path)
        else:
            test = _share_of_classes(table.labels, division.test_share, rng)
    splits = ["test" if row in test else "train" for row in range(len(table.names))]
    if len(set(splits)) < 2:
        raise InputError(f"{said[0]}: all {len(splits)} recordings are on one side, {splits[0]}")
    return splits


def training_and_test(splits: Sequence[str]) -> tuple[str, str]:
    """The split that is trained on, ``train`` or one that ends so, and the one that is tested on.

    Raises:
        InputError: they cannot be told.
    """
    names = sorted(set(splits) - {""})
    train = [name for name in names if name == "train" or name.endswith("_train")]
    test = [name for ending in ("val", "test") for name in names if name == ending or name.endswith(f"_{ending}")]
    if len(train) != 1 or not test:
        known = ", ".join(names) or "none"
        raise InputError(f"splits: wanted one called train and one called val or test (or ..._train), got {known}")
    return train[0], test[0]


def missing_sentences(table: Labels, held: Sequence[str], labels: Path, folder: Path) -> list[str]:
    """What recordings are without a label and what labels without a recording, a sentence for each."""
    there = set(held)
    unlabelled = sorted(there - set(table.names))
    absent = [name for name in table.names if name not in there]
    sentences = []
    if unlabelled:
        sentences.append(f"{_some(unlabelled, 'recordings')} of {folder} have no label in {labels}")
    if absent:
        hint = "; names go without the ending" if Path(absent[0]).stem in there else ""
        sentences.append(f"{_some(absent, 'labels')} of {labels} have no recording in {folder}{hint}")
    return sentences


def _rows(path: Path) -> tuple[list[str], list[list[str]], list[int]]:
    """Header and rows, cells without the blanks around them, and the lines that the rows are in."""
    try:
        reader = csv.reader(io.StringIO(_text(path), newline=""), strict=True)
        cells = ((reader.line_num, [cell.strip() for cell in row]) for row in reader)
        found = {line: row for line, row in cells if any(row)}
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: not readable as CSV: {error}") from error
    lines, rows = list(found), list(found.values())
    if len(rows) < 2:
        raise InputError(f"{path}: wanted a header and a row for each recording")
    header = rows[0]
    for name in _COLUMNS:
        if header.count(name) > 1:
            raise InputError(f"{path}: the column {name!r} is there twice")
        near = difflib.get_close_matches(name, [other.lower() for other in header], n=1, cutoff=_MISTYPED)
        if name not in header and (near or name in ("name", "label")):
            got = ", ".join(repr(other) for other in header)
            raise InputError(f"{path}: there is no column {name!r}, but {got}")
    for line, row in found.items():
        if len(row) != len(header):
            raise InputError(f"{path}: line {line} has {len(row)} cells, the header {len(header)}")
    return header, rows[1:], lines[1:]


def _classes(cells: list[str], file: Path | None, path: Path) -> tuple[list[int], list[str]]:
    """The number of every recording's class, and the names of the classes."""
    numbered = all(cell.isdecimal() and cell.isascii() and len(cell) < 7 for cell in cells)
    if file is not None:
        names = _lines(file)
        if len(set(names)) < len(names):
            raise InputError(f"{file}: a class is there twice")
        if numbered and not set(cells) <= set(names):
            beyond = [cell for cell in cells if int(cell) >= len(names)]
            if beyond:
                raise InputError(f"{path}: class {beyond[0]}, and {file} has {len(names)}, counted from 0")
            return [int(cell) for cell in cells], names
        number = {name: label for label, name in enumerate(names)}
        for cell in cells:
            if cell not in number:
                raise InputError(f"{path}: {file} has no class {cell!r}{did_you_mean(cell, names)}")
        return [number[cell] for cell in cells], names
    if numbered:
        labels = [int(cell) for cell in cells]
        absent = sorted(set(range(max(labels) + 1)) - set(labels))
        if absent:
            raise InputError(
                f"{path}: labels are numbers up to {max(labels)}, and none is {absent[0]}; they count from 0, "
                f"and --classes FILE says which there are"
            )
        return labels, [str(label) for label in range(max(labels) + 1)]
    for cell in cells:
        if len(cell.splitlines()) > 1:
            raise InputError(f"{path}: a class's name is one line, not {cell!r}")
    names = sorted(set(cells))
    number = {name: label for label, name in enumerate(names)}
    return [number[cell] for cell in cells], names


def _lines(path: Path) -> list[str]:
    """The lines that hold something."""
    try:
        lines = [line.strip() for line in _text(path).splitlines()]
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not text: {error}") from error
    return [line for line in lines if line]


def _text(path: Path) -> str:
    """A file's text in composed letters (NFC), as the names of recordings are."""
    return unicodedata.normalize("NFC", path.read_text(encoding="utf-8-sig"))


def _of_subjects(table: Labels, subjects: Sequence[str], path: Path, everybody: Labels) -> set[int]:
    if table.subjects is None or everybody.subjects is None:
        raise InputError(f"--test-subjects: {path} has no column subject")
    known = sorted(set(everybody.subjects))
    for subject in subjects:
        if subject not in known:
            raise InputError(f"--test-subjects: {path} has no subject {subject!r}, only {', '.join(known)}")
    return {row for row, subject in enumerate(table.subjects) if subject in subjects}


def _of_list(table: Labels, file: Path, path: Path, everybody: Labels) -> set[int]:
    names, known = dict.fromkeys(_lines(file)), set(everybody.names)
    unknown = [name for name in names if name not in known]
    if unknown:
        raise InputError(f"{file}: {_some(unknown, 'names')} are not in {path}")
    return {row for row, name in enumerate(table.names) if name in names}


def _share_of_classes(labels: Sequence[int], share: float, rng: np.random.Generator) -> set[int]:
    """``share`` of every class, at least one of two and never all."""
    test: set[int] = set()
    for label in sorted(set(labels)):
        rows = np.flatnonzero(np.array(labels) == label)
        count = min(max(round(share * len(rows)), 1), len(rows) - 1)
        test |= set(rng.permutation(rows)[:count].tolist())
    return test


def _share_of_subjects(table: Labels, share: float, rng: np.random.Generator, path: Path) -> set[int]:
    """Whole subjects, as many as come nearest to ``share`` of the recordings, at least one and never all."""
    assert table.subjects is not None
    clips = Counter(table.subjects)
    if len(clips) < 2:
        raise InputError(f"--by-subject: {path} has one subject, and two sides need one each")
    order = rng.permutation(sorted(clips)).tolist()
    counts = np.cumsum([clips[subject] for subject in order])[:-1]
    taken = 1 + int(np.abs(counts - share * len(table.names)).argmin())
    return {row for row, subject in enumerate(table.subjects) if subject in order[:taken]}


def _some(names: Sequence[str], what: str) -> str:
    """How many there are, and the first of them: ``5 labels (a, b, c, ...)``."""
    more = ", ..." if len(names) > _SHOWN else ""
    return f"{len(names)} {what} ({', '.join(names[:_SHOWN])}{more})"
