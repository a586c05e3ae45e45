"""More frames and more bodies than there are: filled up with copies or with nothing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from clips.streams import Clip
from errors import InputError
from feeders.agcn import check_window, occupied


@dataclass(frozen=True)
class LoopPad:
    """A shorter clip is played again from its first frame until it has ``window`` frames; a longer one stays.

    pyskl's PadTo, whose mode ``zero`` is ``AutoPad``.
    """

    window: int

    def __post_init__(self) -> None:
        check_window(self.window)

    def draw(self, rng: np.random.Generator, clip: Clip) -> None:
        return None

    def apply(self, clip: Clip, drawn: None) -> Clip:
        frames = clip.shape[1]
        return clip if frames >= self.window else clip.take(np.arange(self.window) % frames, axis=1)


@dataclass(frozen=True)
class Trim:
    """Without the empty frames before the first that holds something and after the last; an empty clip stays.

    With ``inside`` without those between them too, as SGN's preparation leaves them out.
    """

    inside: bool = False

    def draw(self, rng: np.random.Generator, clip: Clip) -> None:
        return None

    def apply(self, clip: Clip, drawn: None) -> Clip:
        begin, end = occupied(clip)
        clip = clip[:, begin:end]
        held = clip.any(axis=(0, 2, 3))
        return clip[:, held] if self.inside and held.any() else clip


@dataclass(frozen=True)
class Bodies:
    """Exactly ``num_person`` bodies: further ones are left out, absent ones are zero or, with ``loop``, like the first.

    pyskl's FormatGCNInput, whose mode ``loop`` leaves them zero by mistake.

    Shapes: (C, T, V, M) -> (C, T, V, num_person).
    """

    num_person: int = 2
    mode: str = "zero"

    def __post_init__(self) -> None:
        if not isinstance(self.num_person, int) or self.num_person < 1:
            raise InputError(f"num_person is a number of bodies, not {self.num_person!r}")
        if self.mode not in ("zero", "loop"):
            raise InputError(f"mode is zero or loop, not {self.mode!r}")

    def draw(self, rng: np.random.Generator, clip: Clip) -> None:
        return None

    def apply(self, clip: Clip, drawn: None) -> Clip:
        made = np.zeros((*clip.shape[:3], self.num_person), clip.dtype)
        kept = min(clip.shape[3], self.num_person)
        made[..., :kept] = clip[..., :kept]
        if self.mode == "loop":
            absent = ~made.any(axis=(0, 1, 2))
            made[..., absent] = made[..., :1]
        return made
