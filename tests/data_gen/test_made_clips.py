"""The clip set that the repository makes itself."""

from __future__ import annotations

import pickle
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from data_gen.made_actions import ACTIONS, keyed
from data_gen.made_body import ANGLES, SKELETON, draw_body, move, rotations
from data_gen.made_camera import normalise, rotation_onto, watch
from data_gen.made_clips import NAMES, PARTS, SUBJECTS, act, draw_subject, main, make_clip, sample

TWO_PEOPLE = {"handshake", "push"}


def bone_lengths(points: np.ndarray) -> np.ndarray:
    return np.stack(
        [np.linalg.norm(points[..., j, :] - points[..., p, :], axis=-1) for j, (p, _) in SKELETON.items() if p >= 0]
    )


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("made") / "not" / "there"
    assert main(["--out", str(out), "--train", "48", "--val", "32", "--frames", "32"]) == 0
    return out


def test_files_have_the_dense_layout(written: Path) -> None:
    assert sorted(p.name for p in written.iterdir()) == [
        "train_data_joint.npy",
        "train_label.pkl",
        "val_data_joint.npy",
        "val_label.pkl",
    ]
    for part, count in (("train", 48), ("val", 32)):
        data = np.load(written / f"{part}_data_joint.npy")
        names, labels = pickle.loads((written / f"{part}_label.pkl").read_bytes())
        assert data.shape == (count, 3, 32, 25, 2) and data.dtype == np.float32
        assert type(names) is list and type(labels) is list
        assert all(type(name) is str for name in names) and all(type(label) is int for label in labels)
        assert len(set(names)) == count
        assert np.isfinite(data).all() and np.abs(data).max() < 3


def test_classes_are_balanced_and_subjects_disjoint(written: Path) -> None:
    subjects = {}
    for part in PARTS:
        names, labels = pickle.loads((written / f"{part}_label.pkl").read_bytes())
        assert set(Counter(labels).values()) == {len(names) // len(NAMES)}
        assert [int(name[9:11]) - 1 for name in names] == labels
        subjects[part] = {name[5:8] for name in names}
    assert not subjects["train"] & subjects["val"]
    assert not set(SUBJECTS["train"]) & set(SUBJECTS["val"])


def test_sample_names() -> None:
    assert sample("train", 0) == ("made_S01A01R001", 0)
    assert sample("val", 16 * 8 + 17) == ("made_S14A02R002", 1)


def test_same_seed_same_bytes(written: Path, tmp_path: Path) -> None:
    assert main(["--out", str(tmp_path), "--train", "48", "--val", "32", "--frames", "32"]) == 0
    for path in written.iterdir():
        assert path.read_bytes() == (tmp_path / path.name).read_bytes()


def test_a_clip_depends_on_seed_part_and_number_alone(written: Path) -> None:
    data = np.load(written / "train_data_joint.npy")
    np.testing.assert_array_equal(make_clip(1, "train", 20, 32), data[20])
    for other in (make_clip(2, "train", 20, 32), make_clip(1, "val", 20, 32), make_clip(1, "train", 36, 32)):
        assert not np.array_equal(other, data[20])


@pytest.mark.parametrize("label", range(len(NAMES)))
def test_the_second_body_is_there_for_two_people_only(label: int) -> None:
    clip = make_clip(1, "val", label, 32)
    assert clip[..., 0].any()
    assert clip[..., 1].any() == (NAMES[label] in TWO_PEOPLE)


@pytest.mark.parametrize("action", ACTIONS)
def test_bones_keep_their_length_without_a_camera(action: str) -> None:
    subjects = [draw_subject(1, 1), draw_subject(1, 2)]
    points = act(action, subjects, 40, np.random.default_rng(0))
    assert points.shape == (2 if action in TWO_PEOPLE else 1, 40, 25, 3)
    lengths = bone_lengths(points)
    np.testing.assert_allclose(lengths, lengths[:, :, :1] * np.ones(40), rtol=1e-12)


@pytest.mark.parametrize("action", ACTIONS)
def test_people_stand_upright_on_the_ground(action: str) -> None:
    for number in range(1, 6):
        points = act(action, [draw_subject(1, number), draw_subject(1, 6)], 40, np.random.default_rng(number))
        assert points[..., 1].min() > -1e-9
        assert (points[:, :, 3, 1] > points[:, :, 0, 1] + 0.3).all()  # the head is above the pelvis
        if action != "jump":
            np.testing.assert_allclose(points[..., 1].min(axis=2), 0.0, atol=1e-9)


def test_elbows_bend_forward_and_knees_backward() -> None:
    still = np.zeros(1)
    offsets = draw_body(np.random.default_rng(0))
    rest = move(offsets, {"face": still})[0]
    assert rest[4, 0] > 0 > rest[8, 0]  # facing z with y up, the left is at positive x
    bent = {name: still + 0.8 for name in ANGLES if name.endswith(("elbow", "knee"))}
    points = move(offsets, bent)[0]
    assert (points[[6, 10], 2] > points[[5, 9], 2] + 0.1).all()
    assert (points[[14, 18], 2] < points[[13, 17], 2] - 0.1).all()


def test_stand_up_is_sit_down_backwards() -> None:
    heights = {}
    for action in ("sit down", "stand up"):
        points = act(action, [draw_subject(1, 1), draw_subject(1, 2)], 60, np.random.default_rng(3))
        heights[action] = points[0, :, 0, 1]
    assert heights["sit down"][0] > heights["sit down"][-1] + 0.2
    np.testing.assert_allclose(heights["sit down"][-1], heights["stand up"][0], atol=0.15)
    assert heights["stand up"][-1] > heights["stand up"][0] + 0.2


def test_normal_form() -> None:
    rng = np.random.default_rng(5)
    points = act("handshake", [draw_subject(1, 1), draw_subject(1, 2)], 40, rng)
    seen = watch(points, rng)
    seen[:, 5:20, 7] = 0.0
    normal = normalise(seen)
    lost = ~seen.any(axis=-1)
    assert lost.any() and not normal[lost].any()
    np.testing.assert_allclose(normal[0, :, 1], 0.0, atol=1e-12)
    shoulders = normal[0, 0, 8] - normal[0, 0, 4]
    np.testing.assert_allclose(shoulders[1:], 0.0, atol=1e-12)
    assert shoulders[0] > 0.2
    assert normal[0, 0, 0, 2] < -0.2  # the pelvis hangs below the middle of the spine
    whole = ~lost.any(axis=(0, 1))
    distances = [np.linalg.norm(p[..., whole, :] - p[:1, :, 1:2], axis=-1) for p in (seen, normal)]
    np.testing.assert_allclose(*distances, atol=1e-12)  # nothing but moved and turned


def test_short_clips_play_again() -> None:
    clip = make_clip(1, "train", 0, 64)
    lengths = [n for n in range(38, 64) if np.array_equal(clip[:, n:], clip[:, : 64 - n])]
    assert len(lengths) == 1


def test_rotations() -> None:
    rng = np.random.default_rng(0)
    matrices = rotations(rng.normal(size=(5, 3)))
    np.testing.assert_allclose(matrices @ matrices.swapaxes(1, 2), np.broadcast_to(np.eye(3), (5, 3, 3)), atol=1e-12)
    np.testing.assert_allclose(np.linalg.det(matrices), 1.0)
    line = rng.normal(size=3)
    turned = rotation_onto(line, np.array([0.0, 0.0, 1.0])) @ line
    np.testing.assert_allclose(turned, [0.0, 0.0, np.linalg.norm(line)], atol=1e-12)


def test_keyed_rests_at_its_keys() -> None:
    values = keyed(np.array([-0.1, 0.0, 0.25, 0.5, 1.0, 2.0]), (0.0, 0.5, 1.0), (0.0, 2.0, 1.0))
    np.testing.assert_allclose(values, [0.0, 0.0, 1.0, 2.0, 1.0, 1.0])


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--train", "0"], "--train is 0, wanted 1 or more"),
        (["--frames", "3"], "--frames is 3, wanted 16 or more"),
        (["--seed", "-1"], "--seed is -1, wanted 0 or more"),
        (["--val", "many"], "argument --val: invalid int value: 'many'"),
        (["--trian", "3"], "unrecognized arguments: --trian 3"),
    ],
)
def test_bad_arguments_are_one_sentence(
    arguments: list[str], sentence: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--out", str(tmp_path), *arguments]) == 2
    printed = capsys.readouterr()
    assert printed.out == "" and printed.err.startswith(f"error: {sentence}") and printed.err.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_an_out_that_cannot_be_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("")
    assert main(["--out", str(tmp_path / "file"), "--train", "1", "--val", "1", "--frames", "16"]) == 2
    assert capsys.readouterr().err.splitlines()[-1].startswith(f"error: --out {tmp_path / 'file'}: ")
