"""A store as a whole: all of its clips and the splits that name them, whatever the layout."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from clips.compact import ABOUT, INDEX, CompactStore
from clips.read.npz import PARTS, NpzStore
from clips.read.pickles import read_pickle
from clips.read.pyskl import PysklStore
from clips.read.ucla import SPLITS, UclaStore
from clips.store import Store, open_store
from clips.streams import Clip
from errors import InputError

ALL = "all"  # the split of a source that has none
_JOINTS = "_data_joint.npy"
_FILE_SPLITS = ("train", "val", "test")


@dataclass(frozen=True)
class Place:
    """Where a clip is: which of the stores, which of its clips."""

    store: int
    index: int


@dataclass(frozen=True)
class Whole:
    """Clips by their places; ``splits`` are lists of places, ``about`` is what a compact store says of itself."""

    source: str
    stores: Sequence[Store]
    splits: Mapping[str, Sequence[Place]]
    about: Mapping[str, Any] = field(default_factory=dict)

    def places(self) -> Iterator[Place]:
        """Of all clips, those in no split among them."""
        return (Place(number, i) for number, store in enumerate(self.stores) for i in range(len(store.names)))

    def name(self, place: Place) -> str:
        return self.stores[place.store].names[place.index]

    def label(self, place: Place) -> int:
        return self.stores[place.store].labels[place.index]

    def clip(self, place: Place) -> Clip:
        """As float32 (C, T, V, M)."""
        return self.stores[place.store].clip(place.index)


def open_whole(path: str | os.PathLike[str], label_path: str | os.PathLike[str] | None = None) -> Whole:
    """All clips at ``path``.

    It is whatever ``clips.store.open_store`` reads, or a folder of MS-G3D's files: ``{train,val}_data_joint.npy`` in it
    or in folders below it, which are called after protocols: ``xsub/train_data_joint.npy`` is split ``xsub_train``. The
    labels of such a file lie beside it unless ``label_path`` says where.

    Raises:
        InputError: there is nothing of these kinds, or it is damaged.
    """
    path = Path(path)
    if label_path is not None and path.suffix != ".npy":
        raise InputError(f"{path}: labels in a file of their own are for .npy files")
    if path.suffix == ".npy":
        return _dense(path, {path.stem.partition("_data_")[0]: (path, Path(label_path or _labels_of(path)))})
    if path.suffix == ".npz":
        return _one_each(path, {part: NpzStore(path, part) for part in PARTS})
    if path.suffix in (".pkl", ".pickle"):
        return _pyskl(path)
    if (path / ABOUT).is_file():
        return _compact(path)
    files = _dense_files(path)
    if files:
        return _dense(path, files)
    if path.is_dir():
        return _one_each(path, {split: UclaStore(path, split) for split in SPLITS})
    open_store(path)  # says what there could be
    raise InputError(f"{path}: no clips are there")


def _one_each(path: Path, stores: Mapping[str, Store]) -> Whole:
    """Every store is a split."""
    splits = {
        split: [Place(number, index) for index in range(len(store.names))]
        for number, (split, store) in enumerate(stores.items())
    }
    return Whole(str(path), tuple(stores.values()), splits)


def _dense_files(folder: Path) -> dict[str, tuple[Path, Path]]:
    """The joints and labels that a folder holds, by split."""
    found = {}
    for path in sorted([*folder.glob(f"*{_JOINTS}"), *folder.glob(f"*/*{_JOINTS}")]):
        part = path.name.removesuffix(_JOINTS)
        if part in _FILE_SPLITS:
            found["_".join([*path.parent.relative_to(folder).parts, part])] = (path, _labels_of(path))
    return found


def _labels_of(path: Path) -> Path:
    return path.with_name(f"{path.stem.partition('_data_')[0]}_label.pkl")


def _dense(path: Path, files: Mapping[str, tuple[Path, Path]]) -> Whole:
    return _one_each(path, {split: open_store(data, labels) for split, (data, labels) in files.items()})


def _compact(path: Path) -> Whole:
    store = CompactStore(path)
    about = json.loads((path / ABOUT).read_text(encoding="utf-8"))
    with np.load(path / INDEX, allow_pickle=False) as index:
        splits = {
            name.removeprefix("split/"): index[name].tolist() for name in index.files if name.startswith("split/")
        }
    for split in splits:
        CompactStore(path, split)  # refuses one that names clips which are not there
    return Whole(str(path), (store,), _splits(store, splits), about)


def _pyskl(path: Path) -> Whole:
    store = PysklStore(path)
    content = read_pickle(path)
    named = content.get("split", {}) if isinstance(content, dict) else {}
    del content
    row = {name: index for index, name in enumerate(store.names)}
    splits = {}
    for split, names in named.items():
        if not isinstance(names, (list, tuple, set, np.ndarray)):
            raise InputError(f"{path}: split {split!r} must be a list of names, got {type(names).__name__}")
        missing = [str(name) for name in names if str(name) not in row]
        if missing:
            raise InputError(
                f"{path}: split {split!r} names {len(missing)} recordings that are absent: {min(missing)}, ..."
            )
        splits[str(split)] = sorted({row[str(name)] for name in names})  # in the order of the file, as it is read
    return Whole(str(path), (store,), _splits(store, splits))


def _splits(store: Store, rows: Mapping[str, Sequence[int]]) -> dict[str, list[Place]]:
    """Of the only store; all of it where it has none."""
    rows = rows or {ALL: range(len(store.names))}
    return {split: [Place(0, row) for row in chosen] for split, chosen in rows.items()}
