"""A raw recording becomes the bones that the network was trained on, once: from a file of bones, or from joints."""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import main
from clips.streams import derive
from command_line import exit_code
from data_gen import demo_gendata, gen_bone_data, ntu_gendata
from engine.predictor import Predictor
from engine.provenance import must_come_first
from feeders.feeder import Feeder
from graph.layouts import find_layout

ROOT = Path(__file__).parents[2]
NARROW = ["--model-args", "widths=[6, 6, 12]", "num_gcn_scales=2", "num_g3d_scales=1"]
CROP: dict[str, Any] = {"crop_resize": {"window": 12, "p_interval": [0.9]}}


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Recordings of two people, joints and bones of them, and a run on either: ``from_file`` and ``from_joints``."""
    folder = tmp_path_factory.mktemp("demo")
    recordings, clips = str(folder / "raw"), folder / "ntu/xsub"
    for module, words in (
        (demo_gendata, ["--out", recordings, "--subjects", "2", "3"]),
        (ntu_gendata, ["--data-path", recordings, "--out-folder", str(folder / "ntu")]),
        (gen_bone_data, ["--data-path", str(folder), "--dataset", "ntu"]),
    ):
        assert exit_code(module.run, words) == 0
    for name, kind in (("from_file", "bone"), ("from_joints", "joint")):
        files = {part: clips / f"{short}_data_{kind}.npy" for part, short in (("train", "train"), ("test", "val"))}
        labels = {part: clips / f"{short}_label.pkl" for part, short in (("train", "train"), ("test", "val"))}
        given = [
            word
            for part in files
            for word in (f"--{part}-feeder-args", f"data_path={files[part]}", f"label_path={labels[part]}")
        ]
        settings = ["--config", str(ROOT / "config/demo/msg3d.yaml"), "--device", "cpu", "--num-epoch", "1"]
        where = ["--stream", "bone", "--work-dir", str(folder / name), "--test-batch-size", "8"]
        assert main.main([*settings, *where, *given, *NARROW]) == 0
    return folder


@pytest.mark.parametrize("run", ["from_file", "from_joints"])
def test_scores_of_a_recording_are_those_of_the_test(demo: Path, run: str) -> None:
    tested: dict[str, np.ndarray] = pickle.loads((demo / run / "epoch1_test_score.pkl").read_bytes())
    predictor = Predictor.load([demo / run / "checkpoints/last.pt"])
    facts = predictor.streams[0].facts
    assert (facts.get("stream"), facts["channels"]) == ("bone" if run == "from_file" else None, 3)
    for name in sorted(tested)[::6]:
        found = predictor(demo / "raw" / name)
        np.testing.assert_allclose(found.scores[0], tested[name], rtol=1e-4, atol=1e-5, err_msg=name)


def test_both_are_fed_the_same_bones(demo: Path) -> None:
    clips = demo / "ntu/xsub"
    steps = [{"crop_resize": {"window": 32, "p_interval": [0.28]}}, "stream"]
    held = Feeder(clips / "val_data_bone.npy", clips / "val_label.pkl", stream="bone", transforms=steps)
    for run in ("from_file", "from_joints"):
        (stream,) = Predictor.load([demo / run / "checkpoints/last.pt"]).streams
        for index in (0, 20, 40):
            joints = np.array(np.load(clips / "val_data_joint.npy", mmap_mode="r")[index])
            fed = stream.fed(joints, None, "a").numpy()
            np.testing.assert_allclose(fed, held[index][0], atol=1e-5)
            assert np.abs(fed - derive(fed, "bone", find_layout("ntu-rgb+d").bone_pairs)).max() > 0.1


@pytest.mark.parametrize("steps", [[CROP, "stream"], [{"center": {"joint": 1}}, CROP, "stream"], ["stream", CROP], []])
@pytest.mark.parametrize("stream", ["bone", "joint_motion", "bone_motion", "joint_bone"])
def test_files_of_every_stream_and_what_comes_before_it(
    saved: Any, load: Any, tmp_path: Path, stream: str, steps: Sequence[Any]
) -> None:
    joints = np.random.default_rng(0).normal(size=(3, 30, 25, 2)).astype(np.float32)
    path = tmp_path / f"val_data_{stream}.npy"
    np.save(path, derive(joints, stream, find_layout("ntu-rgb+d").bone_pairs)[None])
    (tmp_path / "val_label.pkl").write_bytes(pickle.dumps((["a"], [0])))
    held = Feeder(path, tmp_path / "val_label.pkl", stream=stream, transforms=steps)
    weights = saved(tmp_path, "dgstgcn", "ntu-rgb+d", 2, stream, steps=steps)
    content = load(weights)
    content["data"] |= {"lineage": "agcn", "stream": stream}
    content["config"]["test_feeder_args"] = {"data_path": str(path), "transforms": list(steps)}
    torch.save(content, weights)
    fed = Predictor.load([weights]).streams[0].feeder(joints, None, "a")[0][0]
    np.testing.assert_allclose(fed, held[0][0], atol=1e-5)


def test_scores_of_a_file_are_differences() -> None:
    assert must_come_first("bone", [CROP, {"stream": {"scores": "mean"}}])
    assert not must_come_first("bone", [CROP, {"stream": None}])
