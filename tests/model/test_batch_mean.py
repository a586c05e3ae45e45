"""The mean over a batch that several processes share: values and gradients of the whole."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from model.batch_mean import BatchMean
from model.batch_norm import across_processes, apart


def squares(x: Tensor, model: nn.Module) -> tuple[Tensor, Tensor]:
    """The sum, over the processes, of squares of the mean over clips, weighted by each process's part; its gradient."""
    x = x.clone().requires_grad_()
    mean = model(x.mean(0))
    (mean.square() * x).sum().backward()
    assert x.grad is not None
    return mean.detach(), x.grad


def batch() -> Tensor:
    return torch.randn(8, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def share_of(rank: int, everywhere: bool, alone: bool, training: bool) -> tuple[Tensor, Tensor]:
    model = nn.Sequential(BatchMean()).train(training)
    if everywhere:
        across_processes(model)
    apart(model, alone)
    return squares(batch()[4 * rank : 4 * rank + 4], model)


def test_two_shares_are_the_whole(in_two: Callable[..., list[Any]]) -> None:
    mean, gradient = squares(batch(), nn.Identity())
    found = in_two(share_of, True, False, True)
    for got in found:
        torch.testing.assert_close(got[0], mean, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(torch.cat([got[1] for got in found]), gradient, rtol=1e-12, atol=1e-12)


def test_each_looks_at_its_own_unless_it_is_asked(in_two: Callable[..., list[Any]]) -> None:
    for settings in ((False, False, True), (True, True, True), (True, False, False)):
        for rank, got in enumerate(in_two(share_of, *settings)):
            want = squares(batch()[4 * rank : 4 * rank + 4], nn.Identity())
            assert all(torch.equal(one, other) for one, other in zip(got, want, strict=True))
