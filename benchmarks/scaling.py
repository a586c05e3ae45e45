"""What a clip costs against its frames, joints and bodies, and the batch: ``python3 -m benchmarks.scaling --out FILE``.

One size varies at a time, the others stay: one clip, of 100 frames (MSA-GCN: 64), 25 joints in a chain, 2 bodies, all
there. CPU time of one thread, the lower of two turns. A table goes to the screen, a plot to FILE.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import matplotlib
import matplotlib.pyplot as plt
import torch
import torch.nn.functional as F
from torch import nn
from tqdm import tqdm

from clips.files import atomic_write
from command_line import Parser, exit_code
from errors import InputError
from importing import import_class
from model.fuse import fuse

NETWORKS: dict[str, dict[str, Any]] = {
    "MS-G3D": {"model": "msg3d", "num_gcn_scales": 13, "num_g3d_scales": 6},
    "MST-GCN": {"model": "mstgcn"},
    "DG-STGCN": {"model": "dgstgcn"},
    "MSA-GCN": {"model": "msagcn", "global_context": "ema"},
}
VARIED: dict[str, tuple[int, ...]] = {
    "frames": (50, 100, 200, 400, 600),
    "joints": (17, 25, 50, 75),
    "bodies": (1, 2, 3, 5),
    "clips": (1, 2, 4, 8),
}


@dataclass(frozen=True)
class Size:
    """Of a batch."""

    clips: int = 1
    frames: int = 100
    joints: int = 25
    bodies: int = 2


def build(network: str, size: Size, plain: bool) -> nn.Module:
    """One of ``NETWORKS`` for clips of ``size``, fused unless ``plain``."""
    arguments = dict(NETWORKS[network])
    name = arguments.pop("model")
    edges = [[joint + 1, joint] for joint in range(size.joints - 1)]
    layout = {"name": "chain", "num_joints": size.joints, "edges": edges}
    arguments |= {"graph": "graph.custom.AdjMatrixGraph", "graph_args": {"layout": layout}}
    arguments |= {"window_size": size.frames} if name == "msagcn" else {}
    torch.manual_seed(0)
    model: nn.Module = import_class(f"model.{name}.Model", "model")(
        num_class=60, num_point=size.joints, num_person=size.bodies, **arguments
    )
    if not plain:
        fuse(model)
    return model


def seconds(model: nn.Module, size: Size, training: bool) -> float:
    """CPU time of one evaluation, or of one step forward and backward."""
    x = torch.randn(size.clips, 3, size.frames, size.joints, size.bodies, generator=torch.Generator().manual_seed(1))
    model.train(training)
    found = []
    for _ in range(2):
        start = time.process_time()
        if training:
            model.zero_grad()
            F.cross_entropy(model(x), torch.zeros(size.clips, dtype=torch.long)).backward()
        else:
            with torch.no_grad():
                model(x)
        found.append(time.process_time() - start)
    return min(found)


Costs = dict[tuple[str, bool, str], list[float]]
"""By network, whether training, and what varies: the cost at each of its values."""


def measure(networks: Sequence[str], plain: bool) -> Costs:
    """All costs."""
    cases = [(network, what) for network in networks for what in VARIED]
    costs: Costs = {}
    for network, what in tqdm(cases, disable=None):
        base = Size(frames=64) if network == "MSA-GCN" else Size()
        for value in VARIED[what]:
            size = replace(base, **{what: value})
            model = build(network, size, plain)
            for training in (False, True):
                costs.setdefault((network, training, what), []).append(seconds(model, size, training))
    return costs


def table(costs: Costs) -> str:
    """Markdown: for each network and each size, what doubling it multiplies the cost by, and the costs."""
    lines = ["| network | varied | evaluation, s | training step, s |", "|---|---|---|---|"]
    for network, training, what in costs:
        if not training:
            both = (costs[network, phase, what] for phase in (False, True))
            cells = (" · ".join(f"{cost:.3g}" for cost in row) for row in both)
            lines.append(f"| {network} | {what} {' · '.join(map(str, VARIED[what]))} | {' | '.join(cells)} |")
    return "\n".join(lines)


def plot(costs: Costs, path: Path) -> None:
    """Cost over size, both on logarithmic axes; a line of slope 1, proportional cost, behind."""
    figure, panels = plt.subplots(2, len(VARIED), figsize=(13, 6), sharey="row", layout="constrained")
    for row, training in zip(panels, (False, True), strict=True):
        for axes, (what, values) in zip(row, VARIED.items(), strict=True):
            lowest = min(
                costs[network, training, what][0] for network, phase, w in costs if phase == training and w == what
            )
            axes.plot(values, [lowest * value / values[0] for value in values], color="0.7", linestyle=":")
            for network in dict.fromkeys(network for network, _, _ in costs):
                axes.plot(values, costs[network, training, what], marker="o", label=network)
            axes.set(xscale="log", yscale="log", xticks=values, xticklabels=values, xlabel=what)
            axes.minorticks_off()
        row[0].set_ylabel(f"{'training step' if training else 'evaluation'}, s")
    panels[0][0].legend()
    with atomic_write(path) as file:
        figure.savefig(file, format=path.suffix[1:], dpi=110)
    plt.close(figure)


def run(argv: Sequence[str] | None = None) -> int:
    """Measure, print, draw.

    Raises:
        InputError: a file that no plot can go to.
    """
    parser = Parser("benchmarks.scaling", description=__doc__.split("\n")[0], allow_abbrev=False)
    parser.add_flag("--out", required=True, metavar="FILE", help="for the plot: .png or .svg")
    parser.add_flag("--networks", nargs="+", choices=list(NETWORKS), default=list(NETWORKS), help="(default: all)")
    parser.add_flag("--plain", action="store_true", help="the networks of plain operators")
    given = parser.parse_strictly(argv)
    path = Path(given.out)
    if path.suffix not in (".png", ".svg"):
        raise InputError(f"--out is {given.out!r}, wanted a file that ends in .png or .svg")
    matplotlib.use("Agg")
    torch.set_num_threads(1)
    costs = measure(given.networks, given.plain)
    print(table(costs))
    plot(costs, path)
    print(f"plot: {path}")
    return 0


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    sys.exit(exit_code(run))
