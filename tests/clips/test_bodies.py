"""Bodies against slow, plain restatements of what the two lineages do, and the cases that end their scripts."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clips.bodies import plain_clip, pyskl_actors, sgn_actors, sgn_clip, tracked_bodies
from clips.read.ntu import Recording

Body = dict[str, Any]

FLAT = np.array([2.0, 0.3, 1.0])  # what lies down is wide
UPRIGHT = np.array([0.4, 1.7, 0.3])


def recording(tracks: dict[str, dict[int, np.ndarray]], num_frames: int) -> Recording:
    """Of ``tracks``: body number -> frame -> joints (25, 3)."""
    rows = [
        (frame, name, joints[frame])
        for frame in range(num_frames)
        for name, joints in tracks.items()
        if frame in joints
    ]
    frames = np.array([frame for frame, _, _ in rows])
    slots = np.array([list(frames[:row]).count(frame) for row, frame in enumerate(frames)])
    return Recording(
        num_frames, frames, slots, tuple(name for _, name, _ in rows), np.stack([xyz for _, _, xyz in rows])
    )


def made(seed: int) -> Recording:
    """One to five bodies that come, go, lie down, vanish or hardly show."""
    rng = np.random.default_rng(seed)
    num_frames = int(rng.integers(2, 50))
    tracks: dict[str, dict[int, np.ndarray]] = {}
    for number in range(int(rng.integers(1, 6))):
        first = int(rng.integers(0, num_frames))
        last = int(rng.integers(first, num_frames)) if rng.random() < 0.7 else num_frames - 1
        there = [frame for frame in range(first, last + 1) if rng.random() < 0.95]
        step, lying = rng.choice([0.01, 0.1, 1]), rng.choice([0, 0.3, 0.69, 0.7, 1])
        tracks[f"7205759403793{number}"] = {
            frame: np.round(rng.normal(0, step, 3) + rng.uniform(-1, 1, (25, 3)) * shape, 6) * (rng.random() > 0.03)
            for frame in there
            for shape in [FLAT if rng.random() < lying else UPRIGHT]
        }
    if not any(tracks.values()):
        tracks["1"] = {num_frames // 2: rng.normal(size=(25, 3))}
    return recording(tracks, num_frames)


# ---- restated plainly, frame by frame


def told_apart(record: Recording) -> list[Body]:
    """Frames without a body do not count; a body goes on from its first frame as if it were never away."""
    bodies: dict[str, Body] = {}
    index = -1
    for frame in range(record.num_frames):
        rows = [row for row in range(len(record.frame)) if record.frame[row] == frame]
        index += bool(rows)
        for row in rows:
            body = bodies.setdefault(record.body_id[row], {"first": index, "joints": []})
            body["joints"].append(record.xyz[row].astype(np.float32))
    for body in bodies.values():
        body["last"] = body["first"] + len(body["joints"]) - 1
        body["motion"] = spread(body["joints"])
    return list(bodies.values())


def spread(joints: list[np.ndarray]) -> float:
    points = np.vstack(joints)
    return float(sum(np.var(points, axis=0)))


def stands(joints: np.ndarray) -> bool:
    width = float(joints[:, 0].max() - joints[:, 0].min())
    height = float(joints[:, 1].max() - joints[:, 1].min())
    return width <= 0.8 * height


def lies(body: Body) -> bool:
    """Drops it; or takes the motion of the frames in which it stands, where that is less."""
    standing = [joints for joints in body["joints"] if stands(joints)]
    if 1 - len(standing) / len(body["joints"]) >= 0.69754:
        return True
    body["motion"] = min(body["motion"], spread(standing))
    return False


def put(bodies: list[Body], overlap: Any, order: Any) -> np.ndarray:
    frames = np.zeros((max(body["last"] for body in bodies) + 1, 2, 25, 3), np.float32)
    first, *others = sorted(bodies, key=order)
    intervals = [[first["first"], first["last"]], None]
    for number, joints in enumerate(first["joints"]):
        frames[first["first"] + number, 0] = joints
    for body in others:
        for actor in (0, 1):
            held = intervals[actor]
            if held is None or not overlap(held, body):
                for number, joints in enumerate(body["joints"]):
                    frames[body["first"] + number, actor] = joints
                start = 0 if held is None else min(held[0], body["first"])
                intervals[actor] = [start, max(body["last"], held[1] if held else 0)]
                break
    return frames


def sgn(record: Recording, copy_single: bool) -> np.ndarray:
    """(T, 150), as the .npz files have it."""
    bodies = told_apart(record)
    if len(bodies) > 1:
        longest = max(bodies, key=lambda body: len(body["joints"]))
        bodies = [body for body in bodies if len(body["joints"]) > 11] or [longest]
    remaining = list(bodies)
    for body in bodies:
        if len(remaining) > 1 and lies(body):
            remaining = [other for other in remaining if other is not body]
    if len(remaining) == 1:
        rows = np.stack(remaining[0]["joints"]).reshape(-1, 75)
    else:
        common = lambda held, body: min(held[1], body["last"]) - max(held[0], body["first"]) > 0  # noqa: E731
        rows = put(remaining, common, lambda body: -body["motion"]).reshape(-1, 150)
        rows = rows[[bool(row.sum() != 0) for row in rows]]
    seen = [index for index, row in enumerate(rows) if row[:75].any()]
    if seen:
        origin = rows[seen[0], 3:6].copy()
        for row in rows:
            for half in (row[start : start + 75] for start in range(0, rows.shape[1], 75)):
                if half.any():
                    half -= np.tile(origin, 25)
    if rows.shape[1] == 75:
        rows = np.hstack([rows, rows if copy_single else np.zeros_like(rows)])
    return rows


def pyskl(record: Recording) -> np.ndarray:
    """(M, T, V, C), as the pickle has it but for float16."""
    bodies = sorted(told_apart(record), key=lambda body: -body["motion"])
    if len(bodies) > 1:
        longest = max(bodies, key=lambda body: len(body["joints"]))
        bodies = [body for body in bodies if len(body["joints"]) > 11] or [longest]
    if len(bodies) > 1:
        standing = max(bodies, key=lambda body: sum(map(stands, body["joints"])))
        bodies = [body for body in bodies if not lies(body)] or [standing]
    if len(bodies) == 1:
        return np.stack(bodies[0]["joints"])[None]
    common = lambda held, body: max(held[0], body["first"]) < min(held[1], body["last"]) + 1  # noqa: E731
    frames = put(bodies, common, lambda body: -body["motion"]).swapaxes(0, 1)
    while frames.shape[1] and np.abs(frames[:, 0]).sum() < 1e-3:
        frames = frames[:, 1:]
    while frames.shape[1] and np.abs(frames[:, -1]).sum() < 1e-3:
        frames = frames[:, :-1]
    if frames.shape[1] and np.abs(frames[0, 0, 1]).sum() < 1e-3 < np.abs(frames[1, 0, 1]).sum():
        frames = frames[::-1]
    return frames


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32), st.booleans())
def test_sgn_against_a_plain_restatement(seed: int, copy_single: bool) -> None:
    record = made(seed)
    clip = sgn_clip(sgn_actors(record), copy_single=copy_single)
    want = sgn(record, copy_single)
    assert (clip.dtype, clip.shape) == (np.float32, (3, len(want), 25, 2))
    assert np.array_equal(clip.transpose(1, 3, 2, 0).reshape(len(want), 150), want)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32))
def test_pyskl_against_a_plain_restatement(seed: int) -> None:
    record = made(seed)
    actors, want = pyskl_actors(record), pyskl(record)
    assert actors.dtype == np.float32
    assert np.array_equal(actors.swapaxes(0, 1), want)
    clip = plain_clip(actors)
    assert clip.shape == (3, want.shape[1], 25, 2)
    assert np.array_equal(clip[..., 0], want[0].transpose(2, 0, 1))


# ---- single rules, by name


def standing(place: float, count: int, start: int = 0, step: float = 0.01) -> dict[int, np.ndarray]:
    rng = np.random.default_rng(int(place * 10) + count)
    body = rng.uniform(-1, 1, (25, 3)) * UPRIGHT + [place, 0, 3]
    return {start + frame: body + step * frame for frame in range(count)}


def test_a_body_that_was_away_is_moved_up() -> None:
    track = standing(0, 20)
    for frame in (5, 6, 7):
        del track[frame]
    (body, other) = tracked_bodies(recording({"a": track, "b": standing(1, 4, 3)}, 20))
    assert (body.start, body.end, other.start, other.end) == (0, 17, 3, 7)
    assert np.array_equal(body.joints[5], track[8].astype(np.float32))


def test_frames_without_a_body_do_not_count() -> None:
    record = recording({"a": {4: np.ones((25, 3)), 9: np.ones((25, 3))}, "b": {9: np.zeros((25, 3))}}, 12)
    assert [(body.start, body.end) for body in tracked_bodies(record)] == [(0, 2), (1, 2)]


@pytest.mark.parametrize("make", [sgn_actors, pyskl_actors])
def test_where_every_body_is_too_short_the_longest_stays(make: Any) -> None:
    actors = make(recording({"a": standing(0, 5), "b": standing(1, 9), "c": standing(2, 8)}, 9))
    assert actors.shape == (9, 1, 25, 3)
    assert np.array_equal(actors[0, 0], standing(1, 9)[0].astype(np.float32))


def test_where_every_body_lies_sgn_keeps_the_last_and_pyskl_the_best() -> None:
    rng = np.random.default_rng(0)
    lying = rng.uniform(-1, 1, (25, 3)) * FLAT
    best = {frame: lying if frame > 3 else lying[:, ::-1] * UPRIGHT for frame in range(20)}
    record = recording({"a": dict.fromkeys(range(20), lying), "b": best, "c": dict.fromkeys(range(15), lying + 1)}, 20)
    assert len(sgn_actors(record)) == 15
    assert len(pyskl_actors(record)) == 20


@pytest.mark.parametrize(("start", "actor"), [(19, 0), (18, 1)])
def test_sgn_lets_an_actor_play_two_bodies_that_share_a_frame(start: int, actor: int) -> None:
    record = recording({"a": standing(0, 20, step=0.1), "b": standing(1, 15, start)}, 40)
    actors = sgn_actors(record)
    assert actors.shape[1] == 2
    assert actors[start + 14, actor].any()
    assert not actors[start + 14, 1 - actor].any()
    assert np.array_equal(actors[start, actor], standing(1, 15, start)[start].astype(np.float32))


def test_pyskl_does_not() -> None:
    actors = pyskl_actors(recording({"a": standing(0, 20, step=0.1), "b": standing(1, 15, 19)}, 40))
    assert actors[33, 1].any()
    assert not actors[33, 0].any()


def test_a_body_before_those_of_the_second_actor_is_in_its_way() -> None:
    """As published: the second actor's stretch counts from the first frame, whoever is there."""
    bodies = {"a": standing(0, 60, step=0.1), "b": standing(1, 20, 40, 0.05), "c": standing(2, 20, 5, 0.01)}
    for actors in (sgn_actors(recording(bodies, 60)), pyskl_actors(recording(bodies, 60))):
        assert not actors[:40, 1].any()
        assert actors[40:, 1].any()


def test_pyskl_lets_the_one_who_is_there_first_go_first() -> None:
    late, early = standing(0, 20, 10, 0.1), standing(1, 20, 0, 0.01)
    actors = pyskl_actors(recording({"a": late, "b": early}, 30))
    assert np.array_equal(actors[0, 0], early[0].astype(np.float32))
    assert not actors[0, 1].any()
    assert np.array_equal(actors[29, 1], late[29].astype(np.float32))


def test_nobody_at_all_is_no_frame_or_zeros() -> None:
    nobody = recording({"a": dict.fromkeys(range(20), np.zeros((25, 3)))}, 20)
    two = recording({name: dict.fromkeys(range(20), np.zeros((25, 3))) for name in "ab"}, 20)
    assert not sgn_clip(sgn_actors(nobody), copy_single=True).any()
    assert not sgn_clip(sgn_actors(two), copy_single=True).any()
    assert not plain_clip(pyskl_actors(two)).any()
