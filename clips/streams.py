"""The streams of a clip: joint, bone, joint motion, bone motion, prompt bones; all derived from the joints."""

from __future__ import annotations

import os
import re
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from errors import InputError, did_you_mean

Clip = NDArray[np.float32]

# bone_p2 and bone_p5 are bones between other joints (clips.prompt_bones).
STREAMS = ("joint", "bone", "joint_motion", "bone_motion", "bone_p2", "bone_p5")

# Two streams in one, side by side along the channels, as MST-GCN's files have them.
MERGED = {
    "joint_bone": ("joint", "bone"),
    "joint_jm": ("joint", "joint_motion"),
    "bone_jm": ("bone", "bone_motion"),
}

# joint_k2, joint_motion_k2: each joint relative to its ancestor two edges up, and likewise up to 9 (InfoGCN, MSA-GCN).
_KHOP = re.compile(r"joint(?:_motion)?_k([1-9])")

# What becomes of the scores of 2-D poses: their difference, as of coordinates (MS-G3D), or their mean (pyskl: OpenPose
# and COCO), that in bones alone (pyskl: hands), and there 0 where a bone has one end only (pyskl's fork on AIST++).
SCORES = ("difference", "mean", "mean_in_bones", "mean_in_bones_but_root")
_SCORE = 2  # the channel


def bone(clip: Clip, bone_pairs: tuple[tuple[int, int], ...]) -> Clip:
    """Vectors along the bones: joint v1 of every pair becomes x[v1] - x[v2] (MS-G3D, section 4.3; 2s-AGCN lineage).

    A joint that no pair names first keeps its position. Scores, where a clip has them, are subtracted like
    coordinates, as the published Kinetics files have it.

    Shapes: (..., V, M) -> the same.
    """
    V, M = clip.shape[-2:]
    start = dict(bone_pairs)
    taken_off = _other_ends(V, bone_pairs)
    columns = (taken_off[:, None] * M + np.arange(M)).ravel()
    flat = clip.reshape(*clip.shape[:-2], V * M)  # one take along contiguous rows is several times faster than slices
    vectors: Clip = (flat - flat.take(columns, axis=-1)).reshape(clip.shape)
    unpaired = [joint for joint in range(V) if joint not in start]
    if unpaired:
        vectors[..., unpaired, :] = clip[..., unpaired, :]
    return vectors


def hops_of(stream: str) -> int:
    """How many edges up the joint is that a k-hop stream takes off; 0 for another stream."""
    found = _KHOP.fullmatch(stream)
    return int(found[1]) if found else 0


def ancestor_pairs(edges: tuple[tuple[int, int], ...], k: int) -> tuple[tuple[int, int], ...]:
    """(joint, its ancestor ``k`` edges up) for every joint that has one; ``edges`` are (child, parent) of a tree.

    As bone pairs they give the k-hop stream: a joint without such an ancestor keeps its position.
    """
    parent = dict(edges)
    above = {joint: joint for edge in edges for joint in edge}
    for _ in range(k):
        above = {joint: parent[end] for joint, end in above.items() if end in parent}
    return tuple(sorted(above.items()))


def motion(clip: Clip) -> Clip:
    """Displacement from each frame to the next; the last frame is zero (2s-AGCN lineage).

    Shapes: (..., T, V, M) -> the same.
    """
    steps = np.zeros_like(clip)
    np.subtract(clip[..., 1:, :, :], clip[..., :-1, :, :], out=steps[..., :-1, :, :])
    return steps


def derive(clip: Clip, stream: str, bone_pairs: tuple[tuple[int, int], ...], scores: str = "difference") -> Clip:
    """The ``stream`` (one of ``STREAMS``, k-hop, or ``MERGED``, then of 2C channels) of a joint clip (..., C, T, V, M).

    ``bone_pairs`` are the bones, or a k-hop stream's ``ancestor_pairs``.
    ``scores`` is one of ``SCORES``; other than ``difference`` it needs C = 3, the third channel being the score.

    Raises:
        ValueError: there is no channel of scores.
    """
    if scores != "difference" and clip.shape[-4] != _SCORE + 1:
        raise ValueError("scores are the third of three channels")
    if stream in MERGED:
        return np.concatenate([derive(clip, part, bone_pairs, scores) for part in MERGED[stream]], axis=-4)
    if stream.startswith("bone") or hops_of(stream):
        joints, clip = clip, bone(clip, bone_pairs)
        if scores != "difference":
            score = joints[..., _SCORE, :, :, :]
            ends = _other_ends(clip.shape[-2], bone_pairs)
            clip[..., _SCORE, :, :, :] = (score + score[..., ends, :]) / 2
            if scores == "mean_in_bones_but_root":
                clip[..., _SCORE, :, ends == np.arange(len(ends)), :] = 0
    if "motion" in stream:
        still, clip = clip, motion(clip)
        if scores == "mean":
            score = still[..., _SCORE, :, :, :]
            clip[..., _SCORE, :-1, :, :] = (score[..., 1:, :, :] + score[..., :-1, :, :]) / 2
    return clip


def _other_ends(joints: int, bone_pairs: tuple[tuple[int, int], ...]) -> NDArray[np.intp]:
    """The joint that each joint's bone starts at, itself where it has no bone: (V,)."""
    start = dict(bone_pairs)
    return np.array([start.get(joint, joint) for joint in range(joints)])


def check_stream(stream: str, key: str) -> str:
    """``stream`` itself, once it is found to be one.

    Raises:
        InputError: it is none; the nearest is named.
    """
    known = (*STREAMS, *MERGED)
    if stream not in known and not hops_of(stream):
        names = f"{', '.join(known)}, joint_k<1 to 9>, joint_motion_k<1 to 9>"
        raise InputError(f"{key}: {stream!r} is not one of {names}{did_you_mean(stream, known)}")
    return stream


def stream_of_file(path: str | os.PathLike[str]) -> str | None:
    """The stream that a dense file's name announces (``train_data_bone.npy`` -> ``bone``), None if it says nothing."""
    _, _, tail = Path(path).stem.rpartition("_data_")
    return tail if tail in STREAMS or tail in MERGED else None
