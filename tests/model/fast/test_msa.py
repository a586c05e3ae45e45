"""MSA-GCN's operators, fused, give what the plain ones give: values, gradients and running statistics."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from model.fast.tmst import _Gated, _Pooled
from model.fuse import fuse, unfuse
from model.msa_gc import MSAGC
from model.tmst import TMST

EXACT = 1e-12


def operators(frames: int, joints: int) -> dict[str, nn.Module]:
    subsets, half = np.random.default_rng(0).random((3, joints, joints)) / joints, -(-frames // 2)
    return {
        "MSA-GC": MSAGC(16, 16, subsets),
        "MSA-GC, wider": MSAGC(8, 16, subsets, stage_attention="figure"),
        "MSA-GC, per channel": MSAGC(16, 16, subsets, correlation={"corr": "per_channel"}),
        "TMST": TMST(20, stride=1, frames=frames),
        "TMST, two heads": TMST(40, stride=1, frames=frames, heads=2),
        "TMST, half the frames": TMST(20, stride=2, frames=half),
        "TMST, a third of the frames": TMST(20, stride=3, frames=-(-frames // 3)),
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
            elif name.endswith(("Pre_def", "alpha")):
                tensor.add_(torch.empty_like(tensor).uniform_(-0.1, 0.1, generator=generator))
    return module


@pytest.mark.parametrize("joints", [5, 17])
@pytest.mark.parametrize("frames", [1, 2, 7, 16])
@pytest.mark.parametrize("name", operators(7, 5))
def test_operators_one_by_one(name: str, frames: int, joints: int, everything: Any, assert_same: Any) -> None:
    """In training, with statistics frozen, in evaluation; in either memory order."""
    torch.manual_seed(0)
    plain = stirred(operators(frames, joints)[name]).double()
    fused = copy.deepcopy(plain)
    assert fuse(fused) == 1
    channels = next(m for m in plain.modules() if isinstance(m, nn.Conv2d)).in_channels
    x = torch.randn(4, channels, frames, joints, dtype=torch.float64)
    x = x.contiguous(memory_format=torch.channels_last) if frames > 2 else x
    for training in (True, False):
        assert_same(everything(fused.train(training), x), everything(plain.train(training), x))
    with torch.no_grad():
        torch.testing.assert_close(fused(x), plain(x), rtol=EXACT, atol=EXACT)
    assert unfuse(fused) == 1
    assert type(fused) is type(plain)


def test_one_gate_of_one_sigmoid() -> None:
    """Wherever it saturates too; its gradient by finite differences."""
    a = torch.linspace(-800, 800, 4001, dtype=torch.float64).view(1, 1, -1, 1)
    pairs = torch.cat([a, a.flip(2) / 100], 1)
    want = (pairs.tanh() * pairs.sigmoid()).sum(1, keepdim=True)
    got: Any = _Gated.apply(pairs)  # type: ignore[no-untyped-call]
    torch.testing.assert_close(got, want, rtol=0, atol=1e-15)
    some = torch.randn(2, 4, 3, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(_Gated.apply, some)


@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("frames", [1, 2, 5, 6, 9])
def test_the_first_of_equal_frames_gets_the_gradient(frames: int, stride: int) -> None:
    """As MaxPool2d has it, where values are positive: small whole numbers, most maxima reached more than once."""
    x = (
        torch.randint(1, 3, (2, 3, frames, 4), generator=torch.Generator().manual_seed(frames))
        .double()
        .requires_grad_()
    )
    want = F.max_pool2d(x, (3, 1), (stride, 1), (1, 0))
    got: Any = _Pooled.apply(x, stride)  # type: ignore[no-untyped-call]
    assert torch.equal(got, want)
    d = torch.arange(want.numel(), dtype=torch.float64).view_as(want)
    assert torch.equal(*(torch.autograd.grad(y, x, d)[0] for y in (got, want)))
