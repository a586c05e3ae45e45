"""What happens to a clip between disk and network: small frozen dataclasses, listed by name in the YAML.

A transform is two pure functions. ``draw(rng, clip)`` takes every random decision and returns it;
``apply(clip, drawn)`` carries it out. So the published code's own draws can be replayed on ours, and an item depends
on its seed alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Protocol

import numpy as np

from clips.streams import Clip, derive
from errors import InputError, did_you_mean
from feeders.agcn import AutoPad, RandomChoose, RandomMove, RandomShift
from feeders.crop import CropResize
from feeders.space import Center, RandomRotation, Scale


class Transform(Protocol):
    """One step of a feeder's pipeline; clips are (C, T, V, M)."""

    def draw(self, rng: np.random.Generator, clip: Clip) -> Any:
        """Every random decision for ``clip``; None when there is nothing to decide."""

    def apply(self, clip: Clip, drawn: Any) -> Clip:
        """A new clip; the one given stays as it is."""


@dataclass(frozen=True)
class Fixed:
    """Base of the transforms that leave nothing to chance."""

    def draw(self, rng: np.random.Generator, clip: Clip) -> None:
        return None


@dataclass(frozen=True)
class DeriveStream(Fixed):
    """Joints to the stream that the run is about."""

    stream: str
    bone_pairs: tuple[tuple[int, int], ...]

    def apply(self, clip: Clip, drawn: None) -> Clip:
        return derive(clip, self.stream, self.bone_pairs)


@dataclass(frozen=True)
class Normalize(Fixed):
    """Each channel of each joint to mean 0 and deviation 1 over the data set (MS-G3D's ``normalization``).

    ``mean`` and ``std`` are (C, 1, V, 1).
    """

    mean: np.ndarray
    std: np.ndarray

    def apply(self, clip: Clip, drawn: None) -> Clip:
        normal: Clip = (clip - self.mean) / self.std
        return normal


TRANSFORMS: dict[str, type[Any]] = {
    "auto_pad": AutoPad,
    "center": Center,
    "crop_resize": CropResize,
    "random_choose": RandomChoose,
    "random_move": RandomMove,
    "random_rotation": RandomRotation,
    "random_shift": RandomShift,
    "scale": Scale,
}


def build_transforms(items: Sequence[Any], stream: Transform, key: str) -> list[Transform]:
    """The pipeline that a YAML list describes: ``name`` or ``{name: {argument: value}}``, in order.

    The item ``stream`` says where joints become the run's stream; without it that comes first.

    Raises:
        InputError: an unknown transform or argument (the nearest is named), or one that is missing or out of range.
    """
    pipeline = [stream if item == "stream" else _build(item, key) for item in items]
    return pipeline if "stream" in items else [stream, *pipeline]


def _build(item: Any, key: str) -> Transform:
    name, arguments = next(iter(item.items())) if isinstance(item, Mapping) and len(item) == 1 else (item, {})
    if not isinstance(name, str) or not isinstance(arguments or {}, Mapping):
        raise InputError(f"{key}: wanted 'name' or 'name: {{argument: value}}', got {item!r}")
    cls = TRANSFORMS.get(name)
    if cls is None:
        raise InputError(f"{key}: there is no transform {name!r}{did_you_mean(name, TRANSFORMS)}")
    known = [field.name for field in fields(cls)]
    for argument in arguments or {}:
        if argument not in known:
            hint = did_you_mean(str(argument), known) or f"; it takes {', '.join(known) or 'none'}"
            raise InputError(f"{key}: {name} takes no argument {argument!r}{hint}")
    values = {k: tuple(v) if isinstance(v, list) else v for k, v in (arguments or {}).items()}
    try:
        transform: Transform = cls(**values)
    except (TypeError, InputError) as error:
        raise InputError(f"{key}: {name}: {error}") from error
    return transform
