"""MST-GCN's layers, fused, give what the plain ones give: values, gradients and running statistics."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from model import statistics
from model.batch_norm import across_processes
from model.fast.mst_spatial import JointsFirst, _form
from model.fast.products import AggregateFirst
from model.fuse import fuse
from model.mst_common import Options
from model.mst_spatial import BasicSpatial, MultiScaleSpatial
from model.mst_temporal import BasicTemporal, MultiScaleTemporal
from model.mstgcn import Model

EXACT = 1e-12


def partition(joints: int) -> np.ndarray:
    return np.random.default_rng(0).random((3, joints, joints)) / joints


def layers(joints: int, stride: int) -> dict[str, nn.Module]:
    subsets, two = partition(joints), Options(s_scale=2, t_scale=2)
    swish = Options(s_scale=4, t_scale=4, kernel_size=3, act="hswish")
    return {
        "spatial, chained": MultiScaleSpatial(24, 24, subsets, two),
        "spatial, wider": MultiScaleSpatial(24, 32, subsets, two),
        "spatial, chained, no residual": MultiScaleSpatial(24, 24, subsets, two, residual=False),
        "spatial, hswish": MultiScaleSpatial(24, 24, subsets, swish),
        "spatial, few channels": MultiScaleSpatial(6, 48, subsets, two),
        "spatial, one group": BasicSpatial(24, 24, subsets, two),
        "spatial, one group, wider": BasicSpatial(3, 24, subsets, two, residual=False),
        "temporal": MultiScaleTemporal(24, two, stride=stride),
        "temporal, no residual": MultiScaleTemporal(24, two, stride=stride, residual=False),
        "temporal, hswish": MultiScaleTemporal(24, swish, stride=stride),
        "temporal, one group": BasicTemporal(24, two, stride=stride),
    }


def stirred(module: nn.Module) -> nn.Module:
    """With nothing at the value that it starts with."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for name, tensor in [*module.named_parameters(), *module.named_buffers()]:
            if name.endswith("running_var") or (tensor.dim() == 1 and name.endswith("weight")):
                tensor.uniform_(0.5, 1.5, generator=generator)
            elif name.endswith(("running_mean", "bias")):
                tensor.uniform_(-0.3, 0.3, generator=generator)
            elif name.endswith("PA"):
                tensor.add_(torch.empty_like(tensor).uniform_(-0.1, 0.1, generator=generator))
    return module


@pytest.mark.parametrize("joints", [5, 17])
@pytest.mark.parametrize("frames", [1, 2, 7])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("name", layers(5, 1))
def test_layers_one_by_one(name: str, stride: int, frames: int, joints: int, everything: Any, assert_same: Any) -> None:
    """In training, with statistics frozen, in evaluation; in either memory order."""
    torch.manual_seed(0)
    plain = stirred(layers(joints, stride)[name]).double()
    fused = copy.deepcopy(plain)
    assert fuse(fused) == 1
    channels = next(m for m in plain.modules() if isinstance(m, nn.Conv2d)).in_channels
    channels *= len(getattr(plain, "conv_bn", "1"))
    x = torch.randn(4, channels, frames, joints, dtype=torch.float64)
    x = x.contiguous(memory_format=torch.channels_last) if frames > 1 else x
    for training in (True, False):
        assert_same(everything(fused.train(training), x), everything(plain.train(training), x))
    with torch.no_grad():
        torch.testing.assert_close(fused(x), plain(x), rtol=EXACT, atol=EXACT)


@pytest.mark.parametrize("name", ["spatial, chained", "temporal"])
def test_statistics_in_parts(name: str, everything: Any, assert_same: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """As where channels have many values."""
    monkeypatch.setattr(statistics, "_MANY", 1)
    test_layers_one_by_one(name, stride=2, frames=7, joints=17, everything=everything, assert_same=assert_same)


@pytest.mark.parametrize("capability", ["AVX2", "AVX512"])
def test_either_form_of_the_graph(
    capability: str, everything: Any, assert_same: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Processors of both kinds, in pieces of a few frames."""
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: capability)
    for form in (AggregateFirst, JointsFirst):
        monkeypatch.setattr(form, "in_cache", 2**15)
    for name in ("spatial, chained", "spatial, wider", "spatial, one group"):
        test_layers_one_by_one(name, stride=1, frames=7, joints=17, everything=everything, assert_same=assert_same)
    assert isinstance(_form(3, 24, 24), JointsFirst) is (capability == "AVX512")
    assert not isinstance(_form(3, 3, 24), AggregateFirst)


def network(**changes: Any) -> Model:
    torch.manual_seed(0)
    graph = {"graph": "graph.custom.AdjMatrixGraph", "graph_args": {"layout": "coco"}, "num_point": 17}
    model = Model(**{"num_class": 4, "num_person": 2, "widths": (16, 24, 32), **graph, **changes})
    stirred(model)
    for norm in (m for m in model.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)):
        norm.momentum = 1.0
    with torch.no_grad():
        model(batch())
    return model


def batch() -> Tensor:
    x = torch.randn(4, 3, 9, 17, 2, generator=torch.Generator().manual_seed(2))
    x[:2, ..., 1] = 0
    return x


def test_what_is_fused() -> None:
    """Twenty layers and the network; of the published block types ms and basic, not those with other layers in them."""
    assert fuse(network()) == 21
    assert fuse(network(block_type="basic")) == 21
    assert fuse(network(block_type="bottle")) == 3


def test_separable_groups_are_computed_plainly() -> None:
    plain = network(layer_type="sep").double().eval()
    fused = copy.deepcopy(plain)
    fuse(fused)
    layer, other = fused.layers[1].msgcn, plain.layers[1].msgcn
    x = torch.randn(2, 16, 5, 17, dtype=torch.float64)
    assert torch.equal(layer(x), other(x))


def test_one_norm_frozen(assert_same: Any) -> None:
    """Half of a layer stands still, a whole layer does, within a network that trains."""
    plain = network().double()
    fused = copy.deepcopy(plain)
    fuse(fused)
    x = batch().double()
    found = []
    for model in (plain, fused):
        model.layers[1].msgcn.bn_in.eval()
        model.layers[2].mstcn.conv_bn[1][1].eval()
        model.layers[3].eval().requires_grad_(False)
        model.layers[4].eval()
        F.cross_entropy(model(x), torch.arange(4)).backward()
        gradients = {name: p.grad for name, p in model.named_parameters() if p.grad is not None}
        found.append(gradients | dict(model.named_buffers()))
    assert_same(found[1], found[0], 1e-11)


def test_float32() -> None:
    plain = network(widths=(48, 96, 96))
    fused = copy.deepcopy(plain)
    fuse(fused)
    for training in (False, True):
        with torch.no_grad():
            got, want = fused.train(training)(batch()), plain.train(training)(batch())
        torch.testing.assert_close(got, want, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("half", ["autocast", "weights too"])
def test_bfloat16(half: str) -> None:
    plain = network().train()
    fused, x = copy.deepcopy(plain), batch()
    fuse(fused)
    if half == "weights too":
        plain, fused, x = plain.bfloat16(), fused.bfloat16(), x.bfloat16()
    found = []
    for model in (plain, fused):
        with torch.autocast("cpu", torch.bfloat16, enabled=half == "autocast"):
            logits = model(x)
        F.cross_entropy(logits.float(), torch.arange(4)).backward()
        assert all(p.grad is None or p.grad.dtype == p.dtype for p in model.parameters())
        norms = torch.stack([p.grad.float().norm() for p in model.parameters() if p.grad is not None])
        with torch.autocast("cpu", torch.bfloat16, enabled=half == "autocast"), torch.no_grad():
            found.append((logits.detach().float(), model.eval()(x).float(), norms))
    for got, want in zip(found[1], found[0], strict=True):
        assert got.isfinite().all()
        assert float((got - want).norm()) < 0.2 * float(want.norm())


def a_share(rank: int, x: Tensor) -> dict[str, Tensor]:
    """A step of one of two processes, each of which has another number of absent bodies; the loss is a sum."""
    model = network().double()
    fuse(model)
    across_processes(model)
    mine = slice(0, 3) if rank == 0 else slice(3, None)
    return summed(model, x, mine) | {name: b.clone() for name, b in model.named_buffers()}


def summed(model: nn.Module, x: Tensor, mine: slice) -> dict[str, Tensor]:
    F.cross_entropy(model(x[mine]), torch.arange(len(x))[mine] % 4, reduction="sum").backward()
    return {f"gradient {name}": p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}


def test_two_processes_are_one(in_two: Callable[..., list[Any]], assert_same: Any) -> None:
    x = torch.cat([batch(), batch()[:2] + 0.1 * batch()[:2].sign()]).double()
    plain = network().double()
    want = summed(plain, x, slice(None))
    first, second = in_two(a_share, x)
    assert_same({name: first[name] + second[name] for name in want}, want, 1e-11)
    for name, buffer in plain.named_buffers():
        torch.testing.assert_close(first[name], buffer, rtol=EXACT, atol=EXACT, msg=name)
