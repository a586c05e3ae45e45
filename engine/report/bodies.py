"""The clips behind the scores, as the test feeder reads them: their skeleton, their classes' names, one to look at."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clips.store import Store
from clips.streams import stream_of_file
from engine.build import LabelledClips, build_feeder
from engine.report.gather import WorkFolder
from engine.scoring.tables import names_of_classes
from errors import InputError
from graph.layout import SkeletonLayout
from graph.layouts import find_layout, layout_for_joints

CLASS_NAMES = "class_names.txt"  # beside a store that data_gen.import_poses made


@dataclass(frozen=True)
class Bodies:
    """The test part of a run: its feeder; its store where that holds positions of joints; its skeleton, if known."""

    feeder: LabelledClips
    store: Store | None
    layout: SkeletonLayout | None


def open_bodies(folder: WorkFolder, notes: list[str]) -> Bodies | None:
    """The clips that ``folder`` was tested on; None, and a line in ``notes``, where they cannot be read any more."""
    if folder.config is None:
        return None
    try:
        feeder = build_feeder(folder.config, "test")
    except InputError as error:
        notes.append(f"{folder.name}: its clips cannot be read: {error}")
        return None
    store = getattr(feeder, "store", None)
    if store is not None and stream_of_file(store.source) not in (None, "joint"):
        store = None  # bones and motions are no positions
    joints = int(feeder[0][0].shape[-2])
    layout = _layout(folder, getattr(feeder, "store", None), joints)
    if layout is None:
        notes.append(f"{folder.name}: the skeleton of its {joints} joints is not known, so bones are not drawn")
    return Bodies(feeder, store, layout)


def joint_names(layout: SkeletonLayout | None, count: int) -> list[str]:
    """``count`` names of joints; their numbers from 0 where they have none."""
    if layout is not None and layout.joints and len(layout.joints) == count:
        return list(layout.joints)
    return [f"joint {number}" for number in range(count)]


def classes_of(given: str | None, folders: Sequence[WorkFolder], count: int) -> list[str]:
    """The names of ``count`` classes: as ``--class-names`` says, as the data say, or their numbers.

    Raises:
        InputError: as ``names_of_classes``.
    """
    if given is None:
        for folder in folders:
            path = Path(str(folder.config.test_feeder_args.get("data_path", ""))) if folder.config else Path()
            beside = (path if path.is_dir() else path.parent) / CLASS_NAMES
            if path.name and beside.is_file():
                given = str(beside)
                break
    return [name or str(label) for label, name in enumerate(names_of_classes(given, count))]


def _layout(folder: WorkFolder, store: Store | None, joints: int) -> SkeletonLayout | None:
    """The first skeleton of so many joints that the feeder's arguments, the data or the network's graph name."""
    assert folder.config is not None
    graph_args: Any = folder.config.model_args.get("graph_args")
    named = [
        folder.config.test_feeder_args.get("layout"),
        getattr(store, "layout", None),
        graph_args.get("layout") if isinstance(graph_args, dict) else None,
    ]
    for value in named:
        with suppress(InputError):
            if value is not None and (layout := find_layout(value)).num_joints == joints:
                return layout
    with suppress(InputError):
        return layout_for_joints(joints, folder.name)
    return None
