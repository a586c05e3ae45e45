"""All four networks, fused, give what they give plain, and compute bodies that are not there once."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from importing import import_class
from model.fast.network import FastNetwork
from model.fuse import fuse, unfuse

EXACT = 1e-12
FRAMES = 8
# Wide enough that rounding is not blown up by channels that hardly vary.
NETWORKS: dict[str, dict[str, Any]] = {
    "msg3d": {"num_gcn_scales": 3, "num_g3d_scales": 2, "widths": (24, 36, 50)},
    "mstgcn": {"widths": (16, 24, 32)},
    "mstgcn-basic": {"widths": (16, 24, 32), "block_type": "basic"},
    "mstgcn-sep": {"widths": (32, 48, 64), "layer_type": "sep", "act": "hswish"},
    "mstgcn-bottle": {"widths": (16, 24, 32), "block_type": "ms_bottle", "atten": "stcja"},
    "dgstgcn": {
        "widths": (24, 36, 50),
        "num_filter": 4,
        "num_stages": 6,
        "inflate_stages": (3, 5),
        "down_stages": (3, 5),
    },
    "dgstgcn-NA": {"base_channels": 24, "num_filter": 3, "num_stages": 2, "gcn_ctr": "NA", "gcn_ada": None},
    "dgstgcn-MVC": {
        "base_channels": 24,
        "num_filter": 3,
        "num_stages": 3,
        "data_bn_type": "MVC",
        "gcn_subset_wise": True,
    },
    "dgstgcn-none": {"base_channels": 24, "num_filter": 3, "num_stages": 2, "data_bn_type": "none", "gcn_ctr": None},
    "msagcn": {"widths": (40, 40, 80), "window_size": FRAMES},
    "msagcn-ema": {"widths": (40, 40, 40), "window_size": FRAMES, "global_context": "ema", "corr": "per_channel"},
}
ABSENT = {
    "all there": (),
    "one absent": ((1, 1),),
    "some absent": ((0, 1), (1, 1), (3, 1)),
    "in both places": ((0, 1), (1, 1), (2, 0), (3, 0)),
}


def network(name: str, bodies: int = 2) -> nn.Module:
    """With nothing at the value that it starts with, and statistics of clips."""
    torch.manual_seed(0)
    graph = {"graph": "graph.custom.AdjMatrixGraph", "graph_args": {"layout": "coco"}, "num_point": 17}
    model: nn.Module = import_class(f"model.{name.partition('-')[0]}.Model", "model")(
        num_class=4, num_person=bodies, **NETWORKS[name], **graph
    )
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for key, tensor in [*model.named_parameters(), *model.named_buffers()]:
            if key.endswith(("A_res", "PA", "alpha", "beta", "add_coeff", ".A")):
                tensor.add_(torch.empty_like(tensor).uniform_(-0.1, 0.1, generator=generator))
            elif tensor.dim() == 1 and key.endswith("weight"):
                tensor.uniform_(0.5, 1.5, generator=generator)
            elif key.endswith("bias"):
                tensor.uniform_(-0.3, 0.3, generator=generator)
    model.double()
    norms = [module for module in model.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]
    for norm in norms:
        norm.momentum = 1.0
    with torch.no_grad():
        model(1.5 * batch(bodies, ()) + 0.1)
    for norm in norms:
        norm.momentum = 0.1
    return model


def batch(bodies: int, absent: tuple[tuple[int, int], ...], clips: int = 4) -> Tensor:
    x = torch.randn(clips, 3, FRAMES, 17, bodies, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    for clip, body in absent:
        x[clip, ..., body] = 0
    return x


def gradients(model: nn.Module, x: Tensor) -> dict[str, Tensor]:
    model.zero_grad()
    F.cross_entropy(model(x), torch.arange(len(x)) % 4).backward()
    return {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}


def rounding(name: str) -> float:
    """How far gradients may be apart.

    MSA-GCN has gates of one weight, whose gradients are sums over everything; narrow separable groups blow rounding up.
    """
    return {"msagcn": 1e-10, "msagcn-ema": 1e-11, "mstgcn-sep": 1e-11}.get(name, EXACT)


def assert_same(got: dict[str, Tensor], want: dict[str, Tensor], limit: float = EXACT) -> None:
    """To ``limit`` of the largest entry of each tensor, or, of one that cancels to next to nothing, of all."""
    assert got.keys() == want.keys()
    top = max(float(value.abs().max()) for value in want.values())
    for name, value in want.items():
        scale = max(float(value.abs().max()), 1e-2 * top)
        assert float((got[name] - value).abs().max()) <= limit * scale, name


@pytest.mark.parametrize("absent", ABSENT.values(), ids=ABSENT)
@pytest.mark.parametrize("name", NETWORKS)
def test_fused_is_plain(name: str, absent: tuple[tuple[int, int], ...]) -> None:
    """In evaluation, in evaluation with gradients, and over two steps of training."""
    plain = network(name)
    fused = copy.deepcopy(plain)
    assert fuse(fused) >= 1
    limit = rounding(name)
    x = batch(2, absent)
    with torch.no_grad():
        torch.testing.assert_close(fused.eval()(x), plain.eval()(x), rtol=EXACT, atol=EXACT)
    assert_same(gradients(fused, x), gradients(plain, x), limit)
    plain.train(), fused.train()
    for step in range(2):
        moved = x + step * x.sign()
        assert_same(gradients(fused, moved), gradients(plain, moved), limit)
    for key, buffer in plain.named_buffers():
        torch.testing.assert_close(fused.get_buffer(key), buffer, rtol=EXACT, atol=EXACT, msg=key)
    with torch.no_grad():
        torch.testing.assert_close(fused(x), plain(x), rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("bodies", [1, 3])
@pytest.mark.parametrize("name", ["mstgcn", "dgstgcn", "msagcn"])
def test_any_number_of_bodies(name: str, bodies: int) -> None:
    plain = network(name, bodies)
    fused = copy.deepcopy(plain)
    fuse(fused)
    x = batch(bodies, tuple((clip, body) for clip in range(3) for body in range(1, bodies) if clip != body))
    assert_same(gradients(fused, x), gradients(plain, x), rounding(name))
    with torch.no_grad():
        torch.testing.assert_close(fused.eval()(x), plain.eval()(x), rtol=EXACT, atol=EXACT)


def bodies_computed(model: Any, x: Tensor) -> int:
    found: list[int] = []
    plain: Callable[[Tensor], Tensor] = model.features
    model.features = lambda bodies: found.append(len(bodies)) or plain(bodies)
    try:
        model(x)
    finally:
        del model.features
    return sum(found)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("name", NETWORKS)
def test_absent_bodies_are_computed_once(name: str, training: bool) -> None:
    model = network(name).train(training)
    fuse(model)
    assert isinstance(model, FastNetwork)
    assert bodies_computed(model, batch(2, ((0, 1), (1, 1), (3, 1)))) == 8 - 2
    assert bodies_computed(model, batch(2, ())) == 8
    unfuse(model)
    assert not isinstance(model, FastNetwork)
    assert bodies_computed(model, batch(2, ((0, 1), (1, 1), (3, 1)))) == 8


@pytest.mark.parametrize("name", ["dgstgcn", "mstgcn", "msg3d"])
def test_scores_do_not_depend_on_the_clips_beside(name: str) -> None:
    """A clip evaluated alone, among few and among many: the same but for rounding."""
    model = network(name).eval()
    fuse(model)
    x = batch(2, ((0, 1), (1, 1), (5, 0), (6, 1)), clips=9)
    with torch.no_grad():
        torch.testing.assert_close(model(x), torch.cat([model(clip[None]) for clip in x]), rtol=EXACT, atol=EXACT)
