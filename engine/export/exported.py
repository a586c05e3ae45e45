"""Exported networks: what goes with them as JSON, and the graph of an ``.onnx`` file as a function."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from clips.streams import stream_of_file
from engine.config import Config, make_config
from engine.scoring.weighting import mean_weights
from errors import InputError
from graph.layouts import BUILT_IN
from importing import refuse_foreign

KEY = "skeleton_action"
"""Under which a file keeps what this program wants to know of it."""

FORMAT = 1
_WANTED = {"streams": list, "weights": list, "class_names": list}


def needed(package: str, what: str) -> Any:
    """The package ``onnx``, ``onnxruntime``, ``onnxscript`` or ``safetensors``.

    Raises:
        InputError: it is not installed.
    """
    try:
        return import_module(package)
    except ImportError as error:
        raise InputError(
            f"{what} needs {package}, which is not installed: pip install 'skeleton-action[export]'"
        ) from error


@dataclass(frozen=True)
class Graph:
    """The networks in an ``.onnx`` file: clips for each of its inputs in, logits of each stream out.

    ``about`` is what the export wrote down; ``sizes`` are those of each input, by the names of a network's arguments.
    """

    source: str
    session: Any
    about: Mapping[str, Any]
    sizes: Sequence[Mapping[str, Any]]

    def __call__(self, clips: Sequence[Tensor], name: str) -> list[Tensor]:
        """Clips (N, C, T, V, M), one batch for each stream -> logits (N, num_class) of each.

        Raises:
            InputError: the graph does not take them.
        """
        outputs = [f"{held['name']}_logits" for held in self.about["streams"]]
        named = zip(self.about["streams"], clips, strict=True)
        given = {held["input"]: np.ascontiguousarray(some.numpy()) for held, some in named}
        for put in self.session.get_inputs():
            fixed = [(size, got) for size, got in zip(put.shape, given[put.name].shape, strict=True) if _is(size)]
            if any(size != got for size, got in fixed):
                raise InputError(
                    f"{name}: {self.source} takes {put.name} clips (N, C, T, V, M) = {_said(put.shape)}, "
                    f"got {_said(given[put.name].shape)}"
                )
        try:
            said = self.session.run(outputs, given)
        except Exception as error:  # each kind of onnxruntime's errors is a class of its own below Exception
            raise InputError(f"{name} does not fit {self.source}: {' '.join(str(error).split())[:300]}") from error
        return [torch.from_numpy(np.array(logits)) for logits in said]


def open_graph(path: str | Path, device: str = "cpu") -> Graph:
    """The graph in an ``.onnx`` file that ``engine.export`` wrote.

    Raises:
        InputError: no such file, damaged, of another program, or onnxruntime is missing.
    """
    if not Path(path).is_file():
        raise InputError(f"{path}: no such file")
    if device != "cpu":
        raise InputError(f"{path}: an exported graph is run on the CPU here, not on {device!r}")
    runtime = needed("onnxruntime", f"{path}: an .onnx file")
    try:
        session = runtime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
        held = session.get_modelmeta().custom_metadata_map
        inputs = session.get_inputs()
    except Exception as error:  # damaged bytes can make it raise nearly anything
        raise InputError(f"{path}: not a readable .onnx file: {' '.join(str(error).split())[:200]}") from error
    about = read_about(held.get(KEY), str(path))
    shapes = {put.name: put.shape for put in inputs if len(put.shape) == 5}
    if {held.get("input") for held in about["streams"]} != {put.name for put in inputs} or len(shapes) != len(inputs):
        raise InputError(f"{path}: its inputs are not those of its streams; it is damaged")
    sizes = []
    for held in about["streams"]:
        _, channels, _, joints, bodies = shapes[held["input"]]
        sizes.append({"in_channels": channels, "num_point": joints, "num_person": bodies})
    return Graph(str(path), session, about, sizes)


def read_about(text: str | None, source: str) -> dict[str, Any]:
    """What ``engine.export`` wrote down in a file.

    Raises:
        InputError: nothing, or something else.
    """
    try:
        about = json.loads(text or "null")
    except ValueError:
        about = None
    if not isinstance(about, dict) or about.get("format") != FORMAT:
        raise InputError(f"{source}: engine.export of this program did not write it")
    streams, weights = about.get("streams"), about.get("weights")
    whole = all(isinstance(about.get(key), kind) for key, kind in _WANTED.items())
    if not whole or not streams or len(weights or ()) != len(streams):
        raise InputError(f"{source}: what it says about its streams is damaged")
    if not all(isinstance(held, dict) and isinstance(held.get("data"), dict) for held in streams):
        raise InputError(f"{source}: what it says about its streams is damaged")
    about["weights"] = mean_weights(about["weights"], f"{source}: its fusion weights are")
    return about


def config_from(held: Mapping[str, Any], source: str, allowed: Sequence[str] = ()) -> Config:
    """The configuration of a stream: how its clips are prepared.

    Raises:
        InputError: it names a class from elsewhere (nothing is imported before that is known), or is not usable.
    """
    settings = {key: held.get(key) for key in ("feeder", "test_feeder_args", "stream")}
    settings["test_feeder_args"] = settings["test_feeder_args"] or {}
    refuse_foreign(str(settings["feeder"]), f"{source}: feeder", allowed)
    return make_config(settings, dict.fromkeys(settings, source))


def stream_of(config: Config) -> str | None:
    """The stream that a network is for: the one that is asked for, or that its file of clips holds."""
    path = config.test_feeder_args.get("data_path")
    ours = config.feeder.startswith("feeders.") and isinstance(path, (str, os.PathLike))
    return config.stream or (stream_of_file(str(path)) if ours else None)


def describe(config: Config, facts: Mapping[str, Any], name: str, put: str, fed: str | None) -> dict[str, Any]:
    """What an exported file says about its stream ``name``, in plain values: ``config_from`` reads it.

    Its graph takes stream ``fed`` of a clip through the input ``put``.
    """
    left_out = ("data_path", "label_path", "split", "repeat", "debug")
    feeder = {key: value for key, value in config.test_feeder_args.items() if key not in left_out}
    if isinstance(feeder.get("layout"), str) and feeder["layout"] not in BUILT_IN:
        feeder["layout"] = facts.get("skeleton") or feeder["layout"]
    return {
        "name": name,
        "input": put,
        "stream": fed,
        "feeder": config.feeder,
        "test_feeder_args": feeder,
        "model": config.model,
        "model_args": config.model_args,
        "data": dict(facts),
    }


def _is(size: Any) -> bool:
    return isinstance(size, int)


def _said(shape: Sequence[Any]) -> str:
    return "x".join(str(size) if _is(size) else "any" for size in shape)
