"""One reader interface over every way that clips lie on disk."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Protocol

from clips.compact import ABOUT, CompactStore
from clips.dense import DenseStore
from clips.read.npz import NpzStore
from clips.read.pyskl import PysklStore
from clips.read.ucla import UclaStore
from clips.streams import Clip, stream_of_file
from errors import InputError
from graph.layout import SkeletonLayout


class Store(Protocol):
    """Named, labelled clips.

    ``source`` is what errors call it; ``layout`` the skeleton that the data itself describes, if it does;
    ``image_shapes`` the height and width of each recording's picture, where pixels are and it is known.
    """

    source: str
    names: list[str]
    labels: list[int]
    layout: SkeletonLayout | None
    image_shapes: list[tuple[float, float] | None] | None

    def clip(self, index: int) -> Clip:
        """Clip ``index`` as float32 (C, T, V, M); T may differ from clip to clip."""


def open_store(
    data_path: str | os.PathLike[str],
    label_path: str | os.PathLike[str] | None = None,
    *,
    split: str | None = None,
    mmap: bool = True,
) -> Store:
    """The clips at ``data_path``.

    It is the folder of a compact store, MS-G3D's ``.npy`` with its label pickle, a ``.pkl`` in pyskl's layout,
    CTR-GCN's ``.npz``, or the folder of NW-UCLA's JSON files. A compact store in the folder ``aist_smpl_60`` stands for
    ``aist_smpl_60.pkl`` where that is not there.

    Raises:
        InputError: no such file, an unknown kind, or one that does not hold what its kind promises.
    """
    suffix = Path(data_path).suffix
    if suffix == ".npy":
        if label_path is None:
            raise InputError(f"{data_path}: a .npy file of clips needs label_path, the pickle of its names and labels")
        if split is not None:
            raise InputError(f"{data_path}: split {split!r} is for other files; a .npy file is one part of one split")
        return DenseStore(data_path, label_path, mmap=mmap)
    if suffix == ".npz":
        return NpzStore(data_path, split, mmap=mmap)
    if suffix in (".pkl", ".pickle"):
        behind = Path(data_path).with_suffix("")
        if not Path(data_path).exists() and (behind / ABOUT).is_file():
            return CompactStore(behind, split, mmap=mmap)
        return PysklStore(data_path, split)
    if (Path(data_path) / ABOUT).is_file():
        return CompactStore(data_path, split, mmap=mmap)
    if Path(data_path).is_dir():
        return UclaStore(data_path, split)
    raise InputError(
        f"{data_path}: clips are read from the folder of a compact store, .npy (MS-G3D), .npz (CTR-GCN), .pkl (pyskl) "
        f"and a folder of JSON files (NW-UCLA), and this is none"
    )


def compact_behind(data_path: str | os.PathLike[str]) -> tuple[Path, str, str] | None:
    """Folder, split and stream of the compact store that stands for a dense file which is not there, if one does.

    ``data/ntu/xsub/train_data_bone.npy`` is split ``xsub_train`` of the store in ``data/ntu``, stream ``bone``.
    """
    path = Path(data_path)
    part, stream = path.stem.partition("_data_")[0], stream_of_file(path)
    if path.suffix != ".npy" or stream is None or path.exists():
        return None
    for folder in (path.parent, path.parent.parent):
        if (folder / ABOUT).is_file():
            return folder, "_".join([*path.parent.relative_to(folder).parts, part]), stream
    return None
