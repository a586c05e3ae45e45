"""The dense layout of MS-G3D and MST-GCN: an array (N, C, T, V, M), a pickle of names and labels."""

from __future__ import annotations

import operator
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from clips.labels import class_number
from clips.read.pickles import read_pickle
from clips.streams import Clip
from errors import InputError, all_different, in_a_line
from graph.layout import SkeletonLayout


class DenseStore:
    """``{train,val}_data_{stream}.npy`` (N, C, T, V, M) beside ``{train,val}_label.pkl`` (names, labels)."""

    layout: SkeletonLayout | None = None
    image_shapes: list[tuple[float, float] | None] | None = None

    def __init__(
        self, data_path: str | os.PathLike[str], label_path: str | os.PathLike[str], *, mmap: bool = True
    ) -> None:
        """Open both files; with ``mmap`` a clip is read from disk only when asked for.

        Raises:
            InputError: a file is missing or damaged, the array is not (N, C, T, V, M), or the numbers of clips differ.
        """
        self.source = str(data_path)
        self.data = open_array(data_path, mmap=mmap)
        self.names, self.labels = read_labels(label_path)
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
            self.data = open_array(self.source)


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
    labels = [class_number(label, f"{path}: sample {name!r}") for name, label in zip(names, labels, strict=True)]
    all_different(path, "sample names", names)
    return names, labels


def open_array(path: str | os.PathLike[str], *, mmap: bool = True) -> np.ndarray:
    """The clips (N, C, T, V, M) of a ``.npy`` file; with ``mmap`` they stay on disk.

    Raises:
        InputError: no such file, damaged, or not of this form.
    """
    try:
        data = np.lib.format.open_memmap(path, mode="r") if mmap else _read_array(path)
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file") from error
    except Exception as error:  # damaged bytes can make NumPy raise nearly anything
        raise InputError(f"{path}: not a readable .npy array: {in_a_line(error)}") from error
    if data.ndim != 5 or data.dtype.kind != "f":
        raise InputError(f"{path}: wanted real numbers (N, C, T, V, M), got {data.dtype} {data.shape}")
    if len(data) and 0 in data.shape:
        raise InputError(f"{path}: its clips are empty, (N, C, T, V, M) = {data.shape}")
    return data


def _read_array(path: str | os.PathLike[str]) -> np.ndarray:
    with open(path, "rb") as file:
        array: np.ndarray = np.lib.format.read_array(file, allow_pickle=False)
    return array


def new_array(path: str | os.PathLike[str], shape: tuple[int, ...]) -> None:
    """A ``.npy`` file of float32 zeros, which take no room on disk yet."""
    if shape[0]:
        np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=shape)
    else:
        with open(path, "wb") as file:  # an empty array cannot be mapped; and save would add to the name
            np.save(file, np.zeros(shape, np.float32))


@contextmanager
def row_writer(path: str | os.PathLike[str]) -> Iterator[Callable[[int, Clip], None]]:
    """A function that writes a clip into a row of the array at ``path``.

    Written, not mapped: a full disk is then an error instead of the end of the process.
    """
    array = np.load(path, mmap_mode="r")
    start, shape = array.offset, array.shape[1:]
    with open(path, "r+b") as file:

        def write(row: int, clip: Clip) -> None:
            assert clip.shape == shape, (clip.shape, shape)
            file.seek(start + row * clip.size * 4)
            file.write(np.ascontiguousarray(clip, dtype=np.float32).data)

        yield write
