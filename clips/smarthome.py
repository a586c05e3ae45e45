"""From LCR-Net's people to clips of Toyota Smarthome, as two lineages complete their thirteen joints."""

from __future__ import annotations

import numpy as np

from clips.normalize import strongest
from clips.read.smarthome import People
from clips.streams import Clip

WIDTH, HEIGHT = 640, 480  # of the picture
_RIGHT_HIP, _LEFT_HIP, _RIGHT_SHOULDER, _LEFT_SHOULDER, _HEAD = 4, 5, 10, 11, 12
_LIMBS = (11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0)  # shoulders to ankles, the left one first


def unik_clip(people: People) -> Clip:
    """UNIK's clip: the two people who move most, x from -1 to 1 across the picture, y at the same scale, down.

    Seventeen joints: head, nose, neck, chest, mid hip, then the limbs. A coordinate of exactly 0 stays 0.

    Shapes: (T, M, 13, 2) in pixels -> (C=2, T, V=17, M=2).
    """
    head = people[:, :, _HEAD]
    neck = (people[:, :, _RIGHT_SHOULDER] + people[:, :, _LEFT_SHOULDER]) / 2
    hip = (people[:, :, _RIGHT_HIP] + people[:, :, _LEFT_HIP]) / 2
    middle = [head, (head + neck) / 2, neck, (neck + hip) / 2, hip]
    kept = _strongest(np.concatenate([np.stack(middle, axis=2), people[:, :, _LIMBS]], axis=2), 2)
    kept = np.where(kept == 0, 0, kept / WIDTH * 2 - np.array([1, HEIGHT / WIDTH]))
    return _clip(kept)


def agcn_clip(people: People) -> Clip:
    """The clip of 2s-AGCN-For-Daily-Living: the one who moves most; nothing is taken off or turned.

    Fifteen joints: LCR-Net's from the last to the first, neck and mid hip.

    Shapes: (T, M, 13, 3) -> (C=3, T, V=15, M=1).
    """
    neck = (people[:, :, _RIGHT_SHOULDER] + people[:, :, _LEFT_SHOULDER]) / 2
    hip = (people[:, :, _RIGHT_HIP] + people[:, :, _LEFT_HIP]) / 2
    joints = np.concatenate([people[:, :, ::-1], np.stack([neck, hip], axis=2)], axis=2)
    return _clip(_strongest(joints, 1))


def _strongest(people: People, keep: int) -> People:
    return people[:, strongest([people[:, slot] for slot in range(people.shape[1])], keep)]


def _clip(people: People) -> Clip:
    """Shapes: (T, M, V, C) -> (C, T, V, M)."""
    return np.ascontiguousarray(people.transpose(3, 0, 2, 1), dtype=np.float32)
