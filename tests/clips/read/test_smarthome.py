from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from clips.read.smarthome import read_smarthome
from errors import InputError


def person(seed: int) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    return {"pose2d": rng.uniform(1, 600, 26).tolist(), "pose3d": rng.normal(size=39).tolist(), "cumscore": 1.5}


def write(path: Path, content: Any) -> Path:
    path.write_text(json.dumps(content))
    return path


def test_all_x_then_all_y_then_all_z(tmp_path: Path) -> None:
    frames = [[person(0), person(1)], [], [person(number) for number in range(2, 8)]]
    path = write(tmp_path / "a.json", {"K": 20, "njts": 13, "frames": frames})
    for pose, size in (("pose2d", 2), ("pose3d", 3)):
        people = read_smarthome(path, pose)
        assert people.shape == (3, 4, 13, size)
        for frame, slot in ((0, 0), (0, 1), (2, 3)):
            values = frames[frame][slot][pose]
            for joint in range(13):
                assert people[frame, slot, joint].tolist() == [values[joint + 13 * axis] for axis in range(size)]
        assert not people[0, 2:].any()
        assert not people[1].any()


def test_refined_files_have_no_score(tmp_path: Path) -> None:
    refined = {key: value for key, value in person(0).items() if key != "cumscore"}
    assert read_smarthome(write(tmp_path / "a.json", {"K": 5, "njts": 13, "frames": [[refined]]}), "pose3d").any()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([], "wanted a dictionary with frames"),
        ({"frames": []}, "wanted a dictionary with frames"),
        ({"njts": 15, "frames": [[]]}, "its people have 15 joints, wanted 13"),
        ({"frames": [[], 3]}, "frame 1: wanted a list of people, got int"),
        ({"frames": [[3]]}, "frame 0, person 0: wanted pose2d, a list of numbers"),
        ({"frames": [[{"pose2d": ["a"] * 26}]]}, "frame 0, person 0: wanted pose2d, a list of numbers"),
        ({"frames": [[{"pose2d": [10**400] * 26}]]}, "frame 0, person 0: wanted pose2d, a list of numbers"),
        ({"frames": [[{"pose2d": [1.0] * 25}]]}, "wanted 26 numbers of pose2d, got 25"),
        ({"frames": [[{"pose2d": [float("nan")] * 26}]]}, "a coordinate is not finite"),
    ],
)
def test_another_form_is_one_sentence(content: Any, message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError) as refused:
        read_smarthome(write(tmp_path / "a.json", content), "pose2d")
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)
