"""Where training begins: at the first epoch, or at the one after the last saved."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

import torch
from torch import nn

from engine.checkpoint import Progress, load_optimizer, previous_of, restore
from engine.config import Config
from engine.optim import apex_fused_sgd, build_optimizer, learning_rate, set_learning_rate
from engine.parts import Parts
from engine.tensor_files import read_tensors
from engine.workdir import WorkDir
from errors import InputError

_OF_NO_CONSEQUENCE = {
    *("resume", "checkpoint", "work_dir", "weights", "ignore_weights", "allow_import", "start_epoch", "phase"),
    *("optimizer_states", "device", "num_worker", "num_epoch", "print_log", "log_interval", "save_interval", "keep"),
    *("save_every_steps", "save_score", "show_topk", "assume_yes", "validate", "test_last", "test_best", "seeds"),
    *("checkpoint_activations", "max_bad_steps", "test_batch_size", "eval", "out", "describe"),
}


def with_resume(config: Config) -> Config:
    """``config`` with the checkpoint to go on from, where ``--resume auto`` or a restart by torchrun wants one."""
    wanted = config.resume == "auto" or int(os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")) > 0
    if config.phase != "train" or not wanted or config.checkpoint:
        return config
    last = WorkDir(config).last
    found = last.is_file() or previous_of(last).is_file()
    return replace(config, resume="auto", checkpoint=str(last)) if found else config


def start(parts: Parts) -> tuple[torch.optim.Optimizer, nn.Module, Progress]:
    """Optimizer, network and progress as they are before the next step.

    Raises:
        InputError: the checkpoint does not fit, or there is nothing left to train (not with ``--resume auto``).
    """
    config, checkpoint = parts.config, parts.checkpoint
    optimizer = build_optimizer(parts.model.parameters(), config)
    if type(optimizer) is apex_fused_sgd():
        parts.notes.append("optimizer: FusedSGD of Apex")
    model = parts.precision.prepare(parts.model, optimizer)
    progress = Progress(epoch=config.start_epoch)
    if checkpoint is not None and "model" in checkpoint:
        progress = restore(checkpoint, str(config.checkpoint), optimizer, parts.precision)
        if config.start_epoch not in (0, progress.epoch):
            raise InputError(
                f"start_epoch is {config.start_epoch}, but {config.checkpoint} was saved after epoch {progress.epoch}"
            )
        parts.notes.extend(_compared(config, checkpoint["config"], progress, len(parts.feeders["train"])))
    elif checkpoint is not None:  # MS-G3D's
        load_optimizer(optimizer, checkpoint["optimizer_states"], str(config.checkpoint))
        progress = Progress(epoch=config.start_epoch or _epoch_of_schedule(checkpoint, str(config.checkpoint)))
    elif config.optimizer_states:
        content = read_tensors(config.optimizer_states)
        load_optimizer(optimizer, _optimizer_part(content), config.optimizer_states)
    if done(config, progress) and config.resume is None:
        raise InputError(f"nothing to train: {progress.epoch} epochs are done and num_epoch is {config.num_epoch}")
    progress.train_clips = len(parts.feeders["train"])
    steps = progress.train_clips // config.batch_size
    if progress.step == 0:
        progress.step = progress.epoch * steps
    if progress.epoch or progress.step_in_epoch:  # until the next step is done, the rate is that of the last
        at = divmod(progress.epoch * steps + progress.step_in_epoch - 1, steps)
        set_learning_rate(optimizer, learning_rate(config, *at, steps))
    return optimizer, model, progress


def done(config: Config, progress: Progress) -> bool:
    """Whether there is nothing left to train and to evaluate."""
    return progress.epoch >= config.num_epoch and not progress.to_evaluate


def _compared(config: Config, saved: Mapping[str, Any], progress: Progress, train_clips: int) -> list[str]:
    """Where a run goes on, and with which other settings.

    Raises:
        InputError: it stopped within an epoch, and would go on with other batches.
    """
    ignored = _OF_NO_CONSEQUENCE - ({"num_epoch"} if config.lr_schedule == "cosine" else set())
    new = {key: value for key, value in asdict(config).items() if key in saved and key not in ignored}
    other = [f"{key} {saved[key]} -> {value}" for key, value in new.items() if value != saved[key]]
    if progress.step_in_epoch:
        wanted = {key: saved.get(key) for key in ("batch_size", "seed", "debug", "feeder", "train_feeder_args")}
        wanted["training clips"] = progress.train_clips or train_clips
        for key, value in wanted.items():
            if (got := {**new, "training clips": train_clips}.get(key)) != value:
                raise InputError(
                    f"{config.checkpoint} was saved within an epoch: go on with {key} {value}, "
                    f"not {got}, or from a checkpoint between two epochs"
                )
    where = f"step {progress.step_in_epoch} of epoch {progress.epoch + 1}" if progress.step_in_epoch else ""
    where = where or ("the evaluation" if progress.to_evaluate else "the end") + f" of epoch {progress.epoch}"
    notes = [f"going on from {config.checkpoint}, at {where}"]
    return [*notes, f"with other settings: {'; '.join(other)}"] if other else notes


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
