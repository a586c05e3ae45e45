"""NW-UCLA's raw recordings: a folder of JSON files, one for each, and the official lists of what is trained on."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import numpy as np

from clips.streams import Clip
from errors import InputError, did_you_mean
from graph.layout import SkeletonLayout
from graph.layouts import NW_UCLA

SPLITS = ("train", "val")
_LISTS = Path(__file__).parents[1] / "lists"
_NAME = re.compile(r"a(\d\d)_s\d\d_e\d\d_v\d\d")
_ACTIONS = (1, 2, 3, 4, 5, 6, 8, 9, 11, 12)  # of labels 0 to 9


class UclaStore:
    """The recordings ``aAA_sSS_eEE_vVV.json`` of a folder: action, subject, episode, view; one body of 20 joints.

    ``skeletons`` of a file is (T, V, C), in metres. Views 1 and 2 are ``train``, view 3 is ``val``, in the order of the
    published feeders; without a split it is every recording in the folder, by name.
    """

    layout: SkeletonLayout | None = NW_UCLA
    image_shapes: list[tuple[float, float] | None] | None = None

    def __init__(self, folder: str | os.PathLike[str], split: str | None = None) -> None:
        """Find the files; one is read when its clip is first asked for, and kept.

        Raises:
            InputError: no such split, a recording of the split is not there, or there is none at all.
        """
        self.source = str(folder)
        self._folder = Path(folder)
        held = {path.stem for path in self._folder.glob("*.json") if _NAME.fullmatch(path.stem)}
        self.names = sorted(held) if split is None else split_names(split, self.source)
        missing = [name for name in self.names if name not in held]
        if missing:
            raise InputError(
                f"{folder}: {len(missing)} of the {len(self.names)} recordings of split {split!r} are not there: "
                f"{missing[0]}.json, ..."
            )
        if not self.names:
            raise InputError(f"{folder}: there is no recording of NW-UCLA, aAA_sSS_eEE_vVV.json")
        self.labels = [_label(name, self.source) for name in self.names]
        self._clips: dict[int, Clip] = {}

    def clip(self, index: int) -> Clip:
        """Recording ``index`` as float32 (C=3, T, V=20, M=1).

        Raises:
            InputError: the file is damaged or holds something else.
        """
        if index not in self._clips:
            self._clips[index] = read_recording(self._folder / f"{self.names[index]}.json")
        return np.array(self._clips[index])


def split_names(split: str, source: str) -> list[str]:
    """The recordings of ``train`` or ``val``, in the order of the published feeders; ``source`` is for errors.

    Raises:
        InputError: another split.
    """
    if split not in SPLITS:
        raise InputError(f"{source}: there is no split {split!r}, only train, val{did_you_mean(split, SPLITS)}")
    return (_LISTS / f"nw-ucla-{split}.txt").read_text(encoding="utf-8").split()


def read_recording(path: str | os.PathLike[str]) -> Clip:
    """One file as float32 (C=3, T, V=20, M=1).

    Raises:
        InputError: missing, damaged, or without ``skeletons`` (T, 20, 3).
    """
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
        skeletons = np.array(content["skeletons"], dtype=np.float32)
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file") from error
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from error
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError, MemoryError) as error:
        raise InputError(f"{path}: not a recording of NW-UCLA, which has 'skeletons' (T, 20, 3): {error}") from error
    if skeletons.ndim != 3 or skeletons.shape[1:] != (NW_UCLA.num_joints, 3) or not len(skeletons):
        raise InputError(f"{path}: wanted skeletons (T, {NW_UCLA.num_joints}, 3), got {skeletons.shape}")
    return np.ascontiguousarray(skeletons.transpose(2, 0, 1))[..., None]


def _label(name: str, source: str) -> int:
    action = int(name[1:3])
    if action not in _ACTIONS:
        raise InputError(f"{source}: {name}.json is of action {action}, which NW-UCLA has not: it has {_ACTIONS}")
    return _ACTIONS.index(action)
