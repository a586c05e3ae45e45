"""The clip that a command line names: a recording in any form, or one of a store; as it lies there, and prepared."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from clips.one import OneClip
from clips.read.anything import is_recording, read_clip
from clips.read.npz import PARTS
from clips.read.poses import recording_name
from clips.store import Store, open_store
from clips.streams import Clip
from engine.build import LabelledClips, build_feeder
from engine.config import Config, make_config
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
        return clip, _fitting(clip, skeleton, path), recording_name(Path(path))
    if lineage is not None:
        raise InputError(f"{path}: lineages differ for .skeleton files of NTU RGB+D alone")
    store, index = open_named(path, name, label_path)[0]
    clip = store.clip(index)
    skeleton = find_layout(layout) if layout else store.layout or layout_for_joints(clip.shape[2], path)
    return clip, _fitting(clip, skeleton, path), store.names[index]


def open_named(path: str, name: str = "", label_path: str | None = None) -> list[tuple[Store, int]]:
    """Clips of a store, and which of them ``name`` means, one at least: without it all, of a ``.npz`` of both parts.

    Raises:
        InputError: it is none, or holds no such clip.
    """
    beside, dense, _ = Path(path).name.partition("_data_")
    if label_path is None and dense and path.endswith(".npy"):
        label_path = str(Path(path).with_name(f"{beside}_label.pkl"))  # beside train_data_joint.npy
    if Path(path).suffix == ".npz":
        part = name.rpartition("_")[0]  # of train_0
        stores = [open_store(path, split=split) for split in ([part] if part in PARTS else PARTS)]
    else:
        stores = [open_store(path, label_path)]
    if not name:
        found = [(store, index) for store in stores for index in range(len(store.names))]
        if not found:
            raise InputError(f"{path}: there is no clip in it")
        return found
    for store in stores:
        if name in store.names:
            return [(store, store.names.index(name))]
    known = [other for store in stores for other in store.names]
    raise InputError(f"{path}: there is no clip {name!r}{did_you_mean(name, known)}")


def feeder_over(clip: Clip, layout: SkeletonLayout | None, name: str, config: Config, source: str) -> LabelledClips:
    """The test feeder of a configuration over one clip (C, T, V, M); ``source`` is what errors call the configuration.

    Raises:
        InputError: it does not take the clip.
    """
    elsewhere = ("data_path", "label_path", "split", "repeat", "debug")
    given = {key: value for key, value in config.test_feeder_args.items() if key not in elsewhere}
    if given.pop("normalization", False):
        raise InputError(f"{source}: normalization needs the whole data set, not one clip of it")
    given["data_path"] = OneClip(clip, name, layout)
    return build_feeder(replace(config, test_feeder_args=given, debug=False), "test")


def fed(clip: Clip, layout: SkeletonLayout, name: str, config_path: str, stream: str | None) -> Clip:
    """What the test feeder of a configuration makes of a clip (C, T, V, M): the first, where it samples several.

    Raises:
        InputError: the configuration is not usable, or its feeder does not take the clip.
    """
    values, origin = compose(config_path)
    config = make_config({**values, **({"stream": stream} if stream else {})}, origin)
    item = np.asarray(feeder_over(clip, layout, name, config, config_path)[0][0])
    return item[0] if item.ndim == 5 else item


def _fitting(clip: Clip, layout: SkeletonLayout, path: str) -> SkeletonLayout:
    if layout.num_joints != clip.shape[2]:
        raise InputError(f"{path} has {clip.shape[2]} joints, but layout {layout.name!r} {layout.num_joints}")
    return layout
