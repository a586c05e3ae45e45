"""What holds for all four networks: any skeleton, any number of bodies, any length; every weight has its use."""

from __future__ import annotations

import copy
import json
import pickle
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from errors import InputError
from importing import import_class

GOLDEN = Path(__file__).resolve().parents[1] / "golden"
# Each network as narrow as it goes, and what fixes its length.
NARROW: dict[str, dict[str, Any]] = {
    "msg3d": {"num_gcn_scales": 3, "num_g3d_scales": 2, "widths": (6, 12, 12)},
    "mstgcn": {"widths": (8, 8, 16), "s_scale": 2, "t_scale": 2},
    "dgstgcn": {"widths": (12, 12, 24), "num_filter": 3},
    "msagcn": {"widths": (40, 40, 40), "window_size": 8, "k": 2, "global_context": "ema"},
}
SKELETONS = {"ntu-rgb+d": 25, "openpose": 18, "coco": 17, "nw-ucla": 20, "handmp": 21, "smpl": 24}
FIXTURES = {
    "msg3d": "msg3d_ntu60",
    "mstgcn": "mstgcn_ntu60_published",
    "dgstgcn": "dgstgcn_ntu60_j",
    "msagcn": "msagcn_ntu60",
}


def build(network: str, skeleton: str = "coco", num_person: int = 2, num_class: int = 4, **changes: Any) -> nn.Module:
    torch.manual_seed(0)
    graph = {"graph": "graph.custom.AdjMatrixGraph", "graph_args": {"layout": skeleton}}
    arguments = {**NARROW[network], **graph, "num_point": SKELETONS[skeleton], **changes}
    model: nn.Module = import_class(f"model.{network}.Model", "model")(
        num_class=num_class, num_person=num_person, **arguments
    )
    return model


def batch(clips: int = 2, frames: int = 8, joints: int = 17, bodies: int = 2, channels: int = 3) -> Tensor:
    return torch.randn(clips, channels, frames, joints, bodies, generator=torch.Generator().manual_seed(1))


def settled(model: nn.Module, x: Tensor) -> nn.Module:
    """``model`` in eval mode and float64, the statistics of its BatchNorms those of ``x``."""
    model = model.double()
    for module in model.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.momentum = 1.0
    with torch.no_grad():
        model(x.double())
    return model.eval()


@pytest.mark.parametrize("num_person", [1, 2])
@pytest.mark.parametrize("skeleton", SKELETONS)
@pytest.mark.parametrize("network", NARROW)
def test_finite_logits_for_every_skeleton(network: str, skeleton: str, num_person: int) -> None:
    model = build(network, skeleton, num_person)
    x = batch(joints=SKELETONS[skeleton], bodies=num_person)
    for logits in (model(x), model.eval()(x)):
        assert logits.shape == (2, 4)
        assert logits.isfinite().all()


@pytest.mark.parametrize("frames", [1, 2, 3, 5, 13, 26])
@pytest.mark.parametrize("network", NARROW)
def test_finite_logits_for_every_length(network: str, frames: int) -> None:
    model = build(network, **({"window_size": frames} if network == "msagcn" else {}))
    x = batch(frames=frames)
    for logits in (model(x), model.eval()(x)):
        assert logits.shape == (2, 4)
        assert logits.isfinite().all()


@pytest.mark.parametrize("network", NARROW)
def test_two_channels_three_bodies_and_seven_classes(network: str) -> None:
    model = build(network, num_person=3, num_class=7, in_channels=2)
    assert model(batch(channels=2, bodies=3)).shape == (2, 7)


@pytest.mark.parametrize("network", NARROW)
def test_every_parameter_gets_a_gradient(network: str, never_used: dict[str, str]) -> None:
    model = build(network)
    F.cross_entropy(model(batch(clips=6)), torch.arange(6) % 4).backward()
    unused = {name for name, parameter in model.named_parameters() if re.match(never_used.get(network, "$"), name)}
    assert {name for name, parameter in model.named_parameters() if parameter.grad is None} == unused
    for name, parameter in model.named_parameters():
        assert parameter.grad is None or parameter.grad.isfinite().all(), name


@pytest.mark.parametrize("network", NARROW)
def test_unused_parameters_are_the_published_ones(network: str, never_used: dict[str, str]) -> None:
    meta = json.loads((GOLDEN / f"{FIXTURES[network]}.json").read_text(encoding="utf-8"))
    names = [row[0] for row in meta["state_dict"] if row[3] == "param"]
    assert [name for name in names if re.match(never_used.get(network, "$"), name)] == meta["unused_parameters"]


@pytest.mark.parametrize("network", NARROW)
def test_keys_are_frozen(network: str) -> None:
    """Those of the published network, in its order: other widths change shapes only."""
    rows = json.loads((GOLDEN / f"{FIXTURES[network]}.json").read_text(encoding="utf-8"))["state_dict"]
    own: dict[str, dict[str, Any]] = {
        "mstgcn": {"widths": (8, 16, 32), "s_scale": 4, "t_scale": 4},
        "dgstgcn": {"widths": (12, 18, 24)},
        "msagcn": {"widths": (40, 80, 120), "global_context": "batch"},
    }
    keys = [row[0].removeprefix("backbone.").replace("cls_head.fc_cls.", "fc.") for row in rows]
    assert list(build(network, **own.get(network, {})).state_dict()) == keys


@pytest.mark.parametrize("network", NARROW)
def test_clips_do_not_look_at_each_other(network: str) -> None:
    x = batch(clips=4)
    model = settled(build(network), x)
    with torch.no_grad():
        together = model(x.double())
        alone = torch.cat([model(clip[None].double()) for clip in x])
    torch.testing.assert_close(together, alone, rtol=0, atol=1e-10)
    assert (together[0] - together[1]).abs().max() > 1e-6


@pytest.mark.parametrize("twin_of", [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))])
@pytest.mark.parametrize("network", NARROW)
def test_copies_give_the_same(network: str, twin_of: Callable[[nn.Module], nn.Module]) -> None:
    model = build(network).eval()
    twin, x = twin_of(model), batch()
    assert torch.equal(twin(x), model(x))
    with torch.no_grad():
        twin.get_parameter("fc.weight").zero_()
    assert not torch.equal(twin(x), model(x))


@pytest.mark.parametrize("network", NARROW)
def test_it_can_be_exported(network: str) -> None:
    model, x = build(network).eval(), batch()
    exported = torch.export.export(model, (x,)).module()
    torch.testing.assert_close(exported(x), model(x))


@pytest.mark.parametrize("network", NARROW)
def test_the_same_seed_gives_the_same_network(network: str) -> None:
    first, second = build(network).state_dict(), build(network).state_dict()
    assert all(torch.equal(first[key], second[key]) for key in first)


@pytest.mark.parametrize("network", NARROW)
def test_graphs_are_the_adjacencies_in_use(network: str) -> None:
    graphs = build(network).graphs()  # type: ignore[operator]
    assert graphs
    for graph in graphs.values():
        assert graph.dim() == 3
        assert graph.shape[1] == graph.shape[2]
        assert not graph.requires_grad


@pytest.mark.parametrize("network", NARROW)
def test_a_graph_of_other_joints_is_refused(network: str) -> None:
    with pytest.raises(InputError, match=r"num_point is 16, but graph .* has 17 joints"):
        build(network, num_point=16)


@pytest.mark.parametrize("network", NARROW)
def test_training_moves_it(network: str) -> None:
    """A few steps on two clips, told apart by their size: the loss falls."""
    model = build(network, num_class=2)
    x = batch(clips=4) * torch.tensor([0.2, 2.0, 0.2, 2.0])[:, None, None, None, None]
    labels = torch.tensor([0, 1, 0, 1])
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=0.02, momentum=0.9)
    losses = []
    for _ in range(12):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), labels)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] / 2
