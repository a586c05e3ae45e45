"""Files that are no poses: each is refused in one sentence that names what is wrong."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from clips.poses import Wanted, clip_of
from clips.read.poses import read_poses
from errors import InputError
from graph.layout import SkeletonLayout

CHAIN = SkeletonLayout("chain", 5, ((1, 0), (2, 1), (3, 2), (4, 3)), joints=tuple(f"joint {v}" for v in range(5)))


def refused(path: Path, dims: int | None = None) -> str:
    with pytest.raises(InputError) as caught:
        clip_of(read_poses(path, CHAIN, dims), Wanted(), CHAIN.joints, str(path))
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)
    return str(caught.value)


HEADER = ",".join(["frame", *(f"joint {v}_{axis}" for v in range(5) for axis in "xy")])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "it is empty"),
        (HEADER, "there are no rows under the header"),
        (HEADER.replace("joint 3_y", "joint 3_x"), "column 'joint_3_x' is there twice"),
        (HEADER.replace("joint 3_y", "jiont 3_y"), "unknown column 'jiont_3_y'; did you mean 'joint_3_y'?"),
        (HEADER.replace(",joint 3_y", ""), "1 columns are missing: joint_3_y"),
        (HEADER.replace("frame,", ""), "1 columns are missing: frame"),
        (HEADER + ",joint 0_z", "4 columns are missing: joint_1_z, joint_2_z, joint_3_z, ..."),
        (HEADER + ",joint 0_visibility", "4 columns are missing: joint_1_score"),
        (HEADER.replace(",", ";"), "unknown column 'frame;joint_0_x"),
        (HEADER + "\n0,1,2,3,4,5,6,7,8,9,x", "line 2: 'x' is no number"),
        (HEADER + "\n0,1,2,3,4,5,6,7,8,9,1_0", "line 2: '1_0' is no number"),
        (HEADER + "\n0,1,2,3,4,5,6,7,8,9,1\n1,2", "line 3: 2 cells, the header has 11"),
        (HEADER + "\n0.5,1,2,3,4,5,6,7,8,9,1", "frame is 0.5, wanted a whole number"),
        (HEADER + "\n,1,2,3,4,5,6,7,8,9,1", "frame is nan, wanted a whole number"),
        (HEADER + "\n3,1,2,3,4,5,6,7,8,9,1\n3,1,2,3,4,5,6,7,8,9,1", "frame 3 has body 0 twice"),
        (HEADER + "\n0,1,2,3,4,5,6,7,8,9,1\n9999999999,1,2,3,4,5,6,7,8,9,1", "10000000000 frames; this many are a"),
        (HEADER + "\n0,1,2,3,4,5,6,7,8,9,inf", "frame 0, joint 'joint 4': a coordinate is inf"),
        (HEADER + "\n0,1,2,3,4,5,6,7,8,9,1e300", "a number is too large for float32"),
        (HEADER + "\n0" + ",0" * 10, "nobody is in it"),
    ],
)
def test_a_csv_that_is_none_is_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "a.csv").write_text(text)
    assert message in refused(tmp_path / "a.csv")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([], "wanted AlphaPose's (image_id, keypoints), MMPose's (instance_info) or frames of landmarks, got nothing"),
        ({}, "got nothing"),
        (3, "got something else"),
        ({"people": []}, "got 'people'"),
        ([[[1, 2]] * 4], "4 joints, and the skeleton has 5"),
        ([[[1, 2, 3, 4, 5]] * 5], "5 numbers for a joint, wanted 2 or 3 coordinates and perhaps a score"),
        ([[[1, 2]] * 5, [[1, 2]] * 4], "frame 1: a body of numbers (4, 2), wanted (5, 2)"),
        ([[[1, 2]] * 5, "walk"], "frame 1: wanted a list of joints or of bodies, got str"),
        ([[[1, "far"]] * 5], "frame 0: not numbers"),
        ([[{"x": 1, "y": 2}] * 4 + [{"x": 1}]], "frame 0: a landmark without 'y', which others have"),
        ([[{"x": 1, "y": None}] * 5], "frame 0, joint 'joint 0': a coordinate is nan"),
        ([[[1, 2]] * 3 + [None] * 2], "frame 0, joint 'joint 3': a coordinate is nan; --nan-as-missing"),
        ([[None, {"x": 1, "y": 2}, *[{"x": 1, "y": 2}] * 3]], "frame 0, joint 'joint 0': a coordinate is nan"),
        ([[[None] * 5], [[[1, 2]] * 5]], "frame 0, joint 'joint 0': a coordinate is nan"),
        ([[[1, 2]] * 4 + [None, None]], "6 joints, and the skeleton has 5"),
        ([{"image_id": "a.jpg", "keypoints": []}], "'a' has no number, by which frames are put in order"),
        ([{"image_id": "1.jpg", "keypoints": [1, 2, 3]}], "frame 1: wanted 15 numbers for 5 joints, got 3"),
        ([{"image_id": f"{n}_720p.jpg"} for n in (1, 2)], "'1_720p' and '2_720p' have the same last number"),
        ([{"image_id": "1.jpg"}], "it does not go on as one: KeyError('keypoints')"),
        ({"instance_info": [{"frame_id": "x", "instances": []}]}, "frame 'x', wanted a whole number"),
        ({"instance_info": [{"frame_id": 1, "instances": []}] * 2}, "two entries have the same frame_id"),
        ({"instance_info": [{"frame_id": 1, "instances": []}]}, "nobody is in it"),
        (
            [
                {"frame_id": 1, "instances": [{"keypoints": [[1, 2]] * 5, "keypoint_scores": [1] * 5}]},
                {"frame_id": 2, "instances": [{"keypoints": [[1, 2]] * 5}]},
            ],
            "it does not go on as one: KeyError('keypoint_scores')",
        ),
        (
            {"instance_info": [{"frame_id": 1, "instances": [{"keypoints": [[1, 2]] * 5, "keypoint_scores": [1]}]}]},
            "keypoint_scores are not one for each of 5 joints",
        ),
    ],
)
def test_a_json_file_that_is_none_is_refused(tmp_path: Path, content: Any, message: str) -> None:
    (tmp_path / "a.json").write_text(json.dumps(content))
    assert message in refused(tmp_path / "a.json")


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, "there is no .json file in it"),
        ({"a_1.json": "{}"}, "a_1.json: not a file of OpenPose, which has a list of people"),
        ({"a_1.json": '{"people": [{}]}'}, "a_1.json: a person has no pose_keypoints_2d"),
        ({"a_1.json": '{"people": [{"pose_keypoints_2d": [1]}]}'}, "frame 1: wanted 15 numbers for 5 joints, got 1"),
        ({"a.json": '{"people": []}'}, "'a' has no number, by which frames are put in order"),
        ({"a_1.json": '{"people": []}', "a_01.json": '{"people": []}'}, "'a_01' and 'a_1' have the same last"),
        ({"a_1.json": '{"people": [}'}, "a_1.json: not readable as JSON"),
    ],
)
def test_a_folder_that_is_no_recording_is_refused(tmp_path: Path, files: dict[str, str], message: str) -> None:
    (tmp_path / "a").mkdir()
    for name, text in files.items():
        (tmp_path / "a" / name).write_text(text)
    assert message in refused(tmp_path / "a")


def test_frames_of_damaged_numbers_ask_for_no_memory(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    for number in (0, 20240101120000):
        people = [{"pose_keypoints_2d": [1.0] * 15}] * 2
        (tmp_path / f"a/a_{number}_keypoints.json").write_text(json.dumps({"people": people}))
    assert read_poses(tmp_path / "a", CHAIN).people() == 2
    assert "20240101120001 frames; this many are a damaged frame number" in refused(tmp_path / "a")


def test_hidden_files_are_no_frames(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a/a_1.json").write_text(json.dumps({"people": [{"pose_keypoints_2d": [1.0] * 15}]}))
    (tmp_path / "a/._a_1.json").write_bytes(b"\0\5")  # what macOS leaves on other disks
    assert read_poses(tmp_path / "a", CHAIN).length == 1


def test_an_array_that_is_none_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    np.save(path, np.zeros((3, 5)))
    assert "wanted numbers (T, V, C) or (T, M, V, C), got (3, 5)" in refused(path)
    np.save(path, np.ones((3, 5, 2)))
    assert "2 numbers for a joint, wanted 3 coordinates and perhaps a score" in refused(path, dims=3)
    for other in ((1, 40, 5, 3), (3, 40, 5, 2)):  # pyskl's (M, T, V, C), st-gcn's (C, T, V, M)
        np.save(path, np.ones(other))
        assert f"wanted (T, M, V, C), got {other}: 40 people in {other[0]} frames?" in refused(path)
    np.save(path, np.array([{"run": 1}]), allow_pickle=True)
    assert "not a readable .npy array of numbers" in refused(path)
    path.write_bytes(b"PK\x03\x04")
    assert "it does not begin as one" in refused(path)
    path.unlink()
    assert "no such file" in refused(path)


def test_a_skeleton_without_names_or_with_names_that_are_one_has_no_columns(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(HEADER)
    for names, message in (((), "the skeleton has none"), (("a b", "A_b"), "columns cannot tell apart, 'a b' for one")):
        with pytest.raises(InputError, match=message):
            read_poses(tmp_path / "a.csv", SkeletonLayout("two", 2, ((1, 0),), joints=names))
