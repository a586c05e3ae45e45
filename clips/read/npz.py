"""CTR-GCN's ``.npz`` files, also InfoGCN's and MSA-GCN's: clips of two bodies and labels one-hot, both parts in one."""

from __future__ import annotations

import math
import os
import zipfile
from typing import Any

import numpy as np

from clips.streams import Clip
from errors import InputError, did_you_mean, in_a_line
from graph.layout import SkeletonLayout

PARTS = ("train", "test")
_BODIES, _JOINTS, _CHANNELS = 2, 25, 3  # a frame's 150 numbers, in this order
_LOCAL_HEADER = 30  # bytes before a member's name


class NpzStore:
    """One part of ``x_train``, ``y_train``, ``x_test``, ``y_test``: x (N, T, 150), y (N, classes) one-hot.

    Names are ``train_0``, ``train_1``, ... and ``test_0``, ..., as in the published score files.
    """

    layout: SkeletonLayout | None = None
    image_shapes: list[tuple[float, float] | None] | None = None

    def __init__(self, path: str | os.PathLike[str], split: str | None, *, mmap: bool = True) -> None:
        """Open the clips of ``split``; with ``mmap`` they stay on disk, unless the file is compressed.

        Raises:
            InputError: missing, damaged, no such part, or arrays of another form.
        """
        if split not in PARTS:
            hint = did_you_mean(split, PARTS) if split else ""
            raise InputError(f"{path}: split is train or test, not {split!r}{hint}")
        self.source, self._part = str(path), split
        self.data = _read(path, f"x_{split}", mmap=mmap)
        if self.data.ndim != 3 or self.data.shape[2] != _BODIES * _JOINTS * _CHANNELS or self.data.dtype.kind != "f":
            raise InputError(
                f"{path}: wanted x_{split} as real numbers (N, T, 150), got {self.data.dtype} {self.data.shape}"
            )
        self.labels = _labels(_read(path, f"y_{split}", mmap=False), f"{path}: y_{split}")
        if len(self.labels) != len(self.data):
            raise InputError(f"{path}: {len(self.data)} clips, but {len(self.labels)} labels")
        self.names = [f"{split}_{index}" for index in range(len(self.labels))]

    def clip(self, index: int) -> Clip:
        """Clip ``index`` as float32 (C=3, T, V=25, M=2), empty frames at its end included."""
        frames = np.asarray(self.data[index]).reshape(-1, _BODIES, _JOINTS, _CHANNELS)  # (T, M, V, C)
        return np.array(frames.transpose(3, 0, 2, 1), dtype=np.float32, order="C")

    def __getstate__(self) -> dict[str, Any]:
        """Without a mapped array: a worker process opens the file itself instead of being sent what is in it."""
        return vars(self) | ({"data": None} if isinstance(self.data, np.memmap) else {})

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        if state["data"] is None:
            self.data = _read(self.source, f"x_{self._part}", mmap=True)


def _labels(onehot: np.ndarray, where: str) -> list[int]:
    """(N, classes) -> the class of each row."""
    if onehot.ndim != 2 or onehot.dtype.kind not in "biuf":
        raise InputError(f"{where}: wanted one-hot labels (N, classes), got {onehot.dtype} {onehot.shape}")
    wrong = np.flatnonzero((onehot > 0).sum(axis=1) != 1)
    if len(wrong):
        raise InputError(f"{where}: row {wrong[0]} has {int((onehot[wrong[0]] > 0).sum())} classes, wanted one")
    classes: list[int] = onehot.argmax(axis=1).tolist() if len(onehot) else []
    return classes


def _read(path: str | os.PathLike[str], name: str, *, mmap: bool) -> np.ndarray:
    """Array ``name`` of the file, mapped if that is asked for and it lies there as it is."""
    try:
        with zipfile.ZipFile(path) as archive:
            if f"{name}.npy" not in archive.namelist():
                held = ", ".join(member.removesuffix(".npy") for member in archive.namelist()) or "nothing"
                raise InputError(f"{path}: there is no array {name}, only {held}")
            member = archive.getinfo(f"{name}.npy")
            if mmap and member.compress_type == zipfile.ZIP_STORED:
                return _mapped(path, member)
            with archive.open(member) as file:
                array: np.ndarray = np.lib.format.read_array(file, allow_pickle=False)
                return array
    except InputError:
        raise
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file") from error
    except Exception as error:  # damaged bytes can make NumPy and zipfile raise nearly anything
        raise InputError(f"{path}: not a readable .npz file: {in_a_line(error)}") from error


def _mapped(path: str | os.PathLike[str], member: zipfile.ZipInfo) -> np.ndarray:
    """The array that a member stored without compression is, on disk."""
    with open(path, "rb") as file:
        file.seek(member.header_offset)
        header = file.read(_LOCAL_HEADER)
        begin = member.header_offset + len(header) + sum(np.frombuffer(header, "<u2", 2, offset=26).tolist())
        file.seek(begin)  # past its name and what else is said of it, whose lengths those were
        version = np.lib.format.read_magic(file)
        read_header = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
        shape, fortran, dtype = read_header[version](file)
        offset = file.tell()
    if dtype.hasobject or offset - begin + math.prod(shape) * dtype.itemsize != member.file_size:
        raise ValueError(f"{dtype} {shape} is not what {member.filename} holds")
    if not math.prod(shape):
        return np.zeros(shape, dtype)  # nothing cannot be mapped
    return np.memmap(path, dtype, "r", offset, shape, "F" if fortran else "C")
