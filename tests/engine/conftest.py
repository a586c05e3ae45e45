"""What tests of the engine share: reading curves, comparing checkpoints, a network and a feeder of a user's own."""

from __future__ import annotations

import json
import pickle
import struct
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import torch
from tensorboardX.proto.event_pb2 import Event
from torch import nn

from engine.build import build_model
from engine.config import make_config
from engine.provenance import as_mapping
from graph.layouts import find_layout

OWN = """
import torch
from torch import nn

import feeders.feeder


class Model(nn.Module):
    '''Means over everything, with dropout, so that training draws from torch's own generator.'''

    def __init__(self, num_class, width=8):
        super().__init__()
        self.hidden = nn.Linear(3, width)
        self.dropout = nn.Dropout(0.5)
        self.fc = nn.Linear(width, num_class)

    def forward(self, x):
        return self.fc(self.dropout(torch.relu(self.hidden(x.mean(dim=(2, 3, 4))))))


class Feeder(feeders.feeder.Feeder):
    '''Ours by another name.'''


class NotANetwork:
    pass
"""


@pytest.fixture
def own_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of an importable module that is not of this repository, with a ``Model`` and a ``Feeder``."""
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    name = f"own_{tmp_path.name}"
    (folder / f"{name}.py").write_text(OWN, encoding="utf-8")
    monkeypatch.syspath_prepend(folder)
    return name


@pytest.fixture
def read_curves() -> Callable[[Path], dict[str, list[tuple[int, float]]]]:
    """The points in a folder of TensorBoard files: tag -> [(step, value)]."""

    def read(folder: Path) -> dict[str, list[tuple[int, float]]]:
        points: dict[str, list[tuple[int, float]]] = {}
        for path in sorted(folder.glob("events.*")):
            content = path.read_bytes()
            at = 0
            while at < len(content):  # a record is its length, a checksum of that, the event, a checksum of that
                (length,) = struct.unpack_from("<Q", content, at)
                event = Event.FromString(content[at + 12 : at + 12 + length])
                at += 12 + length + 4
                if event.HasField("session_log"):  # a run that goes on: what was drawn after its step does not count
                    points = {tag: [p for p in drawn if p[0] < event.step] for tag, drawn in points.items()}
                for value in event.summary.value:
                    points.setdefault(value.tag, []).append((event.step, value.simple_value))
        return points

    return read


@pytest.fixture
def load() -> Callable[[Path], Any]:
    """What ``torch.save`` wrote."""
    return lambda path: torch.load(path, weights_only=True)


@pytest.fixture
def differences() -> Callable[[Any, Any], list[str]]:
    """Where two nested containers of tensors differ, bit by bit."""

    def compare(one: Any, other: Any, where: str = "") -> list[str]:
        if type(one) is not type(other):
            return [f"{where}: {type(one).__name__} and {type(other).__name__}"]
        if isinstance(one, torch.Tensor):
            return [] if torch.equal(one, other) and one.dtype == other.dtype else [f"{where}: other values"]
        if isinstance(one, dict):
            if one.keys() != other.keys():
                return [f"{where}: other keys {sorted(map(str, one.keys() ^ other.keys()))}"]
            return [line for key in one for line in compare(one[key], other[key], f"{where}.{key}")]
        if isinstance(one, (list, tuple)):
            if len(one) != len(other):
                return [f"{where}: {len(one)} and {len(other)} items"]
            return [
                line for i, pair in enumerate(zip(one, other, strict=True)) for line in compare(*pair, f"{where}.{i}")
            ]
        return [] if one == other else [f"{where}: {one!r} and {other!r}"]

    return compare


@pytest.fixture
def train(tiny: Any, run_main: Any, tmp_path: Path) -> Any:
    """``train("name", flag, ...)`` trains into a work dir of that name, which it returns."""

    def run(name: str, *flags: Any, **changes: Any) -> Path:
        config = tiny.write(tmp_path / f"{name}.yaml", **changes)
        done = run_main("--config", config, "--work-dir", tmp_path / name, *flags)
        assert (done.code, done.err) == (0, []), done
        return tmp_path / name

    return run


@pytest.fixture
def light(own_package: str) -> dict[str, Any]:
    """Settings of a network of two layers, for what has nothing to do with the network."""
    return {"model": f"{own_package}.Model", "model_args": {"num_class": 6}}


@pytest.fixture
def same(load: Any, differences: Any, read_curves: Any) -> Any:
    """``same(one, other)``: where the weights, states, scores and curves of two runs differ in any bit."""

    def state(work_dir: Path) -> dict[str, Any]:
        content = load(work_dir / "checkpoints" / "last.pt")
        return {key: content[key] for key in ("model", "optimizer", "progress", "precision")}

    def compare(one: Path, other: Path) -> list[str]:
        found = differences(state(one), state(other))
        name = f"epoch{load(one / 'checkpoints' / 'last.pt')['progress']['epoch']}_test_score.pkl"
        if not (other / name).is_file() or read_pickle(one / name) != read_pickle(other / name):
            found.append(f"{name}: other scores")
        if json.loads((one / "result.json").read_text()) != json.loads((other / "result.json").read_text()):
            found.append("result.json: other figures")
        for part in ("train", "val"):
            mine, theirs = (read_curves(work_dir / "trainlogs" / part) for work_dir in (one, other))
            found += [f"{part} {tag}: other points" for tag in mine if mine[tag] != theirs.get(tag)]
        return found

    return compare


def read_pickle(path: Path) -> dict[str, list[float]]:
    return {name: row.tolist() for name, row in pickle.loads(path.read_bytes()).items()}


FRAMES = 12
NARROW: dict[str, dict[str, Any]] = {
    "msg3d": {"num_gcn_scales": 2, "num_g3d_scales": 2, "widths": [6, 6, 12]},
    "mstgcn": {"block_args": [[3, 8, False, 1], [8, 16, True, 2]]},
    "dgstgcn": {"widths": [8, 16], "num_stages": 2, "inflate_stages": [2], "down_stages": [2]},
    "msagcn": {"widths": [40, 40, 40], "window_size": FRAMES},
}


@pytest.fixture(scope="session")
def saved() -> Callable[..., Path]:
    """``saved(folder, network, layout, bodies, stream, steps)``: a checkpoint of a narrow network that has seen clips.

    The means of its BatchNorms are those of clips, as training leaves them, so that features are of the usual size.
    """

    def make(
        folder: Path, network: str, layout: str, bodies: int, stream: str = "joint", steps: Sequence[Any] = ()
    ) -> Path:
        skeleton = find_layout(layout)
        graph = {"graph": "graph.custom.AdjMatrixGraph", "graph_args": {"layout": layout}}
        sizes = {"num_class": 5, "num_point": skeleton.num_joints, "num_person": bodies}
        values = {
            "model": f"model.{network}.Model",
            "model_args": {**graph, **sizes, **NARROW[network]},
            "stream": stream,
            "test_feeder_args": {"transforms": list(steps) or [{"crop_resize": {"window": FRAMES}}, "stream"]},
            "seed": 3,
        }
        config = make_config(values, {})
        model = build_model(config)
        for module in model.modules():
            if isinstance(module, nn.modules.batchnorm._BatchNorm):
                module.momentum = None  # the mean over all batches
        with torch.no_grad():
            for _ in range(2):
                model.train()(torch.randn(4, 3, FRAMES, skeleton.num_joints, bodies))
            model.fc.weight.copy_(torch.randn_like(model.fc.weight) / 4)  # type: ignore[operator,arg-type,union-attr]
        facts = {"channels": 3, "frames": 20, "joints": skeleton.num_joints, "bodies": bodies}
        facts |= {"lineage": "own", "dims": 3}
        facts |= {"skeleton": as_mapping(skeleton), "class_names": ["run", "jump", "sit", "wave", "größer"]}
        content = {"format": 1, "config": asdict(config), "progress": {}, "model": model.state_dict(), "data": facts}
        path = folder / f"{network}_{skeleton.name}_{bodies}_{stream}.pt"
        torch.save({**content, "optimizer": {}, "precision": {}}, path)
        return path

    return make
