"""CPU time of preparing NTU RGB+D 60 against an MS-G3D checkout: ``python3 -m benchmarks.data_gen --peer DIR``.

Both prepare the same made recordings, both protocols, joints and bones; then every file is compared bit for bit.
"""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.skeleton_tree import make_tree
from clips.dense import open_array, read_labels
from command_line import Parser, exit_code, whole_number
from data_gen.ntu import MISSING_LIST
from data_gen.prepare import ROOT
from errors import InputError

_FILES = [f"{protocol}/{part}" for protocol in ("xsub", "xview") for part in ("train", "val")]


def run(argv: Sequence[str] | None = None) -> int:
    """Measure, compare and print a table; the exit code is 1 when a file differs or the ratio is below ``--at-least``.

    Raises:
        InputError: the peer is not an MS-G3D checkout.
    """
    parser = Parser("benchmarks.data_gen", description=__doc__.split("\n")[0], allow_abbrev=False)
    parser.add_flag("--peer", required=True, metavar="DIR", help="an MS-G3D checkout")
    parser.add_flag("--files", type=whole_number(1), default=300, metavar="N", help="recordings (default: 300)")
    parser.add_flag("--mean-frames", type=whole_number(2), default=84, metavar="T", help="(default: 84, as in NTU 60)")
    parser.add_flag("--at-least", type=float, default=12.0, metavar="X", help="the ratio to reach (default: 12)")
    given = parser.parse_strictly(argv)
    if not (Path(given.peer) / "data_gen" / "ntu_gendata.py").is_file():
        raise InputError(f"{given.peer}: no data_gen/ntu_gendata.py in it; --peer wants an MS-G3D checkout")
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        make_tree(work / "raw", given.files, mean_frames=given.mean_frames)
        shutil.copytree(Path(given.peer) / "data_gen", work / "peer" / "data_gen")
        raw = ["--data_path", str(work / "raw"), "--ignored_sample_path", str(MISSING_LIST)]
        here = work / "peer" / "data_gen"
        peer = {
            "joints, both protocols": _cpu_seconds(["ntu_gendata.py", *raw], here, may_fail=True),
            "bones": _cpu_seconds(["gen_bone_data.py", "--dataset", "ntu"], here),
        }
        out = work / "ours"
        ours = {
            "joints, both protocols": _cpu_seconds(
                ["-m", "data_gen.ntu_gendata", *raw, "--out_folder", str(out / "ntu")], ROOT
            ),
            "bones": _cpu_seconds(["-m", "data_gen.gen_bone_data", "--dataset", "ntu", "--data_path", str(out)], ROOT),
        }
        differing = _differing(work / "peer" / "data" / "ntu", out / "ntu")
    ratio = sum(peer.values()) / sum(ours.values())
    print(f"{given.files} recordings of {given.mean_frames} frames in the mean, 1 process, CPU seconds")
    print(f"{'':24}{'MS-G3D':>10}{'here':>10}{'ratio':>10}")
    for step in (*peer, "all"):
        theirs, mine = (sum(times.values()) if step == "all" else times[step] for times in (peer, ours))
        print(f"{step:24}{theirs:10.2f}{mine:10.2f}{theirs / mine:9.1f}x")
    print(f"files that differ: {', '.join(differing) or 'none'}")
    return 1 if differing or ratio < given.at_least else 0


def _cpu_seconds(arguments: list[str], folder: Path, *, may_fail: bool = False) -> float:
    """Run Python in ``folder``; the CPU time of it and the processes that it waits for, start-up included.

    The peer's ntu_gendata.py fails after its work is done: it joins its pool before closing it.
    """
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT) if folder == ROOT else ""}
    done = subprocess.run([sys.executable, *arguments], cwd=folder, env=environment, capture_output=True, text=True)
    if done.returncode and not may_fail:
        raise InputError(f"{' '.join(arguments)} failed in {folder}: {done.stderr.strip()[-300:]}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _differing(peer: Path, ours: Path) -> list[str]:
    """The files that are not equal: clips bit for bit (zeros have no sign), labels by content."""
    differing = []
    for file in _FILES:
        if read_labels(peer / f"{file}_label.pkl") != read_labels(ours / f"{file}_label.pkl"):
            differing.append(f"{file}_label.pkl")
        for stream in ("joint", "bone"):
            name = f"{file}_data_{stream}.npy"
            theirs, mine = open_array(peer / name), open_array(ours / name)
            if theirs.dtype != mine.dtype or not np.array_equal(theirs, mine):
                differing.append(name)
    return differing


if __name__ == "__main__":
    sys.exit(exit_code(run))
