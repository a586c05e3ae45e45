"""Feeders and networks from the dotted paths and arguments of a configuration, checked against each other."""

from __future__ import annotations

import sysconfig
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import nn
from torch.utils.data import Dataset

from engine.config import Config
from errors import InputError, in_a_line
from importing import bind_arguments, import_class

_ROOT = Path(__file__).resolve().parents[1]
_OURS = [_ROOT / name for name in ("clips", "data_gen", "engine", "feeders", "graph", "model")]


class LabelledClips(Protocol):
    """What the engine needs of a feeder, ours or a user's: a torch Dataset of (clip (C, T, V, M), label, index).

    If it has ``set_epoch(epoch, seed)``, that is called before every pass.
    """

    sample_name: list[str]
    label: list[int]

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> tuple[Any, int, int]: ...


def build_feeder(config: Config, part: str) -> LabelledClips:
    """The feeder of ``part`` (``train`` or ``test``).

    Raises:
        InputError: its class or arguments do not fit, or what the class says about the data.
    """
    key = f"{part}_feeder_args"
    arguments = dict(getattr(config, key))
    if config.stream is not None:
        arguments["stream"] = config.stream
    if config.debug:
        arguments["debug"] = True
    cls = import_class(config.feeder, "feeder")
    if not issubclass(cls, Dataset):
        raise InputError(f"feeder: {config.feeder} is not a torch Dataset")
    bind_arguments(cls, arguments, key)
    with refusing(f"{key}: {config.feeder} cannot be built"):
        feeder: Any = cls(**arguments)
    for name in ("sample_name", "label"):
        if len(getattr(feeder, name, ())) != len(feeder):
            raise InputError(f"feeder: {config.feeder} needs a list {name!r} with one entry per clip")
    found: LabelledClips = feeder
    return found


def build_model(config: Config) -> nn.Module:
    """The network, freshly initialised from the seed.

    Raises:
        InputError: no ``model`` given, its class or arguments do not fit, or what the class says about them.
    """
    cls = model_class(config)
    torch.manual_seed(config.seed)
    with refusing(f"model_args: {config.model} cannot be built"):
        model: nn.Module = cls(**config.model_args)
    return model


def model_class(config: Config) -> type[nn.Module]:
    """The class that ``model`` names, found to be a network that takes ``model_args``.

    Raises:
        InputError: it is none, does not take them, or is to have no class, joint, body or channel.
    """
    if config.model is None:
        raise InputError("model is missing: give the dotted path of a network, such as --model model.msg3d.Model")
    cls = import_class(config.model, "model")
    if not issubclass(cls, nn.Module):
        raise InputError(f"model: {config.model} is not a torch Module")
    takes = bind_arguments(cls, config.model_args, "model_args")
    for size in ("num_class", "num_point", "num_person", "in_channels"):
        if isinstance(takes.get(size), int) and takes[size] < 1:
            raise InputError(f"model_args: {size} is {takes[size]}, wanted at least 1")
    return cls


def check_fit(config: Config, feeder: LabelledClips, part: str) -> None:
    """Compare a feeder's clips and labels with what the network was built for.

    Looks at the network's arguments ``num_class``, ``num_point``, ``num_person`` and ``in_channels`` where it has them.

    Raises:
        InputError: fewer clips than a training batch takes, a label out of range (the sample is named), or clips of
            another shape.
    """
    source = config.__dict__[f"{part}_feeder_args"].get("data_path", f"{part} data")
    if part == "train" and len(feeder) < config.batch_size:
        raise InputError(f"{source} has {len(feeder)} clips, fewer than one batch (batch_size {config.batch_size})")
    takes = bind_arguments(model_class(config), config.model_args, "model_args")
    _check_labels(feeder, takes.get("num_class"), source)
    if part == "test" and len(set(feeder.sample_name)) < len(feeder):
        raise InputError(f"{source}: several clips to test have one name; without repeat there is one of each")
    with refusing(f"{part}_feeder_args: {config.feeder} gives no clip"):
        shape = tuple(feeder[0][0].shape)
    if len(shape) == 5 and part == "train":
        raise InputError(f"train_feeder_args: {shape[0]} clips of every recording (num_clips) are for testing only")
    shape = shape[-4:]
    if len(shape) != 4:
        raise InputError(f"{source}: wanted clips (C, T, V, M), got shape {shape}")
    axes = {"in_channels": ("channels", 0), "num_point": ("joints", 2), "num_person": ("bodies", 3)}
    for argument, (what, axis) in axes.items():
        if takes.get(argument) not in (None, shape[axis]):
            raise InputError(
                f"{source} has {shape[axis]} {what} per clip, "
                f"but the network is built for {takes[argument]} (model_args: {argument}{_graph(takes, argument)})"
            )


def check_forward(config: Config, model: nn.Module, feeder: LabelledClips) -> None:
    """Send one clip through the freshly built network, so that what cannot run is known before anything is written.

    Raises:
        InputError: the network fails, or gives anything but one row of logits that reaches every label.
    """
    with refusing(f"model_args: {config.model} cannot take a clip of the test part"), torch.inference_mode():
        clip = torch.as_tensor(feeder[0][0])
        logits = model.eval()((clip[0] if clip.ndim == 5 else clip)[None])
    if not isinstance(logits, torch.Tensor) or logits.ndim != 2 or len(logits) != 1:
        got = tuple(logits.shape) if isinstance(logits, torch.Tensor) else type(logits).__name__
        raise InputError(f"model: {config.model} must give logits (N, num_class) for clips (N, C, T, V, M), got {got}")
    _check_labels(feeder, logits.shape[1], "test data")


@contextmanager
def refusing(what: str) -> Iterator[None]:
    """Turns what a class makes of arguments that it cannot use into a sentence."""
    try:
        yield
    except InputError:
        raise
    except (TypeError, ValueError, RuntimeError, ArithmeticError, AttributeError, LookupError, MemoryError) as error:
        raise InputError(f"{what}: {in_a_line(error)}{_where(error)}") from error


def _where(error: BaseException) -> str:
    """The line of a user's own code that an error came through last."""
    installed = [Path(sysconfig.get_path(name)) for name in ("stdlib", "purelib", "platlib")]
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        path = Path(frame.filename)
        if path.is_file() and not any(path.is_relative_to(folder) for folder in (*_OURS, *installed)):
            return f" ({path.name}, line {frame.lineno})"
    return ""


def _check_labels(feeder: LabelledClips, num_class: int | None, source: str) -> None:
    for name, label in zip(feeder.sample_name, feeder.label, strict=True):
        if num_class is not None and not 0 <= label < num_class:
            raise InputError(
                f"{source}: sample {name!r} has label {label}, but the network tells {num_class} classes apart, "
                f"0 to {num_class - 1} (model_args: num_class)"
            )


def _graph(takes: Mapping[str, Any], argument: str) -> str:
    return f", graph {takes['graph']}" if argument == "num_point" and "graph" in takes else ""
