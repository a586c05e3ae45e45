"""The clip set that the repository makes itself."""

from __future__ import annotations

import pickle
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from data_gen.made_camera import normalise, rotation_onto, watch
from data_gen.made_clips import NAMES, PARTS, SUBJECTS, act, draw_subject, main, make_clip, sample

TWO_PEOPLE = {"handshake", "push"}


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


def test_rotation_onto() -> None:
    line = np.random.default_rng(0).normal(size=3)
    turned = rotation_onto(line, np.array([0.0, 0.0, 1.0])) @ line
    np.testing.assert_allclose(turned, [0.0, 0.0, np.linalg.norm(line)], atol=1e-12)


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
