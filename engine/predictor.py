"""Trained networks as a function of a clip: files of weights in, names and probabilities out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from clips.one import OneClip
from clips.streams import Clip
from engine.build import build_feeder, build_model, refusing
from engine.checkpoint import read_last, settings_in
from engine.config import Config, make_config
from engine.evaluate import mean_over_clips
from engine.provenance import prepared, skeleton_of
from engine.scores import probabilities
from engine.weights import check_state, load_weights
from errors import InputError
from graph.layout import SkeletonLayout
from graph.layouts import BUILT_IN
from importing import bind_arguments


@dataclass(frozen=True)
class Prediction:
    """What a clip is taken for: the ``names`` of all classes and their ``probabilities`` (num_class,), in their order.

    ``scores`` are what the networks said: a row (num_class,) of logits for each.
    """

    names: Sequence[str]
    probabilities: np.ndarray
    scores: np.ndarray

    def top(self, k: int = 5) -> list[tuple[str, float]]:
        """The ``k`` likeliest classes and their probabilities, the likeliest first."""
        order = np.argsort(-self.probabilities, kind="stable")[:k]
        return [(self.names[label], float(self.probabilities[label])) for label in order]


@dataclass(frozen=True)
class Stream:
    """One trained network: its configuration, and what is known of the clips that it learned from."""

    source: str
    config: Config
    facts: Mapping[str, Any]
    model: nn.Module

    @torch.inference_mode()
    def scores(self, clip: Clip, layout: SkeletonLayout | None, name: str) -> np.ndarray:
        """Logits (num_class,) for a prepared clip (C, T, V, M), which its test feeder sees as one of its own.

        Raises:
            InputError: the clip does not fit, or its scores are not finite.
        """
        given = {
            key: value
            for key, value in self.config.test_feeder_args.items()
            if key not in ("data_path", "label_path", "split", "repeat", "debug")
        }
        if given.pop("normalization", False):
            raise InputError(f"{self.source}: its feeder normalises over a whole data set, which is not here")
        if isinstance(given.get("layout"), str) and given["layout"] not in BUILT_IN:
            given["layout"] = skeleton_of(self.facts) or given["layout"]
        given["data_path"] = OneClip(clip, name, layout)
        feeder = build_feeder(replace(self.config, test_feeder_args=given, debug=False), "test")
        item = torch.as_tensor(feeder[0][0])
        clips = item if item.dim() == 5 else item[None]
        self._check(clips.shape, name)
        device = next(self.model.parameters()).device
        with refusing(f"{name} does not fit {self.source}"):
            logits = self.model(clips.to(device)).float()
        logits = mean_over_clips(logits[None])[0] if item.dim() == 5 else logits[0]
        if not bool(logits.isfinite().all()):
            raise InputError(f"{name}: its scores are not finite; the clip or the weights of {self.source} are damaged")
        scores: np.ndarray = logits.cpu().numpy()
        return scores

    def _check(self, shape: torch.Size, name: str) -> None:
        _, channels, _, joints, bodies = shape
        takes = bind_arguments(type(self.model), self.config.model_args, "model_args")
        for argument, found in (("in_channels", channels), ("num_point", joints), ("num_person", bodies)):
            wanted = takes.get(argument)
            if wanted not in (None, found):
                raise InputError(f"{name}: {found} for {argument}, {self.source} is for {wanted}")


@dataclass(frozen=True)
class Predictor:
    """Streams, whose probabilities are averaged with ``weights``.

    >>> predictor = Predictor.load(["work_dir/gym/msg3d_joint/checkpoints/best.pt"])
    >>> predictor("clip.csv").top(3)
    """

    streams: Sequence[Stream]
    weights: Sequence[float]
    names: Sequence[str]

    @classmethod
    def load(
        cls,
        paths: Sequence[str | Path],
        *,
        weights: Sequence[float] | None = None,
        device: str = "cpu",
        allow_import: Sequence[str] = (),
        class_names: Sequence[str] | None = None,
    ) -> Predictor:
        """The networks in checkpoints of this program (``checkpoints/best.pt``); nothing else is needed.

        Raises:
            InputError: no such checkpoint, it names classes of other packages, or the files are of different classes.
        """
        if not paths:
            raise InputError("name at least one checkpoint")
        streams = [load_stream(path, device, allow_import) for path in paths]
        counts = [int(stream.config.model_args.get("num_class", 0)) for stream in streams]
        if len(set(counts)) > 1:
            raise InputError(
                f"{paths[0]} tells {counts[0]} classes apart, another file {max(counts, key=counts.index)}"
            )
        if weights is not None and len(weights) != len(streams):
            raise InputError(f"{len(weights)} fusion weights for {len(streams)} files")
        each = list(weights or [1.0] * len(streams))
        if min(each) < 0 or not sum(each):
            raise InputError(f"fusion weights {each}: probabilities want weights of at least 0 that are not all 0")
        return cls(streams, each, class_names or _names_of(streams, counts[0]))

    def __call__(self, clip: str | Path | Clip, name: str | None = None) -> Prediction:
        """What a recording (a file, or frames of OpenPose in a folder) or a prepared clip (C, T, V, M) is taken for.

        Raises:
            InputError: it is damaged, or does not fit the networks.
        """
        rows = []
        for stream in self.streams:
            if isinstance(clip, (str, Path)):
                held, skeleton = prepared(Path(clip), stream.facts)
                layout: SkeletonLayout | None = skeleton
                called = name or Path(clip).stem
            else:
                held, layout, called = np.asarray(clip, np.float32), skeleton_of(stream.facts), name or "the clip"
            if held.ndim != 4 or not np.isfinite(held).all():
                raise InputError(f"{called}: wanted finite numbers (C, T, V, M), got an array of shape {held.shape}")
            rows.append(stream.scores(held, layout, called))
        scores = np.stack(rows)
        fused = np.average(probabilities(scores), axis=0, weights=self.weights)
        return Prediction(self.names, fused, scores)


def load_stream(path: str | Path, device: str = "cpu", allow_import: Sequence[str] = ()) -> Stream:
    """The network in a checkpoint, ready to score.

    Raises:
        InputError: it is no checkpoint of this program, damaged, or names classes of other packages.
    """
    settings = settings_in(path, list(allow_import))
    content = read_last(path)[0]
    facts = dict(content.get("data") or {})
    settings |= {"phase": "test", "device": [device]}
    config = make_config(settings, dict.fromkeys(settings, str(path)))
    config = replace(config, model_args=_with_skeleton(config.model_args, facts))
    model = build_model(config)
    load_weights(model, check_state(content["model"], str(path)), str(path))
    with refusing(f"device {device!r}"):
        model = model.to(device).eval()
    return Stream(str(path), config, facts, model)


def _with_skeleton(model_args: Mapping[str, Any], facts: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of the network, the skeleton itself in the place of a file that may not be here."""
    arguments = dict(model_args)
    graph_args = dict(arguments.get("graph_args") or {})
    named = graph_args.get("layout")
    if isinstance(named, str) and named not in BUILT_IN and facts.get("skeleton"):
        arguments["graph_args"] = {**graph_args, "layout": facts["skeleton"]}
    return arguments


def _names_of(streams: Sequence[Stream], count: int) -> Sequence[str]:
    """The names of the classes that the checkpoints bring along, or else their numbers."""
    for stream in streams:
        names = stream.facts.get("class_names")
        if names and len(names) == count:
            return [str(name) for name in names]
    return [str(label) for label in range(count)]
