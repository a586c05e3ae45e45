"""Files of scores: ours and MS-G3D's, InfoGCN's, pyskl's results, and ``.npz``; none of them runs code."""

from __future__ import annotations

import math
import os
import pickle
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from clips.files import atomic_write
from clips.read.pickles import read_pickle
from engine.scoring.scores import Scores
from errors import InputError, all_different, in_a_line

_DEFLATE = 1032  # no byte of a .npz file can become more than this


def read_scores(path: str | os.PathLike[str], samples: Sequence[str] | None = None) -> Scores:
    """The scores in a file, float32.

    It is a pickled dictionary of name -> vector (MS-G3D, InfoGCN); or a pickled list, a result of pyskl or mmaction2,
    whose items are vectors or dictionaries of ``pred_score`` and ``gt_label``; or a ``.npz`` file of ``names``,
    ``scores`` and, if they are known, ``labels``. A list does not name its samples: ``samples`` are their names in its
    order, and without them they are called by their number in it.

    Raises:
        InputError: unreadable, or anything but vectors of one length with finite values, each sample once.
    """
    path = Path(path)
    if path.suffix == ".npz":
        return _read_npz(path)
    content = read_pickle(path)
    if isinstance(content, list):
        return _from_list(path, content, samples)
    if not isinstance(content, dict) or not content:
        raise InputError(f"{path}: wanted scores by sample name, got {type(content).__name__}")
    names = [str(name) for name in content]
    all_different(path, "sample names", names)
    return Scores(str(path), names, _stacked(path, names, list(content.values())))


def write_result(path: str | os.PathLike[str], probabilities: np.ndarray) -> None:
    """Write (N, num_class) as pyskl's ``--out result.pkl`` has them: a pickled list of vectors.

    The rows are those of the test part, in the order of its annotations.
    """
    with atomic_write(path) as file:
        pickle.dump([np.array(row) for row in probabilities.astype(np.float32)], file)


def _from_list(path: Path, content: list[Any], samples: Sequence[str] | None) -> Scores:
    if not content:
        raise InputError(f"{path}: the list of results is empty")
    if samples is not None and len(samples) != len(content):
        raise InputError(f"{path}: {len(content)} results, but the split has {len(samples)} annotations")
    names = list(samples) if samples is not None else [str(number) for number in range(len(content))]
    if not isinstance(content[0], Mapping):
        return Scores(str(path), names, _stacked(path, names, content), by_position=samples is None)
    labels: dict[str, int] = {}
    rows = []
    for name, item in zip(names, content, strict=True):
        if not isinstance(item, Mapping) or "pred_score" not in item:
            raise InputError(f"{path}: the result of {name!r} has no pred_score")
        rows.append(item["pred_score"])
        if "gt_label" in item:
            label = np.asarray(item["gt_label"])
            if label.dtype.kind not in "iu" or label.size != 1:
                raise InputError(f"{path}: gt_label of {name!r} is not one class number")
            labels[name] = int(label.reshape(-1)[0])
    if labels and len(labels) != len(names):
        raise InputError(f"{path}: {len(names) - len(labels)} of {len(names)} results have no gt_label")
    return Scores(str(path), names, _stacked(path, names, rows), labels or None, samples is None)


def _stacked(path: Path, names: Sequence[str], rows: Sequence[Any]) -> np.ndarray:
    """Vectors as one array (N, num_class)."""
    try:
        arrays = [row if isinstance(row, np.ndarray) else np.asarray(row) for row in rows]
    except ValueError as error:  # lists within lists, of different lengths
        raise InputError(f"{path}: wanted a vector of scores for every sample: {error}") from error
    length = arrays[0].size
    for name, row in zip(names, arrays, strict=True):
        if row.dtype.kind not in "fiu" or row.shape != (length,) or not length:
            raise InputError(f"{path}: the scores of {name!r} are not {length} finite numbers")
    values = np.empty((len(arrays), length), np.float32)
    with np.errstate(over="ignore"):  # what does not fit is infinite, and said below
        for number, row in enumerate(arrays):
            values[number] = row
    return _finite(path, names, values)


def _finite(path: Path, names: Sequence[str], values: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore", invalid="ignore"):
        suspect = np.flatnonzero(~np.isfinite(values.sum(axis=1)))
    odd = [row for row in suspect.tolist() if not np.isfinite(values[row]).all()]
    if odd:
        raise InputError(f"{path}: the scores of {names[odd[0]]!r} are not {values.shape[1]} finite numbers")
    return values


def _read_npz(path: Path) -> Scores:
    try:
        with zipfile.ZipFile(path) as archive:
            held = {name.removesuffix(".npy") for name in archive.namelist()}
            arrays = {name: _member(archive, name) for name in ("names", "scores", "labels") if name in held}
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file") from error
    except Exception as error:  # damaged bytes can make NumPy and zipfile raise nearly anything
        raise InputError(f"{path}: not a readable .npz file: {in_a_line(error)}") from error
    names, values, labels = (arrays.get(name) for name in ("names", "scores", "labels"))
    if names is None or names.ndim != 1 or names.dtype.kind not in "US" or values is None:
        raise InputError(f"{path}: wanted arrays 'names' (N,) of text and 'scores' (N, num_class), 'labels' (N,)")
    if values.ndim != 2 or values.dtype.kind not in "fiu" or len(values) != len(names) or 0 in values.shape:
        raise InputError(f"{path}: wanted 'scores' as numbers ({len(names)}, num_class), got {values.shape}")
    if labels is not None and (labels.shape != names.shape or labels.dtype.kind not in "iu"):
        raise InputError(f"{path}: wanted 'labels' as {len(names)} class numbers, got {labels.dtype} {labels.shape}")
    words = [name.decode("utf-8", "replace") if isinstance(name, bytes) else str(name) for name in names]
    all_different(path, "sample names", words)
    with np.errstate(over="ignore"):
        values = _finite(path, words, values.astype(np.float32))
    return Scores(
        str(path), words, values, labels if labels is None else dict(zip(words, labels.tolist(), strict=True))
    )


def _member(archive: zipfile.ZipFile, name: str) -> np.ndarray:
    """One array of a ``.npz`` file, which may not claim to be larger than its bytes can be."""
    about = archive.getinfo(f"{name}.npy")
    if about.file_size > _DEFLATE * (about.compress_size + 1):
        raise ValueError(f"{name} claims {about.file_size} bytes")
    read_header = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
    with archive.open(about) as file:
        shape, _, dtype = read_header[np.lib.format.read_magic(file)](file)
        if dtype.hasobject or math.prod(shape) * dtype.itemsize != about.file_size - file.tell():
            raise ValueError(f"{name} is not {dtype} {shape}")
    with archive.open(about) as file:
        array: np.ndarray = np.lib.format.read_array(file, allow_pickle=False)
        return array
