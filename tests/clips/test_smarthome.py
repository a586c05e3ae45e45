"""Toyota Smarthome's clips against plain restatements of what the two lineages do."""

from __future__ import annotations

import numpy as np
import pytest

from clips.normalize import replayed
from clips.smarthome import agcn_clip, unik_clip
from clips.streams import derive
from graph.layouts import LAYOUTS

NAMES = ("Rank", "Lank", "Rkne", "Lkne", "Rhip", "Lhip", "Rwri", "Lwri", "Relb", "Lelb", "Rsho", "Lsho", "head")
UNIK = (
    *("head", "nose", "neck", "chest", "Mhip", "Lsho", "Rsho", "Lelb", "Relb", "Lwri", "Rwri"),
    *("Lhip", "Rhip", "Lkne", "Rkne", "Lank", "Rank"),
)


def made_people(seed: int, frames: int = 30) -> np.ndarray:
    """Four slots: one who hardly moves, one who comes late, one who is never there, one who moves much."""
    rng = np.random.default_rng(seed)
    people = rng.uniform(100, 400, (1, 4, 13, 2)) + rng.normal(0, 1, (frames, 4, 13, 2)) * [
        [[1]],
        [[30]],
        [[0]],
        [[80]],
    ]
    people[:7, 1] = 0
    people[20:22, 1] = 0
    people[:, 2] = 0
    people[4, 3, 6, 0] = 0
    return people


def unik_restated(people: np.ndarray, length: int | None) -> np.ndarray:
    """Joint by joint, person by person: (C, T, V, M)."""
    frames = len(people)
    completed = np.zeros((4, frames, 17, 2))
    for slot in range(4):
        for frame in range(frames):
            joint = {name: people[frame, slot, index] for index, name in enumerate(NAMES)}
            joint["neck"] = np.mean([joint["Rsho"], joint["Lsho"]], axis=0)
            joint["Mhip"] = np.mean([joint["Rhip"], joint["Lhip"]], axis=0)
            joint["chest"] = np.mean([joint[name] for name in ("Rsho", "Lsho", "Rhip", "Lhip")], axis=0)
            joint["nose"] = np.mean([joint["head"], joint["neck"]], axis=0)
            completed[slot, frame] = [joint[name] for name in UNIK]
    energies = []
    for track in completed:
        held = track[[frame.sum() != 0 for frame in track]]
        energies.append(held[..., 0].std() + held[..., 1].std() if len(held) else 0)
    out = np.zeros((2, length or frames, 17, 2))
    for place, slot in enumerate(sorted(range(4), key=lambda slot: -energies[slot])[:2]):
        track = completed[slot]
        x, y = track[..., 0].copy(), track[..., 1].copy()
        track[..., 0] = np.where(x == 0, 0, x / 640 * 2 - 1)
        track[..., 1] = np.where(y == 0, 0, y / 640 * 2 - 480 / 640)
        if length is not None:
            if track[0].sum() == 0:
                track = track[[frame.sum() != 0 for frame in track]]
            last = max(number for number, frame in enumerate(track) if frame.sum() != 0)
            round_ = track[: last + 1]
            track = np.array([round_[number % len(round_)] for number in range(length)])
        out[..., place] = track.transpose(2, 0, 1)
    return out


@pytest.mark.parametrize("seed", range(4))
def test_uniks_clip(seed: int) -> None:
    people = made_people(seed)
    recorded = unik_clip(people)
    assert (recorded.dtype, recorded.shape) == (np.float32, (2, 30, 17, 2))
    assert np.allclose(recorded, unik_restated(people, None), atol=1e-6, rtol=0)
    assert recorded[0, 4, 10, 0] == 0  # a coordinate that was 0
    assert np.allclose(replayed(recorded, 100), unik_restated(people, 100), atol=1e-6, rtol=0)


def test_nobody_stays_nobody() -> None:
    empty = unik_clip(np.zeros((5, 4, 13, 2)))
    assert not empty.any()
    assert not replayed(empty, 12).any()


def test_a_pixel_in_the_corner_and_one_in_the_middle() -> None:
    people = np.zeros((1, 4, 13, 2))
    people[0, 0] = [640, 480]
    people[0, 0, 12] = [320, 240]
    clip = unik_clip(people)[:, 0, :, 0]
    assert clip[:, 16].tolist() == [1, 0.75]
    assert clip[:, 0].tolist() == [0, 0]  # the middle of the picture


def test_uniks_head_keeps_its_position_in_bones_and_a_user_can_mend_it() -> None:
    layout = LAYOUTS["toyota-unik"]
    clip = unik_clip(made_people(0))
    bones = derive(clip, "bone", layout.bone_pairs)
    assert np.array_equal(bones[:, :, 0], clip[:, :, 0])
    one_based = [
        *((5, 4), (4, 3), (3, 2), (2, 1), (6, 3), (8, 6), (10, 8), (7, 3), (9, 7), (11, 9), (12, 5), (14, 12)),
        *((16, 14), (13, 5), (15, 13), (17, 15)),
    ]
    for a, b in one_based:
        assert np.array_equal(bones[:, :, a - 1], clip[:, :, a - 1] - clip[:, :, b - 1])
    mended = derive(clip, "bone", (*layout.bone_pairs, (0, 0)))
    assert not mended[:, :, 0].any()
    assert np.array_equal(mended[:, :, 1:], bones[:, :, 1:])


def test_the_clip_in_space_has_the_joints_backwards() -> None:
    rng = np.random.default_rng(0)
    people = rng.normal(size=(6, 4, 13, 3)) * np.array([1, 5, 2, 0.1])[:, None, None]
    clip = agcn_clip(people)
    assert clip.shape == (3, 6, 15, 1)
    mover = people[:, 1]
    for joint in range(13):
        assert np.array_equal(clip[:, :, joint, 0].T, mover[:, 12 - joint].astype(np.float32))
    assert np.allclose(clip[:, :, 13, 0].T, mover[:, [10, 11]].mean(axis=1), atol=1e-6)
    assert np.allclose(clip[:, :, 14, 0].T, mover[:, [4, 5]].mean(axis=1), atol=1e-6)
    assert LAYOUTS["toyota-agcn"].joints[0] == "head"
