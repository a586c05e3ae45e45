"""The dense layout of MS-G3D and MST-GCN: an array (N, C, T, V, M), a pickle of names and labels."""

from __future__ import annotations

import operator
import os
from pathlib import Path
from typing import Any

import numpy as np

from clips.read.pickles import read_pickle
from clips.streams import Clip
from errors import InputError
from graph.layout import SkeletonLayout


class DenseStore:
    """``{train,val}_data_{stream}.npy`` (N, C, T, V, M) beside ``{train,val}_label.pkl`` (names, labels)."""

    layout: SkeletonLayout | None = None

    def __init__(
        self, data_path: str | os.PathLike[str], label_path: str | os.PathLike[str], *, mmap: bool = True
    ) -> None:
        """Open both files; with ``mmap`` a clip is read from disk only when asked for.

        Raises:
            InputError: a file is missing or damaged, the array is not (N, C, T, V, M), or the numbers of clips differ.
        """
        self.source = str(data_path)
        self.names, self.labels = read_labels(label_path)
        self.data = _open_array(Path(data_path), mmap=mmap)
        if len(self.data) != len(self.names):
            raise InputError(f"{data_path} has {len(self.data)} clips, but {label_path} names {len(self.names)}")

    def clip(self, index: int) -> Clip:
        """Clip ``index`` as float32 (C, T, V, M)."""
        return np.array(self.data[index], dtype=np.float32)

    def __getstate__(self) -> dict[str, Any]:
        """Without a mapped array: a worker process opens the file itself instead of being sent what is in it."""
        return vars(self) | ({"data": None} if isinstance(self.data, np.memmap) else {})

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        if state["data"] is None:
            self.data = _open_array(Path(self.source), mmap=True)


def read_labels(path: str | os.PathLike[str]) -> tuple[list[str], list[int]]:
    """Sample names and labels of a ``_label.pkl`` file.

    Raises:
        InputError: missing, damaged, or not a pair of equally long lists of names and class numbers.
    """
    content = read_pickle(path)
    if not (isinstance(content, (tuple, list)) and len(content) == 2):
        raise InputError(f"{path}: wanted a pickled pair (sample names, labels), got {type(content).__name__}")
    try:
        names, labels = [str(name) for name in content[0]], [operator.index(label) for label in content[1]]
    except TypeError as error:
        raise InputError(f"{path}: wanted sample names and integer labels: {error}") from error
    if len(names) != len(labels):
        raise InputError(f"{path}: {len(names)} sample names, but {len(labels)} labels")
    repeated = len(names) - len(set(names))
    if repeated:
        raise InputError(f"{path}: {repeated} sample names occur more than once")
    return names, labels


def _open_array(path: Path, *, mmap: bool) -> np.ndarray:
    try:
        data = np.lib.format.open_memmap(path, mode="r") if mmap else _read_array(path)
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file") from error
    except Exception as error:  # damaged bytes can make NumPy raise nearly anything
        raise InputError(f"{path}: not a readable .npy array: {error or type(error).__name__}") from error
    if data.ndim != 5 or data.dtype.kind != "f":
        raise InputError(f"{path}: wanted real numbers (N, C, T, V, M), got {data.dtype} {data.shape}")
    return data


def _read_array(path: Path) -> np.ndarray:
    with open(path, "rb") as file:
        array: np.ndarray = np.lib.format.read_array(file, allow_pickle=False)
    return array
