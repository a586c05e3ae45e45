"""Pickles in pyskl's layout, one recording after the other: the file may be larger than memory."""

from __future__ import annotations

import os
import pickle
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from clips.streams import Clip
from clips.write.large import large_file
from errors import InputError

_PROTOCOL = 3  # the last whose pieces may be put together: they number what they remember themselves
_BATCH = 1000  # annotations that a reader takes up at once
_NEW, _OLD = b"cnumpy._core.multiarray\n", b"cnumpy.core.multiarray\n"


def annotation(name: str, label: int, clip: Clip, dtype: DTypeLike = np.float32) -> dict[str, Any]:
    """A clip (C, T, V, M) as an annotation: ``keypoint`` is (M, T, V, C) without the empty bodies at its end.

    Raises:
        InputError: it has no frame, which no reader of these files takes.
    """
    if not clip.shape[1]:
        raise InputError(f"{name}: a clip without frames does not fit into pickles in pyskl's layout")
    held = np.flatnonzero((clip != 0).any(axis=(0, 1, 2)))
    bodies = int(held[-1]) + 1 if len(held) else 1
    keypoint = np.ascontiguousarray(clip[..., :bodies].transpose(3, 1, 2, 0), dtype)
    return {"frame_dir": name, "label": int(label), "keypoint": keypoint, "total_frames": clip.shape[1]}


def write_pyskl(
    path: str | os.PathLike[str], annotations: Iterable[Mapping[str, Any]], splits: Mapping[str, Sequence[str]]
) -> None:
    """Write ``{split: {name: [frame_dir, ...]}, annotations: [...]}``, whole or not at all.

    NumPy 1 and 2 read it.
    """
    with large_file(path) as file:
        file.write(b"\x80\x03}(")  # a dictionary; up to its end, keys and values
        file.write(_piece("split") + _piece({name: list(names) for name, names in splits.items()}))
        file.write(_piece("annotations") + b"]")
        file.write(b"(")
        for number, item in enumerate(annotations, 1):
            file.write(_piece(dict(item)))
            if number % _BATCH == 0:
                file.write(b"e(")
        file.write(b"eu.")


def _piece(value: Any) -> bytes:
    """What puts a value on a reader's stack; NumPy's constructor under the name that every version knows."""
    return pickle.dumps(value, _PROTOCOL)[2:-1].replace(_NEW, _OLD, 1)
