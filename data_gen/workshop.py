"""The state of an unfinished preparation on disk, so that a killed one goes on where it stood.

``<out>/.partial`` holds the arrays that are being filled, one marker for every finished chunk of samples and, once
all chunks are, ``settled``: which samples are left out. From then on only steps remain that may be done twice.
"""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from clips.dense import new_array, open_array, row_writer
from clips.files import atomic_write, sync, write_text
from errors import InputError

Damage = dict[str, str]  # source: what is wrong with it

_BLOCK = 64  # clips copied at once


@dataclass(frozen=True)
class Sample:
    """A recording that becomes a clip: its file, the name and label it gets, and the parts that hold it.

    A part is a path under the output folder, ``xsub/train`` for one: ``xsub/train_data_joint.npy`` holds its clips.
    """

    source: str
    name: str
    label: int
    parts: tuple[str, ...]


@dataclass(frozen=True)
class Workshop:
    """The unfinished arrays of one preparation; every clip has the shape and place that ``samples`` gives it."""

    out: Path
    samples: Sequence[Sample]
    parts: tuple[str, ...]
    clip_shape: tuple[int, ...]

    @property
    def folder(self) -> Path:
        return self.out / ".partial"

    def array(self, part: str) -> Path:
        """The file that holds the clips of ``part`` while they come in."""
        return self.folder / f"{part}_data_joint.npy"

    def members(self, part: str) -> list[Sample]:
        """The samples of ``part``, in the order of its rows."""
        return [sample for sample in self.samples if part in sample.parts]

    def open(self) -> None:
        """Take the folder up where an earlier, equal preparation left it, or begin it.

        Raises:
            InputError: the disk has not the room.
        """
        plan = hashlib.sha256(repr((self.samples, self.parts, self.clip_shape)).encode()).hexdigest()
        plan_file = self.folder / "plan"
        whole = self.settled is not None or all(self.array(part).exists() for part in self.parts)
        if whole and plan_file.exists() and plan_file.read_text() == plan:
            return
        shutil.rmtree(self.folder, ignore_errors=True)  # unfinished work of another preparation; its sources are whole
        sizes = {part: len(self.members(part)) for part in self.parts}
        need = sum(sizes.values()) * int(np.prod(self.clip_shape)) * 4
        self.out.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(self.out).free
        if need > free:
            raise InputError(f"{self.out}: the clips need {need / 1e9:.1f} GB, and {free / 1e9:.1f} GB are free")
        for part, size in sizes.items():
            self.array(part).parent.mkdir(parents=True, exist_ok=True)
            new_array(self.array(part), (size, *self.clip_shape))
        write_text(plan_file, plan)

    def marker(self, number: int) -> Path:
        """The file that says chunk ``number`` is done."""
        return self.folder / "done" / f"{number:05d}.json"

    def mark(self, number: int, state: str, damage: Damage) -> None:
        """Say that chunk ``number`` is done, from files in ``state``."""
        write_text(self.marker(number), json.dumps({"state": state, "damage": damage}))

    def damage_of(self, number: int, state: str) -> Damage | None:
        """The damaged samples of chunk ``number``; None while it is not done, or when its files have changed since."""
        found = _read_json(self.marker(number))
        return dict(found["damage"]) if found and found["state"] == state else None

    @property
    def settled(self) -> Damage | None:
        """The samples that are left out, once that is settled."""
        return _read_json(self.folder / "settled.json")

    def settle(self, damage: Damage) -> None:
        """Leave the damaged samples out."""
        write_text(self.folder / "settled.json", json.dumps(damage))

    def deliver(self) -> dict[str, int]:
        """Write labels, move everything to its place, take the workshop down; the number of clips of every part."""
        left_out = self.settled
        assert left_out is not None
        counts = {}
        for part in self.parts:
            members = self.members(part)
            kept = [row for row, sample in enumerate(members) if sample.source not in left_out]
            counts[part] = len(kept)
            if self.array(part).exists():  # else it was delivered before a kill
                _keep_rows(self.array(part), kept)
                with atomic_write(self.out / f"{part}_label.pkl") as file:
                    pickle.dump(([members[row].name for row in kept], [members[row].label for row in kept]), file)
                os.replace(self.array(part), self.out / f"{part}_data_joint.npy")
        (self.folder / "plan").unlink()  # first: without it, what is left of the folder counts for nothing
        shutil.rmtree(self.folder)  # our own notes; the clips have been moved out
        return counts


def state_of(sources: Sequence[str]) -> str:
    """What changes when one of the files does."""
    digest = hashlib.sha256()
    for source in sources:
        try:
            found = os.stat(source)
            digest.update(f"{found.st_size} {found.st_mtime_ns}\n".encode())
        except OSError:
            digest.update(b"missing\n")
    return digest.hexdigest()


def _keep_rows(path: Path, kept: Sequence[int]) -> None:
    """Leave only the rows ``kept`` in the array; doing it twice is doing it once."""
    rows = open_array(path)
    if len(rows) == len(kept):
        return
    shorter = path.with_name(f"{path.name}.shorter")
    new_array(shorter, (len(kept), *rows.shape[1:]))
    with row_writer(shorter) as write:
        for start in range(0, len(kept), _BLOCK):
            clips = open_array(path)  # anew: what is mapped counts as memory
            for target, row in enumerate(kept[start : start + _BLOCK], start):
                write(target, clips[row])
    sync(shorter)
    os.replace(shorter, path)


def _read_json(path: Path) -> dict[str, Any] | None:
    try:
        found: Mapping[str, Any] = json.loads(path.read_text())
    except FileNotFoundError:
        return None
    return dict(found)
