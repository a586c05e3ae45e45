"""The description of a network, against facts about it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from engine.config import Config
from engine.describe import clip_shape, measure
from engine.flags import parse
from errors import InputError

CONFIG = Path(__file__).resolve().parents[2] / "config"
CPU = torch.device("cpu")


class Net(nn.Module):
    """Two layers whose cost is plain."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, kernel_size=(3, 1), padding=(1, 0))
        self.blocks = nn.ModuleList([nn.Conv2d(8, 4, kernel_size=1), nn.Identity()])
        self.fc = nn.Linear(4, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        n, c, t, v, m = x.shape
        y = self.blocks[0](self.conv(x.permute(0, 4, 1, 2, 3).reshape(n * m, c, t, v)))
        return self.fc(self.blocks[1](y).mean(dim=(2, 3)).view(n, m, -1).mean(dim=1))


def test_shapes_sizes_and_costs() -> None:
    found = measure(Net(), (3, 10, 7, 2), CPU)
    conv, block, fc = (row for row in found.rows if row.kind != "Identity")
    positions = 2 * 10 * 7
    assert (conv.name, conv.shape, conv.parameters) == ("conv", (2, 8, 10, 7), 3 * 8 * 3 + 8)
    assert conv.multiply_adds == positions * 3 * 8 * 3
    assert (block.name, block.shape, block.multiply_adds) == ("blocks.0", (2, 4, 10, 7), positions * 8 * 4)
    assert (fc.shape, fc.multiply_adds) == ((1, 5), 4 * 5)
    assert found.parameters == sum(p.numel() for p in Net().parameters())
    assert found.multiply_adds == conv.multiply_adds + block.multiply_adds + fc.multiply_adds
    clip, after_conv, pooled = 3 * positions, 8 * positions, 4
    assert found.saved_bytes >= 4 * (clip + after_conv + pooled)
    assert found.saved_bytes < 4 * 3 * (clip + after_conv + 4 * positions)
    assert found.milliseconds > 0


def test_measuring_leaves_the_network_as_it_was() -> None:
    model = nn.Sequential(nn.Flatten(2), nn.BatchNorm1d(3), nn.Flatten(), nn.Linear(3 * 8, 2))
    before = {name: value.clone() for name, value in model.state_dict().items()}
    measure(model, (3, 2, 2, 2), CPU)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


@pytest.mark.parametrize(
    ("file", "shape"),
    [
        ("nturgbd-cross-subject/train_joint.yaml", (3, 300, 25, 2)),
        ("nturgbd-cross-subject/dgstgcn.yaml", (3, 100, 25, 2)),
        ("nturgbd-cross-subject/msagcn.yaml", (3, 64, 25, 2)),
        ("nw-ucla/msagcn.yaml", (3, 52, 20, 1)),
        ("smarthome-cs/dgstgcn.yaml", (2, 100, 17, 2)),
        ("utd-mhad/msg3d.yaml", (3, 64, 20, 1)),
    ],
)
def test_without_data_the_clip_is_the_configurations(
    file: str, shape: tuple[int, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = parse(["--config", str(CONFIG / file)])[0]
    monkeypatch.chdir(tmp_path)
    if "custom" in str(config.model_args["graph"]):
        config.model_args.pop("graph_args")
    assert clip_shape(config) == (shape, "without data")


def test_describe_prints_and_stops(tiny: Any, tmp_path: Path, run_main: Any) -> None:
    path = tiny.write(tmp_path / "run.yaml", work_dir=str(tmp_path / "run"))
    done = run_main("--config", path, "--describe")
    assert done.code == 0
    assert done.out[0] == "model.msg3d.Model, one clip (C, T, V, M) = (3, 10, 5, 2), as the test data have them"
    assert [line.split()[0] for line in done.out[-4:]] == ["parameters", "multiply-adds", "memory", "time"]
    assert any(line.startswith("gcn3d2 ") for line in done.out)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("flags", "want"),
    [
        (["--test-feeder-args", "transforms=[{crop_resise: {window: 4}}]"], "did you mean 'crop_resize'"),
        (["--test-feeder-args", "transforms=5"], "error: "),
        (["--test-feeder-args", "data_path=no"], "data_path is False, not a file or folder"),
        (["--stream", "bonne"], "'bonne' is not one of"),
        (["--model-args", "num_point=6"], "num_point is 6, but graph"),
    ],
)
def test_what_is_wrong_is_said(tiny: Any, tmp_path: Path, run_main: Any, flags: list[str], want: str) -> None:
    done = run_main("--config", tiny.write(tmp_path / "run.yaml"), "--describe", *flags)
    assert done.code == 2
    assert len(done.err) == 1
    assert want in done.err[0]


def test_what_a_network_says_of_itself_is_shown(run_main: Any, tmp_path: Path) -> None:
    arguments = "{num_class: 3, num_point: 20, num_person: 1, graph: graph.ucla.Graph, window_size: 8}"
    done = run_main("--model", "model.msagcn.Model", "--describe", "--model-args", arguments)
    assert "model_args: k is 0, which means 2, as in the published code" in done.out


def test_a_network_of_unknown_size_needs_data() -> None:
    config = Config(model="torch.nn.Linear", model_args={"in_features": 2, "out_features": 3})
    with pytest.raises(InputError, match=r"there is no test data, and torch\.nn\.Linear has no num_point"):
        clip_shape(config)
