"""DG-STGCN: its dynamic groups, its options, and what it refuses."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
import torch

from errors import InputError
from model.dg_gcn import ACTIVATIONS, DynamicGroupGraphConv
from model.dg_tcn import DynamicGroupTemporalConv
from model.dgstgcn import GRAPH_MODES, Model


def build(**changes: Any) -> Model:
    torch.manual_seed(0)
    arguments: dict[str, Any] = {
        **{"num_class": 4, "num_point": 17, "num_person": 2, "widths": (12, 18, 24), "num_filter": 3},
        **{"graph": "graph.custom.Graph", "graph_args": {"layout": "coco"}},
    }
    return Model(**(arguments | changes))


@pytest.mark.parametrize(
    ("ctr", "ada", "subset_wise", "mode"),
    [*itertools.product((None, "T", "NA"), (None, "T", "NA"), (0, 1), GRAPH_MODES)],
)
def test_every_dynamic_from_every_start(ctr: str | None, ada: str | None, subset_wise: int, mode: str) -> None:
    stages = {"num_stages": 2, "inflate_stages": (2,), "down_stages": (2,), "widths": (12, 18)}
    model = build(gcn_ctr=ctr, gcn_ada=ada, gcn_subset_wise=bool(subset_wise), graph_mode=mode, **stages)
    logits = model(torch.randn(2, 3, 5, 17, 2))
    assert logits.isfinite().all()
    logits.sum().backward()
    alpha = model.get_parameter("gcn.1.gcn.alpha").grad
    assert (alpha is None) == (ctr is None)
    if ctr and alpha is not None and len(alpha) > 1:
        assert bool(alpha[1:].any()) == bool(subset_wise)


@pytest.mark.parametrize(("ctr", "ada"), [*itertools.product((None, "T", "NA"), repeat=2)])
@pytest.mark.parametrize("act", ACTIVATIONS)
def test_groups_are_gathered_over_their_own_adjacency(ctr: str | None, ada: str | None, act: str) -> None:
    torch.manual_seed(0)
    module = DynamicGroupGraphConv(
        4, 6, torch.rand(3, 5, 5), ratio=0.5, ctr=ctr, ada=ada, subset_wise=True, ctr_act=act, ada_act=act
    ).double()
    with torch.no_grad():
        module.alpha.normal_()
        module.beta.normal_()
    x = torch.randn(2, 4, 3, 5, dtype=torch.float64)
    module.eval()
    full = module.adjacency(x).expand(2, 3, 3, 3, 5, 5)
    p = module.pre(x).unflatten(1, (3, 3))
    y = torch.einsum("nkctv,nkctvw->nkctw", p, full).flatten(1, 2)
    want = torch.relu(module.bn(module.post(y)) + module.down(x))
    torch.testing.assert_close(module(x), want)
    u = x if "NA" in (ctr, ada) else x.mean(dim=2, keepdim=True)
    one = full[1, 2, 0, 1]  # a clip, a group, a channel, a frame
    by_hand = module.A[2].clone()
    if ctr or ada:
        frame = 1 if u.shape[2] > 1 else 0
        x1, x2 = (conv(u).unflatten(1, (3, 3))[1, 2, :, frame] for conv in (module.conv1, module.conv2))
        if ctr:
            by_hand = by_hand + module.alpha[2] * ACTIVATIONS[act](x1[0][:, None] - x2[0][None])
        if ada:
            by_hand = by_hand + module.beta[2] * ACTIVATIONS[act](x1.T @ x2)
    torch.testing.assert_close(one, by_hand)


def test_joints_and_skeleton_are_fused_by_their_coefficients() -> None:
    torch.manual_seed(0)
    module = DynamicGroupTemporalConv(6, 12, num_joints=8).eval()
    x = torch.randn(2, 6, 4, 5)
    plain = module(x)
    with torch.no_grad():
        module.add_coeff[5:] = 100  # of joints that there are not
    assert torch.equal(module(x), plain)
    with torch.no_grad():
        module.add_coeff[3] = 1
    changed = module(x) - plain
    assert changed[..., 3].abs().min() > 0
    assert not changed[..., [0, 1, 2, 4]].any()


def test_random_graphs_come_from_the_seed_and_are_the_same_in_every_block() -> None:
    first, second = build(), build()
    starts = {name: value for name, value in first.state_dict().items() if name.endswith("gcn.A")}
    assert len(starts) == 10
    assert len({tuple(value.flatten().tolist()) for value in starts.values()}) == 1
    assert torch.equal(second.state_dict()["gcn.0.gcn.A"], starts["gcn.0.gcn.A"])
    drawn = build(num_filter=200, init_off=0.3, init_std=0.1).get_parameter("gcn.0.gcn.A")
    assert drawn.shape == (200, 17, 17)
    assert drawn.mean().item() == pytest.approx(0.3, abs=0.01)
    assert drawn.std().item() == pytest.approx(0.1, abs=0.01)


def test_widths_follow_stages() -> None:
    model = build(widths=None, base_channels=10, ch_ratio=1.5, num_stages=4, inflate_stages=(2, 4), down_stages=(3,))
    assert [block.gcn.post.out_channels for block in model.gcn] == [10, 15, 15, 22]
    assert [len(block.residual.state_dict()) > 0 for block in model.gcn] == [False, True, True, True]


def test_settings_of_single_blocks() -> None:
    model = build(num_stages=2, inflate_stages=(2,), widths=(12, 12), gcn_ctr=["T", None], tcn_dropout=[0.5, 0.25])
    assert [block.gcn.ctr for block in model.gcn] == ["T", None]
    assert [block.tcn.drop.p for block in model.gcn] == [0.0, 0.25]  # the first block has none, as published
    cfgs = [[[3, 1], "1x1"], [[5, 2], ["max", 5], "1x1"]]
    model = build(num_stages=2, inflate_stages=(2,), widths=(12, 12), tcn_ms_cfg=cfgs)
    assert [len(block.tcn.branches) for block in model.gcn] == [2, 3]
    first = build(num_stages=2, inflate_stages=(2,), widths=(12, 12), tcn_ms_cfg=[["1x1", [3, 1]]] * 2)
    assert [len(block.tcn.branches) for block in first.gcn] == [2, 2]
    assert model(torch.randn(1, 3, 7, 17, 2)).shape == (1, 4)


def test_the_first_block_goes_where_the_input_is_wide_already() -> None:
    assert len(build(in_channels=12).gcn) == 9


def test_more_joints_than_the_published_coefficients() -> None:
    toy = {"layout": {"num_joints": 30, "edges": [[joint, 0] for joint in range(1, 30)]}}
    model = build(num_point=30, graph_args=toy)
    assert model.get_parameter("gcn.0.tcn.add_coeff").shape == (30,)
    assert build().get_parameter("gcn.0.tcn.add_coeff").shape == (25,)


@pytest.mark.parametrize(
    ("changes", "want"),
    [
        ({"graph_mode": "randm"}, "graph_mode is 'randm', wanted one of random, spatial, stgcn_spatial, binary_adj"),
        ({"num_filter": 0}, "num_filter is 0, wanted at least 1"),
        ({"data_bn_type": "CV"}, "data_bn_type is 'CV', wanted VC, MVC or none"),
        ({"widths": (12, 18)}, r"widths has 2 entries, wanted 3: one, and one for each of inflate_stages \[5, 8\]"),
        ({"gcn_ratio": 0.01}, "gcn_ratio is 0.01, which leaves a group no channel"),
        ({"gcn_ctr": "X"}, "gcn_ctr is 'X', wanted 'T', 'NA' or None"),
        ({"gcn_ada_act": "gelu"}, "gcn_ada_act is 'gelu', wanted one of tanh, relu, sigmoid, softmax"),
        ({"gcn_ratio": [0.1, 0.2]}, r"gcn_ratio has 2 values for 10 blocks \(num_stages\)"),
        ({"tcn_ms_cfg": [[2, 1], "1x1"]}, r"tcn_ms_cfg holds \[2, 1\], wanted"),
        ({"tcn_ms_cfg": ["1x2"]}, "tcn_ms_cfg holds '1x2', wanted"),
        ({"tcn_ms_cfg": ["1x1"] * 13}, "tcn_ms_cfg has 13 branches for 12 channels"),
        ({"num_stages": 0}, "num_stages is at least 1, and inflate_stages and down_stages begin with 2"),
        ({"down_stages": [1]}, "inflate_stages and down_stages begin with 2"),
        ({"tcn_num_joints": 16}, "tcn_num_joints is 16, fewer than num_point, 17"),
    ],
)
def test_arguments_that_do_not_work(changes: dict[str, Any], want: str) -> None:
    with pytest.raises(InputError, match=want):
        build(**changes)
