"""The clip that a command line names: a recording in any form, or one of a store; as it lies there, and prepared."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from clips.one import OneClip
from clips.read.anything import is_recording, read_clip
from clips.store import Store, open_store
from clips.streams import Clip
from engine.build import build_feeder
from engine.config import make_config
from engine.yaml_files import compose
from errors import InputError, did_you_mean
from graph.layout import SkeletonLayout
from graph.layouts import find_layout, layout_for_joints


def find_clip(
    source: str, label_path: str | None = None, layout: str | None = None, lineage: str | None = None
) -> tuple[Clip, SkeletonLayout, str]:
    """The clip that ``FILE`` or ``STORE:NAME`` means (without NAME: the first), its skeleton and its name.

    Raises:
        InputError: no such file or clip, damaged, or no skeleton known for its joints.
    """
    path, name = (source, "") if Path(source).exists() else source.partition(":")[::2]
    if is_recording(Path(path)):
        clip, skeleton = read_clip(Path(path), find_layout(layout) if layout else None, lineage)
        return clip, _fitting(clip, skeleton, path), Path(path).stem
    if lineage is not None:
        raise InputError(f"{path}: lineages differ for .skeleton files of NTU RGB+D alone")
    store: Store = open_store(path, label_path or _labels_of(path))
    if name and name not in store.names:
        raise InputError(f"{path}: there is no clip {name!r}{did_you_mean(name, store.names)}")
    index = store.names.index(name) if name else 0
    clip = store.clip(index)
    skeleton = find_layout(layout) if layout else store.layout or layout_for_joints(clip.shape[2], path)
    return clip, _fitting(clip, skeleton, path), store.names[index]


def fed(clip: Clip, layout: SkeletonLayout, name: str, config_path: str, stream: str | None) -> Clip:
    """What the test feeder of a configuration makes of a clip (C, T, V, M): the first, where it samples several.

    Raises:
        InputError: the configuration is not usable, or its feeder does not take the clip.
    """
    values, origin = compose(config_path)
    config = make_config({**values, **({"stream": stream} if stream else {})}, origin)
    given = {key: value for key, value in config.test_feeder_args.items() if key not in ("label_path", "split")}
    if given.pop("normalization", False):
        raise InputError(f"{config_path}: normalization needs the whole data set, not one clip of it")
    given["data_path"] = OneClip(clip, name, layout)
    item = np.asarray(build_feeder(replace(config, test_feeder_args=given), "test")[0][0])
    return item[0] if item.ndim == 5 else item


def _fitting(clip: Clip, layout: SkeletonLayout, path: str) -> SkeletonLayout:
    if layout.num_joints != clip.shape[2]:
        raise InputError(f"{path} has {clip.shape[2]} joints, but layout {layout.name!r} {layout.num_joints}")
    return layout


def _labels_of(path: str) -> str | None:
    """``train_label.pkl`` beside ``train_data_joint.npy``."""
    part, found, _ = Path(path).name.partition("_data_")
    return str(Path(path).with_name(f"{part}_label.pkl")) if found and path.endswith(".npy") else None
