"""How far exported networks are from their originals: ``python3 -m benchmarks.exporting``, the table of docs/export.md.

The published networks with made weights become ONNX, for NTU RGB+D's 25 joints and COCO's 17, one body and two.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import nn

from command_line import Parser, exit_code
from engine.build import build_model
from engine.config import Config, make_config
from engine.export.plan import make_plan
from engine.export.write import export
from engine.predictor import Predictor, Stream
from engine.provenance import as_mapping
from engine.yaml_files import compose
from graph.layouts import find_layout
from importing import bind_arguments

CONFIGS = {
    "msg3d": "config/nturgbd-cross-subject/train_joint.yaml",
    "mstgcn": "config/nturgbd-cross-subject/mstgcn.yaml",
    "dgstgcn": "config/nturgbd-cross-subject/dgstgcn.yaml",
    "msagcn": "config/nturgbd-cross-subject/msagcn.yaml",
}
_FRAMES = 64


def run(argv: Sequence[str] | None = None) -> int:
    """Print a row for each network, skeleton and number of bodies.

    Raises:
        InputError: a wrong command line.
        ParityError: a network is exported wrongly.
    """
    parser = Parser("benchmarks.exporting", description=(__doc__ or "").split("\n")[0], allow_abbrev=False)
    parser.add_flag("--networks", nargs="+", choices=CONFIGS, default=list(CONFIGS), help="(default: all)")
    parser.add_flag("--layouts", nargs="+", default=["ntu-rgb+d", "coco-17"], help="(default: ntu-rgb+d coco-17)")
    parser.add_flag("--bodies", nargs="+", type=int, choices=(1, 2), default=[1, 2], help="(default: 1 2)")
    given = parser.parse_strictly(argv)
    for network in given.networks:
        for layout in given.layouts:
            for bodies in given.bodies:
                print(f"| {network} | {layout} | {bodies} | {exported(network, layout, bodies)} |", flush=True)
    return 0


def exported(network: str, layout: str, bodies: int) -> str:
    """The cells of a row: what the check says, and how long it took."""
    watched = Predictor([made(network, layout, bodies)], [1.0], [str(label) for label in range(60)])
    begin = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "model.onnx"
        said = export(make_plan(watched, []), out, frames=None if network == "msagcn" else "dynamic")
        size = out.stat().st_size / 1e6
    return f"{size:.1f} MB | {said.rpartition('; ')[2]} | {time.perf_counter() - begin:.0f} s"


def made(network: str, layout: str, bodies: int) -> Stream:
    """A published network with made weights, whose BatchNorms have the means of noise."""
    skeleton = find_layout(layout)
    values, origin = compose(CONFIGS[network])
    config = make_config(values, origin)
    graph = {"graph": "graph.custom.Graph", "graph_args": {"layout": layout}}
    sizes = {"num_point": skeleton.num_joints, "num_person": bodies}
    if network == "msg3d":
        graph["graph"] = "graph.custom.AdjMatrixGraph"
    feeder = {"transforms": [{"crop_resize": {"window": _FRAMES}}, "stream"]}
    config = replace(
        config,
        model_args={**config.model_args, **graph, **sizes},
        test_feeder_args=feeder,
        stream="joint",
        device=["cpu"],
    )
    model = settled(config, (4, 3, _FRAMES, skeleton.num_joints, bodies))
    facts = {"channels": 3, "frames": 100, "joints": skeleton.num_joints, "bodies": bodies}
    takes = bind_arguments(type(model), config.model_args, "model_args")
    return Stream(network, config, {**facts, "skeleton": as_mapping(skeleton)}, takes, model)


def settled(config: Config, shape: Sequence[int]) -> nn.Module:
    """The network after its BatchNorms have seen noise, so that features are as large as in a trained one."""
    model = build_model(config)
    for module in model.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.momentum = None  # the mean over all batches
    with torch.no_grad():
        model.train()(torch.randn(*shape))
    return model.eval()


if __name__ == "__main__":
    sys.exit(exit_code(run))
