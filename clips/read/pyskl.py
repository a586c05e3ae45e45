"""Pickles in pyskl's layout: a list of annotations, each one recording, and lists of names that make the splits."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from clips.labels import class_number
from clips.read.pickles import read_pickle
from clips.streams import Clip
from errors import InputError, all_different, did_you_mean
from graph.layout import SkeletonLayout, layout_from_metadata


class PysklStore:
    """The recordings of one split of a pickle ``{split: {name: [frame_dir]}, annotations: [...], meta: {...}}``.

    An annotation has ``frame_dir`` (its name), ``label`` and ``keypoint`` (M, T, V, C), in 2-D data also
    ``keypoint_score`` (M, T, V), which becomes the last channel, and ``img_shape`` (height, width). Recordings keep
    their own number of frames and get as many bodies as the fullest one of the file, absent ones zero.
    """

    def __init__(self, path: str | os.PathLike[str], split: str | None = None) -> None:
        """Read the whole pickle and keep ``split`` of it (all of it when None).

        Raises:
            InputError: missing, damaged, not of this layout (the annotation is named), no such split, or a split
                that names recordings which the file does not have.
        """
        self.source = str(path)
        content = read_pickle(path)
        annotations, splits, meta = _parts(content, self.source)
        first = _joints_and_channels(annotations[0])
        for annotation in annotations:
            if _joints_and_channels(annotation) != first:
                raise InputError(
                    f"{path}: {annotation['frame_dir']} has (V, C) = {_joints_and_channels(annotation)}, "
                    f"the recordings before it {first}"
                )
        self.num_person = max(annotation["keypoint"].shape[0] for annotation in annotations)
        self.layout: SkeletonLayout | None = (
            layout_from_metadata(meta, first[0], self.source) if "edges_1based" in meta else None
        )
        self._annotations = annotations if split is None else _select(annotations, splits, split, self.source)
        self.names = [str(annotation["frame_dir"]) for annotation in self._annotations]
        self.labels = [int(annotation["label"]) for annotation in self._annotations]
        self.image_shapes: list[tuple[float, float] | None] | None = [_image_shape(a) for a in self._annotations]
        all_different(path, "recordings", self.names)

    def clip(self, index: int) -> Clip:
        """Recording ``index`` as float32 (C, T, V, M)."""
        annotation = self._annotations[index]
        keypoint = annotation["keypoint"].astype(np.float32)
        if annotation.get("keypoint_score") is not None:
            score = annotation["keypoint_score"].astype(np.float32)
            keypoint = np.concatenate([keypoint, score[..., None]], axis=-1)
        bodies, frames, joints, channels = keypoint.shape
        clip = np.zeros((channels, frames, joints, self.num_person), dtype=np.float32)
        clip[..., :bodies] = keypoint.transpose(3, 1, 2, 0)  # (M, T, V, C) -> (C, T, V, M)
        return clip


def read_annotations(path: str | os.PathLike[str], split: str | None = None) -> tuple[list[str], list[int]]:
    """Names and labels of the annotations of ``split`` (of all when None), in the order of pyskl's results.

    The skeletons need not be in the file.

    Raises:
        InputError: as ``PysklStore``.
    """
    source, content = str(path), read_pickle(path)
    annotations, splits, _ = _parts(content, source, ("frame_dir", "label"))
    chosen = annotations if split is None else _select(annotations, splits, split, source)
    names = [str(annotation["frame_dir"]) for annotation in chosen]
    all_different(path, "recordings", names)
    return names, [int(annotation["label"]) for annotation in chosen]


def _parts(
    content: Any, source: str, keys: Sequence[str] = ("frame_dir", "label", "keypoint")
) -> tuple[list[dict[str, Any]], Mapping[str, Any], Mapping[str, Any]]:
    """Annotations that have ``keys``, splits and metadata, each of the type that it must have."""
    if isinstance(content, list):
        content = {"annotations": content}
    if not isinstance(content, dict) or not isinstance(content.get("annotations"), list):
        raise InputError(f"{source}: wanted pyskl's layout, a dictionary with a list of 'annotations'")
    splits, meta = content.get("split", {}), content.get("meta", {})
    if not isinstance(splits, dict) or not isinstance(meta, dict):
        raise InputError(f"{source}: 'split' and 'meta' must be dictionaries")
    if not content["annotations"]:
        raise InputError(f"{source}: the list of annotations is empty")
    for number, annotation in enumerate(content["annotations"]):
        _check_annotation(annotation, f"{source}: annotation {number}", keys)
    return content["annotations"], splits, meta


def _check_annotation(annotation: Any, where: str, keys: Sequence[str]) -> None:
    if not isinstance(annotation, dict):
        raise InputError(f"{where}: wanted a dictionary, got {type(annotation).__name__}")
    for key in keys:
        if key not in annotation:
            raise InputError(f"{where}: there is no {key!r}")
    if not isinstance(annotation["label"], (int, np.integer)):
        raise InputError(
            f"{where} ({annotation['frame_dir']}): label is {annotation['label']!r}, wanted a class number"
        )
    class_number(annotation["label"], f"{where} ({annotation['frame_dir']})")
    if "keypoint" not in keys:
        return
    keypoint, score = annotation["keypoint"], annotation.get("keypoint_score")
    if not _is_numeric(keypoint) or keypoint.ndim != 4:
        raise InputError(f"{where} ({annotation['frame_dir']}): keypoint must be an array (M, T, V, C)")
    if 0 in keypoint.shape:
        raise InputError(f"{where} ({annotation['frame_dir']}): keypoint is empty, (M, T, V, C) = {keypoint.shape}")
    if score is not None and (not _is_numeric(score) or score.shape != keypoint.shape[:3]):
        raise InputError(f"{where} ({annotation['frame_dir']}): keypoint_score must be an array {keypoint.shape[:3]}")


def _is_numeric(value: Any) -> bool:
    return isinstance(value, np.ndarray) and value.dtype.kind in "fiu"


def _joints_and_channels(annotation: Mapping[str, Any]) -> tuple[int, int]:
    joints, channels = annotation["keypoint"].shape[2:]
    return joints, channels + (annotation.get("keypoint_score") is not None)


def _image_shape(annotation: Mapping[str, Any]) -> tuple[float, float] | None:
    """Height and width of the picture, None where they are not said."""
    try:
        height, width = (float(side) for side in annotation["img_shape"])
    except (KeyError, TypeError, ValueError):
        return None
    return height, width


def _select(
    annotations: list[dict[str, Any]], splits: Mapping[str, Any], split: str, source: str
) -> list[dict[str, Any]]:
    """The annotations of ``split`` in file order."""
    if split not in splits:
        known = [str(name) for name in splits]
        only = ", ".join(known) or "the whole file"
        raise InputError(f"{source}: there is no split {split!r}, only {only}{did_you_mean(split, known)}")
    if not isinstance(splits[split], (list, tuple, set, np.ndarray)):
        raise InputError(f"{source}: split {split!r} must be a list of names, got {type(splits[split]).__name__}")
    wanted = {str(name) for name in splits[split]}
    chosen = [annotation for annotation in annotations if str(annotation["frame_dir"]) in wanted]
    missing = sorted(wanted - {str(annotation["frame_dir"]) for annotation in chosen})
    if missing:
        raise InputError(
            f"{source}: split {split!r} names {len(missing)} recordings that are absent: {missing[0]}, ..."
        )
    return chosen
