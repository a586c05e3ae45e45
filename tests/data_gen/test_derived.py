from __future__ import annotations

from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from command_line import exit_code
from data_gen import gen_bone_data, gen_motion_data, merge_joint_bone_data, merge_joint_motion_data

GOLDEN = Path(__file__).parents[1] / "golden"
BENCHMARKS = {"ntu": ("ntu/xview", "ntu/xsub"), "ntu120": ("ntu120/xset", "ntu120/xsub"), "kinetics": ("kinetics",)}
FINGER = 22  # a joint whose bone and position differ


def write_joints(data: Path, dataset: str, clips: np.ndarray, parts: tuple[str, ...] = ("train", "val")) -> list[Path]:
    paths = [data / benchmark / f"{part}_data_joint.npy" for benchmark in BENCHMARKS[dataset] for part in parts]
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, clips)
    return paths


def beside(path: Path, stream: str) -> np.ndarray:
    loaded: np.ndarray = np.load(path.with_name(path.name.replace("joint", stream)))
    return loaded


@pytest.mark.parametrize(
    ("case", "dataset"), [("ntu_xview", "ntu"), ("ntu120_xset", "ntu120"), ("kinetics", "kinetics")]
)
def test_bones_are_the_published_ones(tmp_path: Path, case: str, dataset: str) -> None:
    golden = np.load(GOLDEN / "data_bone.npz")
    paths = write_joints(tmp_path, dataset, golden[f"{case}/in/joint"])
    assert gen_bone_data.run(["--dataset", dataset, "--data-path", str(tmp_path)]) == 0
    for path in paths:
        got = beside(path, "bone")
        assert got.dtype == np.float32
        assert np.array_equal(got, golden[f"{case}/out/bone"])


def test_motions_and_merged_files_are_the_published_ones(tmp_path: Path) -> None:
    golden = np.load(GOLDEN / "data_motion.npz")
    joints = golden["motion_joint/in/data"]
    path, *_ = write_joints(tmp_path, "ntu", joints)
    for command in (gen_bone_data, gen_motion_data, merge_joint_bone_data, merge_joint_motion_data):
        assert command.run(["--data_path", str(tmp_path)]) == 0
    bone, joint_motion, bone_motion = (beside(path, stream) for stream in ("bone", "joint_motion", "bone_motion"))
    assert np.array_equal(joint_motion, golden["motion_joint/out/motion"])
    steps = np.diff(bone, axis=2, append=bone[:, :, -1:])
    assert np.array_equal(bone_motion, steps)
    assert np.array_equal(beside(path, "joint_bone"), np.concatenate([joints, bone], axis=1))
    assert beside(path, "joint_bone").shape == tuple(golden["merge_joint_bone/out/shape"])
    assert np.array_equal(beside(path, "joint_jm"), np.concatenate([joints, joint_motion], axis=1))
    assert np.array_equal(beside(path, "bone_jm"), np.concatenate([bone, bone_motion], axis=1))


def test_the_motion_of_bones_is_the_published_one(tmp_path: Path) -> None:
    """The golden's bones were not made from joints; motion itself is the same for any stream."""
    golden = np.load(GOLDEN / "data_motion.npz")
    path, *_ = write_joints(tmp_path, "ntu", golden["motion_bone/in/data"])
    assert gen_motion_data.run(["--dataset", "ntu", "--data-path", str(tmp_path)]) == 0
    assert np.array_equal(beside(path, "joint_motion"), golden["motion_bone/out/motion"])


def test_more_clips_than_a_block_and_two_workers(tmp_path: Path) -> None:
    clips = np.random.default_rng(0).normal(size=(130, 3, 4, 25, 2)).astype(np.float32)
    files = []
    for cores in ("1", "2"):
        path, *_ = write_joints(tmp_path / cores, "ntu", clips)
        assert gen_bone_data.run(["--dataset", "ntu", "--data-path", str(tmp_path / cores), "--n-cores", cores]) == 0
        files.append(path.with_name("train_data_bone.npy").read_bytes())
    assert files[0] == files[1]
    assert np.array_equal(beside(path, "bone")[:, :, :, FINGER], clips[:, :, :, FINGER] - clips[:, :, :, 7])
    assert not list(tmp_path.rglob("*.partial"))


def test_an_error_leaves_nothing_beside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, *_ = write_joints(tmp_path, "kinetics", np.zeros((1, 3, 4, 18, 2), np.float32))

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device", "x")

    monkeypatch.setattr("data_gen.derived.derive", full)
    assert exit_code(gen_bone_data.run, ["--dataset", "kinetics", "--data-path", str(tmp_path)]) == 2
    assert [file.name for file in path.parent.iterdir() if "bone" in file.name] == []


def test_no_clips_at_all(tmp_path: Path) -> None:
    path, *_ = write_joints(tmp_path, "kinetics", np.zeros((0, 3, 4, 18, 2), np.float32))
    assert merge_joint_bone_data.run(["--data-path", str(tmp_path)]) == 0
    assert beside(path, "joint_bone").shape == (0, 6, 4, 18, 2)


def test_a_part_that_is_missing_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, *_ = write_joints(tmp_path, "kinetics", np.zeros((1, 3, 4, 18, 2), np.float32), parts=("val",))
    assert gen_bone_data.run(["--dataset", "kinetics", "--data-path", str(tmp_path)]) == 1
    missing = path.with_name("train_data_joint.npy")
    assert f"{missing}: no such file, so nothing was derived from it" in capsys.readouterr().err
    assert beside(path, "bone").shape == (1, 3, 4, 18, 2)


@pytest.mark.parametrize("command", [gen_bone_data, gen_motion_data, merge_joint_bone_data, merge_joint_motion_data])
def test_bad_input_is_one_sentence(tmp_path: Path, command: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code(command.run, ["--dataset", "ntu", "--data-path", str(tmp_path)]) == 2
    assert exit_code(command.run, ["--dataset", "ntu60"]) == 2
    write_joints(tmp_path, "kinetics", np.zeros((1, 3, 4, 25, 2), np.float32))
    assert exit_code(command.run, ["--data-path", str(tmp_path)]) == 2
    first, second, third = capsys.readouterr().err.splitlines()
    assert "none of these files is there; prepare the data set first" in first
    assert "invalid choice: 'ntu60'" in second
    assert third.endswith("25 joints, but kinetics has 18")
