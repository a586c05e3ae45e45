"""Where training begins: at the first epoch, or at the one after the last saved."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from engine.checkpoint import Progress, load_optimizer, restore
from engine.optim import build_optimizer
from engine.parts import Parts
from engine.tensor_files import read_tensors
from errors import InputError


def start(parts: Parts) -> tuple[torch.optim.Optimizer, nn.Module, Progress]:
    """Optimizer, network and progress as they are before the next epoch.

    Raises:
        InputError: the checkpoint does not fit, or there is nothing left to train.
    """
    config, checkpoint = parts.config, parts.checkpoint
    optimizer = build_optimizer(parts.model.parameters(), config)
    model = parts.precision.prepare(parts.model, optimizer)
    progress = Progress(epoch=config.start_epoch)
    if checkpoint is not None and "model" in checkpoint:
        progress = restore(checkpoint, str(config.checkpoint), optimizer, parts.precision)
        if config.start_epoch not in (0, progress.epoch):
            raise InputError(
                f"start_epoch is {config.start_epoch}, but {config.checkpoint} was saved after epoch {progress.epoch}"
            )
    elif checkpoint is not None:  # MS-G3D's
        load_optimizer(optimizer, checkpoint["optimizer_states"], str(config.checkpoint))
        progress = Progress(epoch=config.start_epoch or _epoch_of_schedule(checkpoint, str(config.checkpoint)))
    elif config.optimizer_states:
        content = read_tensors(config.optimizer_states)
        load_optimizer(optimizer, _optimizer_part(content), config.optimizer_states)
    if progress.epoch >= config.num_epoch:
        raise InputError(f"nothing to train: {progress.epoch} epochs are done and num_epoch is {config.num_epoch}")
    if progress.step == 0:
        progress.step = progress.epoch * (len(parts.feeders["train"]) // config.batch_size)
    return optimizer, model, progress


def _epoch_of_schedule(checkpoint: Mapping[str, Any], source: str) -> int:
    """The epochs done, as MS-G3D's schedule counts them."""
    schedule = checkpoint.get("lr_scheduler_states", {})
    done = schedule.get("last_epoch", 0) if isinstance(schedule, Mapping) else None
    if not isinstance(done, int) or done < 0:
        raise InputError(f"{source}: its lr_scheduler_states do not say how many epochs are done; give --start-epoch")
    return done


def _optimizer_part(content: Any) -> dict[str, Any]:
    """The optimizer's state in a file that holds it alone, or in a checkpoint."""
    for key in ("optimizer_states", "optimizer"):
        if isinstance(content, dict) and isinstance(content.get(key), dict):
            return dict(content[key])
    return dict(content) if isinstance(content, dict) else {}
