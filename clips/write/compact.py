"""Writing the compact layout: clips one by one into pieces, pieces into a store."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from clips.compact import ABOUT, FORMAT, INDEX, VALUES, tracks_of
from clips.files import atomic_path, atomic_write, sync
from clips.streams import Clip


@dataclass
class Piece:
    """Some clips on their way into a store; ``clip`` in a track counts from the piece's first."""

    frames: list[int] = field(default_factory=list)
    tracks: list[tuple[int, int, int, int, int]] = field(default_factory=list)
    values: list[np.ndarray] = field(default_factory=list)

    def append(self, clip: Clip) -> None:
        """Take up a clip (C, T, V, M)."""
        for track in tracks_of(clip):
            row = (len(self.frames), track.body, track.start, track.values.shape[1], int(track.looped))
            self.tracks.append(row)
            self.values.append(np.ascontiguousarray(track.values).ravel())
        self.frames.append(clip.shape[1])

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the piece, whole or not at all."""
        with atomic_write(path) as file:
            np.savez(
                file,
                frames=np.array(self.frames, np.int64),
                tracks=np.array(self.tracks, np.int64).reshape(-1, 5),
                values=np.concatenate([*self.values, np.zeros(0, np.float32)]),
            )


def write_store(
    folder: str | os.PathLike[str],
    pieces: Sequence[Path],
    names: Sequence[str],
    labels: Sequence[int],
    splits: Mapping[str, Sequence[int]],
    about: Mapping[str, Any],
) -> None:
    """Put saved pieces together; ``store.json`` comes last, and only with it the folder is a store.

    That of a store which is written over goes first, once all is there that takes its place: files of two stores never
    count as one.

    Args:
        folder: where to.
        pieces: files of ``Piece.save``, in order.
        names: of all clips, in order.
        labels: likewise.
        splits: name -> the numbers of its clips, in order.
        about: channels, joints, bodies, and whatever else people should know.
    """
    folder = Path(folder)
    frames, tracks, total = [], [], 0
    first = 0
    for piece in pieces:
        with np.load(piece, allow_pickle=False) as found:
            rows = found["tracks"]
            rows[:, 0] += first
            first += len(found["frames"])
            frames.append(found["frames"])
            tracks.append(rows)
    table = np.concatenate([*tracks, np.zeros((0, 5), np.int64)])
    total = int(table[:, 3].sum()) * about["channels"] * about["joints"]
    arrays: dict[str, Any] = {
        "names": np.array(names, dtype=str) if names else np.zeros(0, "U1"),
        "labels": np.array(labels, np.int64),
        "frames": np.concatenate([*frames, np.zeros(0, np.int64)]),
        "tracks": table,
        **{f"split/{name}": np.array(rows, np.int64) for name, rows in splits.items()},
    }
    counts = {name: len(rows) for name, rows in splits.items()}
    text = json.dumps({"format": FORMAT, **about, "clips": len(names), "splits": counts}, indent=2)
    with (  # they take their places from the last to the first
        atomic_path(folder / ABOUT) as description,
        atomic_path(folder / INDEX) as index,
        atomic_path(folder / VALUES) as values,
    ):
        with open(values, "wb") as file:
            np.lib.format.write_array_header_1_0(file, {"descr": "<f4", "fortran_order": False, "shape": (total,)})
            _pour(file, pieces)
        np.savez_compressed(index, **arrays)
        description.write_text(text, encoding="utf-8")
        for beside in (values, index, description):
            sync(beside)
        (folder / ABOUT).unlink(missing_ok=True)


def _pour(file: BinaryIO, pieces: Iterable[Path]) -> None:
    for piece in pieces:
        with np.load(piece, allow_pickle=False) as found:
            file.write(np.ascontiguousarray(found["values"], "<f4").data)
