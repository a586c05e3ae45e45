"""Where the clips that a network learned from came from: kept in its checkpoint, so that others can be made alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from clips.class_names import class_names
from clips.dense import DenseStore
from clips.poses import Wanted, clip_of
from clips.read.anything import BODIES, LINEAGES, as_prepared, read_clip
from clips.read.ntu import Recording, read_ntu
from clips.read.poses import read_poses
from clips.read.pyskl import PysklStore
from clips.streams import MERGED, Clip, stream_of_file
from errors import InputError
from graph.layout import SkeletonLayout
from graph.layouts import find_layout, layout_for_joints

_KEPT = ("lineage", "dataset", "class_names", "dims", "scores", "image_size", "nan_as_missing", "values", "bodies",
         "single_body")  # fmt: skip
_BY_PLACE = {"center", "min_max", "pre_normalize_2d", "pre_normalize_3d", "random_move"}
_NTU_JOINTS = 25


def data_facts(feeder: Any, layout: Any = None) -> dict[str, Any]:
    """What there is to know of the clips behind a feeder, in plain values: lineage, classes, skeleton, frames.

    ``stream`` is there where they are bones or motions already; ``channels`` are those of the joints all the same.
    ``layout`` is the skeleton that the configuration names. Of a feeder of a user's own nothing is known.
    """
    store = getattr(feeder, "store", None)
    if store is None:
        return {}
    clip = store.clip(0)
    facts = {key: value for key, value in getattr(store, "about", {}).items() if key in _KEPT}
    facts |= {"channels": clip.shape[0], "frames": clip.shape[1], "joints": clip.shape[2], "bodies": clip.shape[3]}
    if "lineage" not in facts and clip.shape[2] == _NTU_JOINTS:
        facts |= {"lineage": "agcn"} if isinstance(store, DenseStore) else {}
        facts |= {"lineage": "pyskl"} if isinstance(store, PysklStore) else {}
    held = stream_of_file(store.source)
    if held not in (None, "joint"):
        facts |= {"stream": held, "channels": clip.shape[0] // len(MERGED.get(held, (held,)))}
    if "class_names" not in facts and "dataset" in facts:
        with suppress(InputError):
            facts["class_names"] = list(class_names(facts["dataset"]))
    with suppress(InputError):
        skeleton = find_layout(layout) if layout is not None else store.layout or layout_for_joints(clip.shape[2], "")
        facts["skeleton"] = as_mapping(skeleton)
    return facts


def must_come_first(stream: str, transforms: Sequence[Any]) -> bool:
    """Whether ``stream`` as a file holds it is another than the one that ``transforms`` make where they name it.

    A file's bones went through every step. What goes by places is not the same to them as to joints, what chooses or
    mixes frames is not the same to motions, and their scores are differences.
    """
    named = [next(iter(item.items())) if isinstance(item, Mapping) else (item, None) for item in transforms]
    names = [name for name, _ in named]
    if "stream" not in names:
        return False
    before, (_, settings) = names[: names.index("stream")], named[names.index("stream")]
    moves = any("motion" in part for part in MERGED.get(stream, (stream,)))
    otherwise = (settings or {}).get("scores", "difference") != "difference"
    return otherwise or bool(before if moves else _BY_PLACE.intersection(before))


def as_mapping(layout: SkeletonLayout) -> dict[str, Any]:
    """A skeleton as ``graph.layouts.find_layout`` takes it, in plain values."""
    pairs = {key: [list(pair) for pair in getattr(layout, key)] for key in ("edges", "bone_pairs", "mirror")}
    names = {"joints": list(layout.joints)} if layout.joints else {"num_joints": layout.num_joints}
    return {"name": layout.name, "center": layout.center, **names, **pairs}


def skeleton_of(facts: Mapping[str, Any]) -> SkeletonLayout | None:
    """The skeleton of the clips, if it is known."""
    return find_layout(facts["skeleton"]) if facts.get("skeleton") else None


def prepared(path: Path, facts: Mapping[str, Any], layout: SkeletonLayout | None = None) -> tuple[Clip, SkeletonLayout]:
    """A recording (C, T, V, M) made a clip as those that the network learned from, and its skeleton.

    Raises:
        InputError: it is damaged, of another skeleton, or nobody is in it.
    """
    skeleton = layout or skeleton_of(facts)
    lineage = facts.get("lineage")
    if path.suffix.lower() == ".skeleton":
        if lineage not in LINEAGES:
            raise InputError(
                f"{path}: the network did not learn from recordings of NTU RGB+D, but of lineage {lineage!r}"
            )
        clip = as_learned(read_ntu(path), facts)
        skeleton = find_layout("ntu-rgb+d")
    elif lineage == "own" and skeleton is not None:
        size = facts.get("image_size")
        wanted = Wanted(
            bodies=int(facts.get("bodies", 1)),
            keep_scores=bool(facts.get("scores")),
            image_size=(int(size[0]), int(size[1])) if size else None,
            nan_as_missing=bool(facts.get("nan_as_missing")),
        )
        clip = clip_of(read_poses(path, skeleton, facts.get("dims")), wanted, skeleton.joints, str(path))
    else:
        clip, skeleton = read_clip(path, skeleton, bodies=int(facts.get("bodies", BODIES)))
    if not clip.any():
        raise InputError(f"{path}: nobody is in it")
    joints = facts.get("joints")
    if joints is not None and clip.shape[2] != joints:
        raise InputError(f"{path} has {clip.shape[2]} joints, the network learned from clips of {joints}")
    return clip, skeleton


def as_learned(recording: Recording, facts: Mapping[str, Any], slots: int = 4) -> Clip:
    """A recording of NTU RGB+D as the preparation of the clips that the network learned from: (C, T, V, M).

    Of agcn's bodies, ``slots`` are looked at in a frame.
    """
    lineage = str(facts["lineage"])
    copied = facts.get("single_body", "copied" if facts.get("dataset") == "ntu120" else "alone") == "copied"
    clip = as_prepared(recording, lineage, frames=int(facts.get("frames", 0)), copy_single=copied, slots=slots)
    clip = clip[..., : int(facts.get("bodies", clip.shape[3]))]
    if lineage != "pyskl" or facts.get("values") != "float16":
        return clip
    with np.errstate(over="ignore"):
        return clip.astype(np.float16).astype(np.float32)
