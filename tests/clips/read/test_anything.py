"""Recordings in any form: told apart by what they hold, and read as their own reader reads them."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from clips.read.anything import LINEAGES, as_prepared, is_recording, read_clip
from clips.read.kinetics import read_kinetics
from clips.read.ntu import read_ntu
from clips.read.ucla import read_recording
from errors import InputError
from graph.layouts import find_layout

GOLDEN = Path(__file__).resolve().parents[2] / "golden"
SKELETON = GOLDEN / "nturgbd_raw" / "S002C003P005R001A043.skeleton"
KINETICS = GOLDEN / "kinetics_raw" / "kinetics_val" / "vidA.json"
UCLA = next((GOLDEN / "ucla_raw").glob("*.json"))


def write(path: Path, content: Any) -> Path:
    path.parent.mkdir(exist_ok=True)
    if path.suffix == ".json":
        path.write_text(json.dumps(content))
    elif path.suffix == ".pkl":
        path.write_bytes(pickle.dumps(content))
    else:
        np.save(path, content)
    return path


def test_published_forms_bring_their_skeleton() -> None:
    found = {path: read_clip(path) for path in (SKELETON, KINETICS, UCLA)}
    assert [layout.name for _, layout in found.values()] == ["ntu-rgb+d", "openpose", "nw-ucla"]
    np.testing.assert_array_equal(found[KINETICS][0], read_kinetics(KINETICS)[0])
    np.testing.assert_array_equal(found[UCLA][0], read_recording(UCLA))
    assert all(clip.dtype == np.float32 and clip.ndim == 4 for clip, _ in found.values())
    assert all(is_recording(path) for path in found)


@pytest.mark.parametrize("lineage", LINEAGES)
def test_lineages_prepare_a_recording_of_ntu(lineage: str) -> None:
    clip, _ = read_clip(SKELETON, lineage=lineage)
    recording = read_ntu(SKELETON)
    np.testing.assert_array_equal(clip, as_prepared(recording, lineage).astype(np.float32))
    assert clip.shape[0] == 3
    assert clip.shape[1] <= recording.num_frames
    with pytest.raises(InputError, match=r"vidA.json: lineages differ for .skeleton files"):
        read_clip(KINETICS, lineage=lineage)


def test_other_forms_are_told_by_what_they_hold(tmp_path: Path) -> None:
    person = {"pose2d": [float(i) for i in range(26)], "pose3d": [float(i) for i in range(39)]}
    smarthome = write(tmp_path / "Walk_p03_r00_v01_c03.json", {"K": 5, "njts": 13, "frames": [[person], [person]]})
    assert read_clip(smarthome)[0].shape == (2, 2, 17, 2)
    assert read_clip(smarthome, find_layout("toyota-agcn"))[0].shape == (3, 2, 15, 1)
    rotations = np.random.default_rng(0).normal(size=(4, 72))
    clip, layout = read_clip(write(tmp_path / "gBR.pkl", {"smpl_poses": rotations}))
    np.testing.assert_array_equal(clip[:, :, :, 0], rotations.reshape(4, 24, 3).transpose(2, 0, 1).astype(np.float32))
    assert layout.name == "smpl"
    rotations[1, 5], rotations[2, 0] = np.inf, np.nan
    clip = read_clip(write(tmp_path / "gBR.pkl", {"smpl_poses": rotations}))[0]
    np.testing.assert_array_equal(clip[0, :, 0, 0], rotations[[0, 3], 0].astype(np.float32))
    with pytest.raises(InputError, match="no frame of it is finite"):
        read_clip(write(tmp_path / "gBR.pkl", {"smpl_poses": rotations[1:3]}))
    points = np.random.default_rng(0).normal(size=(4, 17, 3))
    clip, layout = read_clip(write(tmp_path / "k.pkl", {"keypoints3d": points}))
    assert (clip.shape, layout.num_joints) == ((3, 4, 17, 1), 17)


def test_poses_of_an_estimator_need_their_skeleton(tmp_path: Path) -> None:
    coco = find_layout("coco-17")
    points = np.random.default_rng(1).normal(size=(6, 17, 2)) + 3
    array, lists = write(tmp_path / "a.npy", points), write(tmp_path / "a.json", points.tolist())
    people = {"people": [{"pose_keypoints_2d": np.append(points[0], np.ones((17, 1)), axis=1).ravel().tolist()}]}
    folder = write(tmp_path / "open" / "a_000000_keypoints.json", people).parent
    (folder / "._a_000000_keypoints.json").write_bytes(b"\0\5")  # what macOS leaves on other disks
    for path, frames in ((array, 6), (lists, 6), (folder, 1)):
        assert is_recording(path)
        with pytest.raises(InputError, match=r"which joints are these\? name their skeleton"):
            read_clip(path)
        clip, layout = read_clip(path, coco)
        assert layout is coco
        np.testing.assert_array_equal(clip[:2, :frames, :, 0], points[:frames].transpose(2, 0, 1).astype(np.float32))


def test_sets_of_clips_are_no_recordings(tmp_path: Path) -> None:
    dense = write(tmp_path / "train_data_joint.npy", np.zeros((2, 3, 4, 5, 1), np.float32))
    pyskl = write(tmp_path / "ntu.pkl", {"split": {}, "annotations": []})
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "store.json").write_text("{}")
    assert not any(map(is_recording, (dense, pyskl, tmp_path / "store", tmp_path, tmp_path / "nothing.npy")))
    with pytest.raises(InputError, match=r"nothing.npy: no such file or folder"):
        read_clip(tmp_path / "nothing.npy")


def test_endings_may_be_in_capitals(tmp_path: Path) -> None:
    copies = {SKELETON: "A.SKELETON", KINETICS: "B.JSON"}
    for path, name in copies.items():
        (tmp_path / name).write_bytes(path.read_bytes())
        assert is_recording(tmp_path / name)
        np.testing.assert_array_equal(read_clip(tmp_path / name)[0], read_clip(path)[0])
    np.save(tmp_path / "c.npy", np.ones((4, 17, 2)))
    (tmp_path / "c.npy").rename(tmp_path / "C.NPY")
    assert is_recording(tmp_path / "C.NPY")


@pytest.mark.parametrize("name", ["a.npy", "a.pkl", "open/frame_000.json"])
def test_what_is_damaged_is_neither_a_recording_nor_none(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"{damaged")
    with pytest.raises(InputError, match=f"{path.name}: not "):
        is_recording(path if path.parent == tmp_path else path.parent)
