"""Whether a fused operator gives what the plain one gives: values, gradients and running statistics."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn


@pytest.fixture
def everything() -> Callable[[nn.Module, Tensor], dict[str, Tensor]]:
    """``everything(module, x)``: values, every gradient and all statistics, after one step."""

    def step(module: nn.Module, x: Tensor) -> dict[str, Tensor]:
        module.zero_grad()
        given = x.clone().requires_grad_()
        y = module(given)
        y.backward(torch.sin(torch.arange(y.numel(), dtype=y.dtype)).view_as(y))
        assert given.grad is not None
        gradients = {name: p.grad.clone() for name, p in module.named_parameters() if p.grad is not None}
        return {"y": y.detach(), "x": given.grad, **gradients, **{n: b.clone() for n, b in module.named_buffers()}}

    return step


@pytest.fixture
def assert_same() -> Callable[..., None]:
    """``assert_same(got, want, limit)``: to ``limit`` (1e-12) of the largest entry of each tensor, or, of one that
    cancels to next to nothing, of all."""

    def compare(got: dict[str, Tensor], want: dict[str, Tensor], limit: float = 1e-12) -> None:
        assert got.keys() == want.keys()
        top = max(float(value.abs().max()) for value in want.values())
        for name, value in want.items():
            scale = max(float(value.abs().max()), 1e-2 * top)
            assert float((got[name] - value).abs().max()) <= limit * scale, name

    return compare
