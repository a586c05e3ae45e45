"""MST-GCN: its hierarchy, its options, and what it refuses."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from errors import InputError
from model.mst_attention import ATTENTIONS
from model.mst_common import grouped
from model.mst_spatial import SPATIAL, SpatialGraphConv
from model.mstgcn import Model, published_rows

ROWS = [[3, 8, False, 1], [8, 8, True, 1], [8, 16, True, 2], [16, 16, True, 1]]
PARTS = [[0, 1, 2, 3, 4], [5, 7, 9], [6, 8, 10], [11, 13, 15], [12, 14, 16]]


def build(**changes: Any) -> Model:
    torch.manual_seed(0)
    arguments: dict[str, Any] = {
        **{"num_class": 4, "num_point": 17, "num_person": 2, "block_args": ROWS, "s_scale": 2, "t_scale": 2},
        **{"graph": "graph.custom.Graph", "graph_args": {"layout": "coco"}, "parts": PARTS},
    }
    return Model(**(arguments | changes))


@pytest.mark.parametrize(("block_type", "atten"), [*itertools.product(SPATIAL, [None, *ATTENTIONS])])
@pytest.mark.parametrize("bias", [True, False])
def test_every_block_with_every_attention(block_type: str, atten: str | None, bias: bool) -> None:
    layer_type = "sep" if bias else "basic"
    model = build(block_type=block_type, atten=atten, bias=bias, layer_type=layer_type, expand_ratio=2, act="swish")
    logits = model(torch.randn(2, 3, 9, 17, 2))
    assert logits.shape == (2, 4)
    assert logits.isfinite().all()


def test_chained_groups_see_those_before_them() -> None:
    branches = nn.ModuleList([nn.Identity() for _ in range(3)])
    x = torch.arange(1.0, 4.0).view(1, 3, 1, 1)
    assert grouped(x, branches, chained=True).flatten().tolist() == [1, 3, 6]
    assert grouped(x, branches, chained=False).flatten().tolist() == [1, 2, 3]
    assert grouped(-x, branches, chained=True, activation=nn.ReLU()).flatten().tolist() == [0, 0, 0]


def test_a_graph_convolution_is_a_sum_over_subsets() -> None:
    partition = np.random.default_rng(0).random((3, 5, 5))
    module = SpatialGraphConv(4, 6, partition).double()
    with torch.no_grad():
        module.PA.normal_()
    x = torch.randn(2, 4, 3, 5, dtype=torch.float64)
    want = sum(module.gcn(x)[:, 6 * k : 6 * k + 6] @ (module.A + module.PA)[k] for k in range(3))
    torch.testing.assert_close(module(x), want)
    fresh = SpatialGraphConv(4, 6, partition)
    torch.testing.assert_close(fresh.adjacency().double(), torch.tensor(2 * partition), rtol=1e-6, atol=1e-6)


def test_the_published_blocks_are_the_default() -> None:
    want = [
        *[[3, 112, False, 1], [112, 112, True, 1], [112, 112, True, 1], [112, 112, True, 1], [112, 224, True, 2]],
        *[[224, 224, True, 1], [224, 224, True, 1], [224, 448, True, 2], [448, 448, True, 1], [448, 448, True, 1]],
    ]
    assert [list(row) for row in published_rows(3, (112, 224, 448))] == want


def test_published_start() -> None:
    model = build()
    for name, parameter in model.named_parameters():
        if name.endswith(".PA"):
            assert torch.equal(parameter, model.get_buffer(name.removesuffix("PA") + "A"))
    conv = model.get_submodule("layers.3.mstcn.conv_bn.0.0")
    assert conv.weight.std().item() == pytest.approx((2 / (8 * 9)) ** 0.5, rel=0.15)
    assert not conv.bias.any()


@pytest.mark.parametrize(
    ("changes", "want"),
    [
        ({"block_type": "mss"}, "block_type is 'mss', wanted one of basic, sep, ms, .*did you mean 'ms'"),
        ({"atten": "st1ja"}, "atten is 'st1ja', wanted one of None, stja.*did you mean 'stja'"),
        ({"atten": "pa", "parts": None}, r"parts are lists of joints that hold each of 0 to 16 once \(atten pa needs"),
        ({"atten": "ja", "parts": [[0, 1]]}, r"parts are lists .* not \[\[0, 1\]\]"),
        ({"s_scale": 3}, "s_scale is 3, but 8 channels do not divide into 3 groups"),
        ({"t_scale": 5}, "t_scale is 5, but 8 channels do not divide into 5 groups"),
        ({"kernel_size": 4}, "kernel_size is 4, wanted an odd number"),
        ({"expand_ratio": -1}, "expand_ratio is -1, wanted 0 or more"),
        ({"reduct_ratio": 0}, "reduct_ratio is 0, wanted at least 1"),
        ({"act": "gelu"}, "act is 'gelu', wanted one of relu, swish, hswish"),
        ({"layer_type": "septic"}, "layer_type is 'septic'.*did you mean 'sep'"),
        ({"block_args": []}, "block_args is empty"),
        ({"block_args": [[3, 8, False]]}, r"block_args holds \[3, 8, False\], wanted"),
        (
            {"block_args": [[3, 8, "False", 1]]},
            r"\[3, 8, 'False', 1\], wanted whole numbers, and True",
        ),
        ({"block_args": [[3, 8.5, False, 1]]}, "wanted whole numbers"),
        ({"block_args": [[3, 8, False, 0]]}, "wanted whole numbers"),
        ({"block_args": [[3, 8, False, 1], [6, 8, True, 1]]}, r"\[6, 8, True, 1\] does not take the 8 channels"),
    ],
)
def test_arguments_that_do_not_work(changes: dict[str, Any], want: str) -> None:
    with pytest.raises(InputError, match=want):
        build(**changes)
