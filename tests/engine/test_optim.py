"""Optimizer and learning rate as MS-G3D sets them."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from engine.config import Config
from engine.optim import build_optimizer, learning_rate, set_learning_rate


@pytest.mark.parametrize(
    ("epoch", "wanted"), [(0, 0.05), (29, 0.05), (30, 0.005), (39, 0.005), (40, 0.0005), (49, 0.0005)]
)
def test_the_rate_of_the_published_recipe(epoch: int, wanted: float) -> None:
    assert learning_rate(Config(base_lr=0.05, step=[30, 40]), epoch) == pytest.approx(wanted)


def test_the_rate_is_that_of_torchs_own_schedule() -> None:
    config = Config(base_lr=0.1, step=[2, 3, 7])
    optimizer = build_optimizer([nn.Parameter(torch.zeros(1))], config)
    schedule = torch.optim.lr_scheduler.MultiStepLR(optimizer, config.step, 0.1)
    for epoch in range(10):
        assert learning_rate(config, epoch) == pytest.approx(schedule.get_last_lr()[0])
        optimizer.step()
        schedule.step()


def test_without_steps_the_rate_stays() -> None:
    assert learning_rate(Config(base_lr=0.1, step=[]), 1000) == 0.1


@pytest.mark.parametrize(
    ("config", "kind", "wanted"),
    [
        (Config(base_lr=0.2), torch.optim.SGD, {"lr": 0.2, "momentum": 0.9, "nesterov": False, "weight_decay": 5e-4}),
        (Config(nesterov=True, weight_decay=0.0), torch.optim.SGD, {"lr": 0.01, "nesterov": True, "weight_decay": 0.0}),
        (Config(optimizer="Adam", base_lr=0.2), torch.optim.Adam, {"lr": 0.2, "weight_decay": 5e-4}),
    ],
)
def test_settings_of_the_optimizer(config: Config, kind: type, wanted: dict[str, float]) -> None:
    optimizer = build_optimizer(nn.Linear(2, 3).parameters(), config)
    assert type(optimizer) is kind
    (group,) = optimizer.param_groups
    assert {key: group[key] for key in wanted} == wanted
    assert len(group["params"]) == 2


def test_every_group_gets_the_rate() -> None:
    groups = [{"params": [nn.Parameter(torch.zeros(1))]} for _ in range(2)]
    optimizer = torch.optim.SGD(groups, lr=0.1)
    set_learning_rate(optimizer, 0.3)
    assert [group["lr"] for group in optimizer.param_groups] == [0.3, 0.3]
