"""MSA-GCN: its sums against their plain form, its options, and the sizes that were counted on the released network."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from errors import InputError
from graph.adjacency import khop_relative, spatial_partition
from graph.layouts import LAYOUTS
from model.channel_correlation import ChannelCorrelation
from model.edge_conv import EdgeConv, nearest_joints
from model.msa_gc import GROUPS, MSAGC, STAGES
from model.msagcn import Model
from model.tmst import TMST, TemporalAttention

EDGES = ((1, 0), (2, 1), (3, 2), (4, 0), (5, 4), (6, 0))
PARTITION = spatial_partition(7, EDGES)


def randomised(module: nn.Module) -> Any:
    """``module`` in float64, every weight drawn."""
    generator = torch.Generator().manual_seed(3)
    module = module.double()
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator, dtype=torch.float64) * 0.3)
    return module


def features(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def build(**changes: Any) -> Model:
    torch.manual_seed(0)
    arguments: dict[str, Any] = {"num_class": 4, "num_point": 25, "num_person": 1, "graph": "graph.ntu_rgb_d.Graph"}
    return Model(**{**arguments, "widths": (40, 40, 40), "window_size": 8, **changes})


@pytest.mark.parametrize("corr", ["mean", "per_channel"])
@pytest.mark.parametrize("stage_attention", ["released", "figure"])
def test_the_three_terms_are_one_adjacency(stage_attention: str, corr: str) -> None:
    """y = sum_k z_k A_k with A = M / 2 + 2 P + G written out for every body, subset and channel."""
    module = randomised(MSAGC(8, 16, PARTITION, stage_attention=stage_attention, correlation={"corr": corr}))
    x = features(3, 8, 5, 7)
    z = module.conv(x).unflatten(1, (3, -1))
    attention, graph = module.attention(z), module.Channelcorrelation(x)
    by_channel = attention.repeat_interleave(16 // STAGES, dim=2) / 2
    prescribed = 2 * module.adjacency().repeat(1, 16 // GROUPS, 1, 1)
    full = by_channel + prescribed + graph  # (V, V) or (C, V, V): the same for all subsets
    want = torch.einsum("bkctv,bkcvw->bctw", z, full)
    torch.testing.assert_close(module._aggregate(z, attention, graph), want, rtol=0, atol=1e-12)


def test_released_attention_rows_are_weights() -> None:
    module = randomised(MSAGC(8, 16, PARTITION))
    attention = module.attention(module.conv(features(2, 8, 4, 7)).unflatten(1, (3, -1)))
    rows = attention.sum(dim=-1)[0, 0, :, 0]
    torch.testing.assert_close(rows, torch.tensor([0.75, 1.0, 1.0, 0.75], dtype=torch.float64))


def by_hand(module: Any, queries: Tensor, keys: Tensor, *, as_drawn: bool) -> Tensor:
    """The attention of one body and subset, stage by stage, as the specification words it."""

    def f(u: Tensor) -> Tensor:
        return (module.Att.linear.weight @ u + module.Att.linear.bias).relu()

    def g(u: Tensor) -> Tensor:
        return (module.linear.weight @ u + module.linear.bias).relu()

    def o(a: Tensor, b: Tensor) -> Tensor:
        return torch.outer(a, b).softmax(dim=1)

    if as_drawn:
        q, k = [f(u) for u in queries], [g(u) for u in keys]
        once = [k[n] + k[n - 1] for n in range(4)]
        twice = [once[n] + once[n - 1] for n in range(4)]
        s = [o(q[n], once[n]) + o(q[n], twice[n]) for n in range(4)]
        return torch.stack([s[0] + s[1], s[1] + s[2], s[2] + s[3], s[3] + s[0]])
    own = [o(f(queries[n]), f(keys[n])) for n in range(4)]
    cross = [o(g(keys[n]), g(queries[n + 1])) for n in range(3)]
    return torch.stack(
        [
            own[0] / 2 + cross[0] / 4,
            own[1] / 2 + cross[0] / 4 + cross[1] / 4,
            own[2] / 2 + cross[1] / 4 + cross[2] / 4,
            own[3] / 2 + cross[2] / 4,
        ]
    )


@pytest.mark.parametrize("stage_attention", ["released", "figure"])
def test_attention_is_that_of_the_specification(stage_attention: str) -> None:
    module = randomised(MSAGC(8, 16, PARTITION, stage_attention=stage_attention))
    z = module.conv(features(2, 8, 5, 7)).unflatten(1, (3, -1))
    stages = z.mean(dim=3).unflatten(2, (4, 4))  # (B, K, stage, C / 4, V): the first half asks, the second answers
    queries, keys = stages[:, :, :, :2].mean(dim=3), stages[:, :, :, 2:].mean(dim=3)
    want = by_hand(module, queries[1, 2], keys[1, 2], as_drawn=stage_attention == "figure")
    torch.testing.assert_close(module.attention(z)[1, 2], want)


def test_correlation_is_the_mean_of_what_tells_joints_apart() -> None:
    module = randomised(ChannelCorrelation(4, 8, 7))
    x = features(3, 4, 5, 7)
    u = module.conv3(x.mean(dim=2, keepdim=True)).squeeze(2)
    alpha = module.alpha.repeat_interleave(2)[None, :, None, None]
    want = (alpha * (u.unsqueeze(3) - u.unsqueeze(2)).sigmoid()).mean(dim=(0, 1))
    torch.testing.assert_close(module(x), want)
    torch.testing.assert_close(want + want.T, torch.full_like(want, module.alpha.mean().item()))


def test_a_running_graph_moves_in_training_and_stands_in_testing() -> None:
    module = ChannelCorrelation(4, 8, 7, context="ema")
    x = features(3, 4, 5, 7).float()
    assert torch.equal(module.eval()(x), torch.full((7, 7), 0.5))
    used = module.train()(x)
    torch.testing.assert_close(module.G_run, 0.9 * torch.full((7, 7), 0.5) + 0.1 * used)
    assert torch.equal(module.eval()(x), module.G_run)
    assert "G_run" not in ChannelCorrelation(4, 8, 7).state_dict()


def test_released_scores_depend_on_the_batch_and_running_ones_do_not() -> None:
    x = torch.randn(3, 3, 8, 25, 1, generator=torch.Generator().manual_seed(1)).double()
    for context, alike in (("batch", False), ("ema", True)):
        model = build(global_context=context, k=2).double()
        with torch.no_grad():
            for _ in range(30):
                model(x)
            model.eval()
            gap = (model(x)[:1] - model(x[:1])).abs().max().item()
        assert (gap < 1e-9) is alike, (context, gap)


def test_nearest_joints_are_nearest_and_oneself_is_among_them() -> None:
    h = features(2, 3, 7)
    found = nearest_joints(h, 5)
    distance = torch.cdist(h.transpose(1, 2), h.transpose(1, 2))
    assert torch.equal(found.sort(dim=2).values, distance.argsort(dim=2)[:, :, :5].sort(dim=2).values)
    assert (found == torch.arange(7)[None, :, None]).any(dim=2).all()


def test_edge_convolution_of_three_joints_takes_all_three() -> None:
    assert EdgeConv(2, 4)(torch.randn(2, 2, 3, 3)).shape == (2, 4, 1, 3)


@pytest.mark.parametrize("k", [1, 2, 3, 9])
def test_khop_relative_subtracts_the_ancestor(k: int) -> None:
    parent = dict(EDGES)
    position = np.random.default_rng(0).normal(size=(7, 3))
    want = position.copy()
    for joint in range(7):
        above: int | None = joint
        for _ in range(k):
            above = parent.get(above) if above is not None else None
        if above is not None:
            want[joint] -= position[above]
    np.testing.assert_allclose(khop_relative(7, EDGES, k) @ position, want)


def test_khop_of_zero_is_refused_as_a_function_and_two_as_an_argument() -> None:
    with pytest.raises(InputError, match="k counts the edges"):
        khop_relative(7, EDGES, 0)
    with pytest.raises(InputError, match="k counts the edges up to a joint's ancestor, 1 or more, not -1"):
        build(k=-1)
    said, silent = build(k=0), build(k=2)
    assert said.notes == ["model_args: k is 0, which means 2, as in the published code"]
    assert silent.notes == []
    assert torch.equal(said.relative, silent.relative)
    assert not torch.equal(build(k=3).relative, silent.relative)


def test_ntu_hangs_from_the_middle_of_the_spine() -> None:
    want = khop_relative(25, LAYOUTS["infogcn-ntu"].edges, 2)
    for graph, arguments in (("graph.ntu_rgb_d.Graph", {}), ("graph.custom.Graph", {"layout": "infogcn-ntu"})):
        assert np.array_equal(build(graph=graph, graph_args=arguments).relative, want)
    assert not np.array_equal(build(root=20).relative, want)


def test_heads_have_an_attention_each() -> None:
    one, two = (TemporalAttention(6, 8, stride=1, frames=5, heads=heads) for heads in (1, 2))
    assert [p.shape for p in one.parameters()] == [p.shape for p in two.parameters()]
    two.load_state_dict(one.state_dict())
    x = torch.randn(3, 6, 5, 4)
    assert one(x).shape == two(x).shape == (3, 8, 5, 4)
    assert not torch.allclose(one(x), two(x))


@pytest.mark.parametrize("frames", [1, 2, 7, 8])
def test_temporal_branches_keep_or_halve_the_frames(frames: int) -> None:
    half = -(-frames // 2)
    assert TMST(10, stride=1, frames=frames)(torch.randn(2, 10, frames, 3)).shape == (2, 10, frames, 3)
    assert TMST(10, stride=2, frames=half)(torch.randn(2, 10, frames, 3)).shape == (2, 10, half, 3)


def test_sizes_counted_on_the_released_network(never_used: dict[str, str]) -> None:
    with torch.device("meta"):
        model = Model(num_class=60, num_point=25, num_person=2, graph="graph.ntu_rgb_d.Graph")
        ucla = Model(num_class=10, num_point=20, num_person=1, graph="graph.ucla.Graph", window_size=52)

    def live(module: nn.Module, prefix: str = "") -> int:
        pattern = never_used["msagcn"]
        return sum(p.numel() for name, p in module.named_parameters() if not re.match(pattern, prefix + name))

    assert sum(p.numel() for p in model.parameters()) == 3_758_482
    assert (live(model), live(ucla)) == (3_668_728, 3_581_930)
    blocks = [live(model.get_submodule(f"l{number}"), f"l{number}.") for number in range(1, 11)]
    assert blocks == [77_942] * 4 + [194_710] + [244_950] * 2 + [719_430] + [922_310] * 2


@pytest.mark.parametrize(
    ("changes", "want"),
    [
        ({"widths": (40, 44, 80)}, "widths has 44, wanted multiples of 40"),
        ({"window_size": 0}, "window_size is 0, wanted at least 1"),
        ({"heads": 3}, "heads is 3, but 8 channels do not fall into 3 even groups"),
        ({"global_context": "mean"}, "global_context is 'mean', wanted one of batch, ema"),
        ({"stage_attention": "figur"}, "stage_attention is 'figur'.*did you mean 'figure'"),
        ({"corr": "max"}, "corr is 'max', wanted one of mean, per_channel"),
        ({"root": 25}, "root is 25, but joints are 0 to 24"),
    ],
)
def test_arguments_that_do_not_work(changes: dict[str, Any], want: str) -> None:
    with pytest.raises(InputError, match=want):
        build(**changes)


def test_clips_of_another_length_are_refused() -> None:
    with pytest.raises(InputError, match=r"built for clips of 8 frames \(window_size\), not 9"):
        build()(torch.randn(1, 3, 9, 25, 1))
