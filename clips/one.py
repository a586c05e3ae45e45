"""One clip as a store, so that all that is done to the clips of a store can be done to it."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from clips.streams import Clip
from graph.layout import SkeletonLayout


@dataclass
class OneClip:
    """A store (``clips.store.Store``) of a single clip (C, T, V, M), whose label nobody knows."""

    held: Clip
    source: str
    layout: SkeletonLayout | None = None
    names: list[str] = field(default_factory=list)
    labels: list[int] = field(default_factory=lambda: [0])
    image_shapes: list[tuple[float, float] | None] | None = None

    def __post_init__(self) -> None:
        self.names = self.names or [self.source]

    def clip(self, index: int) -> Clip:
        """The clip, to be changed at will."""
        return np.array(self.held, np.float32)
