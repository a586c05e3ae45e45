"""How long a label takes on a live stream: ``python3 -m benchmarks.streaming``, one thread, DG-STGCN as published.

A body of 17 joints (COCO) sways through a window of 300 frames; frames come as lines of JSON, as they do on a pipe. The
time from the last line of a hop to its label is measured, and that of the lines between.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch

from command_line import Parser, exit_code, whole_number
from engine.build import build_model
from engine.config import make_config
from engine.export.exported import stream_of
from engine.live.stream import Live
from engine.predictor import Predictor, Stream
from engine.provenance import as_mapping
from errors import InputError
from graph.layouts import find_layout
from importing import bind_arguments

_JOINTS = 17
_SAMPLED = [{"crop_resize": {"window": 100}}, "stream"]


@dataclass
class Clock:
    """Lines of JSON, and the time when each was asked for."""

    lines: Sequence[str]
    asked: list[float] = field(default_factory=list)

    def __iter__(self) -> Iterator[str]:
        for line in self.lines:
            self.asked.append(time.perf_counter())
            yield line


def run(argv: Sequence[str] | None = None) -> int:
    """Measure and print; the exit code is 1 when the 95th percentile is above ``--most``.

    Raises:
        InputError: a wrong command line.
    """
    parser = Parser("benchmarks.streaming", description=(__doc__ or "").split("\n")[0], allow_abbrev=False)
    parser.add_flag("--hops", type=whole_number(20), default=100, metavar="N", help="labels (default: 100)")
    parser.add_flag("--hop", type=whole_number(1), default=15, metavar="N", help="frames from one to the next")
    parser.add_flag("--bodies", type=whole_number(1), default=1, metavar="M", help="(default: 1)")
    parser.add_flag("--most", type=whole_number(1), default=100, metavar="MS", help="a label may take (default: 100)")
    given = parser.parse_strictly(argv)
    torch.set_num_threads(1)
    if given.hops * given.hop < 400:
        raise InputError("fewer than 400 frames do not fill the window")
    labels, frames = measure(predictor(given.bodies), given.hops, given.hop, given.bodies)
    p50, p95 = np.percentile(labels, [50, 95])
    print(
        f"{given.bodies} bodies, {len(labels)} labels over a full window: {p50:.1f} ms in the middle, {p95:.1f} ms "
        f"at the 95th percentile; a frame between: {np.median(frames):.2f} ms"
    )
    return 0 if p95 <= given.most else 1


def predictor(bodies: int) -> Predictor:
    """DG-STGCN at its published width, freshly made, that samples 100 frames of a window."""
    layout = find_layout("coco-17")
    sizes = {"num_class": 60, "num_point": _JOINTS, "num_person": bodies}
    graph = {"graph": "graph.custom.AdjMatrixGraph", "graph_args": {"layout": "coco-17"}}
    values = {"model": "model.dgstgcn.Model", "model_args": {**sizes, **graph}, "stream": "joint"}
    config = make_config({**values, "test_feeder_args": {"transforms": _SAMPLED}}, {})
    model = build_model(config).eval()
    facts = {"joints": _JOINTS, "bodies": bodies, "dims": 3, "lineage": "own", "skeleton": as_mapping(layout)}
    assert stream_of(config) == "joint"
    takes = bind_arguments(type(model), config.model_args, "model_args")
    return Predictor([Stream("benchmark", config, facts, takes, model)], [1.0], [str(label) for label in range(60)])


def measure(watched: Predictor, hops: int, hop: int, bodies: int) -> tuple[list[float], list[float]]:
    """Milliseconds that each label took once the window was full, and that each frame between took."""
    rng = np.random.default_rng(0)
    rest, phase = rng.normal(0, 0.5, (bodies, _JOINTS, 3)), rng.uniform(0, 6, (bodies, _JOINTS, 3))
    rest += 4 * np.arange(bodies)[:, None, None]
    lines = []
    for number in range(hops * hop):
        poses = np.round(rest + 0.2 * np.sin(number / 5 + phase), 4)
        lines.append(json.dumps({"t": number, "bodies": [{"joints": pose.tolist()} for pose in poses]}))
    clock, labels = Clock(lines), []
    for _ in Live(watched, hop=hop).labels(clock):
        labels.append((time.perf_counter() - clock.asked[-1]) * 1e3)
    between = np.diff(clock.asked) * 1e3
    frames = [float(took) for place, took in enumerate(between) if place > 300 and (place + 1) % hop]
    return labels[-(-300 // hop) :], frames


if __name__ == "__main__":
    sys.exit(exit_code(run))
