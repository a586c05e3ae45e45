"""MS-G3D: what holds for any skeleton, number of bodies and length, besides the published figures."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from errors import InputError
from graph.build import build_graph
from model.ms_g3d import G3D, MultiWindowG3D, TemporalWindows
from model.ms_gcn import MultiScaleAggregation, MultiScaleGraphConv
from model.ms_tcn import MultiScaleTemporalConv
from model.msg3d import Model

SMALL = {"num_class": 4, "num_gcn_scales": 3, "num_g3d_scales": 2, "widths": (6, 12, 12)}
SKELETONS: dict[str, dict[str, Any]] = {
    "ntu": {"graph": "graph.ntu_rgb_d.AdjMatrixGraph", "num_point": 25},
    "kinetics": {"graph": "graph.kinetics.AdjMatrixGraph", "num_point": 18},
    "utd-mhad": {
        "graph": "graph.custom.AdjMatrixGraph",
        "graph_args": {"layout": "nw-ucla"},
        "num_point": 20,
    },
    "toy": {
        "graph": "graph.custom.AdjMatrixGraph",
        "graph_args": {"layout": {"num_joints": 4, "edges": [[1, 0], [2, 1], [3, 1]]}},
        "num_point": 4,
    },
}
CHAIN = np.eye(4, k=1, dtype=np.float32) + np.eye(4, k=-1, dtype=np.float32)


def build(skeleton: str = "toy", num_person: int = 2, **changes: Any) -> Model:
    torch.manual_seed(0)
    return Model(**{**SMALL, **SKELETONS[skeleton], "num_person": num_person, **changes})


def batch(model: Model, clips: int = 2, frames: int = 9, channels: int = 3, bodies: int = 2) -> Tensor:
    joints = model.data_bn.num_features // (channels * bodies)
    return torch.randn(clips, channels, frames, joints, bodies, generator=torch.Generator().manual_seed(1))


def settled(model: Model, x: Tensor) -> Model:
    """``model`` in eval mode and float64, its BatchNorms used to ``x``."""
    model = model.double()
    with torch.no_grad():
        for _ in range(3):
            model(x.double())
    return model.eval()


@pytest.mark.parametrize("num_person", [1, 2, 3])
@pytest.mark.parametrize("skeleton", SKELETONS)
def test_logits_for_every_skeleton_and_number_of_bodies(skeleton: str, num_person: int) -> None:
    model = build(skeleton, num_person)
    logits = model(batch(model, bodies=num_person))
    assert logits.shape == (2, 4)
    assert logits.isfinite().all()


@pytest.mark.parametrize("frames", [1, 2, 3, 4, 5, 7, 15, 33])
def test_logits_for_every_length(frames: int) -> None:
    model = build()
    x = batch(model, frames=frames)
    for logits in (model(x), model.eval()(x)):
        assert logits.shape == (2, 4)
        assert logits.isfinite().all()


def test_six_channels() -> None:
    model = build(in_channels=6)
    assert model(batch(model, channels=6)).shape == (2, 4)


def test_widths_are_those_of_the_blocks() -> None:
    model = build(widths=(6, 8, 13))
    assert (model.tcn1.branches[-1][1].num_features, model.fc.in_features) == (1, 13)
    assert model(batch(model)).shape == (2, 4)
    published = {key: value.shape for key, value in build(widths=(96, 192, 384)).state_dict().items()}
    arguments = {key: value for key, value in SMALL.items() if key != "widths"}
    by_default = Model(**arguments, **SKELETONS["toy"], num_person=2).state_dict()
    assert {key: value.shape for key, value in by_default.items()} == published


def test_every_parameter_gets_a_gradient() -> None:
    model = build(widths=(12, 12, 24))
    x, labels = batch(model, clips=6), torch.arange(6) % 4
    nn.functional.cross_entropy(model(x), labels).backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        owner = model.get_submodule(name.rpartition(".")[0])
        if name.endswith("weight") or not isinstance(owner, nn.Conv2d | nn.Conv3d):
            assert parameter.grad.any(), name  # a bias before a BatchNorm changes nothing


def test_clips_do_not_look_at_each_other() -> None:
    model = build()
    x = batch(model, clips=4)
    model = settled(model, x)
    with torch.no_grad():
        together = model(x.double())
        alone = torch.cat([model(clip[None].double()) for clip in x])
    torch.testing.assert_close(together, alone, rtol=0, atol=1e-10)
    assert (together[0] - together[1]).abs().max() > 1e-3


def test_bodies_are_alike_once_they_are_normalised() -> None:
    model = build()
    x = batch(model)
    model = settled(model, x)
    model.data_bn = nn.Identity()
    with torch.no_grad():
        torch.testing.assert_close(model(x.double()), model(x.double().flip(-1)), rtol=0, atol=1e-10)


@pytest.mark.parametrize("twin_of", [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))])
def test_copies_give_the_same(twin_of: Callable[[Model], Model]) -> None:
    model = build().eval()
    twin, x = twin_of(model), batch(model)
    assert torch.equal(twin(x), model(x))
    with torch.no_grad():
        twin.fc.weight.zero_()
    assert not torch.equal(twin(x), model(x))


def test_the_same_seed_gives_the_same_network() -> None:
    first, second = build().state_dict(), build().state_dict()
    assert all(torch.equal(first[key], second[key]) for key in first)


def test_it_can_be_exported() -> None:
    model = build().eval()
    x = batch(model)
    exported = torch.export.export(model, (x,)).module()
    torch.testing.assert_close(exported(x), model(x))


def test_fixed_graphs_are_not_weights_but_go_where_the_weights_go() -> None:
    model = build()
    buffers = {name for name, _ in model.named_buffers() if name.rpartition(".")[2] == "A"}
    assert len(buffers) == 9
    assert buffers.isdisjoint(model.state_dict())
    assert {name.removesuffix("A") + "A_res" for name in buffers} <= set(model.state_dict())
    assert all(model.get_buffer(name).dtype == torch.float32 for name in buffers)
    model.double()
    assert all(model.get_buffer(name).dtype == torch.float64 for name in buffers)


def test_graphs_are_the_adjacencies_in_use() -> None:
    model = build()
    graphs = model.graphs()
    assert {name: tuple(graph.shape) for name, graph in graphs.items()} == {
        **{f"sgcn{block}.0": (3, 4, 4) for block in (1, 2, 3)},
        **{f"gcn3d{block}.gcn3d.0.gcn3d.1": (2, 12, 12) for block in (1, 2, 3)},
        **{f"gcn3d{block}.gcn3d.1.gcn3d.1": (2, 20, 20) for block in (1, 2, 3)},
    }
    module = model.get_submodule("sgcn2.0")
    with torch.no_grad():
        module.A_res[4 + 1, 2] += 5  # row k·V + v: scale 1, joint 1
    changed = model.graphs()["sgcn2.0"] - graphs["sgcn2.0"]
    assert changed[1, 1, 2] == pytest.approx(5)
    changed[1, 1, 2] = 0
    assert not changed.any()
    assert not graphs["sgcn2.0"].requires_grad


@pytest.mark.parametrize(
    ("changes", "want"),
    [
        ({"num_point": 5}, "num_point is 5, but graph graph.custom.AdjMatrixGraph has 4 joints"),
        ({"graph": "graph.ntu_rgb_d.AdjMatrixGraph", "graph_args": {}}, "num_point is 4, but .* has 25 joints"),
        ({"graph": "graph.ntu_rgbd.AdjMatrixGraph"}, "model_args.graph: .*did you mean 'graph.ntu_rgb_d'"),
        ({"graph_args": {"layuot": "coco"}}, "model_args.graph_args: .*did you mean 'layout'"),
        ({"graph_args": None}, "model_args.graph_args: .* needs layout"),
    ],
)
def test_graphs_that_do_not_fit(changes: dict[str, Any], want: str) -> None:
    with pytest.raises(InputError, match=want):
        build(**changes)


def test_a_graph_of_the_users_needs_only_its_matrix() -> None:
    graph = build_graph("graph.custom.AdjMatrixGraph", SKELETONS["toy"]["graph_args"], 4)
    assert graph.binary.shape == (4, 4)


@pytest.mark.parametrize("size", [1, 3, 5])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("frames", [1, 4, 7])
def test_windows_lie_around_every_strideth_frame(size: int, stride: int, frames: int) -> None:
    x = torch.arange(1.0, 1 + 2 * frames * 3).reshape(1, 2, frames, 3)
    windows = TemporalWindows(size, stride)(x)
    centres = range(0, frames, stride)
    assert windows.shape == (1, 2, len(centres), size * 3)
    for place, centre in enumerate(centres):
        for i in range(size):
            frame = centre + i - size // 2
            want = x[:, :, frame] if 0 <= frame < frames else torch.zeros(1, 2, 3)
            assert torch.equal(windows[:, :, place, 3 * i : 3 * i + 3], want)


def test_aggregation_is_a_product_with_each_adjacency() -> None:
    module = MultiScaleAggregation(CHAIN, 3)
    with torch.no_grad():
        module.A_res.normal_(generator=torch.Generator().manual_seed(0))
    x = torch.randn(2, 5, 3, 4, generator=torch.Generator().manual_seed(0))
    want = torch.einsum("kvu,nctu->nkctv", module.A + module.A_res.view(3, 4, 4), x).flatten(1, 2)
    torch.testing.assert_close(module.aggregate(x), want)


@pytest.mark.parametrize("frames", [1, 2, 7, 8])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("channels", [(6, 6), (6, 13)])
def test_operators_keep_or_halve_the_frames(channels: tuple[int, int], stride: int, frames: int) -> None:
    torch.manual_seed(0)
    x = torch.randn(2, channels[0], frames, 4)
    want = (2, channels[1], -(-frames // stride), 4)
    assert MultiScaleTemporalConv(*channels, stride=stride)(x).shape == want
    assert MultiWindowG3D(*channels, CHAIN, 2, stride=stride)(x).shape == want
    assert G3D(channels[0], 5, channels[1], CHAIN, 2, window=3, stride=stride)(x).shape == want


def test_activations_can_be_left_out() -> None:
    torch.manual_seed(0)
    x = torch.randn(2, 6, 5, 4)
    for build_operator in (
        lambda activation: MultiScaleTemporalConv(6, 12, activation=activation),
        lambda activation: MultiScaleGraphConv(6, 12, CHAIN, 2, activation=activation),
    ):
        assert build_operator(True)(x).min() == 0
        assert build_operator(False)(x).min() < 0
