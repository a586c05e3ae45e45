"""A preparation that ends in MS-G3D's files: an array and a pickle of names and labels for every part."""

from __future__ import annotations

import os
import pickle
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from clips.dense import new_array, open_array, row_writer
from clips.files import atomic_write, sync
from clips.streams import Clip
from data_gen.workshop import CHUNK, Chunk, Sample, Workshop, split_up
from errors import InputError


@dataclass(frozen=True)
class DenseChunk(Chunk):
    """Some rows of the arrays."""

    rows: Sequence[tuple[int, ...]]  # of each sample, one for each of its parts
    arrays: Mapping[str, Path]  # of the parts

    @contextmanager
    def writer(self) -> Iterator[Callable[[int, Clip], None]]:
        with ExitStack() as stack:
            writers = {part: stack.enter_context(row_writer(path)) for part, path in self.arrays.items()}

            def write(number: int, clip: Clip) -> None:
                for part, row in zip(self.samples[number].parts, self.rows[number], strict=True):
                    writers[part](row, clip)

            yield write
        for path in self.arrays.values():
            sync(path)  # before the chunk is marked as done


@dataclass(frozen=True)
class DenseWorkshop(Workshop):
    """``{part}_data_joint.npy`` (N, C, T, V, M) and ``{part}_label.pkl``."""

    def array(self, part: str) -> Path:
        """The file that holds the clips of ``part`` while they come in."""
        return self.folder / f"{part}_data_joint.npy"

    @property
    def needed_bytes(self) -> int:
        """What the files will take."""
        return sum(len(sample.parts) for sample in self.samples) * int(np.prod(self.clip_shape)) * 4

    def begun(self) -> bool:
        return all(self.array(part).exists() for part in self.parts)

    def begin(self) -> None:
        free = shutil.disk_usage(self.out).free
        if self.needed_bytes > free:
            needed = f"{self.needed_bytes / 1e9:.1f} GB"
            raise InputError(f"{self.out}: the clips need {needed}, and {free / 1e9:.1f} GB are free")
        for part in self.parts:
            self.array(part).parent.mkdir(parents=True, exist_ok=True)
            new_array(self.array(part), (len(self.members(part)), *self.clip_shape))

    def chunks(self, convert: Callable[[Sample], Clip]) -> list[DenseChunk]:
        next_row = dict.fromkeys(self.parts, 0)
        chunks = []
        for number, samples in enumerate(split_up(self.samples)):
            rows = []
            for sample in samples:
                rows.append(tuple(next_row[part] for part in sample.parts))
                for part in sample.parts:
                    next_row[part] += 1
            held = {part: self.array(part) for sample in samples for part in sample.parts}
            chunks.append(DenseChunk(number, samples, convert, rows, held))
        return chunks

    def deliver(self) -> dict[str, int]:
        left_out = self.settled
        assert left_out is not None
        counts = {}
        for part in self.parts:
            members = self.members(part)
            kept = [row for row, sample in enumerate(members) if sample.key not in left_out]
            data, labels = self.out / f"{part}_data_joint.npy", self.out / f"{part}_label.pkl"
            counts[str(data)] = len(kept)
            if self.array(part).exists():  # else it was delivered before a kill
                _keep_rows(self.array(part), kept)
                data.parent.mkdir(parents=True, exist_ok=True)
                labels.unlink(missing_ok=True)  # those of before would count for the new clips
                os.replace(self.array(part), data)
            with atomic_write(labels) as file:
                pickle.dump(([members[row].name for row in kept], [members[row].label for row in kept]), file)
        self.take_down()
        return counts


def _keep_rows(path: Path, kept: Sequence[int]) -> None:
    """Leave only the rows ``kept`` in the array; doing it twice is doing it once."""
    rows = open_array(path)
    if len(rows) == len(kept):
        return
    shorter = path.with_name(f"{path.name}.shorter")
    new_array(shorter, (len(kept), *rows.shape[1:]))
    with row_writer(shorter) as write:
        for start in range(0, len(kept), CHUNK):
            clips = open_array(path)  # anew: what is mapped counts as memory
            for target, row in enumerate(kept[start : start + CHUNK], start):
                write(target, clips[row])
    sync(shorter)
    os.replace(shorter, path)
