"""docs/own_data.md and docs/adding_a_model.md, done as they say: every command of theirs, on recordings made here."""

from __future__ import annotations

import importlib
import io
import json
import pickle
import re
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

import ensemble
import main
from clips.compact import CompactStore
from command_line import exit_code
from data_gen.own_config import NETWORKS
from engine.show import __main__ as show
from graph.layout import read_layout
from graph.layouts import ESTIMATORS

ROOT = Path(__file__).resolve().parents[2]
OWN = (ROOT / "docs/own_data.md").read_text(encoding="utf-8")
ADDING = (ROOT / "docs/adding_a_model.md").read_text(encoding="utf-8")
NARROW = ["--model-args", "widths=[6, 12, 12]", "num_gcn_scales=2", "num_g3d_scales=2"]
QUICK = ["--device", "cpu", "--batch-size", "4", "--forward-batch-size", "4"]
PEOPLE = ("ann", "bob", "eve", "joe")
EXERCISES = ("squat", "lunge", "jump")


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


def commands(text: str) -> list[str]:
    return [line for block in blocks(text, "sh") for line in block.splitlines() if line.startswith("python3 ")]


def execute(command: str, network: Sequence[str]) -> None:
    """What the shell would do, in this process: small networks and one epoch, one more if resumed, on a CPU."""
    words = shlex.split(command)[1:]
    if "<" in words:
        sys.stdin = io.TextIOWrapper(io.BytesIO(Path(words.pop()).read_bytes()))
        words.remove("<")
    if (words[0] == "-m" and words[1].split(".")[0] == "data_gen") or words[1] in ("engine.predict", "engine.export"):
        code = exit_code(importlib.import_module(words[1]).run, words[2:])
    elif words[1] == "engine.report":
        code = importlib.import_module("engine.report.__main__").main(words[2:])
    elif words[0] == "-m":
        assert words[1] == "engine.show"
        code = show.main(words[2:])
    elif words[0] == "ensemble.py":
        code = ensemble.main(words[1:])
    else:
        assert words[0] == "main.py"
        trains = "--phase" not in words and "--describe" not in words
        epochs = ["--num-epoch", "2" if "--checkpoint" in words else "1"] if trains else []
        code = main.main([*words[1:], *QUICK, *network, *epochs])
    assert code == 0, command


def clip(rng: np.random.Generator, joints: int, numbers: int) -> np.ndarray:
    return np.abs(rng.normal(size=(int(rng.integers(8, 20)), joints, numbers))).round(4) + 0.1


def write_recordings(folder: Path, form: str, joints: Sequence[str], names: Sequence[str]) -> None:
    rng = np.random.default_rng(0)
    folder.mkdir(parents=True)
    for name in names:
        values = clip(rng, len(joints), 4 if form == "mediapipe" else 3)
        path = folder / f"{name}.json"
        if form == "csv":
            header = ",".join(["frame", *(f"{joint}_{axis}" for joint in joints for axis in "xyz")])
            rows = [",".join(map(str, [t, *frame.ravel()])) for t, frame in enumerate(values)]
            path.with_suffix(".csv").write_text("\n".join([header, *rows]))
        elif form == "openpose":
            path.with_suffix("").mkdir()
            for t, frame in enumerate(values):
                people = [{"person_id": [-1], "pose_keypoints_2d": frame.ravel().tolist()}] * 3
                file = path.with_suffix("") / f"{name}_{t:012}_keypoints.json"
                file.write_text(json.dumps({"version": 1.3, "people": people}))
        elif form == "alphapose":
            people = [{"image_id": f"{t}.jpg", "keypoints": f.ravel().tolist()} for t, f in enumerate(values)]
            path.write_text(json.dumps(people))
        elif form == "mmpose":
            one = [{"keypoints": f[:, :2].tolist(), "keypoint_scores": f[:, 2].tolist()} for f in values]
            frames = [{"frame_id": t, "instances": [person]} for t, person in enumerate(one)]
            path.write_text(json.dumps({"instance_info": frames}))
        else:
            axes = ("x", "y", "z", "visibility")
            path.write_text(json.dumps([[dict(zip(axes, j, strict=True)) for j in f] for f in values.tolist()]))


@pytest.fixture
def gym(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that the page begins with, as far as the user makes it: poses, labels, skeleton."""
    monkeypatch.chdir(tmp_path)
    names = [f"{who}_{what}_{take}" for who in PEOPLE for what in EXERCISES for take in (1, 2)]
    (skeleton,) = (block for block in blocks(OWN, "yaml") if block.startswith("joints:"))
    (labels,) = blocks(OWN, "csv")
    rows = [labels.splitlines()[0], *(f"{name},{name.split('_')[1]},{name.split('_')[0]}" for name in names)]
    assert set(labels.splitlines()) <= set(rows)
    (tmp_path / "data").mkdir()
    (tmp_path / "data/gym_skeleton.yaml").write_text(skeleton)
    for file in ("gym_labels.csv", "labels.csv"):
        (tmp_path / "data" / file).write_text("\n".join(rows))
    monkeypatch.setattr("sys.stdin", sys.stdin)  # commands may be given another
    frames = [{"t": t, "bodies": [{"joints": pose}]} for t, pose in enumerate(np.random.rand(40, 7, 3).tolist())]
    (tmp_path / "data/gym_live.jsonl").write_text("\n".join(json.dumps(frame) for frame in frames))
    write_recordings(tmp_path / "data/gym_poses", "csv", read_layout("data/gym_skeleton.yaml").joints, names)
    for form, name in (("openpose", "openpose-25"), ("alphapose", "halpe-26"), ("mmpose", "coco-17")):
        write_recordings(tmp_path / "data" / form, form, ESTIMATORS[name].joints, names)
    write_recordings(tmp_path / "data/mediapipe", "mediapipe", ESTIMATORS["mediapipe-33"].joints, names)
    return tmp_path


@pytest.mark.parametrize("with_export", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_own_data_from_poses_to_fused_streams(gym: Path, with_export: bool, capsys: pytest.CaptureFixture[str]) -> None:
    for command in commands(OWN):
        if with_export or "gym.onnx" not in command:
            execute(command, NARROW)
    assert CompactStore("data/gym", "test").names[0] == "bob_squat_1"
    assert len(CompactStore("data/gym", "test").names) == len(CompactStore("data/gym", "train").names) == 12
    assert (gym / "data/gym/class_names.txt").read_text().split() == sorted(EXERCISES)
    assert (gym / "gym_squat.png").stat().st_size > 1000
    assert (gym / "gym_confusion.png").stat().st_size > 1000
    shapes = {name: CompactStore(f"data/mine_{name}").clip(0).shape for name in ("openpose", "mmpose", "mediapipe")}
    assert {name: (C, V, M) for name, (C, _, V, M) in shapes.items()} == {
        **{"openpose": (3, 25, 2), "mmpose": (2, 17, 1), "mediapipe": (3, 33, 1)},
    }
    said = capsys.readouterr().out
    assert "24 recordings have more than 2 people, up to 3" in said
    assert "bob_squat_1\n" in said
    assert (gym / "gym_report/index.html").is_file()
    if with_export:
        assert "gym.onnx: " in said
        assert "largest difference of logits" in said
        assert {json.loads(line)["clip"] for line in said.splitlines() if line.startswith('{"clip"')} >= {"ann_squat_1"}
        assert '{"frame": 39, "label": "' in said


def test_own_data_names_every_skeleton_and_network() -> None:
    assert {name for name in ESTIMATORS if f"`{name}`" in OWN} == set(ESTIMATORS)
    assert {name for name in NETWORKS if f"`{name}`" in OWN} == set(NETWORKS)


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder like the repository, with the files that the page has one write and a small UTD-MHAD."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "config").symlink_to(ROOT / "config")
    (tmp_path / "my_networks").mkdir()
    (code,), (configuration,) = blocks(ADDING, "python"), blocks(ADDING, "yaml")
    (tmp_path / "my_networks/mixer.py").write_text(code)
    (tmp_path / "my_networks/mixer.yaml").write_text(configuration)
    rng = np.random.default_rng(0)
    annotations = [
        {"frame_dir": f"clip{n}", "label": n % 27, "keypoint": rng.normal(size=(1, 20, 20, 3)).astype(np.float32)}
        for n in range(18)
    ]
    split = {"xsub_train": [f"clip{n}" for n in range(12)], "xsub_val": [f"clip{n}" for n in range(12, 18)]}
    (tmp_path / "data/utd-mhad").mkdir(parents=True)
    (tmp_path / "data/utd-mhad/utd_mhad.pkl").write_bytes(pickle.dumps({"split": split, "annotations": annotations}))
    return tmp_path


def test_a_network_of_ones_own_trains_resumes_tests_and_fuses(
    workplace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for command in commands(ADDING):
        execute(command, [])
    assert (workplace / "work_dir/utd-mhad/mixer_joint/result.json").exists()
    assert list((workplace / "work_dir/mixer_test").glob("*score*"))
    assert "my_networks.mixer.Model" in capsys.readouterr().out


@pytest.mark.parametrize("page", [OWN, ADDING], ids=["own_data", "adding_a_model"])
def test_links_lead_to_files(page: str) -> None:
    links = re.findall(r"\]\(([^)]+)\)", page)
    assert links
    assert [link for link in links if not (ROOT / "docs" / link).exists()] == []
