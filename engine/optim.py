"""Optimizer and learning rate."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import nn

from engine.config import Config


def build_optimizer(parameters: Iterable[nn.Parameter], config: Config) -> torch.optim.Optimizer:
    """SGD with momentum 0.9, or Adam, as MS-G3D sets them up."""
    if config.optimizer == "Adam":
        return torch.optim.Adam(parameters, lr=config.base_lr, weight_decay=config.weight_decay)
    return torch.optim.SGD(
        parameters, lr=config.base_lr, momentum=0.9, nesterov=config.nesterov, weight_decay=config.weight_decay
    )


def learning_rate(config: Config, epoch: int) -> float:
    """The rate of epoch ``epoch`` (from 0): a tenth after each epoch of ``step``."""
    return config.base_lr * 0.1 ** sum(epoch >= step for step in config.step)


def set_learning_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Give every group of parameters the same rate."""
    for group in optimizer.param_groups:
        group["lr"] = rate
