"""Which weight a stream gets in a fusion: given, by position, or as a publication has it."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from errors import InputError, one_of

ORDER = ("joint", "bone", "joint_motion", "bone_motion", "bone_p2", "bone_p5")

# By preset and number of classes (0: any). The first two are pyskl's, then those of MSA-GCN's Ensemble.py and of its
# Ensemble_6s.py, which has weights for NTU RGB+D 60 and 120 and for NW-UCLA.
_WEIGHTS: dict[str, dict[int, tuple[float, ...]]] = {
    "1:1": {0: (1, 1)},
    "2:2:1:1": {0: (2, 2, 1, 1)},
    "msagcn-4": {0: (3, 3, 2, 2)},
    "msagcn-6": {60: (2, 2.5, 2, 0.5, 1.5, 1.5), 120: (3, 2, 1, 0.5, 2, 1.5), 10: (2.5, 1.5, 3.5, 1, 0.5, 1)},
}
PRESETS = tuple(_WEIGHTS)


@dataclass(frozen=True)
class Stream:
    """Scores at ``path``, called ``name`` if they were named; with ``best``, a work dir's best on the test part.

    ``weight`` is None, and ``preset`` says which, where it depends on the number of classes.
    """

    name: str
    path: str
    weight: float | None
    best: bool = False
    preset: str | None = None

    @property
    def title(self) -> str:
        """What to call it on the screen."""
        return f"{self.name}={self.path}" if self.name else self.path


def named_streams(texts: Sequence[str], weights: Sequence[float] | None, preset: str | None) -> list[Stream]:
    """The streams ``[NAME=]PATH``; with a preset, in its order where they are named.

    Raises:
        InputError: another number of weights, weights and a preset, or names that are not those of its streams.
    """
    if weights and preset:
        raise InputError("give either --weights, or --preset")
    if weights and len(weights) != len(texts):
        raise InputError(f"--weights: {len(weights)} numbers for {len(texts)} score files")
    each: Sequence[float | None] = weights or [None if preset else 1.0] * len(texts)
    streams = [Stream(*_name_and_path(text), weight, preset=preset) for text, weight in zip(texts, each, strict=True)]
    if preset is None:
        return streams
    count = len(next(iter(_WEIGHTS[preset].values())))
    if len(streams) != count:
        raise InputError(f"--preset {preset} is for {count} streams, {', '.join(ORDER[:count])}; got {len(streams)}")
    names = [stream.name for stream in streams]
    if not any(names):
        return streams
    for name in names:
        one_of("the stream", name, ORDER[:count])
    if len(set(names)) < count:
        raise InputError(f"--preset {preset}: a stream is named twice: {', '.join(names)}")
    return sorted(streams, key=lambda stream: ORDER.index(stream.name))


def preset_weights(streams: Sequence[Stream], num_class: int) -> list[float]:
    """The weight of every stream, now that the number of classes is known.

    Raises:
        InputError: the preset has no weights for so many.
    """
    preset = streams[0].preset
    if preset is None:
        return [stream.weight or 0.0 for stream in streams]
    by_classes = _WEIGHTS[preset]
    if num_class not in by_classes and 0 not in by_classes:
        known = ", ".join(map(str, by_classes))
        raise InputError(f"--preset {preset} has weights for {known} classes, the scores are for {num_class}")
    chosen = by_classes.get(num_class, by_classes.get(0, ()))
    return [float(weight) for weight in chosen]


def mean_weights(weights: Sequence[float], where: str) -> list[float]:
    """The weights of a mean of probabilities, as they are; ``where`` is what an error calls them.

    Raises:
        InputError: one is below 0 or no number, or there is no dividing by their sum.
    """
    numbers = all(isinstance(weight, (int, float)) and 0 <= weight <= sys.float_info.max for weight in weights)
    if not numbers or not sys.float_info.min <= sum(weights) <= sys.float_info.max:
        raise InputError(f"{where} {list(weights)}: wanted numbers of at least 0 with a finite sum above 0")
    return [float(weight) for weight in weights]


def _name_and_path(text: str) -> tuple[str, str]:
    """``joint=eval/j`` is (joint, eval/j); a path that has such a sign is itself, if it is there."""
    name, sign, path = text.partition("=")
    return (name, path) if sign and name.isidentifier() and not Path(text).exists() else ("", text)
