"""AIST++ from raw files to a trained network: segments, what stays out, a store in place of the fork's pickle."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from clips.read.pyskl import PysklStore
from clips.store import open_store
from command_line import exit_code
from data_gen import aist_gendata, verify
from data_gen.known_counts import EXPLAINED
from engine.build import build_feeder
from engine.flags import parse

CONFIG = Path(__file__).resolve().parents[2] / "config"
IGNORED = "gHO_sFM_cAll_d20_mHO5_ch13"
LENGTHS = {  # frames, by part
    "train": {"gBR_sBM_cAll_d04_mBR0_ch01": 150, "gPO_sBM_cAll_d10_mPO0_ch01": 60, IGNORED: 70},
    "val": {"gLO_sBM_cAll_d13_mLO0_ch01": 59, "gWA_sFM_cAll_d25_mWA0_ch02": 61},
    "test": {"gJB_sBM_cAll_d07_mJB0_ch01": 120, "gKR_sBM_cAll_d28_mKR0_ch01": 64},
}
LABELS = {"gBR": 0, "gPO": 1, "gWA": 6, "gJB": 9, "gKR": 7}


def poses(name: str, frames: int) -> np.ndarray:
    """Frame 10 of the test's first sequence lacks a number."""
    made = np.random.default_rng(sum(map(ord, name))).normal(size=(frames, 24, 3))
    if name.startswith("gJB"):
        made[10, 3, 1] = np.nan
    return made


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    folder = tmp_path / "raw"
    for name in ("splits", "motions", "keypoints3d", "smpl24"):
        (folder / name).mkdir(parents=True)
    for part, found in LENGTHS.items():
        (folder / "splits" / f"pose_{part}.txt").write_text("".join(f"{name} \n" for name in found))
        for name, frames in found.items():
            made = poses(name, frames)
            content = {"smpl_poses": made.reshape(frames, 72), "smpl_trans": made[:, 0], "smpl_scaling": np.ones(1)}
            (folder / "motions" / f"{name}.pkl").write_bytes(pickle.dumps(content))
            points = {"keypoints3d": made[:, :17] + 1, "keypoints3d_optim": made[:, :17]}
            (folder / "keypoints3d" / f"{name}.pkl").write_bytes(pickle.dumps(points))
            np.save(folder / "smpl24" / f"{name}.npy", np.concatenate([made, made], axis=1)[:, :45])
    return folder


def prepare(raw: Path, *more: str) -> int:
    return exit_code(aist_gendata.run, ["--data-path", str(raw), *more])


def fork_pickle(path: Path) -> Path:
    """What the fork's script makes of the sequences, written down from what it does."""
    annotations, split = [], {}
    for part, found in LENGTHS.items():
        split[part] = []
        for name, frames in found.items():
            if name == IGNORED:
                continue
            made = poses(name, frames)
            whole = np.array([frame for frame in made if np.isfinite(frame).all()])
            for count, start in enumerate(range(0, len(whole), 60), 1):
                if len(whole) < 60:
                    break
                begin = start if start + 60 <= len(whole) else len(whole) - 60
                keypoint = whole[begin : begin + 60][None]
                frame_dir = f"{name}_{count:02d}"
                annotations.append(
                    {"frame_dir": frame_dir, "label": LABELS[name[:3]], "keypoint": keypoint, "total_frames": 60}
                )
                split[part].append(frame_dir)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(pickle.dumps({"split": split, "annotations": annotations}))
    return path


def same_clips(ours: Any, theirs: Any) -> None:
    assert len(ours.names) == len(theirs.names) > 0
    rows = {name: row for row, name in enumerate(ours.names)}
    assert rows.keys() == set(theirs.names)
    for index, name in enumerate(theirs.names):
        assert ours.labels[rows[name]] == theirs.labels[index]
        assert np.array_equal(ours.clip(rows[name]), theirs.clip(index))


def test_the_store_holds_the_forks_segments(raw: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert prepare(raw, "--kind", "smpl", "--out-folder", str(tmp_path / "aist_{kind}_{length}")) == 0
    said = capsys.readouterr().out
    assert "7 sequences, 1 of them on the list of those to leave out" in said
    assert "1 frames of 1 sequences are not finite and stay out" in said
    assert "1 sequences are shorter than 60 frames and stay out: gLO_sBM_cAll_d13_mLO0_ch01" in said
    theirs = fork_pickle(tmp_path / "fork.pkl")
    for split, count in (("train", 4), ("val", 2), ("test", 4)):
        ours = open_store(tmp_path / "aist_smpl_60.pkl", split=split)  # there is no such file: the store stands for it
        assert len(ours.names) == count
        same_clips(ours, PysklStore(theirs, split))
    assert ours.layout is not None
    assert ours.layout.name == "smpl"


def test_other_kinds_and_lengths(raw: Path, tmp_path: Path) -> None:
    out = str(tmp_path / "{kind}_{length}")
    assert prepare(raw, "--kind", "keypoints3d", "--segment-length", "64", "--out-folder", out) == 0
    points = open_store(tmp_path / "keypoints3d_64", split="train")
    first = poses("gBR_sBM_cAll_d04_mBR0_ch01", 150)[:, :17]
    assert points.names == [f"gBR_sBM_cAll_d04_mBR0_ch01_0{n}" for n in (1, 2, 3)]
    for index, start in enumerate((0, 64, 86)):
        assert np.array_equal(points.clip(index)[..., 0], first[start : start + 64].transpose(2, 0, 1).astype("f4"))
    assert prepare(raw, "--kind", "smpl24", "--out-folder", out, "--n-cores", "2", "--layout", "dense") == 0
    assert np.load(tmp_path / "smpl24_60" / "train_data_joint.npy").shape == (4, 3, 60, 24, 1)
    assert prepare(raw, "--kind", "smpl", "--out-folder", out) == 0
    same_clips(
        open_store(tmp_path / "smpl24_60" / "train_data_joint.npy", tmp_path / "smpl24_60" / "train_label.pkl"),
        open_store(tmp_path / "smpl_60", split="train"),
    )


def test_a_damaged_sequence_stops_it_or_stays_out_and_work_goes_on(
    raw: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = raw / "motions" / "gPO_sBM_cAll_d10_mPO0_ch01.pkl"
    whole = path.read_bytes()
    path.write_bytes(whole[:-300])
    out = tmp_path / "aist"
    assert prepare(raw, "--kind", "smpl", "--out-folder", str(out)) == 1
    assert f"{path}: not a readable pickle" in capsys.readouterr().err
    assert not (out / "store.json").exists()
    assert prepare(raw, "--kind", "smpl", "--out-folder", str(out), "--allow-missing") == 0
    assert "10 of 10 recordings are done from before" in capsys.readouterr().err
    assert len(open_store(out, split="train").names) == 3
    path.write_bytes(whole)
    assert prepare(raw, "--kind", "smpl", "--out-folder", str(out)) == 0
    assert len(open_store(out, split="train").names) == 4


def test_what_a_published_blank_does_is_explained() -> None:
    assert "gHO_sFM_cAll_d20_mHO5_ch13" in EXPLAINED["aist-smpl-60", "test", 5_758]
    # 64 beats at 135 a minute, 60 frames a second
    assert len(aist_gendata.segment_starts(round(64 * 60 * 60 / 135), 60)) == 29


def test_the_list_of_sequences_to_leave_out_is_stripped() -> None:
    lines = aist_gendata.IGNORED_LIST.read_text(encoding="utf-8").splitlines()
    assert len(set(lines)) == 45
    assert all(line == line.strip() and line[1:3] in aist_gendata.GENRES for line in lines)
    assert IGNORED in lines


def bones_of_the_fork(joints: np.ndarray) -> np.ndarray:
    """Every bone is joint minus parent, but channel 2 is the mean of both; the root has none: (T, V, C) -> same."""
    parents = [0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 12, 13, 14, 16, 17, 18, 19, 20, 21]
    bone = np.zeros_like(joints)
    for joint, parent in enumerate(parents, 1):
        bone[:, joint] = joints[:, joint] - joints[:, parent]
        bone[:, joint, 2] = (joints[:, joint, 2] + joints[:, parent, 2]) / 2
    return bone


@pytest.mark.parametrize(("file", "quirk"), [("msg3d.yaml", False), ("msg3d-fork.yaml", True)])
def test_the_forks_bones_are_there_by_name(
    file: str, quirk: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fork_pickle(tmp_path / "data" / "aist" / "aist_smpl_60.pkl")
    monkeypatch.chdir(tmp_path)
    feeders = {
        stream: build_feeder(parse(["--config", str(CONFIG / "aist-smpl-60" / file), "--stream", stream])[0], "test")
        for stream in ("joint", "bone", "bone_motion")
    }
    clips = {stream: feeder[0][0][..., 0].transpose(1, 2, 0) for stream, feeder in feeders.items()}
    bone = bones_of_the_fork(clips["joint"])
    assert np.array_equal(clips["bone"][..., :2], bone[..., :2])
    assert np.array_equal(clips["bone"][..., 2], bone[..., 2]) is quirk
    assert np.array_equal(clips["bone_motion"][:-1], np.diff(clips["bone"], axis=0))


def test_from_raw_files_to_a_trained_network(
    raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run_main: Callable[..., Any], capsys: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    for kind in ("smpl", "keypoints3d", "smpl24"):
        store = f"data/aist/aist_{kind}_60"
        assert prepare(raw, "--kind", kind, "--out-folder", store) == 0
        capsys.readouterr()
        dataset = [] if kind == "keypoints3d" else ["--dataset", f"aist-{kind}-60"]
        exit_code(verify.run, [store, *dataset, "--json"])
        report = json.loads(capsys.readouterr().out)
        assert {split: found["clips"] for split, found in report["splits"].items()} == {"train": 4, "val": 2, "test": 4}
        counts = [problem for problem in report["problems"] if "clips, but aist" in problem]
        assert report["problems"] == counts  # nothing is wrong but that there are only a few
        assert len(counts) == (0 if kind == "keypoints3d" else 3)
        done = run_main(
            *("--config", CONFIG / f"aist-{kind}-60" / "msg3d.yaml", "--num-epoch", "1", "--device", "cpu"),
            *("--model-args", "widths=[6,12,12]", "num_gcn_scales=2", "num_g3d_scales=1"),
            *("--train-feeder-args", "repeat=1", "--stream", "bone", "--batch-size", "4", "--forward-batch-size", "4"),
        )
        assert done.code == 0, done.err
        assert any("top-1" in line for line in done.out)


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (
            ["--kind", "smpl", "--data-path", "{tmp}/no"],
            "pose_train.txt: No such file or directory; the lists of AIST++",
        ),
        (["--kind", "smpl", "--ignored-sample-path", "{tmp}/no"], "{tmp}/no: No such file or directory; it lists"),
        (["--kind", "mesh"], "argument --kind: invalid choice: 'mesh'"),
        (["--kind", "smpl", "--segment-length", "0"], "wanted a whole number of at least 1, got '0'"),
        ([], "the following arguments are required: --kind"),
    ],
)
def test_bad_arguments_are_one_sentence(
    argv: list[str], message: str, raw: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert prepare(raw, *(word.format(tmp=tmp_path) for word in argv)) == 2
    error = capsys.readouterr().err
    assert message.format(tmp=tmp_path) in error
    assert error.count("\n") == 1


def test_a_list_that_names_something_else_and_an_empty_folder(
    raw: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (raw / "splits" / "pose_val.txt").write_text("S001C001P001R001A001\n")
    assert prepare(raw, "--kind", "smpl", "--out-folder", str(tmp_path / "out")) == 2
    assert "'S001C001P001R001A001' is not called after a genre" in capsys.readouterr().err
    (raw / "splits" / "pose_val.txt").write_text("")
    for path in (raw / "motions").iterdir():
        path.unlink()
    assert prepare(raw, "--kind", "smpl", "--out-folder", str(tmp_path / "out")) == 2
    assert "motions: there is no sequence of the splits" in capsys.readouterr().err
