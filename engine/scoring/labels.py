"""Where the labels of scores come from: beside them, in a file that is named, or with the data set that is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from clips.compact import ABOUT, CompactStore
from clips.dense import read_labels
from clips.read.npz import NpzStore
from clips.read.pyskl import read_annotations
from clips.read.ucla import UclaStore
from engine.scoring.scores import Labels
from errors import InputError

DATASETS = ("ntu/xsub", "ntu/xview", "ntu120/xsub", "ntu120/xset", "kinetics", "NW-UCLA")

# The files of the SGN lineage, whose rows score files call test_0, test_1, ...
_SGN = {
    "ntu/xsub": ("ntu/NTU60_CS.npz", "ntu_sgn"),
    "ntu/xview": ("ntu/NTU60_CV.npz", "ntu_sgn"),
    "ntu120/xsub": ("ntu120/NTU120_CSub.npz", "ntu120_sgn"),
    "ntu120/xset": ("ntu120/NTU120_CSet.npz", "ntu120_sgn"),
}


def labels_in(path: str) -> Labels:
    """Those of a pickle of names and labels (MS-G3D's ``val_label.pkl``).

    Raises:
        InputError: as ``read_labels``.
    """
    return path, dict(zip(*read_labels(path), strict=True))


def labels_of_annotations(path: str, split: str | None) -> tuple[list[str], Labels]:
    """Sample names in the order of pyskl's results, and their labels.

    Raises:
        InputError: as ``read_annotations``.
    """
    names, labels = read_annotations(path, split)
    return names, (path, dict(zip(names, labels, strict=True)))


def labels_of_dataset(dataset: str, names: Sequence[str], root: Path = Path("data")) -> Labels:
    """Those of the test part of ``dataset`` for samples called ``names``, from whichever of its files is there.

    Looked at in this order: MS-G3D's ``val_label.pkl``, the compact stores, CTR-GCN's ``.npz``, NW-UCLA's recordings.
    The first that knows the first of the names is taken, or else the first that is there.

    Raises:
        InputError: none of them is there, or one is damaged.
    """
    pickle, (npz, sgn) = root / dataset / "val_label.pkl", _SGN.get(dataset, (None, None))
    benchmark, _, protocol = dataset.partition("/")
    first: Labels | None = None
    for path in (pickle, root / benchmark, *([root / sgn, root / npz] if sgn and npz else [])):
        labels = _read(path, dataset, f"{protocol}_val" if protocol else "val")
        if labels is not None and names[0] in labels:
            return str(path), labels
        first = first or (None if labels is None else (str(path), labels))
    if first is None:
        raise InputError(f"{pickle}: no such file, nor is there another of {dataset} with labels in {root}")
    return first


def _read(path: Path, dataset: str, split: str) -> Mapping[str, int] | None:
    """The labels by name in a file or store, None where it is not there."""
    if path.suffix == ".pkl":
        return labels_in(str(path))[1] if path.is_file() else None
    if path.suffix == ".npz":
        store: NpzStore | CompactStore | UclaStore | None = NpzStore(path, "test") if path.is_file() else None
    elif (path / ABOUT).is_file():
        store = CompactStore(path, split)
    else:
        recordings = path / "all_sqe"
        store = UclaStore(recordings, split) if dataset == "NW-UCLA" and recordings.is_dir() else None
    return None if store is None else dict(zip(store.names, np.asarray(store.labels).tolist(), strict=True))
