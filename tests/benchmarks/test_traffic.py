"""Bytes counted by hand."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from benchmarks.traffic import bandwidth, moved_by

F32 = 4


def test_operators_move_what_they_read_and_write() -> None:
    a, b = torch.randn(5, 7), torch.randn(7, 3)
    assert moved_by(lambda: torch.mm(a, b)) == F32 * (35 + 21 + 15)
    assert moved_by(lambda: a.relu_()) == F32 * 2 * 35  # read and written
    assert moved_by(lambda: torch.add(a, a.new_ones(1).expand(5, 7))) == F32 * (1 + 35 + 1 + 35)


def test_views_move_nothing() -> None:
    a = torch.randn(5, 7)
    assert moved_by(lambda: a.t().unsqueeze(0)[:, 1:].expand(4, 6, 5)) == 0


def test_half_the_width_is_half_the_traffic() -> None:
    a = torch.randn(8, 8)
    assert 2 * moved_by(lambda: a.bfloat16().exp()) == moved_by(lambda: a.exp()) + 3 * F32 * 64


def test_backward_counts_too() -> None:
    layer, x = nn.Linear(4, 4, bias=False), torch.randn(2, 4)

    def step() -> Tensor:
        loss: Tensor = layer(x).sum()
        loss.backward()
        return loss

    assert moved_by(step) > moved_by(lambda: layer(x).sum())


def test_a_device_moves_something() -> None:
    assert 1e8 < bandwidth(torch.device("cpu")) < 1e13
