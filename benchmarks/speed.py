"""CPU time and memory of networks against a peer's: ``python3 -m benchmarks.speed --peer msg3d=DIR``.

Both run in one process and take turns, on one thread; what counts is CPU time. The peer is measured as it is published,
and again after three calls of glibc's mallopt that keep freed memory in the process, which make it faster as well:
each in processes of its own, since these calls cannot be undone. Beside every ratio stands how far ours is from the
peer's in float64, and in brackets how far the peer is from itself: its BatchNorms' sums are added up in pairs for this,
while torch's own add up one value after the other. Our own figures are appended to benchmarks/history.jsonl.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.peers import PEERS, checked
from command_line import Parser, exit_code, whole_number
from data_gen.prepare import ROOT
from errors import InputError

_ABOUT_PEERS = f"{', '.join(PEERS)}: a checkout of it, or the word plain for our own network of plain operators"
HISTORY = Path(__file__).parent / "history.jsonl"


def run(argv: Sequence[str] | None = None) -> int:
    """Measure and print; the exit code is 1 where they are further apart than 1e-12 and than the peer from itself.

    Raises:
        InputError: a peer is not the checkout it should be, or a measurement fails.
    """
    parser = Parser("benchmarks.speed", description=__doc__.split("\n")[0], allow_abbrev=False)
    parser.add_flag("--peer", nargs="+", required=True, metavar="NAME=DIR", help=_ABOUT_PEERS)
    parser.add_flag("--frames", nargs="+", type=whole_number(1), metavar="T", help="of a clip")
    parser.add_flag("--clips", nargs="+", type=whole_number(1), metavar="N", help="for each T")
    parser.add_flag(
        "--absent", nargs="+", type=float, default=[0.0, 0.75], metavar="P", help="shares of one-body clips"
    )
    parser.add_flag("--pairs", type=whole_number(1), default=5, metavar="N", help="turns of each (default: 5)")
    parser.add_flag("--no-memory", action="store_true", help="leave memory out")
    given = parser.parse_strictly(argv)
    asked = [given.clips or [], given.frames or []]
    if len(asked[0]) != len(asked[1]):
        raise InputError(f"--clips has {len(asked[0])} values and --frames {len(asked[1])}, wanted one each")
    equal = True
    for name, folder in map(checked, given.peer):
        peer = PEERS[name]
        order = {"peer": name, "network": peer.network, "folder": folder, "pairs": given.pairs}
        print(
            f"{peer.network} and {name}={folder}: 1 thread, CPU time, median of {given.pairs} pairs (lowest to highest)"
        )
        for clips, frames in list(zip(*asked, strict=True)) or peer.sizes:
            for absent in given.absent:
                if round(clips * absent) in (0, clips) and absent:
                    continue  # so few clips have no such share
                for phase in ("evaluation", "training"):
                    case = order | {"phase": phase, "clips": clips, "frames": frames, "absent": absent}
                    equal &= _time(case)
        if not given.no_memory:
            for phase, clips in (("training", 2), ("evaluation", 8)):
                _memory(
                    order
                    | {"phase": phase, "clips": clips, "frames": peer.sizes[-1][1], "absent": 0.0, "allocator": False}
                )
    return 0 if equal else 1


def _time(case: dict[str, Any]) -> bool:
    """Both ratios of one case, and whether both networks give the same."""
    apart = _child(case | {"allocator": False, "measure": "equality"})
    texts, ours = [], {}
    for allocator in (False, True):
        pairs = _child(case | {"allocator": allocator, "measure": "time"})["seconds"]
        ratios = sorted(theirs / mine for theirs, mine in pairs)
        kind = "allocator-tuned" if allocator else "as published"
        ours[kind] = statistics.median(mine for _, mine in pairs)
        texts.append(
            f"{statistics.median(ratios):.2f}x ({ratios[0]:.2f} to {ratios[-1]:.2f}) {kind}, {ours[kind]:.2f} s"
        )
    far = ", ".join(f"{name} {value:.0e} ({its_own:.0e})" for name, (value, its_own) in apart.items())
    name = f"{case['phase']} N={case['clips']} T={case['frames']} one-body {case['absent']:.0%}"
    print(f"  {name}: {'; '.join(texts)}; float64: {far}", flush=True)
    _note(case, {"seconds": ours})
    return all(value <= max(1e-12, its_own) for value, its_own in apart.values())


def _memory(case: dict[str, Any]) -> None:
    """Peak resident memory over what is there before, and what is saved for backward."""
    theirs, mine = (_child(case | {"measure": side}) for side in ("peer", "ours"))
    text = f"peak over baseline {mine['peak'] / 1e6:.0f} of {theirs['peak'] / 1e6:.0f} MB"
    text += f" ({mine['peak'] / theirs['peak']:.2f})"
    if theirs["saved"]:
        text += f", saved for backward {mine['saved'] / 1e6:.0f} of {theirs['saved'] / 1e6:.0f} MB"
        text += f" ({mine['saved'] / theirs['saved']:.2f})"
    print(f"  {case['phase']} N={case['clips']} T={case['frames']}: {text}", flush=True)
    _note(case, mine)


def _child(order: dict[str, Any]) -> dict[str, Any]:
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "benchmarks.speed_child", json.dumps(order)]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise InputError(f"measuring failed: {done.stderr.strip()[-500:]}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def _note(case: dict[str, Any], found: dict[str, Any]) -> None:
    kept = {name: case[name] for name in ("network", "phase", "clips", "frames", "absent")}
    line = {"when": time.strftime("%Y-%m-%d"), **kept, **found}
    with HISTORY.open("a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")


if __name__ == "__main__":
    sys.exit(exit_code(run))
