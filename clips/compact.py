"""The compact layout: every clip once, absent bodies and repeated frames not at all, for all protocols and streams.

A folder holds ``store.json`` (what it is, for people), ``index.npz`` (names, labels, splits, where each body's track
lies) and ``clips.npy`` (the tracks' values, one after the other, float32). A track is the stretch of frames in which a
body is there, or one round of it where the body is looped to the end; what is rebuilt has the bits of what went in.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clips.streams import Clip
from errors import InputError, did_you_mean, in_a_line
from graph.layout import SkeletonLayout, read_layout
from graph.layouts import BUILT_IN

FORMAT = 1
MOST_NUMBERS = 2**28  # in a clip, a gigabyte; more is a damaged size
ABOUT, INDEX, VALUES = "store.json", "index.npz", "clips.npy"
SKELETON = "skeleton.yaml"  # beside them, where it is none of the built-in ones
TRACK_FIELDS = ("clip", "body", "start", "length", "looped")


@dataclass(frozen=True)
class Track:
    """A body in a clip: ``values`` (C, L, V) from frame ``start`` on, once or, ``looped``, to the end."""

    body: int
    start: int
    looped: bool
    values: NDArray[np.float32]


def tracks_of(clip: Clip) -> list[Track]:
    """The fewest frames that ``rebuilt`` makes (C, T, V, M) of, bit for bit."""
    tracks = []
    channels, length, joints, bodies = clip.shape
    for body in range(bodies):
        values = np.ascontiguousarray(clip[..., body], dtype=np.float32)
        frames = np.ascontiguousarray(values.view(np.int32).swapaxes(0, 1)).reshape(length, channels * joints)
        held = np.flatnonzero(frames.any(axis=1))  # bits, not numbers: -0.0 is something
        if not len(held):
            continue
        start, end = int(held[0]), int(held[-1]) + 1
        period = _period(frames) if start == 0 else end
        looped = period < end
        tracks.append(Track(body, start, looped, values[:, start : period if looped else end]))
    return tracks


def rebuilt(tracks: Sequence[Track], shape: tuple[int, int, int, int]) -> Clip:
    """The clip of ``shape`` (C, T, V, M) that has these tracks."""
    clip = np.zeros(shape, dtype=np.float32)
    for track in tracks:
        length = track.values.shape[1]
        if track.looped:
            clip[..., track.body] = track.values[:, np.arange(shape[1]) % length]
        else:
            clip[:, track.start : track.start + length, :, track.body] = track.values
    return clip


def _period(frames: NDArray[np.int32]) -> int:
    """After how many frames they repeat, to the end; their number where they do not. Shapes: (T, anything)."""
    for length in np.flatnonzero((frames == frames[0]).all(axis=1))[1:]:
        if np.array_equal(frames[length:], frames[:-length]):
            return int(length)
    return len(frames)


class CompactStore:
    """One split of a compact folder, or all of it."""

    image_shapes: list[tuple[float, float] | None] | None = None

    def __init__(self, folder: str | os.PathLike[str], split: str | None = None, *, mmap: bool = True) -> None:
        """Open the folder; with ``mmap`` a clip is read from disk only when asked for.

        Raises:
            InputError: a file is missing or damaged, or there is no such split.
        """
        self.source, self._mmap = str(folder), mmap
        self.about = about = _read_about(Path(folder))
        index = _read_index(Path(folder))
        self._values = _read_values(Path(folder), mmap)
        self._channels, self._joints, self._bodies = about["channels"], about["joints"], about["bodies"]
        self.layout = _layout(Path(folder), about)
        self._frames, self._tracks = index["frames"], index["tracks"]
        sizes = self._channels * self._joints * self._tracks[:, TRACK_FIELDS.index("length")]
        self._offsets = np.concatenate([[0], np.cumsum(sizes)])
        self._first = np.searchsorted(self._tracks[:, 0], np.arange(len(self._frames) + 1))
        self._check(index)
        chosen = _chosen(index, split, self.source)
        self._rows = chosen
        self.names = index["names"][chosen].tolist()
        self.labels = index["labels"][chosen].tolist()

    def clip(self, index: int) -> Clip:
        """Clip ``index`` as float32 (C, T, V, M)."""
        row = self._rows[index]
        tracks = []
        for number in range(self._first[row], self._first[row + 1]):
            _, body, start, length, looped = self._tracks[number].tolist()
            flat = self._values[self._offsets[number] : self._offsets[number + 1]]
            tracks.append(Track(body, start, bool(looped), flat.reshape(self._channels, length, self._joints)))
        return rebuilt(tracks, (self._channels, int(self._frames[row]), self._joints, self._bodies))

    def __getstate__(self) -> dict[str, Any]:
        """Without a mapped array: a worker process opens the file itself instead of being sent what is in it."""
        return vars(self) | ({"_values": None} if self._mmap else {})

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        if state["_values"] is None:
            self._values = _read_values(Path(self.source), True)

    def _check(self, index: Mapping[str, NDArray[Any]]) -> None:
        """Refuse an index that does not belong to the values, before anything is read at its word."""
        clip, body, start, length, looped = self._tracks.T
        frames = self._frames[clip] if len(clip) and clip.min() >= 0 and clip.max() < len(self._frames) else None
        if len(clip) and (
            frames is None
            or (np.diff(clip) < 0).any()
            or (body < 0).any()
            or (body >= self._bodies).any()
            or (length < 1).any()
            or (start < 0).any()
            or (start + length > frames).any()
            or (start[looped != 0] != 0).any()
        ):
            raise InputError(f"{self.source}: {INDEX} is damaged: a track lies outside its clip")
        largest = int(self._frames.max(initial=0)) * self._channels * self._joints * self._bodies
        if largest > MOST_NUMBERS or self._frames.min(initial=0) < 0:
            raise InputError(f"{self.source}: a clip of {largest} numbers; {ABOUT} or {INDEX} is damaged")
        if self._offsets[-1] != self._values.size:
            raise InputError(
                f"{self.source}: {VALUES} has {self._values.size} numbers, but {INDEX} speaks of {self._offsets[-1]}"
            )


def _chosen(index: Mapping[str, NDArray[Any]], split: str | None, source: str) -> NDArray[np.int64]:
    """The rows of a split."""
    count = len(index["names"])
    if split is None:
        return np.arange(count)
    splits = {name.removeprefix("split/"): rows for name, rows in index.items() if name.startswith("split/")}
    if split not in splits:
        known = ", ".join(sorted(splits)) or "none"
        raise InputError(f"{source}: there is no split {split!r}, only {known}{did_you_mean(split, splits)}")
    rows: NDArray[np.int64] = splits[split].astype(np.int64)
    if rows.size and not (rows.min() >= 0 and rows.max() < count):
        raise InputError(f"{source}: {INDEX} is damaged: split {split!r} names clips that there are not")
    return rows


def _layout(folder: Path, about: Mapping[str, Any]) -> SkeletonLayout | None:
    """The skeleton of the clips, where the store says which it is; recordings of one's own may bring theirs along."""
    known = BUILT_IN.get(str(about.get("layout")))
    if known is not None or about.get("lineage") != "own" or not (folder / SKELETON).is_file():
        return known
    own = read_layout(folder / SKELETON)
    if own.num_joints != about["joints"]:
        raise InputError(f"{folder / SKELETON} has {own.num_joints} joints, the clips beside it {about['joints']}")
    return own


def _read_about(folder: Path) -> dict[str, Any]:
    try:
        about = json.loads((folder / ABOUT).read_text(encoding="utf-8"))
        sizes = [about[key] for key in ("channels", "joints", "bodies")]
    except OSError as error:
        raise InputError(f"{folder / ABOUT}: {error.strerror}") from error
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise InputError(f"{folder / ABOUT}: not the description of a compact store: {error!r}") from error
    if about.get("format") != FORMAT or not all(isinstance(size, int) and 0 < size < 2**16 for size in sizes):
        raise InputError(f"{folder / ABOUT}: wanted format {FORMAT} with channels, joints and bodies")
    return dict(about)


def _read_index(folder: Path) -> dict[str, NDArray[Any]]:
    wanted = {"names": ("U", 1), "labels": ("i", 1), "frames": ("i", 1), "tracks": ("i", 2)}
    try:
        with open(folder / INDEX, "rb") as file, np.load(file, allow_pickle=False) as arrays:
            index = {name: arrays[name] for name in arrays.files}
    except FileNotFoundError as error:
        raise InputError(f"{folder / INDEX}: no such file") from error
    except Exception as error:  # damaged bytes can make NumPy raise nearly anything
        raise InputError(f"{folder / INDEX}: not readable: {in_a_line(error)}") from error
    for name, (kind, axes) in wanted.items():
        if name not in index or index[name].dtype.kind != kind or index[name].ndim != axes:
            raise InputError(f"{folder / INDEX}: wanted {name} as an array of {axes} axes, kind {kind}")
    count = len(index["names"])
    if not len(index["labels"]) == len(index["frames"]) == count or index["tracks"].shape[1] != len(TRACK_FIELDS):
        raise InputError(f"{folder / INDEX}: names, labels, frames and tracks do not belong together")
    if any(name.startswith("split/") and (r.dtype.kind != "i" or r.ndim != 1) for name, r in index.items()):
        raise InputError(f"{folder / INDEX}: a split is a list of clip numbers")
    return index


def _read_values(folder: Path, mmap: bool) -> NDArray[np.float32]:
    path = folder / VALUES
    try:
        values = np.load(path, mmap_mode="r" if mmap and path.stat().st_size > 128 else None, allow_pickle=False)
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file") from error
    except Exception as error:  # damaged bytes can make NumPy raise nearly anything
        raise InputError(f"{path}: not a readable .npy array: {in_a_line(error)}") from error
    if values.dtype != np.float32 or values.ndim != 1:
        raise InputError(f"{path}: wanted float32 numbers in a row, got {values.dtype} {values.shape}")
    return np.asarray(values)
