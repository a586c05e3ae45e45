"""DG-STGCN's operators alone: the faster forms give what the plain ones give, or leave it to these."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from model.batch_norm import across_processes
from model.dg_gcn import DynamicGroupGraphConv
from model.dg_tcn import DynamicGroupTemporalConv
from model.dgstgcn import Block
from model.fuse import fuse
from model.normalize import standing_for

EXACT = 1e-12


def stirred(module: nn.Module) -> nn.Module:
    """``module`` in float64, weights and statistics unlike those that it starts with."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for name, tensor in [*module.named_parameters(), *module.named_buffers()]:
            if name.endswith(("A", "alpha", "beta", "add_coeff", "bias", "running_mean")):
                tensor.uniform_(-0.5, 0.5, generator=generator)
            elif tensor.dim() == 1:
                tensor.uniform_(0.5, 1.5, generator=generator)
                tensor[::3] *= -1 if name.endswith("weight") else 1
    return module.double()


def graph_conv(width: int, joints: int, **options: Any) -> nn.Module:
    torch.manual_seed(0)
    return stirred(DynamicGroupGraphConv(6, width, torch.rand(3, joints, joints), ratio=0.5, **options))


def temporal_conv(stride: int, **options: Any) -> nn.Module:
    torch.manual_seed(0)
    return stirred(DynamicGroupTemporalConv(6, 20, stride=stride, **options))


def block(width: int, stride: int, joints: int = 5, **options: Any) -> nn.Module:
    torch.manual_seed(0)
    gcn = {"ratio": 0.5}
    return stirred(
        Block(12, width, torch.rand(3, joints, joints), **{"residual": True, **options}, stride=stride, gcn=gcn, tcn={})
    )


def figures(module: nn.Module, x: Tensor) -> dict[str, Tensor]:
    """Output, gradients and statistics of two steps."""
    found: dict[str, Tensor] = {}
    weights = torch.Generator().manual_seed(3)
    for step in range(2):
        x = x.detach().clone(memory_format=torch.preserve_format).requires_grad_()
        y = module(x)
        module.zero_grad()
        (y * torch.randn(y.shape, dtype=y.dtype, generator=weights)).sum().backward()
        found |= {f"{step} output": y.detach(), f"{step} input": x.grad}
        found |= {f"{step} {name}": p.grad.clone() for name, p in module.named_parameters() if p.grad is not None}
        found |= {f"{step} {name}": b.double().clone() for name, b in module.named_buffers()}
    return found


def assert_same(got: dict[str, Tensor], want: dict[str, Tensor], limit: float = EXACT) -> None:
    """To ``limit`` of the largest entry of each tensor, or, of one that cancels to next to nothing, of 1."""
    assert got.keys() == want.keys()
    for name, value in want.items():
        scale = max(float(value.abs().max()), 1.0)
        assert float((got[name] - value).abs().max()) <= limit * scale, name


def assert_fused_is_plain(plain: nn.Module, x: Tensor) -> None:
    """In evaluation without and with gradients, and in training."""
    fused = copy.deepcopy(plain)
    assert fuse(fused) >= 1
    assert list(fused.state_dict()) == list(plain.state_dict())
    plain.eval(), fused.eval()
    before = x.clone()
    with torch.no_grad():
        for some in (x, x.transpose(2, 3).contiguous().transpose(2, 3)):
            torch.testing.assert_close(fused(some), plain(some), rtol=EXACT, atol=EXACT)
    assert torch.equal(x, before)
    assert_same(figures(fused, x), figures(plain, x))
    plain.train(), fused.train()
    for memory in (torch.contiguous_format, torch.channels_last):
        assert_same(figures(fused, x.to(memory_format=memory)), figures(plain, x))


def features(frames: int, joints: int, channels: int = 6, clips: int = 3) -> Tensor:
    return torch.randn(clips, channels, frames, joints, dtype=torch.float64, generator=torch.Generator().manual_seed(2))


SIZES = [(1, 5), (2, 17), (7, 5), (12, 25)]


@pytest.mark.parametrize(("frames", "joints"), SIZES)
@pytest.mark.parametrize("width", [6, 20])
@pytest.mark.parametrize("subset_wise", [True, False])
def test_graph_convolution(frames: int, joints: int, width: int, subset_wise: bool) -> None:
    assert_fused_is_plain(graph_conv(width, joints, subset_wise=subset_wise), features(frames, joints))


@pytest.mark.parametrize(("frames", "joints"), SIZES)
@pytest.mark.parametrize("stride", [1, 2, 3])
def test_temporal_convolution(frames: int, joints: int, stride: int) -> None:
    assert_fused_is_plain(temporal_conv(stride), features(frames, joints))


@pytest.mark.parametrize(("frames", "joints"), SIZES)
@pytest.mark.parametrize(("width", "stride", "residual"), [(12, 1, True), (12, 2, True), (20, 2, True), (20, 1, False)])
def test_block(frames: int, joints: int, width: int, stride: int, residual: bool) -> None:
    plain = block(width, stride, joints, residual=residual)
    assert_fused_is_plain(plain, features(frames, joints, 12))


@pytest.mark.parametrize(
    "options", [{"ctr": "NA"}, {"ada": "NA"}, {"ctr": None}, {"ada_act": "tanh"}, {"ctr_act": "relu"}]
)
def test_other_dynamics(options: dict[str, str]) -> None:
    assert_fused_is_plain(graph_conv(20, 5, **options), features(7, 5))


@pytest.mark.parametrize(
    "branches",
    [
        [(3, 1), ("max", 3), "1x1"],
        [(5, 2), (3, 3), (1, 1), ("max", 5), "1x1"],
        [(3, 1), "1x1"],
        ["1x1", (3, 1), ("max", 3)],
        [("max", 3), "1x1"],
    ],
)
@pytest.mark.parametrize("stride", [1, 2])
def test_other_branches(branches: list[Any], stride: int) -> None:
    assert_fused_is_plain(temporal_conv(stride, ms_cfg=branches), features(9, 5))


@pytest.mark.parametrize("counts", [(3,), (2, 5)])
@pytest.mark.parametrize("width", [12, 20])
def test_items_that_stand_for_many(counts: tuple[int, ...], width: int) -> None:
    """The same as all of them, in statistics and in gradients of the weights."""
    plain = block(width, 2)
    fused = copy.deepcopy(plain)
    fuse(fused)
    x = features(7, 5, 12)
    single = len(x) - len(counts)
    times = torch.tensor([1] * single + list(counts))
    rows = torch.arange(len(x)).repeat_interleave(times)
    want = plain(x[rows])
    generator = torch.Generator().manual_seed(3)
    towards = torch.randn(want[: len(x)].shape, dtype=want.dtype, generator=generator)
    (want * towards[rows]).sum().backward()
    with standing_for(counts):
        got = fused(x)
    (got * towards * times[:, None, None, None]).sum().backward()
    torch.testing.assert_close(got[rows], want, rtol=EXACT, atol=EXACT)
    for (name, p), q in zip(plain.named_parameters(), fused.parameters(), strict=True):
        assert_same({name: q.grad}, {name: p.grad})
    assert_same(dict(fused.named_buffers()), dict(plain.named_buffers()))


def a_share(rank: int, x: Tensor) -> dict[str, Tensor]:
    """A step of one of two processes, which have other numbers of clips; the last stands for three."""
    module = block(20, 2)
    fuse(module)
    across_processes(module)
    mine, counts = (x[:2], ()) if rank == 0 else (x[2:], (3,))
    with standing_for(counts):
        loss = module(mine).square().mean(dim=(1, 2, 3))
    (loss * torch.tensor([*[1] * (len(mine) - len(counts)), *counts])).sum().backward()
    gradients = {f"gradient {name}": p.grad for name, p in module.named_parameters() if p.grad is not None}
    return gradients | dict(module.named_buffers())


def test_two_processes_are_one(in_two: Callable[..., list[Any]]) -> None:
    x = features(7, 5, 12, clips=5)
    first, second = in_two(a_share, x)
    plain = block(20, 2)
    plain(torch.cat([x, x[-1:], x[-1:]])).square().mean(dim=(1, 2, 3)).sum().backward()
    for name, p in plain.named_parameters():
        if p.grad is not None:
            total = first[f"gradient {name}"] + second[f"gradient {name}"]
            assert_same({name: total}, {name: p.grad})
    for name, buffer in plain.named_buffers():
        torch.testing.assert_close(first[name], buffer, rtol=EXACT, atol=EXACT, msg=name)


@pytest.mark.parametrize("training", [True, False])
def test_plain_operators_are_not_called(training: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    fused = block(20, 2).train(training)
    fuse(fused)
    for plain in (Block, DynamicGroupGraphConv, DynamicGroupTemporalConv, nn.Conv2d, nn.BatchNorm2d):
        monkeypatch.setattr(plain, "forward", None)
    with torch.set_grad_enabled(training):
        fused(features(7, 5, 12))


def test_hooks_see_what_the_operators_give() -> None:
    plain = block(12, 1).eval()
    fused = copy.deepcopy(plain)
    fuse(fused)
    x, seen = features(7, 5, 12), []
    for module in (plain, fused):
        module.tcn.register_forward_hook(lambda module, arguments, output: seen.append(output))
        with torch.no_grad():
            module(x)
    torch.testing.assert_close(seen[1], seen[0], rtol=EXACT, atol=EXACT)


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::torch.jit.TracerWarning")
def test_what_is_written_down_are_plain_operators() -> None:
    fused = block(20, 2).eval()
    fuse(fused)
    x = features(7, 5, 12)
    exported = torch.export.export(fused, (x,))
    assert "addmm" not in exported.graph_module.code
    traced = torch.jit.trace(fused, (x,))
    for written in (exported.module(), traced):
        torch.testing.assert_close(written(-x), fused(-x))


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("half", ["autocast", "weights too", "float32"])
def test_other_types(half: str, training: bool) -> None:
    plain = block(20, 2).float().train(training)
    x = features(7, 5, 12).float()
    if half == "weights too":
        plain, x = plain.bfloat16(), x.bfloat16()
    fused = copy.deepcopy(plain)
    fuse(fused)
    found = []
    for module in (plain, fused):
        with torch.set_grad_enabled(training), torch.autocast("cpu", torch.bfloat16, enabled=half == "autocast"):
            y = module(x)
        if training:
            y.float().square().mean().backward()
            assert all(
                p.grad.dtype == p.dtype and p.grad.isfinite().all() for p in module.parameters() if p.grad is not None
            )
        found.append(y.detach().float())
    assert float((found[1] - found[0]).norm()) < (1e-5 if half == "float32" else 0.05) * float(found[0].norm())


def test_dropout_is_the_same_dropout() -> None:
    plain = temporal_conv(1, dropout=0.5)
    fused = copy.deepcopy(plain)
    fuse(fused)
    x = features(7, 5)
    outputs = []
    for module in (plain, fused):
        torch.manual_seed(4)
        outputs.append(module(x))
    torch.testing.assert_close(outputs[1], outputs[0], rtol=EXACT, atol=EXACT)
    assert (outputs[0] == 0).any()
