"""Checkpoints: everything a run needs to go on as if it had never stopped, in one file of plain tensors and dicts."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from engine.config import TYPES, Config
from engine.precision import Precision
from engine.tensor_files import read_tensors, write_tensors
from errors import InputError
from importing import refuse_foreign

FORMAT = 1


@dataclass
class Progress:
    """How far a run has come: epochs and optimizer steps done, and the best evaluation so far."""

    epoch: int = 0
    step: int = 0
    best_epoch: int = 0
    best_accuracy: float = 0.0


def save_checkpoint(
    path: str | os.PathLike[str],
    config: Config,
    progress: Progress,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    precision: Precision,
) -> None:
    """Write the state of a run, whole or not at all."""
    content = {
        "format": FORMAT,
        "config": asdict(config),
        "progress": asdict(progress),
        "model": model.state_dict(),
        "optimizer": optimizer.state_dict(),
        "precision": precision.state_dict(),
        "random": _random_state(),
    }
    write_tensors(path, content)


def read_checkpoint(path: str | os.PathLike[str]) -> dict[str, Any]:
    """A checkpoint's content: ours, or MS-G3D's ``{epoch, optimizer_states, lr_scheduler_states}``.

    Raises:
        InputError: unreadable, or neither.
    """
    content = read_tensors(path)
    if isinstance(content, Mapping) and content.get("format") == FORMAT:
        wanted = ("config", "progress", "model", "optimizer", "precision", "random")
        if all(isinstance(content.get(key), Mapping) for key in wanted):
            return dict(content)
    elif isinstance(content, Mapping) and isinstance(content.get("optimizer_states"), Mapping):
        return dict(content)
    raise InputError(f"{path}: not a checkpoint of this program or of MS-G3D")


def settings_in(path: str | os.PathLike[str], allowed: Sequence[str] | str = ()) -> dict[str, Any]:
    """The configuration that a checkpoint was saved with; every class it names must be of this repository.

    Raises:
        InputError: not our checkpoint, or it names a class from elsewhere (checked before anything is imported).
    """
    content = read_checkpoint(path)
    if "config" not in content:
        raise InputError(f"{path}: holds no settings; give --config as well")
    settings = {key: value for key, value in content["config"].items() if key in TYPES}
    packages = [allowed] if isinstance(allowed, str) else list(allowed)
    arguments = settings.get("model_args")
    graph = arguments.get("graph") if isinstance(arguments, Mapping) else None
    named = {"model": settings.get("model"), "feeder": settings.get("feeder"), "graph": graph}
    for key, name in named.items():
        if name is not None:
            refuse_foreign(str(name), f"{path}: {key}", packages)
    # Where the saved run came from is no business of the one that goes on, nor where the file would like to write.
    for key in ("checkpoint", "weights", "start_epoch", "optimizer_states", "allow_import", "ignore_weights"):
        settings.pop(key, None)
    folder = Path(path).parent
    settings["work_dir"] = str(folder.parent) if folder.name == "checkpoints" else None
    return settings


def restore(
    content: Mapping[str, Any],
    source: str,
    optimizer: torch.optim.Optimizer,
    precision: Precision,
) -> Progress:
    """Put optimizer, precision and random states of one of our checkpoints back; the weights are loaded before.

    Raises:
        InputError: the optimizer's state belongs to another network or optimizer, or the rest is damaged.
    """
    load_optimizer(optimizer, content["optimizer"], source)
    try:
        precision.load_state_dict(content["precision"])
        torch.set_rng_state(content["random"]["cpu"])
        for number, state in enumerate(content["random"]["cuda"][: torch.cuda.device_count()]):
            torch.cuda.set_rng_state(state, number)
        progress = Progress(**{key: type(getattr(Progress, key))(value) for key, value in content["progress"].items()})
        if min(progress.epoch, progress.step) < 0:
            raise ValueError(f"it was saved after {progress.epoch} epochs")
        return progress
    except (AttributeError, KeyError, RuntimeError, TypeError, ValueError) as error:
        raise InputError(f"{source}: damaged: {error}") from error


def load_optimizer(optimizer: torch.optim.Optimizer, state: Mapping[str, Any], source: str) -> None:
    """Load an optimizer's state, but not its settings: rate, decay and the like are this run's own.

    Raises:
        InputError: it belongs to another network or another kind of optimizer.
    """
    try:
        own, saved = optimizer.state_dict()["param_groups"], state["param_groups"]
        if any(("betas" in mine) != ("betas" in theirs) for mine, theirs in zip(own, saved, strict=True)):
            raise ValueError("it is of another kind of optimizer")
        groups = [{**mine, "params": theirs["params"]} for mine, theirs in zip(own, saved, strict=True)]
        optimizer.load_state_dict({"state": state["state"], "param_groups": groups})
        for weight, kept in optimizer.state.items():
            for name, value in kept.items():
                if isinstance(value, torch.Tensor) and value.dim() > 0 and value.shape != weight.shape:
                    raise ValueError(f"{name} is {tuple(value.shape)} for a weight {tuple(weight.shape)}")
    except (ValueError, KeyError, TypeError, AttributeError, RuntimeError) as error:
        raise InputError(f"{source}: its optimizer state does not fit this network: {error}") from error


def _random_state() -> dict[str, Any]:
    cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []
    return {"cpu": torch.get_rng_state(), "cuda": cuda}
