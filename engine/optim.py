"""Optimizer, learning rate, and which parameters are trained."""

from __future__ import annotations

import importlib
import math
import re
from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import nn

from engine.config import Config
from errors import InputError


def build_optimizer(parameters: Iterable[nn.Parameter], config: Config) -> torch.optim.Optimizer:
    """SGD with momentum 0.9, or Adam, as MS-G3D sets them up, for the parameters that are not frozen.

    With ``half`` on a GPU an installed NVIDIA Apex's FusedSGD, which computes the same in fewer passes.
    """
    trained = [parameter for parameter in parameters if parameter.requires_grad]
    rate = peak_rate(config)
    if config.optimizer == "Adam":
        return torch.optim.Adam(trained, lr=rate, weight_decay=config.weight_decay)
    settings: dict[str, Any] = {
        "lr": rate,
        "momentum": 0.9,
        "nesterov": config.nesterov,
        "weight_decay": config.weight_decay,
    }
    if config.half and config.amp_opt_level != 3 and trained and all(parameter.is_cuda for parameter in trained):
        fused = apex_fused_sgd()
        if fused is not None:
            optimizer: torch.optim.Optimizer = fused(trained, **settings)
            return optimizer
    return torch.optim.SGD(trained, **settings)


def optimizer_notes(config: Config) -> list[str]:
    """What to say of the optimizer's settings: a rate that was scaled, a momentum that it does not have."""
    notes = []
    if config.scale_lr:
        notes.append(
            f"scale_lr: learning rate {config.base_lr:g} * {config.batch_size} / {config.base_batch_size} "
            f"= {peak_rate(config):g}"
        )
    if config.nesterov and config.optimizer == "Adam":  # as MS-G3D, whose files say nesterov and flags may say Adam
        notes.append("nesterov: left out, Adam has no such momentum")
    return notes


def apex_fused_sgd() -> Any | None:
    """``apex.optimizers.FusedSGD`` of an installed NVIDIA Apex, None where there is none."""
    try:
        return getattr(importlib.import_module("apex.optimizers"), "FusedSGD", None)
    except ImportError:
        return None


def freeze(model: nn.Module, patterns: Sequence[str]) -> list[str]:
    """Take the parameters whose names begin with one of the regular expressions out of training; what to say of it.

    A module all of whose own parameters are frozen keeps its statistics too (``train_mode``).

    Raises:
        InputError: a pattern that is none, that no name begins with, or nothing is left to train.
    """
    frozen = 0
    for pattern in patterns:
        try:
            found = [p for name, p in model.named_parameters() if re.match(pattern, name)]
        except re.error as error:
            raise InputError(f"freeze: {pattern!r} is no regular expression: {error}") from error
        if not found:
            raise InputError(f"freeze: no parameter's name begins with {pattern!r}")
        for parameter in found:
            frozen += parameter.numel() if parameter.requires_grad else 0
            parameter.requires_grad_(False)
    left = sum(p.numel() for p in model.parameters() if p.requires_grad)
    if not left:
        raise InputError(f"freeze: {' '.join(patterns)} leaves nothing to train")
    return [f"frozen: {frozen:,} parameters, {left:,} are trained"] if patterns else []


def train_mode(model: nn.Module) -> None:
    """Put ``model`` into training mode, except what is frozen and keeps statistics: BatchNorms, running graphs."""
    model.train()
    for module in model.modules():
        own = list(module.parameters(recurse=False))
        if own and not any(p.requires_grad for p in own) and any(True for _ in module.buffers(recurse=False)):
            module.training = False  # of this module alone: its children are asked themselves


def peak_rate(config: Config) -> float:
    """``base_lr``, scaled to the batch size where that was asked for (linear rule: Goyal et al., 2017).

    Raises:
        InputError: the batch size that ``base_lr`` is meant for is not known.
    """
    if not config.scale_lr:
        return config.base_lr
    if config.base_batch_size is None:
        raise InputError("scale_lr needs base_batch_size, the batch size that base_lr is meant for")
    return config.base_lr * config.batch_size / config.base_batch_size


def learning_rate(config: Config, epoch: int, step: int = 0, steps: int = 1) -> float:
    """The rate of iteration ``step`` of the ``steps`` of epoch ``epoch``, all counted from 0.

    ``step`` schedule: a tenth after each epoch of ``config.step``. ``cosine``: half a cosine over all iterations, from
    the peak to ``min_lr``. During ``warm_up_epoch`` epochs: the peak times (epoch + 1) / ``warm_up_epoch``.
    """
    peak = peak_rate(config)
    if epoch < config.warm_up_epoch:
        return peak * (epoch + 1) / config.warm_up_epoch
    if config.lr_schedule == "cosine":
        done = (epoch * steps + step) / (config.num_epoch * steps)
        return config.min_lr + (peak - config.min_lr) * (1 + math.cos(math.pi * done)) / 2
    return peak * 0.1 ** sum(epoch >= after for after in config.step)


def check_schedule(config: Config) -> None:
    """Refuse a schedule that cannot be meant.

    Raises:
        InputError: a warm-up that never ends, a cosine that rises, or a rate that is not finite.
    """
    peak = peak_rate(config)
    if not math.isfinite(peak) or not math.isfinite(config.min_lr):
        raise InputError(f"base_lr and min_lr must be finite, got {peak} and {config.min_lr}")
    if config.warm_up_epoch and config.warm_up_epoch >= config.num_epoch:
        raise InputError(f"warm_up_epoch is {config.warm_up_epoch}, but num_epoch only {config.num_epoch}")
    if config.lr_schedule == "cosine" and config.min_lr > peak:
        raise InputError(f"min_lr is {config.min_lr:g}, above the learning rate that falls to it, {peak:g}")


def set_learning_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Give every group of parameters the same rate."""
    for group in optimizer.param_groups:
        group["lr"] = rate
