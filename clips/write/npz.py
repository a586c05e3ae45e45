"""CTR-GCN's ``.npz`` files, row by row: they may be larger than memory."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from typing import IO

import numpy as np
from numpy.typing import NDArray

from clips.streams import Clip
from clips.write.large import large_file
from errors import InputError

NUM_FRAMES = 300
_BODIES, _JOINTS, _CHANNELS = 2, 25, 3  # a frame's 150 numbers, in this order
_ROWS = 4096  # of labels, written at once


def write_npz(
    path: str | os.PathLike[str],
    parts: Mapping[str, tuple[Iterable[Clip], Sequence[int]]],
    num_classes: int,
    num_frames: int = NUM_FRAMES,
) -> None:
    """Write ``x_{part}`` (N, num_frames, 150) float32 and ``y_{part}`` (N, num_classes) float64, one-hot, of each part.

    Clips (C=3, T, V=25, M<=2) get empty frames at their end. The file is there whole or not at all, and what a killed
    run left of it is written over by the next.

    Args:
        path: where to.
        parts: ``train`` and ``test``, each the clips and their labels.
        num_classes: how many there are.
        num_frames: of every clip.

    Raises:
        InputError: a clip or a label does not fit.
    """
    with large_file(path) as file, zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for part, (clips, labels) in parts.items():
            _write_clips(archive, part, clips, len(labels), num_frames)
            _write_labels(archive, part, labels, num_classes)


def npz_row(clip: Clip, num_frames: int) -> NDArray[np.float32]:
    """A clip as the files have it: (C=3, T, V=25, M<=2) -> (num_frames, 150).

    Raises:
        InputError: it does not fit.
    """
    channels, frames, joints, bodies = clip.shape
    if (channels, joints) != (_CHANNELS, _JOINTS) or bodies > _BODIES or frames > num_frames:
        raise InputError(
            f"a clip (C, T, V, M) = {clip.shape} does not fit into .npz files: "
            f"they hold 3 channels, {num_frames} frames, 25 joints and 2 bodies"
        )
    row = np.zeros((num_frames, _BODIES, _JOINTS, _CHANNELS), np.float32)
    row[:frames, :bodies] = clip.transpose(1, 3, 2, 0)
    return row.reshape(num_frames, -1)


def _write_clips(archive: zipfile.ZipFile, part: str, clips: Iterable[Clip], count: int, num_frames: int) -> None:
    written = 0
    with _member(archive, f"x_{part}", "<f4", (count, num_frames, _BODIES * _JOINTS * _CHANNELS)) as file:
        for clip in clips:
            file.write(npz_row(clip, num_frames).astype("<f4", copy=False).data)
            written += 1
    assert written == count, (written, count)


def _write_labels(archive: zipfile.ZipFile, part: str, labels: Sequence[int], num_classes: int) -> None:
    wrong = [label for label in labels if not 0 <= label < num_classes]
    if wrong:
        raise InputError(f"there is a label {wrong[0]}, and only {num_classes} classes")
    with _member(archive, f"y_{part}", "<f8", (len(labels), num_classes)) as file:
        for start in range(0, len(labels), _ROWS):
            chosen = np.array(labels[start : start + _ROWS])
            file.write((chosen[:, None] == np.arange(num_classes)).astype("<f8").data)


def _member(archive: zipfile.ZipFile, name: str, descr: str, shape: tuple[int, ...]) -> IO[bytes]:
    """An open ``.npy`` file in the archive, past its header; the same bytes whenever it is written."""
    file = archive.open(zipfile.ZipInfo(f"{name}.npy"), "w", force_zip64=True)
    np.lib.format.write_array_header_1_0(file, {"descr": descr, "fortran_order": False, "shape": shape})
    return file
