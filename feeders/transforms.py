"""What happens to a clip between disk and network: small frozen dataclasses, listed by name in the YAML.

A transform is two pure functions. ``draw(rng, clip)`` takes every random decision and returns it;
``apply(clip, drawn)`` carries it out. So the published code's own draws can be replayed on ours, and an item depends
on its seed alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Protocol

import numpy as np

from clips.streams import SCORES, Clip, derive
from errors import InputError, did_you_mean
from feeders.agcn import AutoPad, RandomChoose, RandomMove, RandomShift
from feeders.crop import CropResize
from feeders.pad import Bodies, LoopPad, Trim
from feeders.prenormalize import PreNormalize2D, PreNormalize3D
from feeders.space import Center, RandomRotation, RandomRotation2D, RandomScale, Scale
from feeders.ucla import MinMax, RandomView, SampleFrames
from feeders.uniform import UniformSample


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
    scores: str = "difference"

    def __post_init__(self) -> None:
        if self.scores not in SCORES:
            raise InputError(f"scores is one of {', '.join(SCORES)}, not {self.scores!r}")

    def apply(self, clip: Clip, drawn: None) -> Clip:
        return derive(clip, self.stream, self.bone_pairs, self.scores)


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
    "bodies": Bodies,
    "center": Center,
    "crop_resize": CropResize,
    "loop_pad": LoopPad,
    "min_max": MinMax,
    "pre_normalize_2d": PreNormalize2D,
    "pre_normalize_3d": PreNormalize3D,
    "random_choose": RandomChoose,
    "random_move": RandomMove,
    "random_rotation": RandomRotation,
    "random_rotation_2d": RandomRotation2D,
    "random_scale": RandomScale,
    "random_shift": RandomShift,
    "random_view": RandomView,
    "sample_frames": SampleFrames,
    "scale": Scale,
    "trim": Trim,
    "uniform_sample": UniformSample,
}


def build_transforms(items: Sequence[Any], stream: DeriveStream, key: str) -> list[Transform]:
    """The pipeline that a YAML list describes: ``name`` or ``{name: {argument: value}}``, in order.

    The item ``stream`` says where joints become the run's stream; without it that comes first. It takes ``scores``.

    Raises:
        InputError: an unknown transform or argument (the nearest is named), or one that is missing or out of range.
    """
    pipeline: list[Transform] = [_build(item, stream, key) for item in items]
    placed = sum(isinstance(step, DeriveStream) for step in pipeline)
    if placed > 1:
        raise InputError(f"{key}: stream is there {placed} times; joints become the run's stream once")
    return pipeline if placed else [stream, *pipeline]


def _build(item: Any, stream: DeriveStream, key: str) -> Transform:
    name, arguments = next(iter(item.items())) if isinstance(item, Mapping) and len(item) == 1 else (item, {})
    if not isinstance(name, str) or not isinstance(arguments or {}, Mapping):
        raise InputError(f"{key}: wanted 'name' or 'name: {{argument: value}}', got {item!r}")
    if name != "stream" and name not in TRANSFORMS:
        raise InputError(f"{key}: there is no transform {name!r}{did_you_mean(name, [*TRANSFORMS, 'stream'])}")
    known = ["scores"] if name == "stream" else [field.name for field in fields(TRANSFORMS[name])]
    for argument in arguments or {}:
        if argument not in known:
            hint = did_you_mean(str(argument), known) or f"; it takes {', '.join(known) or 'none'}"
            raise InputError(f"{key}: {name} takes no argument {argument!r}{hint}")
    values: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in (arguments or {}).items()}
    try:
        transform: Transform = replace(stream, **values) if name == "stream" else TRANSFORMS[name](**values)
    except (TypeError, InputError) as error:
        raise InputError(f"{key}: {name}: {error}") from error
    return transform
