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
from engine.train import Totals
from errors import InputError
from importing import refuse_foreign

FORMAT = 1
LAST = "last.pt"
_NOT_THE_NEXT_ONES = (
    *("checkpoint", "resume", "weights", "start_epoch", "optimizer_states", "allow_import", "ignore_weights"),
    *("seeds", "out"),
)


@dataclass
class Progress(Totals):
    """How far a run has come.

    ``epoch`` epochs are trained and ``step`` steps done, ``step_in_epoch`` of them in the epoch begun.
    ``to_evaluate`` is whether the evaluation after the last trained epoch is still to be done. ``bad_steps`` counts the
    steps in a row that have just come to nothing. ``train_clips`` is the size of the training part, 0 where it is
    not known.
    """

    epoch: int = 0
    step: int = 0
    best_epoch: int = 0
    best_accuracy: float = 0.0
    step_in_epoch: int = 0
    to_evaluate: bool = False
    bad_steps: int = 0
    forward_batch_size: int = 0
    train_clips: int = 0


def save_checkpoint(
    path: str | os.PathLike[str],
    config: Config,
    progress: Progress,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    precision: Precision,
    data: Mapping[str, Any] | None = None,
) -> None:
    """Write the state of a run, whole or not at all; of ``last.pt`` the one before stays as ``previous.pt``.

    ``data`` is what is known of the clips (``engine.provenance``).
    """
    content = {
        "format": FORMAT,
        "config": asdict(config),
        "progress": asdict(progress),
        "model": model.state_dict(),
        "optimizer": optimizer.state_dict(),
        "precision": precision.state_dict(),
        "data": dict(data or {}),
    }
    path = Path(path)
    write_tensors(path, content, keep_as=previous_of(path) if path.name == LAST else None)


def previous_of(path: Path) -> Path:
    """Where the checkpoint lies that ``path`` took the place of."""
    return path.with_name("previous.pt")


def read_last(path: str | os.PathLike[str]) -> tuple[dict[str, Any], Path, str | None]:
    """The checkpoint at ``path``, or, where that is damaged or gone, the one before; which one, and what to say of it.

    Raises:
        InputError: neither can be read.
    """
    path = Path(path)
    try:
        return read_checkpoint(path), path, None
    except InputError as error:
        if path.name != LAST or not (before := previous_of(path)).is_file():
            raise
        try:
            return read_checkpoint(before), before, f"{error}; going on from the one before it, {before}"
        except InputError as worse:
            raise InputError(f"{error}; and {worse}") from worse


def put_damaged_aside(last: Path) -> None:
    """Rename ``last`` to ``damaged.pt`` where it is: it must not take the place of the one before, which is whole."""
    try:
        read_checkpoint(last)
    except InputError:
        if last.is_file():
            os.replace(last, last.with_name("damaged.pt"))


def read_checkpoint(path: str | os.PathLike[str]) -> dict[str, Any]:
    """A checkpoint's content: ours, or MS-G3D's ``{epoch, optimizer_states, lr_scheduler_states}``.

    Raises:
        InputError: unreadable, or neither.
    """
    content = read_tensors(path)
    if isinstance(content, Mapping) and content.get("format") == FORMAT:
        wanted = ("config", "progress", "model", "optimizer", "precision")
        if all(isinstance(content.get(key), Mapping) for key in wanted):
            return dict(content)
    elif isinstance(content, Mapping) and isinstance(content.get("optimizer_states"), Mapping):
        return dict(content)
    alone = isinstance(content, Mapping) and content and all(isinstance(v, torch.Tensor) for v in content.values())
    hint = "; it holds weights alone, where checkpoints/best.pt and last.pt hold all" if alone else ""
    raise InputError(f"{path}: not a checkpoint of this program or of MS-G3D{hint}")


def settings_in(path: str | os.PathLike[str], allowed: Sequence[str] | str = ()) -> dict[str, Any]:
    """The configuration that a checkpoint was saved with; every class it names must be of this repository.

    Raises:
        InputError: not our checkpoint, or it names a class from elsewhere (checked before anything is imported).
    """
    content, _, _ = read_last(path)
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
    for key in _NOT_THE_NEXT_ONES:
        settings.pop(key, None)
    folder = work_dir_of(path)
    settings["work_dir"] = str(folder) if folder else None
    return settings


def work_dir_of(path: str | os.PathLike[str]) -> Path | None:
    """The work dir in whose ``checkpoints`` the file at ``path`` lies, None where it lies elsewhere."""
    path = Path(path)
    folder = path.parent if path.parent.name else path.absolute().parent
    return folder.parent if folder.name == "checkpoints" else None


def restore(
    content: Mapping[str, Any],
    source: str,
    optimizer: torch.optim.Optimizer,
    precision: Precision,
) -> Progress:
    """Put the states of optimizer and precision of one of our checkpoints back; the weights are loaded before.

    Raises:
        InputError: the optimizer's state belongs to another network or optimizer, or the rest is damaged.
    """
    load_optimizer(optimizer, content["optimizer"], source)
    try:
        precision.load_state_dict(content["precision"])
        progress = Progress(**{key: type(getattr(Progress, key))(value) for key, value in content["progress"].items()})
        if min(progress.epoch, progress.step, progress.step_in_epoch) < 0:
            raise ValueError(f"it was saved after {progress.epoch} epochs and {progress.step} steps")
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
