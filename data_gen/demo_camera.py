"""Three depth cameras around a stage, and what each makes of the bodies there: noise, guesses, losses, ghosts.

A camera's axes are those of Kinect v2: x to its left, y up, z away from it, metres. Joints in NTU RGB+D order.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from data_gen.demo_body import SKELETON, draw_body, move, rotations

Array = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

FIRST_BODY_ID = 2**56  # as the sensor counts: 17 digits
LOST, GUESSED, TRACKED = 0, 1, 2

# Setup: (height, distance) of the middle camera in metres. Camera: (yaw in degrees, rise, further away).
SETUPS = {1: (1.7, 3.1), 2: (1.4, 2.7), 3: (1.2, 2.9), 4: (0.8, 3.2)}
CAMERAS = {1: (4.0, 0.0, 0.0), 2: (47.0, -0.15, 0.15), 3: (-43.0, 0.2, -0.1)}
AIM = 0.95  # metres above the ground, between which and its own height a camera looks halfway

LIMBS = {4: (5, 6, 7, 21, 22), 8: (9, 10, 11, 23, 24), 12: (13, 14, 15), 16: (17, 18, 19)}  # root: joints outwards
ENDS = (7, 11, 15, 19, 21, 22, 23, 24)  # a camera sees these worst
WHITE, DRIFT = (0.003, 0.008), (0.006, 0.022)  # noise of a joint, error of a whole limb: metres at 3 m

LATE, GHOST, EMPTY, SWAP = 0.25, 0.08, 0.08, 0.2  # how many recordings have it


@dataclass(frozen=True)
class Camera:
    """Where a camera stands (3,), and its axes (3, 3) as rows, in the world."""

    place: Array
    axes: Array

    def see(self, points: Array) -> Array:
        """World points (..., 3) in camera space."""
        return np.asarray((points - self.place) @ self.axes.T)

    def locate(self, points: Array) -> Array:
        """Camera points (..., 3) in the world: undoes ``see``."""
        return np.asarray(points @ self.axes + self.place)


@dataclass(frozen=True)
class Track:
    """One body as a camera reports it.

    Attributes:
        body_id: 17 digits.
        points: (T, 25, 3) metres in camera space; lost joints are zero.
        states: (T, 25) of LOST, GUESSED, TRACKED.
        hands: (T, 4) confidence and state of the left hand, then of the right.
    """

    body_id: int
    points: Array
    states: Ints
    hands: Ints


@dataclass(frozen=True)
class Recording:
    """Tracks, and for each frame which of them it holds in which order (none: an empty frame)."""

    tracks: tuple[Track, ...]
    slots: tuple[tuple[int, ...], ...]


def rig(setup: int) -> dict[int, Camera]:
    """The three cameras of a setup by their numbers."""
    height, distance = SETUPS[setup]
    cameras = {}
    for number, (yaw, rise, further) in CAMERAS.items():
        angle, high, away = np.radians(yaw), height + rise, distance + further
        place = np.array([away * np.sin(angle), high, away * np.cos(angle)])
        ahead = np.array([0.0, (AIM + high) / 2, 0.0]) - place
        ahead /= np.linalg.norm(ahead)
        left = np.cross([0.0, 1.0, 0.0], ahead)
        left /= np.linalg.norm(left)
        cameras[number] = Camera(place, np.stack([left, np.cross(ahead, left), ahead]))
    return cameras


def record(bodies: Array, camera: Camera, rng: np.random.Generator) -> Recording:
    """What ``camera`` writes down of ``bodies`` (M, T, 25, 3) in the world."""
    count, frames = bodies.shape[:2]
    first_id = FIRST_BODY_ID + int(rng.integers(100, 60000))
    tracks = [watch(camera.see(body), first_id + number, rng) for number, body in enumerate(bodies)]
    order = list(range(count))
    if rng.random() < 0.3:
        order.reverse()  # who is told first is the sensor's whim
    here = np.ones((frames, count), dtype=bool)
    if count == 2 and rng.random() < LATE:
        here[: rng.integers(5, frames // 3), rng.integers(count)] = False
    if rng.random() < GHOST:
        tracks.append(ghost(frames, first_id + count, rng))
        order.insert(0 if rng.random() < 0.2 else count, count)
        begin, span = rng.integers(0, frames // 2), rng.integers(frames // 4, frames // 2)
        at = np.arange(frames)[:, None]
        here = np.hstack([here, (at >= begin) & (at < begin + span)])
    swap = rng.integers(5, frames - 5) if rng.random() < SWAP else frames
    if rng.random() < EMPTY:
        begin, span = rng.choice([0, int(rng.integers(frames)), frames - 2]), rng.integers(1, 7)
        here[begin : begin + span] = False
    slots = (tuple(track for track in (order if t < swap else order[::-1]) if here[t, track]) for t in range(frames))
    return Recording(tuple(tracks), tuple(slots))


def watch(points: Array, body_id: int, rng: np.random.Generator) -> Track:
    """A body (T, 25, 3) in camera space with the sensor's errors, which grow with the square of the distance."""
    frames = len(points)
    distance = points[..., 2].mean()
    size = (distance / 3) ** 2 * np.array([1.0, 1.0, 1.5])
    noise = rng.normal(size=points.shape) * rng.uniform(*WHITE)
    noise[:, ENDS] *= 1.6
    drift = np.cumsum(rng.normal(size=(frames + 9, len(LIMBS), 3)), axis=0)
    drift = (drift[9:] - drift[:-9]) / 3 * rng.uniform(*DRIFT)  # sums over 9 frames: errors that stay for a while
    for error, limb in zip(drift.swapaxes(0, 1), LIMBS.values(), strict=True):
        noise[:, limb[0]] += error / 2
        noise[:, limb[1:]] += error[:, None]
    seen = points + noise * size

    states = np.full(points.shape[:2], TRACKED, dtype=np.int64)
    hidden = np.array([points[:, joints, 2].mean() for joints in LIMBS.values()]) - distance
    odds = np.exp(6 * hidden)  # a limb behind the body is lost more easily
    for _ in range(rng.poisson(0.8 * distance / 3)):
        root = int(rng.choice(list(LIMBS), p=odds / odds.sum()))
        joints = list(LIMBS[root][rng.integers(2) :])
        begin = int(rng.integers(frames))
        span = slice(begin, begin + int(rng.integers(3, frames // 3)))
        if rng.random() < 0.75:  # the limb stays as it was last seen
            states[span, joints] = GUESSED
            seen[span, joints] += seen[begin, joints] - seen[begin, root] + seen[span, root, None] - seen[span, joints]
        else:
            states[span, joints] = LOST
    seen[states == LOST] = 0.0
    hands = np.repeat(rng.integers((0, 0, 0, 0), (2, 4, 2, 4), size=(frames // 12 + 1, 4)), 12, axis=0)[:frames]
    return Track(body_id, seen, states, hands)


def ghost(frames: int, body_id: int, rng: np.random.Generator) -> Track:
    """A chair that the sensor takes for a body: small, seated, at the side, and still but for its trembling."""
    still = np.zeros(1)
    bent = {"hip flex": 85.0, "knee": 80.0, "arm flex": 25.0, "elbow": 65.0}
    angles = {f"{side} {name}": still + np.radians(value) for side in ("left", "right") for name, value in bent.items()}
    turn = rotations(np.array([0.0, rng.uniform(0.0, 2 * np.pi), 0.0]))
    place = np.array([rng.choice((-1, 1)) * rng.uniform(0.8, 1.2), -1.1, rng.uniform(2.8, 4.0)])
    chair = move(draw_body(rng), angles)[0] * rng.uniform(0.55, 0.7) @ turn.T + place
    points = chair + rng.normal(scale=0.004, size=(frames, len(SKELETON), 3))
    states = np.where(rng.random(len(SKELETON)) < 0.6, GUESSED, TRACKED)
    return Track(body_id, points, np.tile(states, (frames, 1)), np.zeros((frames, 4), dtype=np.int64))
