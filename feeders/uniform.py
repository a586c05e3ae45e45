"""Sampling in time as pyskl does it: equal parts of a stretch of frames, one frame out of each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clips.streams import Clip
from errors import InputError
from feeders.agcn import check_window

Frames = NDArray[np.intp]


class LegacyDraws:
    """NumPy's older random numbers under the names that a ``Generator`` has: published samples are made of them."""

    def __init__(self, seed: int) -> None:
        self._state = np.random.RandomState(seed)

    def random(self) -> float:
        return float(self._state.rand())

    def integers(self, high: Any) -> Any:
        return self._state.randint(high)

    def choice(self, values: int, size: int, replace: bool) -> Any:
        return self._state.choice(values, size, replace=replace)


@dataclass(frozen=True)
class UniformSample:
    """``num_clips`` times ``clip_len`` frames, clip after clip, spread evenly over the recording (pyskl).

    A share of the frames, drawn from ``p_interval`` (one number or two), is kept from a random place. A stretch
    shorter than ``clip_len`` is gone round from a start; one up to twice as long is left out at random frames; a longer
    one gives a random frame of each of ``clip_len`` equal parts.

    The defaults are pyskl's UniformSampleDecode. Its UniformSample, also called UniformSampleFrames, has ``wrap: clip``
    and in tests ``starts: spread``. With a ``seed`` (pyskl's tests: 255) every recording of a length gives the same
    frames, those of the published code; without, they are drawn anew each time. The stream comes before it: motion
    between sampled frames is another thing.

    Attributes:
        clip_len: frames of one clip.
        num_clips: clips of one recording, K; the feeder takes them apart again.
        p_interval: the least and largest share of the frames to keep.
        seed: of the frames, None for the item's own draws.
        starts: where a short stretch begins: ``random``, or ``spread`` over the clips.
        wrap: a short stretch is gone round by itself (``stretch``) or on through the whole recording (``clip``).

    Shapes: (C, T, V, M) -> (C, K * clip_len, V, M).
    """

    clip_len: int
    num_clips: int = 1
    p_interval: float | tuple[float, ...] = 1
    seed: int | None = None
    starts: str = "random"
    wrap: str = "stretch"

    def __post_init__(self) -> None:
        check_window(self.clip_len, "clip_len")
        if not isinstance(self.num_clips, int) or self.num_clips < 1:
            raise InputError(f"num_clips is a number of clips, not {self.num_clips!r}")
        shares = self.p_interval if isinstance(self.p_interval, tuple) else (self.p_interval,)
        if len(shares) not in (1, 2) or not 0 < shares[0] <= shares[-1] <= 1:
            raise InputError(f"p_interval is one share of the frames or two, above 0 and up to 1, not {shares}")
        if not (self.seed is None or (isinstance(self.seed, int) and 0 <= self.seed < 2**32)):
            raise InputError(f"seed is a whole number from 0 or null, not {self.seed!r}")
        for name, value, known in (("starts", self.starts, _STARTS), ("wrap", self.wrap, _WRAPS)):
            if value not in known:
                raise InputError(f"{name} is {' or '.join(known)}, not {value!r}")

    def draw(self, rng: np.random.Generator, clip: Clip) -> Frames:
        source: Any = rng if self.seed is None else LegacyDraws(self.seed)
        return np.concatenate([self._frames(source, clip.shape[1], number) for number in range(self.num_clips)])

    def apply(self, clip: Clip, drawn: Frames) -> Clip:
        return clip.take(drawn, axis=1)

    def _frames(self, rng: Any, total: int, number: int) -> Frames:
        """The frames of clip ``number`` out of ``total``: (clip_len,)."""
        shares = self.p_interval if isinstance(self.p_interval, tuple) else (self.p_interval,)
        length = int((rng.random() * (shares[-1] - shares[0]) + shares[0]) * total)
        begin = rng.integers(total - length + 1)
        if length == 0:  # a share of one frame; published code fails here
            length, begin = 1, min(begin, total - 1)
        place = np.arange(self.clip_len)
        frames: Frames
        if length < self.clip_len:
            place = place + self._start(rng, length, number)
            frames = place % length + begin if self.wrap == "stretch" else (place + begin) % total
        elif length < 2 * self.clip_len:
            skips = np.sort(rng.choice(self.clip_len + 1, length - self.clip_len, replace=False))
            frames = place + np.searchsorted(skips, place, side="right") + begin
        else:
            edges = np.arange(self.clip_len + 1) * length // self.clip_len
            frames = edges[:-1] + rng.integers(np.diff(edges)) + begin
        return frames

    def _start(self, rng: Any, length: int, number: int) -> int:
        if self.starts == "random":
            return int(rng.integers(length))
        return number if length < self.num_clips else number * length // self.num_clips


def taken_apart(clip: Clip, num_clips: int) -> Clip:
    """The clips that lie one after the other in a clip: (C, K * T, V, M) -> (K, C, T, V, M).

    Raises:
        InputError: they cannot be of one length.
    """
    channels, frames, joints, bodies = clip.shape
    if frames % num_clips:
        raise InputError(f"transforms: {frames} frames are not {num_clips} clips of one length")
    clips: Clip = clip.reshape(channels, num_clips, -1, joints, bodies).swapaxes(0, 1)
    return clips


_STARTS = ("random", "spread")
_WRAPS = ("stretch", "clip")
