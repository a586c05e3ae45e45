"""Who is who in a recording: bodies told apart by the sensor's numbers, noise dropped, the others played by two actors.

``sgn_actors`` and ``sgn_clip`` are the steps of the SGN lineage (CTR-GCN, InfoGCN, MSA-GCN), ``pyskl_actors`` those of
pyskl. Both say of a body in which frame it appears, and count from there: a body that was away in between is moved up.
Where the published scripts stop with an error, because a filter drops every body, one body is kept instead.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from clips.read.ntu import Recording
from clips.streams import Clip

Actors = NDArray[np.float32]  # (T, M, V, C)

LEAST_FRAMES = 12  # a body that is there for less is noise, where there are others
WIDEST = 0.8  # times its height: a body that is wider in a frame does not stand upright there
LARGEST_SHARE = 0.69754  # of such frames; from there on the body is noise
_ORIGIN = 1  # middle of the spine
_NOTHING = 1e-3  # metres, in pyskl


@dataclass(frozen=True)
class Body:
    """One of the sensor's bodies: ``joints`` (L, V, 3) from frame ``start`` on."""

    start: int
    joints: NDArray[np.float32]
    motion: float

    @property
    def end(self) -> int:
        """The frame after its last."""
        return self.start + len(self.joints)


def tracked_bodies(recording: Recording) -> list[Body]:
    """The bodies in the order in which they appear; frames without any body do not count."""
    frame = np.unique(recording.frame, return_inverse=True)[1]
    rows: dict[str, list[int]] = {}
    for row, body_id in enumerate(recording.body_id):
        rows.setdefault(body_id, []).append(row)
    tracks = [(int(frame[found[0]]), recording.xyz[found].astype(np.float32)) for found in rows.values()]
    return [Body(start, joints, _motion(joints)) for start, joints in tracks]


def sgn_actors(recording: Recording) -> Actors:
    """The one body that is left, or two actors who share those that are; M = 1 or 2.

    Short bodies are dropped, then those that hardly ever stand upright (not the last one), and the others are given
    out, most motion first. Of two actors, frames in which the coordinates add up to 0 are left out.
    """
    bodies = tracked_bodies(recording)
    if len(bodies) > 1:
        bodies = _upright_or_last(_long(bodies))
    if len(bodies) == 1:
        return bodies[0].joints[:, None]
    actors = _given_out(_most_motion_first(bodies), shared=1)
    filled = actors.reshape(len(actors), -1).sum(axis=1) != 0
    kept: Actors = actors[filled]
    return kept


def sgn_clip(actors: Actors, *, copy_single: bool) -> Clip:
    """Relative to the middle of the first actor's spine, where it is first seen; a frame without an actor stays zero.

    ``copy_single`` lets the only body be the second as well, as the published NTU RGB+D 120 files have it.

    Shapes: (T, M, V, C) -> (C, T, V, 2).
    """
    there: NDArray[np.bool_] = (actors != 0).any(axis=(2, 3))
    if not there[:, 0].any():
        moved = actors
    else:
        origin = actors[int(there[:, 0].argmax()), 0, _ORIGIN]
        moved = np.where(there[:, :, None, None], actors - origin, np.float32(0))
    frames, bodies, joints, channels = moved.shape
    clip = np.zeros((channels, frames, joints, 2), np.float32)
    clip[..., :bodies] = moved.transpose(3, 0, 2, 1)
    if bodies == 1 and copy_single:
        clip[..., 1] = clip[..., 0]
    return clip


def pyskl_actors(recording: Recording) -> Actors:
    """Nearly as ``sgn_actors``, with the differences of pyskl; M = 1 or 2, metres from the sensor.

    Every body is judged by how it stands, the last one too. Only the empty frames before and after are left out, and
    the actors change places where the first one is not there in the first frame and the second is.
    """
    bodies = _most_motion_first(tracked_bodies(recording))
    if len(bodies) > 1:
        bodies = _long(bodies)
    if len(bodies) > 1:
        bodies = _most_motion_first(_upright(bodies))
    if len(bodies) == 1:
        return bodies[0].joints[:, None]
    actors = _given_out(bodies, shared=0)
    filled = np.flatnonzero(np.abs(actors).sum(axis=(1, 2, 3)) >= _NOTHING)
    if not len(filled):
        return actors[:0]
    actors = actors[filled[0] : filled[-1] + 1]
    first, second = np.abs(actors[0, :, _ORIGIN]).sum(axis=-1)
    return actors[:, ::-1] if first < _NOTHING < second else actors


def plain_clip(actors: Actors) -> Clip:
    """Nothing changed but the order of the axes: (T, M, V, C) -> (C, T, V, 2)."""
    frames, bodies, joints, channels = actors.shape
    clip = np.zeros((channels, frames, joints, 2), np.float32)
    clip[..., :bodies] = actors.transpose(3, 0, 2, 1)
    return clip


def _motion(joints: NDArray[np.float32]) -> float:
    """How much the joints are spread out, over all frames: (L, V, 3) -> a number."""
    return float(np.var(joints.reshape(-1, 3), axis=0).sum())


def _most_motion_first(bodies: Sequence[Body]) -> list[Body]:
    return sorted(bodies, key=lambda body: -body.motion)


def _long(bodies: Sequence[Body]) -> list[Body]:
    """Those that are long enough; where none is, the longest."""
    return [body for body in bodies if len(body.joints) >= LEAST_FRAMES] or [max(bodies, key=lambda b: len(b.joints))]


def _upright_frames(body: Body) -> NDArray[np.bool_]:
    """In which frames the body is not too wide for its height: (L,)."""
    extent = np.ptp(body.joints[..., :2], axis=1).astype(np.float64)
    upright: NDArray[np.bool_] = extent[:, 0] <= WIDEST * extent[:, 1]
    return upright


def _judged(body: Body) -> Body | None:
    """The body with the motion of its upright frames, where that is less; None where it has too few of them."""
    upright = _upright_frames(body)
    if (len(upright) - upright.sum()) / len(upright) >= LARGEST_SHARE:
        return None
    return replace(body, motion=min(body.motion, _motion(body.joints[upright])))


def _upright_or_last(bodies: Sequence[Body]) -> list[Body]:
    """One by one; a body that is the only one left stays as it is."""
    kept: list[Body] = []
    for number, body in enumerate(bodies):
        alone = not kept and number == len(bodies) - 1
        judged = body if alone else _judged(body)
        if judged:
            kept.append(judged)
    return kept


def _upright(bodies: Sequence[Body]) -> list[Body]:
    """All that stand upright often enough; where none does, the one with most such frames."""
    kept = [judged for body in bodies if (judged := _judged(body))]
    return kept or [max(bodies, key=lambda body: int(_upright_frames(body).sum()))]


def _given_out(bodies: Sequence[Body], *, shared: int) -> Actors:
    """Every body to the first actor if they have at most ``shared`` frames in common, else to the second, else to none.

    An actor's stretch reaches from the first frame of all its bodies to the last; that of the second always begins at
    frame 0, as published. In a common frame the later body counts.

    Shapes: -> (T, M=2, V, C), T up to where the last body ends.
    """
    length = max(body.end for body in bodies)
    actors = np.zeros((length, 2, *bodies[0].joints.shape[1:]), np.float32)
    stretches = [(bodies[0].start, bodies[0].end), (0, 0)]
    actors[bodies[0].start : bodies[0].end, 0] = bodies[0].joints
    for body in bodies[1:]:
        for actor, (start, end) in enumerate(stretches):
            if min(end, body.end) - max(start, body.start) <= shared:
                actors[body.start : body.end, actor] = body.joints
                stretches[actor] = (min(start, body.start), max(end, body.end))
                break
    return actors
