"""Clips per second and memory of all four networks on a GPU: ``python3 -m benchmarks.gpu_speed --peer msg3d=DIR``.

Each network in evaluation and in training steps, in float32 and bfloat16, of plain operators and fused, and the peer's
beside it where there is a checkout; in batches of 16 and 64, of which a share of clips has one body. What is printed is
Markdown. "of bandwidth" is what the fused network's operators read and write, as a share of what the GPU could copy in
that time. Every case has the same time, which all together keep to.
"""

from __future__ import annotations

import copy
import json
import math
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.peers import PEERS, PLAIN, checked, side_by_side
from benchmarks.speed_child import made_batch
from benchmarks.traffic import bandwidth, finish, moved_by
from command_line import Parser, exit_code, whole_number
from data_gen.prepare import ROOT
from errors import InputError
from model.fuse import fuse

FORMATS = ("float32", "bfloat16")
_COLUMNS = (
    *("network", "batch", "phase", "format", "peer, clips/s", "plain", "fused", "fused / peer", "of bandwidth"),
    "memory of the three",
)


def run(argv: Sequence[str] | None = None) -> int:
    """Measure and print.

    Raises:
        InputError: there is no GPU and a CPU was not asked for, or a peer is not what it should be.
    """
    parser = Parser("benchmarks.gpu_speed", description=__doc__.split("\n")[0], allow_abbrev=False)
    parser.add_flag("--peer", nargs="+", default=[], metavar="NAME=DIR", help=f"checkouts of {', '.join(PEERS)}")
    parser.add_flag("--networks", nargs="+", choices=list(PEERS), default=list(PEERS), help="only these")
    parser.add_flag("--batches", nargs="+", type=whole_number(1), default=[16, 64], metavar="N", help="clips")
    parser.add_flag("--frames", type=whole_number(1), metavar="T", help="of a clip (default: as published)")
    parser.add_flag("--absent", type=float, default=0.75, metavar="P", help="share of one-body clips (default: 0.75)")
    parser.add_flag("--device", default="cuda", metavar="NAME", help="cuda, cuda:1 or cpu (default: cuda)")
    parser.add_flag("--minutes", type=float, default=9.0, metavar="N", help="for all together (default: 9)")
    given = parser.parse_strictly(argv)
    if given.device != "cpu" and not torch.cuda.is_available():
        raise InputError("there is no GPU; --device cpu --minutes 1 --batches 2 tries the command out")
    folders = dict(checked(peer) for peer in given.peer)
    cases = len(given.networks) * len(given.batches) * 2 * len(FORMATS) * 2 + len(folders) * len(given.batches) * 4
    order = {"batches": given.batches, "frames": given.frames, "absent": given.absent, "device": given.device}
    order["seconds"] = given.minutes * 60 / cases / 2  # half of the time goes to building and to first steps
    name = torch.cuda.get_device_name(given.device) if given.device != "cpu" else "a CPU"
    head = f"| {' | '.join(_COLUMNS)} |\n{'|---' * len(_COLUMNS)}|"
    print(f"{given.absent:.0%} of clips with one body, on {name}, torch {torch.__version__}.\n\n{head}", flush=True)
    for network in given.networks:
        command = [sys.executable, "-m", "benchmarks.gpu_speed", "--child"]
        text = json.dumps(order | {"peer": network, "folder": folders.get(network, PLAIN)})
        environment = os.environ | {"PYTHONPATH": str(ROOT)}
        done = subprocess.run([*command, text], cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True)
        print(done.stdout, end="", flush=True)
        if done.returncode:
            raise InputError(f"measuring {network} failed, see above")
    return 0


def rows(order: dict[str, Any]) -> Iterator[str]:
    """The lines of one network."""
    peer, device = PEERS[order["peer"]], torch.device(order["device"])
    theirs, ours = side_by_side(peer, order["folder"])
    plain = copy.deepcopy(ours)
    fuse(ours)
    sides = {"plain": plain.to(device), "fused": ours.to(device)}
    if order["folder"] != PLAIN:
        sides = {"peer": theirs.to(device), **sides}
    most = bandwidth(device)
    frames = peer.sizes[-1][1] if peer.network == "msagcn" else order["frames"] or peer.sizes[-1][1]
    for clips in order["batches"]:
        x = made_batch(clips, frames, order["absent"]).to(device)
        for training in (False, True):
            for format_name in FORMATS:
                found = {side: speed(m.train(training), x, format_name, order["seconds"]) for side, m in sides.items()}
                rate, _ = found["fused"]
                fits = not math.isnan(rate)
                share = moved_by(partial(_step, ours, x, format_name)) * rate / clips / most if fits else rate
                yield _row(peer.network, clips, training, format_name, found, share)


def speed(model: nn.Module, x: Tensor, format_name: str, seconds: float) -> tuple[float, float]:
    """Clips per second and the most memory in GB, NaN where it does not fit or nobody counts."""
    device = x.device
    try:
        for _ in range(3):
            _step(model, x, format_name)
        finish(device)
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(device)
        start, steps = time.monotonic(), 0
        while steps < 3 or time.monotonic() - start < seconds:
            for _ in range(3):
                _step(model, x, format_name)
            finish(device)
            steps += 3
        rate = steps * len(x) / (time.monotonic() - start)
    except torch.OutOfMemoryError:
        model.zero_grad(set_to_none=True)
        return float("nan"), float("nan")
    memory = torch.cuda.max_memory_allocated(device) / 1e9 if device.type == "cuda" else float("nan")
    return rate, memory


def _step(model: nn.Module, x: Tensor, format_name: str) -> None:
    with torch.autocast(x.device.type, torch.bfloat16, enabled=format_name == "bfloat16"):
        if not model.training:
            with torch.no_grad():
                model(x)
            return
        logits = model(x)
    model.zero_grad(set_to_none=True)
    F.cross_entropy(logits.float(), torch.arange(len(x), device=x.device) % logits.shape[1]).backward()


def _row(
    network: str, clips: int, training: bool, format_name: str, found: dict[str, tuple[float, float]], share: float
) -> str:
    rates = {side: f"{found[side][0]:.1f}" if side in found else "-" for side in ("peer", "plain", "fused")}
    ratio = f"{found['fused'][0] / found['peer'][0]:.2f}" if "peer" in found else "-"
    memory = ", ".join(f"{found[side][1]:.1f} GB" if side in found else "-" for side in rates)
    phase = "training" if training else "evaluation"
    cells = [network, clips, phase, format_name, *rates.values(), ratio, f"{share:.0%}", memory]
    return f"| {' | '.join(map(str, cells))} |"


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        for line in rows(json.loads(sys.argv[2])):
            print(line, flush=True)
    else:
        sys.exit(exit_code(run))
