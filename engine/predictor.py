"""Trained networks as a function of a clip: files of weights in, names and probabilities out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from clips.one import OneClip
from clips.streams import Clip
from engine.build import LabelledClips, build_model, refusing
from engine.checkpoint import read_last, settings_in
from engine.clip_sources import feeder_over
from engine.config import Config, make_config
from engine.device import device_called
from engine.evaluate import mean_over_clips
from engine.export.exported import Graph, config_from, open_graph, stream_of
from engine.provenance import must_come_first, prepared, skeleton_of
from engine.scoring.scores import probabilities
from engine.scoring.tables import names_of_classes
from engine.scoring.weighting import mean_weights
from engine.weights import check_state, load_weights
from errors import InputError
from feeders.feeder import Feeder
from graph.layout import SkeletonLayout
from graph.layouts import BUILT_IN
from importing import bind_arguments
from model.fuse import fuse


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
    """One trained network: its configuration, and what is known of the clips that it learned from.

    ``takes`` are the sizes it is for, by the names of arguments: in_channels, num_point, num_person. An exported
    network has no ``model``; its graph is run by the predictor.
    """

    source: str
    config: Config
    facts: Mapping[str, Any]
    takes: Mapping[str, Any]
    model: nn.Module | None = None

    def feeder(self, clip: Clip, layout: SkeletonLayout | None, name: str) -> LabelledClips:
        """The test feeder over one prepared clip (C, T, V, M) of joints.

        A network that learned from a file of bones or motions gets them made before all else, where that matters.

        Raises:
            InputError: it does not take the clip.
        """
        given = dict(self.config.test_feeder_args)
        if isinstance(given.get("layout"), str) and given["layout"] not in BUILT_IN:
            given["layout"] = skeleton_of(self.facts) or given["layout"]
        config = replace(self.config, test_feeder_args=given, stream=stream_of(self.config))
        held = self.facts.get("stream")
        if held and held == config.stream and must_come_first(held, given.get("transforms") or ()):
            clip, name = Feeder(OneClip(clip, name, layout), stream=held)[0][0], f"{name}_data_{held}.npy"
        return feeder_over(clip, layout, name, config, self.source)

    def fed(self, clip: Clip, layout: SkeletonLayout | None, name: str) -> Tensor:
        """What the network sees of a prepared clip (C, T, V, M), which its test feeder takes as one of its own.

        Shapes: (C, T, V, M), or (K, C, T, V, M) where several clips of a recording are tested.

        Raises:
            InputError: the clip does not fit.
        """
        item = torch.as_tensor(self.feeder(clip, layout, name)[0][0])
        channels, _, joints, bodies = item.shape[-4:]
        for argument, found in (("in_channels", channels), ("num_point", joints), ("num_person", bodies)):
            wanted = self.takes.get(argument)
            if wanted not in (None, found):
                raise InputError(f"{name}: {found} for {argument}, {self.source} is for {wanted}")
        return item

    @torch.inference_mode()
    def logits(self, clips: Tensor, name: str) -> Tensor:
        """(K, C, T, V, M) -> (K, num_class).

        Raises:
            InputError: the network does not take them.
        """
        assert self.model is not None
        device = next(self.model.parameters()).device
        with refusing(f"{name} does not fit {self.source}"):
            logits: Tensor = self.model(clips.to(device)).float().cpu()
        return logits


@dataclass(frozen=True)
class Predictor:
    """Streams, whose probabilities are averaged with ``weights``.

    >>> predictor = Predictor.load(["work_dir/gym/msg3d_joint/checkpoints/best.pt"])
    >>> predictor("clip.csv").top(3)
    """

    streams: Sequence[Stream]
    weights: Sequence[float]
    names: Sequence[str]
    graph: Graph | None = None

    @classmethod
    def load(
        cls,
        paths: Sequence[str | Path],
        *,
        weights: Sequence[float] | None = None,
        device: str = "cpu",
        allow_import: Sequence[str] = (),
        class_names: str | None = None,
    ) -> Predictor:
        """The networks in checkpoints of this program (``checkpoints/best.pt``), or in one ``.onnx`` of its export.

        ``class_names`` is a data set, or a file with one name a line, in place of those that they bring along.

        Raises:
            InputError: no such checkpoint, it names classes of other packages, the files are of different classes, or
                there is no mean with such weights.
        """
        if not paths:
            raise InputError("name at least one checkpoint")
        if any(Path(path).suffix == ".onnx" for path in paths):
            if len(paths) > 1 or weights is not None:
                raise InputError("an .onnx file is used alone: export streams together, with --fusion-weights")
            graph = open_graph(paths[0], device)
            streams = [
                Stream(str(paths[0]), config_from(held, str(paths[0]), allow_import), held["data"], sizes)
                for held, sizes in zip(graph.about["streams"], graph.sizes, strict=True)
            ]
            brought = graph.about["class_names"]
            names = names_of_classes(class_names, len(brought)) if class_names else brought
            return cls(streams, graph.about["weights"], names, graph)
        if weights is not None and len(weights) != len(paths):
            raise InputError(f"{len(weights)} fusion weights for {len(paths)} files")
        each = mean_weights(weights or [1.0] * len(paths), "fusion weights")
        streams = [load_stream(path, device, allow_import) for path in paths]
        counts = [int(stream.config.model_args.get("num_class", 0)) for stream in streams]
        if len(set(counts)) > 1:
            raise InputError(
                f"{paths[0]} tells {counts[0]} classes apart, another file {max(counts, key=counts.index)}"
            )
        names = names_of_classes(class_names, counts[0]) if class_names else _names_of(streams, counts[0])
        return cls(streams, each, names)

    def __call__(self, clip: str | Path | Clip, name: str | None = None) -> Prediction:
        """What a recording (a file, or frames of OpenPose in a folder) or a prepared clip (C, T, V, M) is taken for.

        Raises:
            InputError: it is damaged, or does not fit the networks.
        """
        fed = []
        for stream in self.streams:
            if isinstance(clip, (str, Path)):
                held, skeleton = prepared(Path(clip), stream.facts)
                layout: SkeletonLayout | None = skeleton
                called = name or Path(clip).stem
            else:
                held, layout, called = np.asarray(clip, np.float32), skeleton_of(stream.facts), name or "the clip"
            if held.ndim != 4 or not np.isfinite(held).all():
                raise InputError(f"{called}: wanted finite numbers (C, T, V, M), got an array of shape {held.shape}")
            fed.append(stream.fed(held, layout, called))
        scores = np.stack([row.numpy() for row in self._rows(fed, called)])
        fused = np.average(probabilities(scores), axis=0, weights=self.weights)
        return Prediction(self.names, fused, scores)

    def _rows(self, fed: Sequence[Tensor], name: str) -> list[Tensor]:
        """What each network says of what it is fed, (C, T, V, M) or (K, C, T, V, M): logits (num_class,)."""
        clips = [item if item.dim() == 5 else item[None] for item in fed]
        if self.graph is not None:
            said = self.graph(clips, name)
        else:
            said = [stream.logits(some, name) for stream, some in zip(self.streams, clips, strict=True)]
        rows = []
        for stream, item, logits in zip(self.streams, fed, said, strict=True):
            row = mean_over_clips(logits[None])[0] if item.dim() == 5 else logits[0]
            if not bool(row.isfinite().all()):
                raise InputError(
                    f"{name}: its scores are not finite; the clip or the weights of {stream.source} are damaged"
                )
            rows.append(row)
        return rows


def load_stream(path: str | Path, device: str = "cpu", allow_import: Sequence[str] = ()) -> Stream:
    """The network in a checkpoint, ready to score.

    Raises:
        InputError: it is no checkpoint of this program, damaged, or names classes of other packages; no such device.
    """
    place = device_called(device)
    settings = settings_in(path, list(allow_import))
    content = read_last(path)[0]
    facts = dict(content.get("data") or {})
    settings |= {"phase": "test", "device": [device]}
    config = make_config(settings, dict.fromkeys(settings, str(path)))
    config = replace(config, model_args=_with_skeleton(config.model_args, facts))
    model = build_model(config)
    load_weights(model, check_state(content["model"], str(path)), str(path))
    with refusing(f"--device {device}"):
        model = model.to(place).eval()
    fuse(model)
    takes = bind_arguments(type(model), config.model_args, "model_args")
    return Stream(str(path), config, facts, takes, model)


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
