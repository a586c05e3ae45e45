"""A preparation that ends in a compact store: every clip once, the parts as its splits."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from clips.streams import Clip
from clips.write.compact import Piece, write_store
from data_gen.workshop import Chunk, Sample, Workshop, split_up


@dataclass(frozen=True)
class CompactChunk(Chunk):
    """A file of its own."""

    path: Path

    @contextmanager
    def writer(self) -> Iterator[Callable[[int, Clip], None]]:
        piece = Piece()

        def write(number: int, clip: Clip) -> None:
            piece.append(clip)

        yield write
        piece.save(self.path)


@dataclass(frozen=True)
class CompactWorkshop(Workshop):
    """``store.json``, ``index.npz`` and ``clips.npy``."""

    def piece(self, number: int) -> Path:
        """The file that holds the clips of a chunk."""
        return self.folder / "pieces" / f"{number:05d}.npz"

    def begun(self) -> bool:
        return self.piece(0).parent.is_dir()

    def begin(self) -> None:
        self.piece(0).parent.mkdir(parents=True)

    def chunks(self, convert: Callable[[Sample], Clip]) -> list[CompactChunk]:
        pieces = enumerate(split_up(self.samples))
        return [CompactChunk(number, samples, convert, self.piece(number)) for number, samples in pieces]

    def deliver(self) -> dict[str, int]:
        left_out = self.settled
        assert left_out is not None
        kept = [sample for sample in self.samples if sample.key not in left_out]
        splits = {
            part.replace("/", "_"): [number for number, sample in enumerate(kept) if part in sample.parts]
            for part in self.parts
        }
        channels, _, joints, bodies = self.clip_shape
        write_store(
            self.out,
            [self.piece(number) for number in range(len(split_up(self.samples)))],
            [sample.name for sample in kept],
            [sample.label for sample in kept],
            splits,
            {**self.about, "channels": channels, "joints": joints, "bodies": bodies},
        )
        self.take_down()
        return {str(self.out): len(kept), **{f"{self.out}, split {name}": len(rows) for name, rows in splits.items()}}
