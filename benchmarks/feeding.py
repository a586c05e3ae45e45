"""Clips per CPU second against peers: ``python3 -m benchmarks.feeding --peer msg3d=DIR pyskl=DIR``.

Every feeder goes through the same made clips, augmented as its recipe says, in a process of its own; peer and own
process take turns. CPU time counts that of worker processes, and not that of starting Python and opening the data.
"""

from __future__ import annotations

import json
import os
import pickle
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from command_line import Parser, exit_code, whole_number
from data_gen.prepare import ROOT
from errors import InputError, one_of

_BATCH = 32

# What a child runs: it builds `batches`, an iterable of batches, and the clock below goes through it once.
_CLOCK = """
import json, resource, sys
def spent():
    both = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return sum(used.ru_utime + used.ru_stime for used in both)
for batch in batches: pass
before, clips = spent(), 0
for batch in batches: clips += len(batch[0])
print(json.dumps({"clips": clips, "seconds": spent() - before}))
"""
_MSG3D = """
import sys; sys.path.insert(0, {peer!r})
import torch; torch.set_num_threads(1)
from feeders.feeder import Feeder
feeder = Feeder({data!r}, {labels!r}, random_choose=True, random_shift=True, random_move=True, window_size=150)
batches = torch.utils.data.DataLoader(feeder, batch_size={batch}, shuffle=True, num_workers={workers}, drop_last=True)
"""
_OURS = """
import torch; torch.set_num_threads(1)
from engine.data import training_batches
from feeders.feeder import Feeder
feeder = Feeder({arguments})
batches = training_batches(feeder, {batch}, seed=1, epoch=0, num_worker=0, pin=False)
"""
# pyskl's functions, without its package: mmcv is not to be had for today's Python, so what they import of it, and of
# the rest of pyskl, is stood in for. Items are stacked as its loader does.
_PYSKL = """
import sys, types, importlib.util
class Anything:
    def __init__(self, *a, **k): pass
    def __getattr__(self, name): return Anything()
    def __call__(self, *a, **k): return a[0] if len(a) == 1 and isinstance(a[0], type) else Anything()
class Registry(Anything):
    def register_module(self, *a, **k): return lambda cls: cls
def stand_in(name, **contents):
    module = types.ModuleType(name); module.__dict__.update(contents); module.__path__ = []; sys.modules[name] = module
stand_in("scipy"); stand_in("scipy.stats", mode=None)
stand_in("mmcv"); stand_in("mmcv.parallel", DataContainer=Anything)
stand_in("pyskl"); stand_in("pyskl.utils", warning_r0=lambda *a: None); stand_in("pyskl.datasets")
stand_in("pyskl.datasets.builder", PIPELINES=Registry()); stand_in("pyskl.datasets.pipelines")
class Compose:
    def __init__(self, steps):
        self.steps = [found[s.pop("type")](**s) if isinstance(s, dict) else s for s in steps]
    def __call__(self, item):
        for step in self.steps: item = step(item)
        return item
stand_in("pyskl.datasets.pipelines.compose", Compose=Compose)
found = {{}}
for name in ("formatting", "pose_related", "sampling"):
    full = "pyskl.datasets.pipelines." + name
    spec = importlib.util.spec_from_file_location(full, {peer!r} + "/pyskl/datasets/pipelines/" + name + ".py")
    module = importlib.util.module_from_spec(spec); sys.modules[full] = module; spec.loader.exec_module(module)
    found.update(vars(module))
import copy, pickle, numpy as np, torch
torch.set_num_threads(1)
steps = [found["PreNormalize3D"](align_spine=False), found["RandomRot"](theta=0.2), found["GenSkeFeat"](feats=["b"]),
         found["UniformSampleDecode"](clip_len=100), found["FormatGCNInput"](num_person=2)]
annotations = pickle.load(open({data!r}, "rb"))["annotations"]
class Items(torch.utils.data.Dataset):
    def __len__(self): return len(annotations)
    def __getitem__(self, index):
        item = copy.deepcopy(annotations[index])
        item["start_index"], item["test_mode"], item["modality"] = 0, False, "Pose"
        for step in steps: item = step(item)
        return np.ascontiguousarray(item["keypoint"], dtype=np.float32), item["label"]
batches = torch.utils.data.DataLoader(Items(), batch_size={batch}, shuffle=True, num_workers=0, drop_last=True)
"""


def run(argv: Sequence[str] | None = None) -> int:
    """Measure against every peer that is given, and print a table; the exit code is 1 when a ratio is not reached.

    Raises:
        InputError: a peer is not the checkout it should be, or fails.
    """
    parser = Parser("benchmarks.feeding", description=__doc__.split("\n")[0], allow_abbrev=False)
    about = "checkouts: msg3d (shift, choose and move, its DataLoader), pyskl (DG-STGCN's training pipeline, bones)"
    parser.add_flag("--peer", nargs="+", required=True, metavar="NAME=DIR", help=about)
    parser.add_flag("--clips", type=whole_number(_BATCH), default=320, metavar="N", help="(default: 320)")
    parser.add_flag("--pairs", type=whole_number(1), default=5, metavar="N", help="turns of each (default: 5)")
    given = parser.parse_strictly(argv)
    peers = dict(peer.partition("=")[::2] for peer in given.peer)
    for name in peers:
        one_of("--peer", name, _AGAINST)
    reached = True
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        for name, checkout in peers.items():
            reached &= _AGAINST[name](Path(checkout), work, given.clips, given.pairs)
    return 0 if reached else 1


def _against_msg3d(peer: Path, work: Path, count: int, pairs: int) -> bool:
    if not (peer / "feeders" / "feeder.py").is_file():
        raise InputError(f"{peer}: no feeders/feeder.py in it; msg3d wants an MS-G3D checkout")
    data, labels = work / "train_data_joint.npy", work / "train_label.pkl"
    rng = np.random.default_rng(0)
    clips = np.zeros((count, 3, 300, 25, 2), np.float32)
    for clip in clips:
        clip[:, : rng.integers(60, 250), :, 0] = rng.normal(size=(3, 1, 25))
    np.save(data, clips)
    labels.write_bytes(pickle.dumps(([f"clip{i}" for i in range(count)], [0] * count)))
    arguments = (
        f"{str(data)!r}, {str(labels)!r}, random_choose=True, random_shift=True, random_move=True, window_size=150"
    )
    workers = len(os.sched_getaffinity(0))
    theirs = _MSG3D.format(peer=str(peer), data=str(data), labels=str(labels), batch=_BATCH, workers=workers)
    title = f"shift + choose + move against MS-G3D's DataLoader, {workers} workers as it has them"
    return _compare(title, theirs, _OURS.format(arguments=arguments, batch=_BATCH), pairs, at_least=5)


def _against_pyskl(peer: Path, work: Path, count: int, pairs: int) -> bool:
    if not (peer / "pyskl" / "datasets" / "pipelines" / "pose_related.py").is_file():
        raise InputError(f"{peer}: no pyskl/datasets/pipelines in it; pyskl wants a pyskl checkout")
    data = work / "made.pkl"
    rng = np.random.default_rng(0)
    annotations = []
    for number in range(count):
        frames = int(rng.integers(60, 120))
        keypoint = rng.normal(size=(1, frames, 25, 3)).astype(np.float16)
        name = f"clip{number}"
        annotations.append({"frame_dir": name, "label": 0, "total_frames": frames, "keypoint": keypoint})
    split = {"train": [annotation["frame_dir"] for annotation in annotations]}
    data.write_bytes(pickle.dumps({"split": split, "annotations": annotations}))
    steps = [
        *({"pre_normalize_3d": {"align_spine": False}}, {"random_rotation": {"theta": 0.2}}, "stream"),
        *({"uniform_sample": {"clip_len": 100}}, {"bodies": {"num_person": 2}}),
    ]
    arguments = f"{str(data)!r}, split='train', stream='bone', transforms={steps!r}"
    theirs = _PYSKL.format(peer=str(peer), data=str(data), batch=_BATCH)
    title = "pyskl's training pipeline (normalise, rotate, bones, sample, format), one process each"
    return _compare(title, theirs, _OURS.format(arguments=arguments, batch=_BATCH), pairs, at_least=10)


_AGAINST = {"msg3d": _against_msg3d, "pyskl": _against_pyskl}


def _compare(title: str, theirs: str, ours: str, pairs: int, *, at_least: float) -> bool:
    """Take turns, print clips per CPU second of both and the median of the ratios; whether it is ``at_least``."""
    rates = [(_rate(theirs, own=False), _rate(ours, own=True)) for _ in range(pairs)]
    ratios = sorted(mine / peer for peer, mine in rates)
    ratio = statistics.median(ratios)
    peer, mine = (statistics.median(column) for column in zip(*rates, strict=True))
    print(f"{title}: {peer:.0f} -> {mine:.0f} clips per CPU second, {ratio:.1f}x ({ratios[0]:.1f} to {ratios[-1]:.1f})")
    return ratio >= at_least


def _rate(program: str, *, own: bool) -> float:
    """Clips per CPU second of a child that runs ``program``."""
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT) if own else ""}
    command = [sys.executable, "-c", program + _CLOCK]
    with tempfile.TemporaryDirectory() as elsewhere:
        done = subprocess.run(
            command, cwd=ROOT if own else elsewhere, env=environment, capture_output=True, text=True, check=False
        )
    if done.returncode:
        raise InputError(f"a feeder failed: {done.stderr.strip()[-400:]}")
    found = json.loads(done.stdout.splitlines()[-1])
    return float(found["clips"] / found["seconds"])


if __name__ == "__main__":
    sys.exit(exit_code(run))
