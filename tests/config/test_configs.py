"""The YAML files under config/: MS-G3D's twenty say what was published, and every network named can be built."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F

import feeders.feeder
from engine.build import build_feeder, build_model
from engine.config import Config
from engine.flags import parse
from engine.yaml_files import read_yaml
from graph.layouts import find_layout
from importing import bind_arguments, import_class

NARROW = {
    "model.msg3d.Model": ["widths=[6,12,12]"],
    "model.mstgcn.Model": ["widths=[8,8,16]"],
    "model.dgstgcn.Model": ["widths=[12,12,24]"],
    "model.msagcn.Model": ["widths=[40,40,40]", "window_size=8"],
}
CONFIG = Path(__file__).resolve().parents[2] / "config"
RUNS = sorted(path for path in CONFIG.glob("*/*.yaml") if path.parent.name not in ("_base", "skeletons", "tables"))


def name(path: Path) -> str:
    return str(path.relative_to(CONFIG))


def read(path: Path) -> Config:
    return parse(["--config", str(path)])[0]


NTU60: dict[str, Any] = {"step": [30, 40], "num_epoch": 50}
NTU120: dict[str, Any] = {"step": [30, 50], "num_epoch": 60}
KINETICS: dict[str, Any] = {"step": [45, 55], "num_epoch": 65}
# folder: where its data lies, classes, what its training is about, and its weights by stream
PUBLISHED: dict[str, tuple[str, int, dict[str, Any], dict[str, str]]] = {
    "nturgbd-cross-subject": ("ntu/xsub", 60, NTU60, {"joint": "ntu60-xsub-joint-fusion", "bone": "ntu60-xsub-bone"}),
    "nturgbd-cross-view": ("ntu/xview", 60, NTU60, {"joint": "ntu60-xview-joint", "bone": "ntu60-xview-bone"}),
    "nturgbd120-cross-subject": (
        *("ntu120/xsub", 120, NTU120),
        {"joint": "ntu120-xsub-joint", "bone": "ntu120-xsub-bone"},
    ),
    "nturgbd120-cross-setup": (
        *("ntu120/xset", 120, NTU120),
        {"joint": "ntu120-xset-joint", "bone": "ntu120-xset-bone"},
    ),
    "kinetics-skeleton": ("kinetics", 400, KINETICS, {"joint": "kinetics-joint", "bone": "kinetics-bone"}),
}
CASES = [(folder, stream) for folder in PUBLISHED for stream in ("joint", "bone")]


def network(folder: str) -> dict[str, Any]:
    """``model`` and ``model_args`` as published."""
    kinetics = folder == "kinetics-skeleton"
    arguments = {
        "num_class": PUBLISHED[folder][1],
        "num_point": 18 if kinetics else 25,
        "num_person": 2,
        "num_gcn_scales": 8 if kinetics else 13,
        "num_g3d_scales": 8 if kinetics else 6,
        "graph": "graph.kinetics.AdjMatrixGraph" if kinetics else "graph.ntu_rgb_d.AdjMatrixGraph",
    }
    return {"feeder": "feeders.feeder.Feeder", "model": "model.msg3d.Model", "model_args": arguments}


def settings(config: Config, wanted: dict[str, Any]) -> dict[str, Any]:
    """Those settings of ``config`` that ``wanted`` speaks of."""
    return {key: getattr(config, key) for key in wanted}


@pytest.mark.parametrize(("folder", "stream"), CASES)
def test_training_files_say_what_was_published(folder: str, stream: str) -> None:
    data, _, recipe, _ = PUBLISHED[folder]
    kinetics = folder == "kinetics-skeleton"
    none = {
        **{"random_choose": False, "random_shift": False, "random_move": False},
        **{"window_size": -1, "normalization": False},
    }
    wanted = {
        **network(folder),
        **recipe,
        "phase": "train",
        "work_dir": f"./work_dir/{data}/msg3d_{stream}",
        "train_feeder_args": {
            "data_path": f"./data/{data}/train_data_{stream}.npy",
            "label_path": f"./data/{data}/train_label.pkl",
            "debug": False,
            **({} if kinetics else none),
        },
        "test_feeder_args": {
            "data_path": f"./data/{data}/val_data_{stream}.npy",
            "label_path": f"./data/{data}/val_label.pkl",
        },
        "optimizer": "SGD",
        "nesterov": True,
        "weight_decay": 0.0003 if kinetics else 0.0005,
        "base_lr": 0.1 if kinetics else 0.05,
        "batch_size": 128 if kinetics else 32,
        "forward_batch_size": 64 if kinetics else 16,
        "test_batch_size": 128 if kinetics else 32,
        "device": ["0", "1", "2", "3"] if kinetics else ["0"],
        "weights": None,
        "stream": None,
    }
    assert settings(read(CONFIG / folder / f"train_{stream}.yaml"), wanted) == wanted


@pytest.mark.parametrize(("folder", "stream"), CASES)
def test_test_files_say_what_was_published(folder: str, stream: str) -> None:
    data, _, _, weights = PUBLISHED[folder]
    wanted = {
        **network(folder),
        "phase": "test",
        "work_dir": f"./eval/{data}/{stream}/",
        "test_feeder_args": {
            "data_path": f"./data/{data}/val_data_{stream}.npy",
            "label_path": f"./data/{data}/val_label.pkl",
            "debug": False,
        },
        "train_feeder_args": {},
        "device": ["0"],
        "test_batch_size": 32,
        "weights": f"./pretrained-models/{weights[stream]}.pt",
        "save_score": True,
        "stream": None,
    }
    assert settings(read(CONFIG / folder / f"test_{stream}.yaml"), wanted) == wanted


def test_there_are_twenty_of_two_lines_each() -> None:
    files = [CONFIG / folder / f"{phase}_{stream}.yaml" for folder, stream in CASES for phase in ("train", "test")]
    assert len(set(files) & set(RUNS)) == 20
    lines = {name(path): path.read_text(encoding="utf-8").splitlines() for path in files}
    assert {path: len(text) for path, text in lines.items()} == dict.fromkeys(lines, 2)


@pytest.mark.parametrize("path", RUNS, ids=name)
def test_every_network_learns_from_a_clip(path: Path, never_used: dict[str, str]) -> None:
    """As the file has it, but narrow, on clips of eight frames."""
    network = read(path).model
    config = parse(["--config", str(path), "--model-args", *NARROW[str(network)]])[0]
    arguments = config.model_args
    model = build_model(config)
    shape = (2, arguments.get("in_channels", 3), 8, arguments["num_point"], arguments["num_person"])
    logits = model(torch.randn(shape, generator=torch.Generator().manual_seed(1)))
    assert logits.shape == (2, arguments["num_class"])
    F.cross_entropy(logits, torch.tensor([0, arguments["num_class"] - 1])).backward()
    unused = never_used.get(str(network).split(".")[1], "$")
    lost = [n for n, p in model.named_parameters() if p.grad is None and not re.match(unused, n)]
    assert lost == []
    assert all(p.grad.isfinite().all() for p in model.parameters() if p.grad is not None)


@pytest.mark.parametrize("path", RUNS, ids=name)
def test_every_feeder_takes_its_arguments(path: Path) -> None:
    config = read(path)
    assert config.work_dir
    for part in ("train", "test") if config.phase == "train" else ("test",):
        arguments = getattr(config, f"{part}_feeder_args")
        takes = bind_arguments(import_class(config.feeder, "feeder"), arguments, f"{part}_feeder_args")
        assert takes["data_path"]


class Made:
    """Three made recordings of the kind that a configuration is about, in place of its data."""

    names, labels = ["a", "b", "c"], [0, 1, 2]
    layout = image_shapes = None

    def __init__(self, source: str, config: Config) -> None:
        self.source = source
        takes = config.model_args
        self.shape = (takes.get("in_channels", 3), 70, takes["num_point"], takes["num_person"])

    def clip(self, index: int) -> np.ndarray:
        clip = np.random.default_rng(index).normal(size=self.shape).astype(np.float32)
        clip[:, 60:] = 0
        clip[..., 1:] = 0 if index else clip[..., 1:]
        return clip


STREAMS = ("joint", "bone", "joint_motion", "bone_motion")
FEEDERS = [  # MS-G3D's own have a file for every stream
    (path, stream)
    for path in RUNS
    for stream in (STREAMS if str(read(path).work_dir).endswith("_{stream}") else (None,))
]


@pytest.mark.parametrize(
    ("path", "stream"), FEEDERS, ids=lambda value: name(value) if isinstance(value, Path) else value
)
def test_every_pipeline_gives_clips_that_its_network_takes(
    path: Path, stream: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = dataclasses.replace(read(path), stream=stream)
    monkeypatch.chdir(CONFIG.parent)
    monkeypatch.setattr(feeders.feeder, "open_store", lambda path, *_, **__: Made(str(path), config))
    for part in ("train", "test") if config.phase == "train" else ("test",):
        feeder = build_feeder(config, part)
        clips = [feeder[index][0] for index in range(3)]
        clips = [clip for item in clips for clip in (item if item.ndim == 5 else item[None])]
        shapes = {clip.shape for clip in clips}
        takes = config.model_args
        for channels, frames, joints, bodies in shapes:
            assert (channels, joints, bodies) == (takes.get("in_channels", 3), takes["num_point"], takes["num_person"])
            assert frames == takes.get("window_size", frames)
        assert len(shapes) == 1
        assert all(np.isfinite(clip).all() for clip in clips)
        assert all(clip.any() for clip in clips)


def test_the_bases_are_used() -> None:
    """A base that no file names would never be looked at by the tests above."""
    named = {
        base.removeprefix("../_base/")
        for path in CONFIG.rglob("*.yaml")
        for base in np.atleast_1d(read_yaml(path).get("base", []))
    }
    assert {path.name for path in (CONFIG / "_base").iterdir()} == named


@pytest.mark.parametrize("path", sorted((CONFIG / "skeletons").iterdir()), ids=name)
def test_every_skeleton_is_one(path: Path) -> None:
    layout = find_layout(path)
    assert layout.name == path.stem
    assert len(layout.joints) == layout.num_joints


@pytest.mark.parametrize("path", [path for path in RUNS if read(path).phase == "train"], ids=name)
def test_every_recipe_makes_sense(path: Path) -> None:
    config = read(path)
    if config.lr_schedule == "step":
        assert config.step == sorted(set(config.step))
        assert config.step[-1] < config.num_epoch
    assert config.batch_size % config.forward_batch_size == 0
    assert config.stream is None or str(config.work_dir).endswith("_{stream}")


def test_utd_mhad_is_trained_across_subjects() -> None:
    config = read(CONFIG / "utd-mhad" / "msg3d.yaml")
    wanted = {"num_class": 27, "num_point": 20, "num_person": 1, "graph": "graph.custom.AdjMatrixGraph"}
    assert {key: config.model_args[key] for key in wanted} == wanted
    assert (config.train_feeder_args["split"], config.test_feeder_args["split"]) == ("xsub_train", "xsub_val")
