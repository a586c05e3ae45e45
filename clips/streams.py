"""The four streams of a clip: joint, bone, joint motion, bone motion; all derived from the joints."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from errors import InputError, did_you_mean

Clip = NDArray[np.float32]

STREAMS = ("joint", "bone", "joint_motion", "bone_motion")


def bone(clip: Clip, bone_pairs: tuple[tuple[int, int], ...]) -> Clip:
    """Vectors along the bones: joint v1 of every pair becomes x[v1] - x[v2] (MS-G3D, section 4.3; 2s-AGCN lineage).

    A joint that no pair names first keeps its position. Scores, where a clip has them, are subtracted like
    coordinates, as the published Kinetics files have it.

    Shapes: (..., V, M) -> the same.
    """
    V, M = clip.shape[-2:]
    start = dict(bone_pairs)
    taken_off = np.array([start.get(joint, joint) for joint in range(V)])
    columns = (taken_off[:, None] * M + np.arange(M)).ravel()
    flat = clip.reshape(*clip.shape[:-2], V * M)  # one take along contiguous rows is several times faster than slices
    vectors: Clip = (flat - flat.take(columns, axis=-1)).reshape(clip.shape)
    unpaired = [joint for joint in range(V) if joint not in start]
    if unpaired:
        vectors[..., unpaired, :] = clip[..., unpaired, :]
    return vectors


def motion(clip: Clip) -> Clip:
    """Displacement from each frame to the next; the last frame is zero (2s-AGCN lineage).

    Shapes: (..., T, V, M) -> the same.
    """
    steps = np.zeros_like(clip)
    np.subtract(clip[..., 1:, :, :], clip[..., :-1, :, :], out=steps[..., :-1, :, :])
    return steps


def derive(clip: Clip, stream: str, bone_pairs: tuple[tuple[int, int], ...]) -> Clip:
    """The ``stream`` (one of ``STREAMS``) of a joint clip (..., C, T, V, M)."""
    if stream.startswith("bone"):
        clip = bone(clip, bone_pairs)
    return motion(clip) if stream.endswith("motion") else clip


def check_stream(stream: str, key: str) -> str:
    """``stream`` itself, once it is found to be one.

    Raises:
        InputError: it is none; the nearest is named.
    """
    if stream not in STREAMS:
        raise InputError(f"{key}: {stream!r} is not one of {', '.join(STREAMS)}{did_you_mean(stream, STREAMS)}")
    return stream


def stream_of_file(path: str | os.PathLike[str]) -> str | None:
    """The stream that a dense file's name announces (``train_data_bone.npy`` -> ``bone``), None if it says nothing."""
    _, _, tail = Path(path).stem.rpartition("_data_")
    return tail if tail in STREAMS else None
