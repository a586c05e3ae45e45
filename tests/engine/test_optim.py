"""Optimizer, learning rate, and what is not trained."""

from __future__ import annotations

from collections import OrderedDict

import pytest
import torch
from torch import nn

from engine.config import Config
from engine.optim import (
    build_optimizer,
    check_schedule,
    freeze,
    learning_rate,
    peak_rate,
    set_learning_rate,
    train_mode,
)
from errors import InputError
from model.channel_correlation import ChannelCorrelation


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


def test_the_cosine_falls_with_every_iteration_to_its_end() -> None:
    config = Config(base_lr=0.1, lr_schedule="cosine", num_epoch=5, min_lr=0.001)
    rates = [learning_rate(config, epoch, step, 4) for epoch in range(5) for step in range(4)]
    optimizer = build_optimizer([nn.Parameter(torch.zeros(1))], config)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 20, eta_min=0.001)
    for rate in rates:
        assert rate == pytest.approx(schedule.get_last_lr()[0])
        optimizer.step()
        schedule.step()
    assert rates == sorted(rates, reverse=True)


@pytest.mark.parametrize("schedule", ["step", "cosine"])
def test_the_rate_warms_up_epoch_by_epoch(schedule: str) -> None:
    config = Config(base_lr=0.1, warm_up_epoch=4, step=[2, 8], lr_schedule=schedule, num_epoch=10)
    assert [learning_rate(config, epoch, 3, 9) for epoch in range(4)] == pytest.approx([0.025, 0.05, 0.075, 0.1])
    assert learning_rate(config, 4) == learning_rate(Config(**{**vars(config), "warm_up_epoch": 0}), 4)


def test_the_linear_rule() -> None:
    config = Config(base_lr=0.1, scale_lr=True, batch_size=32, base_batch_size=128)
    assert peak_rate(config) == learning_rate(config, 0) == pytest.approx(0.025)
    assert build_optimizer([nn.Parameter(torch.zeros(1))], config).param_groups[0]["lr"] == pytest.approx(0.025)
    with pytest.raises(InputError, match="scale_lr needs base_batch_size"):
        peak_rate(Config(scale_lr=True))
    assert peak_rate(Config(base_lr=0.1, base_batch_size=128)) == 0.1  # only when asked


def network() -> nn.Sequential:
    return nn.Sequential(OrderedDict(first=nn.Linear(2, 3), norm=nn.BatchNorm1d(3), fc=nn.Linear(3, 2)))


def test_frozen_parameters_and_statistics_stay() -> None:
    torch.manual_seed(0)
    model = network()
    assert freeze(model, [r"first\.", "norm"]) == ["frozen: 15 parameters, 8 are trained"]
    before = {name: value.clone() for name, value in model.state_dict().items()}
    optimizer = build_optimizer(model.parameters(), Config(base_lr=0.5))
    train_mode(model)
    model(torch.randn(8, 2)).square().sum().backward()
    optimizer.step()
    moved = {name for name, value in model.state_dict().items() if not torch.equal(value, before[name])}
    assert moved == {"fc.weight", "fc.bias"}
    assert model.fc.training
    assert not model.norm.training


def test_nothing_frozen_is_nothing_said() -> None:
    model = network()
    assert freeze(model, []) == []
    train_mode(model)
    assert model.norm.training


@pytest.mark.parametrize(
    ("patterns", "want"),
    [
        (["norm", "("], r"freeze: '\(' is no regular expression"),
        (["orm"], "freeze: no parameter's name begins with 'orm'"),
        (["."], r"freeze: \. leaves nothing to train"),
    ],
)
def test_what_cannot_be_frozen(patterns: list[str], want: str) -> None:
    with pytest.raises(InputError, match=want):
        freeze(network(), patterns)


@pytest.mark.parametrize(
    ("config", "want"),
    [
        (Config(warm_up_epoch=5, num_epoch=5), "warm_up_epoch is 5, but num_epoch only 5"),
        (
            Config(lr_schedule="cosine", base_lr=0.1, min_lr=5),
            "min_lr is 5, above the learning rate that falls to it, 0.1",
        ),
        (Config(base_lr=float("inf")), "base_lr and min_lr must be finite"),
    ],
)
def test_schedules_that_cannot_be_meant(config: Config, want: str) -> None:
    with pytest.raises(InputError, match=want):
        check_schedule(config)


def test_a_frozen_running_graph_stays() -> None:
    """Not only BatchNorms keep statistics: MSA-GCN's context does too."""
    module = ChannelCorrelation(4, 8, 5, context="ema")
    model = nn.ModuleDict({"body": module, "fc": nn.Linear(2, 2)})
    freeze(model, ["body"])
    train_mode(model)
    before = module.G_run.clone()
    module(torch.randn(2, 4, 3, 5))
    assert torch.equal(module.G_run, before)
    assert model["fc"].training
