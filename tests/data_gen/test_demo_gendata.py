"""The recordings that the repository makes itself, as NTU RGB+D files."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from command_line import exit_code
from data_gen.demo_camera import CAMERAS, GUESSED, LOST, SETUPS, Recording, rig
from data_gen.demo_gendata import TEST_SUBJECTS, TRAIN_SUBJECTS, file_name, make, run, setup_of
from data_gen.demo_people import MAX_FRAMES, MIN_FRAMES, NAMES
from data_gen.demo_record import skeleton_text

NAME = re.compile(r"S(\d{3})C(\d{3})P(\d{3})R(\d{3})A(\d{3})\.skeleton")
INTEGER = re.compile(r"0|[1-9]\d*")
NUMBER = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?(e-\d\d)?")
NTU_TRAIN = {1, 2, 4, 5, 8, 9, 13, 14, 15, 16, 17, 18, 19, 25, 27, 28, 31, 34, 35, 38}  # cross-subject
HANDSHAKE = NAMES.index("handshake") + 1
JUMP = NAMES.index("jump") + 1


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("demo") / "not" / "there"
    assert exit_code(run, ["--out", str(out), "--subjects", "3", "4"]) == 0
    return out


@pytest.fixture(scope="module")
def recordings() -> list[tuple[int, Recording]]:
    """(action, recording) of eight people."""
    return [
        (action, recording)
        for subject in TRAIN_SUBJECTS[:8]
        for action in range(1, len(NAMES) + 1)
        for recording in make(1, subject, 1, action).values()
    ]


def integers(fields: list[str]) -> list[int]:
    assert all(INTEGER.fullmatch(field) for field in fields), fields
    return [int(field) for field in fields]


def numbers(fields: list[str]) -> list[float]:
    for field in fields:
        assert NUMBER.fullmatch(field), field
        assert len(re.sub(r"e.*|\D", "", field).lstrip("0")) <= 7, field
    return [float(field) for field in fields]


def read(text: str) -> list[dict[int, np.ndarray]]:
    """Every frame as {bodyID: (25, 12)}; a field that breaks the syntax fails the test."""
    assert text.endswith("\n") and "\r" not in text and "\n\n" not in text
    lines = iter(text.splitlines())
    frames = []
    for _ in range(*integers([next(lines)])):
        frames.append({})
        for _ in range(*integers([next(lines)])):
            body = next(lines).split(" ")
            assert len(body) == 10 and len(body[0]) == 17
            assert len(numbers(body[7:9])) == 2 and max(np.abs(numbers(body[7:9]))) <= 1
            body_id, edges, left, left_state, right, right_state, restricted, state = integers(body[:7] + body[9:])
            assert edges < 16 and {left, right} <= {0, 1} and max(left_state, right_state) <= 4
            assert (restricted, state) == (0, 2)
            assert next(lines) == "25"
            joints = [next(lines).split(" ") for _ in range(25)]
            assert {len(joint) for joint in joints} == {12}
            assert {state for joint in joints for state in integers(joint[11:])} <= {0, 1, 2}
            frames[-1][body_id] = np.array([[*numbers(joint[:11]), float(joint[11])] for joint in joints])
    assert next(lines, None) is None
    return frames


def test_file_names(written: Path) -> None:
    names = sorted(path.name for path in written.iterdir())
    assert len(names) == 2 * len(NAMES) * 3
    fields = [tuple(map(int, NAME.fullmatch(name).groups())) for name in names]
    assert {f[0] for f in fields} == {setup_of(3), setup_of(4)} and {f[1] for f in fields} == {1, 2, 3}
    assert {f[2] for f in fields} == {3, 4} and {f[3] for f in fields} == {1}
    assert Counter(f[4] for f in fields) == dict.fromkeys(range(1, len(NAMES) + 1), 6)
    assert file_name(3, 1, 16, 2) == "S004C002P003R001A016.skeleton"


def test_syntax(written: Path) -> None:
    for path in sorted(written.iterdir())[::7]:
        frames = read(path.read_bytes().decode("ascii"))
        assert MIN_FRAMES <= len(frames) <= MAX_FRAMES
        joints = np.array([joints for frame in frames for joints in frame.values()])
        assert np.isfinite(joints).all()
        lost = joints[..., 11] == LOST
        assert not joints[lost].any() and (joints[~lost][:, 2] > 1).all()
        x, y, z = np.moveaxis(joints[~lost][:, :3], -1, 0)
        np.testing.assert_allclose(joints[~lost][:, 3], 256 + 366 * x / z, atol=1e-3)
        np.testing.assert_allclose(joints[~lost][:, 4], 212 - 366 * y / z, atol=1e-3)
        norms = np.linalg.norm(joints[..., 7:11], axis=-1)
        assert not norms[:, [3, 15, 19, 21, 22, 23, 24]].any()  # ends have no orientation
        np.testing.assert_allclose(norms[:, [0, 1, 2, 4, 8, 20]], 1, atol=1e-6)


def test_same_seed_same_bytes(written: Path, tmp_path: Path) -> None:
    """Whatever else is made."""
    assert exit_code(run, ["--out", str(tmp_path), "--subjects", "4", "--repeats", "2"]) == 0
    assert len(list(tmp_path.iterdir())) == 2 * len(NAMES) * 3
    for path in written.glob("*P004*"):
        assert path.read_bytes() == (tmp_path / path.name).read_bytes()
    assert (tmp_path / file_name(4, 1, 5, 1)).read_bytes() != (tmp_path / file_name(4, 2, 5, 1)).read_bytes()
    assert skeleton_text(make(2, 4, 1, 5)[1]).encode() != (tmp_path / file_name(4, 1, 5, 1)).read_bytes()


@pytest.mark.parametrize("action", [JUMP, HANDSHAKE])
def test_cameras_see_one_performance(written: Path, action: int) -> None:
    cameras = rig(setup_of(3))
    seen = []
    for number in sorted(CAMERAS):
        frames = read((written / file_name(3, 1, action, number)).read_text())
        first = sorted(set().union(*frames))[0]
        points = np.full((len(frames), 25, 3), np.nan)
        for t, frame in enumerate(frames):
            if first in frame:
                points[t] = cameras[number].locate(frame[first][:, :3])
                points[t, frame[first][:, 11] != 2] = np.nan
        seen.append(points)
    assert len({len(points) for points in seen}) == 1
    for other in seen[1:]:
        gap = np.linalg.norm(other - seen[0], axis=-1)
        assert np.nanmedian(gap) < 0.04 and np.nanquantile(gap, 0.95) < 0.15
    height = np.nanmean([points[..., 1] for points in seen], axis=(0, 1))
    assert height[3] > height[1] > height[0] > height[13] > height[15] and abs(height[15]) < 0.2


def test_axes_of_a_camera() -> None:
    """x to its left, y up, z away; it undoes what it does."""
    for setup, (height, distance) in SETUPS.items():
        for number, camera in rig(setup).items():
            assert abs(camera.place[1] - height) < 0.3
            np.testing.assert_allclose(camera.axes @ camera.axes.T, np.eye(3), atol=1e-12)
            assert np.linalg.det(camera.axes) > 0
            x, y, z = camera.see(np.array([0.0, 0.9, 0.0]))
            assert abs(x) < 1e-9 and abs(y) < 0.7 and abs(z - distance) < 0.4, number
            assert camera.see(np.array([0.0, 1.9, 0.0]))[1] > y
            points = np.random.default_rng(0).normal(size=(7, 3))
            np.testing.assert_allclose(camera.locate(camera.see(points)), points, atol=1e-12)


def test_people_are_where_a_sensor_sees_them(recordings: list[tuple[int, Recording]]) -> None:
    for action, recording in recordings:
        pelvis = recording.tracks[0].points[:, 0]
        assert pelvis[:, 2].min() > 1.9 and pelvis[:, 2].max() < 4.2 and np.abs(pelvis[:, 0]).max() < 1.6
        if action == JUMP:  # who faces a camera has the left hand at its right
            assert (recording.tracks[0].points[:, 4, 0] < recording.tracks[0].points[:, 8, 0]).mean() > 0.9


def test_what_a_sensor_gets_wrong_occurs(recordings: list[tuple[int, Recording]]) -> None:
    seen: Counter[str] = Counter()
    for action, recording in recordings:
        people = 2 if action >= HANDSHAKE else 1
        counts = Counter(track for slots in recording.slots for track in slots)
        present = sum(bool(slots) for slots in recording.slots)
        seen["empty"] += present < len(recording.slots)
        seen["empty at once"] += not recording.slots[0]
        seen["late"] += people == 2 and min(counts[0], counts[1]) < present
        pairs = list(zip(recording.slots, recording.slots[1:], strict=False))
        seen["swap"] += any(a != b and len(a) > 1 and set(a) == set(b) for a, b in pairs)
        seen["lost"] += any((track.states == LOST).any() for track in recording.tracks)
        seen["guessed"] += any((track.states == GUESSED).any() for track in recording.tracks[:people])
        if len(recording.tracks) > people:
            seen["ghost"] += 1
            body, ghost = recording.tracks[0], recording.tracks[-1]
            assert ghost.body_id not in {track.body_id for track in recording.tracks[:-1]}
            assert 0 < counts[people] < counts[0]
            assert ghost.points.std(axis=(0, 1)).sum() < body.points.std(axis=(0, 1)).sum()
            assert ghost.points.std(axis=0).max() < 0.02  # it does not move
        assert len(recording.tracks) - people in (0, 1)
    assert set(seen) == {"empty", "empty at once", "late", "swap", "lost", "guessed", "ghost"}
    assert min(seen.values()) >= 4, seen
    assert max(seen[name] for name in ("empty", "swap", "ghost")) < len(recordings) / 5, seen


def test_an_empty_frame_and_a_lost_joint_in_the_file(recordings: list[tuple[int, Recording]]) -> None:
    recording = next(r for _, r in recordings if not all(r.slots) and (r.tracks[0].states == LOST).any())
    frames = read(skeleton_text(recording))
    assert [tuple(frame) for frame in frames] == [
        tuple(recording.tracks[track].body_id for track in slots) for slots in recording.slots
    ]
    for frame, slots, t in zip(frames, recording.slots, range(len(frames)), strict=True):
        for joints, slot in zip(frame.values(), slots, strict=True):
            np.testing.assert_allclose(joints[:, :3], recording.tracks[slot].points[t], rtol=1e-6)
            np.testing.assert_array_equal(joints[:, 11], recording.tracks[slot].states[t])


def test_default_splits_are_those_of_ntu() -> None:
    assert len(NAMES) >= 12
    assert set(TRAIN_SUBJECTS) <= NTU_TRAIN and not set(TEST_SUBJECTS) & NTU_TRAIN
    per_camera = len(NAMES) * len(TRAIN_SUBJECTS + TEST_SUBJECTS)
    assert len(NAMES) * len(TRAIN_SUBJECTS) * 3 >= 480 and len(NAMES) * len(TEST_SUBJECTS) * 3 >= 320  # xsub
    assert per_camera * 2 >= 480 and per_camera >= 320  # xview


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--seed", "-1"], "--seed is -1, wanted 0 or more"),
        (["--subjects", "3", "41"], "--subjects is 41, wanted 1 to 40"),
        (["--repeats", "0"], "--repeats is 0, wanted 1 to 99"),
        (["--seed", "one"], "argument --seed: invalid int value: 'one'"),
        (["--subjcts", "3"], "unknown argument '--subjcts'; did you mean '--subjects'?"),
    ],
)
def test_bad_arguments_are_one_sentence(
    arguments: list[str], sentence: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert exit_code(run, ["--out", str(tmp_path / "new"), *arguments]) == 2
    printed = capsys.readouterr()
    assert printed.out == "" and printed.err.startswith(f"error: {sentence}") and printed.err.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_an_out_that_cannot_be_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("")
    assert exit_code(run, ["--out", str(tmp_path / "file"), "--subjects", "1"]) == 2
    assert capsys.readouterr().err.splitlines()[-1].startswith(f"error: --out {tmp_path / 'file'}: ")


def test_the_end_says_what_was_written(
    written: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("data_gen.demo_gendata.NAMES", NAMES[:2])
    (tmp_path / "S001C001P001R001A001.skeleton").write_text("")
    assert exit_code(run, ["--out", str(tmp_path), "--subjects", "5"]) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert re.fullmatch(rf"{tmp_path}: 6 recordings \(\d\.\d MB\) of 2 actions by 1 people", first)
    assert second == f"{tmp_path}: 1 other .skeleton files were there before and stay"
