"""The state of an unfinished preparation on disk, so that a killed one goes on where it stood.

``<out>/.partial`` holds the files that are being filled, one marker for every finished chunk of samples and, once
all chunks are, ``settled``: which samples are left out. From then on only steps remain that may be done twice.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clips.files import write_text
from clips.streams import Clip
from errors import InputError

Damage = dict[str, str]  # key of a sample: what is wrong with it

CHUNK = 64  # recordings


@dataclass(frozen=True)
class Sample:
    """A recording that becomes a clip: its file, the name and label it gets, and the parts that hold it.

    A part is a path under the output folder, ``xsub/train`` for one: ``xsub/train_data_joint.npy`` holds its clips.
    ``item`` says which recording of the file it is, where there are several.
    """

    source: str
    name: str
    label: int
    parts: tuple[str, ...]
    item: int | None = None

    @property
    def key(self) -> str:
        """What tells it from all others."""
        return self.source if self.item is None else f"{self.source}:{self.item}"


@dataclass(frozen=True)
class Chunk:
    """Recordings that are read, written and marked as done together."""

    number: int
    samples: Sequence[Sample]
    convert: Callable[[Sample], Clip]

    def state(self) -> str:
        """What changes when one of the recordings does."""
        return state_of([sample.source for sample in self.samples])

    def fill(self) -> tuple[str, Damage]:
        """Write the clips; the state of the recordings before, and which are damaged."""
        state, damage = self.state(), {}
        with self.writer() as write:
            for number, sample in enumerate(self.samples):
                try:
                    write(number, self.convert(sample))
                except InputError as error:
                    damage[sample.key] = str(error)
        return state, damage

    def writer(self) -> AbstractContextManager[Callable[[int, Clip], None]]:
        """A function that takes the clip of the ``number``-th sample; all are on the disk when the block ends."""
        raise NotImplementedError


@dataclass(frozen=True)
class Workshop:
    """The unfinished clips of one preparation; a subclass for each layout.

    ``clip_shape`` is (C, T, V, M), the same for all clips.
    """

    out: Path
    samples: Sequence[Sample]
    parts: tuple[str, ...]
    clip_shape: tuple[int, ...]
    about: Mapping[str, Any]

    @property
    def folder(self) -> Path:
        return self.out / ".partial"

    def members(self, part: str) -> list[Sample]:
        """The samples of ``part``, in their order."""
        return [sample for sample in self.samples if part in sample.parts]

    def open(self) -> None:
        """Take the folder up where an earlier, equal preparation left it, or begin it.

        Raises:
            InputError: the disk has not the room.
        """
        facts = (type(self).__name__, self.samples, self.parts, self.clip_shape, sorted(self.about.items()))
        plan = hashlib.sha256(repr(facts).encode()).hexdigest()
        plan_file = self.folder / "plan"
        whole = self.settled is not None or self.begun()
        if whole and plan_file.exists() and plan_file.read_text() == plan:
            return
        shutil.rmtree(self.folder, ignore_errors=True)  # unfinished work of another preparation; its sources are whole
        self.out.mkdir(parents=True, exist_ok=True)
        self.begin()
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

    def take_down(self) -> None:
        """Remove what was only ours; the clips have been moved out."""
        (self.folder / "plan").unlink()  # first: without it, what is left of the folder counts for nothing
        shutil.rmtree(self.folder)

    # ---- what a layout says

    def begun(self) -> bool:
        """Whether everything that ``begin`` makes is there."""
        raise NotImplementedError

    def begin(self) -> None:
        """Make the files that chunks write into."""
        raise NotImplementedError

    def chunks(self, convert: Callable[[Sample], Clip]) -> Sequence[Chunk]:
        """All samples, in chunks."""
        raise NotImplementedError

    def deliver(self) -> dict[str, int]:
        """Move everything to its place and take the workshop down; the number of clips by what they were written to."""
        raise NotImplementedError


def split_up(samples: Sequence[Sample]) -> list[Sequence[Sample]]:
    """In pieces of the size of a chunk."""
    return [samples[start : start + CHUNK] for start in range(0, len(samples), CHUNK)]


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


def _read_json(path: Path) -> dict[str, Any] | None:
    try:
        found: Mapping[str, Any] = json.loads(path.read_text())
    except FileNotFoundError:
        return None
    return dict(found)
