"""What is exported: the networks joined, the names of inputs, and clips to try them on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from clips.streams import Clip
from engine.export.exported import FORMAT, describe, stream_of
from engine.export.joined import Derived, Joined
from engine.predictor import Predictor, Stream
from engine.provenance import skeleton_of
from errors import InputError
from feeders.transforms import DeriveStream
from graph.layout import SkeletonLayout
from model.fuse import unfuse

_FRAMES = 64  # of made clips, where nothing is known of those that a network learned from


@dataclass(frozen=True)
class Plan:
    """Networks to export.

    Attributes:
        joined: the networks as one.
        inputs: names of its inputs.
        streams: what each is called.
        about: what goes into the file with them (``engine.export.exported``).
        fed: for every clip to try, what each input gets of it: (K, C, T, V, M).
    """

    joined: Joined
    inputs: Sequence[str]
    streams: Sequence[str]
    about: dict[str, Any]
    fed: Sequence[Sequence[Tensor]]

    @property
    def outputs(self) -> list[str]:
        return ["probabilities", *(f"{name}_logits" for name in self.streams)]


Prepared = tuple[Clip, SkeletonLayout | None, str]
"""A prepared clip (C, T, V, M), its skeleton and its name."""


def make_plan(predictor: Predictor, clips: Sequence[Sequence[Prepared]], one_input: bool = False) -> Plan:
    """The networks of ``predictor``, to be tried on made clips and on ``clips``: each as every stream prepares it.

    With ``one_input`` the graph makes the streams itself out of joints, where that gives what the feeders give.

    Raises:
        InputError: a feeder does not take the clips, or its stream is another than the graph can make.
    """
    streams = predictor.streams
    names = _names(streams)
    tried = [*(made_clips(streams)), *clips]
    fed = [[_several(s.fed(*one)) for s, one in zip(streams, prepared, strict=True)] for prepared in tried]
    counts = [len(item) for item in fed[0]]
    if len(set(counts)) > 1:
        raise InputError(f"the streams test {counts} clips of a recording: one graph takes as many of each")
    derive, inputs = None, names
    takes = [stream_of(stream.config) for stream in streams]
    if one_input:
        derive, fed = _from_joints(streams, tried, fed)
        inputs, takes = ["joint"] * len(streams), ["joint"] * len(streams)
    entries = [
        describe(s.config, s.facts, name, put, kind)
        for s, name, put, kind in zip(streams, names, inputs, takes, strict=True)
    ]
    about = {
        "format": FORMAT,
        "streams": entries,
        "weights": list(predictor.weights),
        "class_names": list(predictor.names),
    }
    models = [stream.model for stream in streams if stream.model is not None]
    if len(models) < len(streams):
        raise InputError("an exported file is not exported again; give the checkpoints")
    for model in models:
        unfuse(model)  # what is written down are plain operators
    joined = Joined(models, predictor.weights, derive).eval()
    return Plan(joined, list(dict.fromkeys(inputs)), names, about, fed)


def made_clips(streams: Sequence[Stream]) -> list[list[Prepared]]:
    """Three clips of bodies that sway, in the second of which nobody but the first body is there."""
    made = []
    for seed in range(3):
        row: list[Prepared] = []
        for stream in streams:
            rng = np.random.default_rng(seed)
            facts = stream.facts
            layout = skeleton_of(facts)
            joints = int(facts.get("joints") or stream.takes.get("num_point") or 0) or (
                layout.num_joints if layout else 1
            )
            bodies = int(facts.get("bodies") or stream.takes.get("num_person") or 1)
            channels = int(facts.get("channels") or min(stream.takes.get("in_channels") or 3, 3))
            frames = np.arange(int(facts.get("frames") or _FRAMES)) / 30
            shape = (channels, 1, joints, bodies)
            phase, pace = rng.uniform(0, 2 * np.pi, shape), rng.uniform(0.5, 3, shape)
            sway = 0.3 * np.sin(pace * 2 * np.pi * frames[:, None, None] + phase)
            clip = (rng.normal(0, 0.5, shape) + sway).astype(np.float32)
            if seed == 1:
                clip[..., 1:] = 0
            row.append((clip, layout, f"made clip {seed + 1}"))
        made.append(row)
    return made


def _several(item: Tensor) -> Tensor:
    return item if item.dim() == 5 else item[None]


def _names(streams: Sequence[Stream]) -> list[str]:
    names: list[str] = []
    for stream in streams:
        name = stream_of(stream.config) or "joint"
        count = sum(other.split("-")[0] == name for other in names)
        names.append(f"{name}-{count + 1}" if count else name)
    return names


def _from_joints(
    streams: Sequence[Stream], tried: Sequence[Sequence[Prepared]], fed: Sequence[Sequence[Tensor]]
) -> tuple[list[Derived], list[list[Tensor]]]:
    """What makes each stream out of joints, and those joints: compared, clip by clip, to what the feeders give."""
    made = []
    for stream, one in zip(streams, tried[0], strict=True):
        steps = getattr(stream.feeder(*one), "pipeline", ())
        found = [step for step in steps if isinstance(step, DeriveStream)]
        if not found or found[0].scores != "difference":
            raise InputError(
                f"{stream.source}: its feeder makes its stream in a way of its own; export without --one-input"
            )
        made.append(Derived(found[0].stream, found[0].bone_pairs, one[0].shape[2]))
    joints = []
    for prepared, wanted in zip(tried, fed, strict=True):
        given = []
        for stream, one, derive, theirs in zip(streams, prepared, made, wanted, strict=True):
            plain = replace(stream, config=replace(stream.config, stream="joint"), takes={})
            given.append(_several(plain.fed(*one)))
            if not torch.equal(given[0], given[-1]):
                raise InputError(f"{stream.source} prepares joints in another way than {streams[0].source} does")
            if not torch.equal(derive(given[-1]), theirs):
                raise InputError(
                    f"{stream.source}: what comes after the stream in its feeder changes it, so it cannot be made of "
                    "the prepared joints; export without --one-input"
                )
        joints.append(given[:1])
    return made, joints
