"""Clips written in another layout. Each function says, in sentences, what its layout does not hold."""

from __future__ import annotations

import argparse
import os
import pickle
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from clips.dense import new_array, row_writer
from clips.files import atomic_path, sync
from clips.streams import Clip
from clips.whole import Place, Whole
from clips.write.compact import Piece, write_store
from clips.write.npz import NUM_FRAMES, write_npz
from clips.write.pyskl import annotation, write_pyskl
from data_gen.known_counts import NUM_CLASSES
from data_gen.ntu_sets import MADE_FROM
from data_gen.workshop import CHUNK
from errors import InputError

_OF_THE_LAYOUT = ("format", "channels", "joints", "bodies", "clips", "splits")  # not of the clips themselves
_PARTS = ("train", "val", "test")


@dataclass(frozen=True)
class Selection:
    """The clips that are written: each of ``places`` once, whatever the number of ``splits`` that name it."""

    whole: Whole
    places: Sequence[Place]
    splits: Mapping[str, Sequence[Place]]
    skeleton: str | None

    def clips(self, places: Sequence[Place]) -> Iterator[Clip]:
        """One after the other."""
        return (self.whole.clip(place) for place in tqdm(places, unit="clip", disable=None))

    def names(self, places: Sequence[Place]) -> list[str]:
        return [self.whole.name(place) for place in places]

    def labels(self, places: Sequence[Place]) -> list[int]:
        return [self.whole.label(place) for place in places]

    def shape(self) -> tuple[int, int, int, int]:
        """(C, T, V, M) that every clip fits into.

        Raises:
            InputError: there is no such shape, as channels or joints differ.
        """
        frames = bodies = 0
        rest: tuple[int, int] | None = None
        for place, clip in zip(self.places, self.clips(self.places), strict=True):
            rest = _same(rest, clip, self.whole, place)
            frames, bodies = max(frames, clip.shape[1]), max(bodies, clip.shape[3])
        if rest is None:
            raise InputError(f"{self.whole.source}: there is no clip to write")
        return rest[0], frames, rest[1], bodies


def to_compact(chosen: Selection, out: Path, given: argparse.Namespace) -> list[str]:
    """The folder of a compact store; nothing but what pictures and skeletons of one's own say is lost."""
    _check_names(chosen)
    partial = out / ".partial"
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        pieces, sizes = _in_pieces(chosen, partial)
        about: dict[str, Any] = {key: value for key, value in chosen.whole.about.items() if key not in _OF_THE_LAYOUT}
        about |= {"layout": chosen.skeleton} if chosen.skeleton else {}
        about |= sizes
        row = {place: number for number, place in enumerate(chosen.places)}
        rows = {split: [row[place] for place in places] for split, places in chosen.splits.items()}
        (out / MADE_FROM).unlink(missing_ok=True)
        write_store(out, pieces, chosen.names(chosen.places), chosen.labels(chosen.places), rows, about)
    finally:
        shutil.rmtree(partial)
    return _about_pictures(chosen)


def _in_pieces(chosen: Selection, folder: Path) -> tuple[list[Path], dict[str, int]]:
    """The clips in files, and their channels, joints and, at most, bodies."""
    pieces: list[Path] = []
    rest, bodies, piece = None, 0, Piece()
    for place, clip in zip(chosen.places, chosen.clips(chosen.places), strict=True):
        rest = _same(rest, clip, chosen.whole, place)
        bodies = max(bodies, clip.shape[3])
        piece.append(clip)
        if len(piece.frames) == CHUNK or place == chosen.places[-1]:
            pieces.append(folder / f"{len(pieces):05d}.npz")
            piece.save(pieces[-1])
            piece = Piece()
    if rest is None:
        raise InputError(f"{chosen.whole.source}: there is no clip to write")
    return pieces, {"channels": rest[0], "joints": rest[1], "bodies": bodies}


def to_dense(chosen: Selection, out: Path, given: argparse.Namespace) -> list[str]:
    """MS-G3D's files, a pair for each split: ``xsub_train`` becomes ``xsub/train_data_joint.npy``."""
    _check_names(chosen)
    channels, frames, joints, bodies = chosen.shape()
    needed = sum(map(len, chosen.splits.values())) * channels * frames * joints * bodies * 4
    out.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(out).free
    if needed > free:
        raise InputError(f"{out}: the clips need {needed / 1e9:.1f} GB, and {free / 1e9:.1f} GB are free")
    shorter: set[Place] = set()
    for split, places in chosen.splits.items():
        part = out / _dense_part(split)
        part.parent.mkdir(parents=True, exist_ok=True)
        target = part.with_name(f"{part.name}_data_joint.npy")
        beside = target.with_name(f".partial.{target.name}")
        try:
            new_array(beside, (len(places), channels, frames, joints, bodies))
            with row_writer(beside) as write:
                for number, (place, clip) in enumerate(zip(places, chosen.clips(places), strict=True)):
                    shorter |= {place} if clip.shape[1] < frames else set()
                    missing = ((0, 0), (0, frames - clip.shape[1]), (0, 0), (0, bodies - clip.shape[3]))
                    write(number, np.pad(clip, missing))
            sync(beside)
            labels = part.with_name(f"{part.name}_label.pkl")
            with atomic_path(labels) as new_labels:
                new_labels.write_bytes(pickle.dumps((chosen.names(places), chosen.labels(places))))
                labels.unlink(missing_ok=True)  # those of before would count for the new clips
                os.replace(beside, target)
        finally:
            beside.unlink(missing_ok=True)
    return [
        *([f"dense files have one length: {len(shorter)} clips got empty frames up to {frames}"] if shorter else []),
        *_about_pictures(chosen),
    ]


def to_npz(chosen: Selection, out: Path, given: argparse.Namespace) -> list[str]:
    """CTR-GCN's file: the splits train and test."""
    if set(chosen.splits) != {"train", "test"}:
        raise InputError(
            f"a .npz file has the splits train and test, and these are {', '.join(chosen.splits)}: "
            f"say which they are with --split-map, for example --split-map xsub_train=train xsub_val=test"
        )
    longest = chosen.shape()[1]
    frames = max(NUM_FRAMES, longest)
    classes = given.num_classes or NUM_CLASSES.get(str(chosen.whole.about.get("dataset")))
    notes = [f"a .npz file has no names: its clips are called train_0, train_1, ..., and all have {frames} frames"]
    if not classes:
        classes = max(chosen.labels(chosen.places)) + 1
        notes.append(f"there are {classes} classes, as far as the labels go; --num-classes says it")
    parts = {part: chosen.splits[part] for part in ("train", "test")}
    write_npz(
        out, {part: (chosen.clips(places), chosen.labels(places)) for part, places in parts.items()}, classes, frames
    )
    return [*notes, *_about_pictures(chosen)]


def to_pyskl(chosen: Selection, out: Path, given: argparse.Namespace) -> list[str]:
    """A pickle in pyskl's layout."""
    dtype = np.float16 if given.float16 else np.float32
    rounded, most, slots = 0, 0, 0

    def annotations() -> Iterator[Mapping[str, Any]]:
        nonlocal rounded, most, slots
        for place, clip in zip(chosen.places, chosen.clips(chosen.places), strict=True):
            found = annotation(chosen.whole.name(place), chosen.whole.label(place), clip, dtype)
            bodies = found["keypoint"].shape[0]
            most, slots = max(most, bodies), max(slots, clip.shape[3])
            if given.float16:
                same = np.array_equal(found["keypoint"].transpose(3, 1, 2, 0), clip[..., :bodies], equal_nan=True)
                rounded += not same
            yield found

    splits = {split: chosen.names(places) for split, places in chosen.splits.items()}
    write_pyskl(out, annotations(), splits)
    row = {place: number for number, place in enumerate(chosen.places)}
    moved = [split for split, places in chosen.splits.items() if list(places) != sorted(places, key=row.__getitem__)]
    return [
        *([f"splits of these files have the order of the file: {', '.join(moved)} had another"] if moved else []),
        *([f"float16 rounds the numbers of {rounded} clips"] if rounded else []),
        *([f"no clip has more than {most} of {slots} bodies, and the file has no room for them"] * (most < slots)),
        *_about_pictures(chosen),
    ]


TARGETS = {"compact": to_compact, "dense": to_dense, "npz": to_npz, "pyskl": to_pyskl}


def _same(rest: tuple[int, int] | None, clip: Clip, whole: Whole, place: Place) -> tuple[int, int]:
    """Channels and joints, which are those of the clips before."""
    mine = clip.shape[0], clip.shape[2]
    if rest not in (None, mine):
        raise InputError(
            f"{whole.source}: {whole.name(place)} has (C, V) = {mine}, the clips before it {rest}; one store has one"
        )
    return mine


def _check_names(chosen: Selection) -> None:
    """Refuse splits whose names, out of a file from elsewhere, would lead out of the folder that is written to."""
    for split in chosen.splits:
        if not split.strip(".") or any(mark in split for mark in "/\\\0") or ".." in _dense_part(split).parts:
            raise InputError(
                f"{chosen.whole.source}: split {split!r} cannot be part of the name of a file; --split-map renames it"
            )


def _dense_part(split: str) -> Path:
    protocol, _, part = split.rpartition("_")
    return Path(protocol, part) if protocol and part in _PARTS else Path(split)


def _about_pictures(chosen: Selection) -> list[str]:
    notes = []
    if any(shape for store in chosen.whole.stores for shape in store.image_shapes or ()):
        notes.append("the height and width of pictures are not kept")
    mine = [store.layout.name for store in chosen.whole.stores if store.layout is not None]
    if mine and chosen.skeleton is None:
        notes.append(f"the skeleton {mine[0]!r} that the source describes is not kept: name it in the configuration")
    return notes
