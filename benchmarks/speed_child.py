"""One measurement of ``benchmarks.speed``, in a process of its own: reads what to do as JSON, prints what it found."""

from __future__ import annotations

import ctypes
import importlib
import json
import os
import resource
import sys
import time
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from model.fuse import fuse

# M_MMAP_MAX, M_TRIM_THRESHOLD, M_TOP_PAD: freed memory is kept and used again instead of given back page by page
_ALLOCATOR = ((-4, 0), (-1, 2**31 - 1), (-2, 64 << 20))
_PUBLISHED = {
    "msg3d": {
        **{"num_class": 60, "num_point": 25, "num_person": 2, "num_gcn_scales": 13, "num_g3d_scales": 6},
        "graph": "graph.ntu_rgb_d.AdjMatrixGraph",
    }
}


def build(network: str, peer: str) -> tuple[nn.Module, nn.Module]:
    """Our network, fused, and the peer's with the same weights, none of them where training starts."""
    torch.manual_seed(0)
    ours: nn.Module = importlib.import_module(f"model.{network}").Model(**_PUBLISHED[network])
    with torch.no_grad():
        for name, tensor in [*ours.named_parameters(), *ours.named_buffers()]:
            if name.endswith("A_res"):
                tensor.uniform_(-0.05, 0.05)
            elif name.endswith("running_var"):
                tensor.uniform_(0.5, 1.5)
            elif name.endswith("running_mean"):
                tensor.normal_(0, 0.1)
    for name in [name for name in sys.modules if name.partition(".")[0] in ("model", "graph")]:
        del sys.modules[name]  # the peer has packages of the same names
    os.chdir(peer)
    sys.path.insert(0, peer)
    theirs: nn.Module = importlib.import_module(f"model.{network}").Model(**_PUBLISHED[network])
    theirs.load_state_dict(ours.state_dict())
    for name, fixed in [(n.removesuffix(".A"), b) for n, b in ours.named_buffers() if n.endswith(".A")]:
        module = theirs.get_submodule(name)  # whose graphs are no buffers, and off by a last bit of float32
        module.__dict__["A_powers" if "A_powers" in module.__dict__ else "A_scales"] = fixed.flatten(0, 1).clone()
    fuse(ours)
    return theirs, ours


def made_batch(clips: int, frames: int, absent: float) -> Tensor:
    """Made clips (N, 3, T, 25, 2), a share ``absent`` of them without a second body."""
    x = torch.randn(clips, 3, frames, 25, 2, generator=torch.Generator().manual_seed(1))
    x[: round(clips * absent), ..., 1] = 0
    return x


def step(model: nn.Module, x: Tensor) -> Tensor:
    """Logits; in training mode with a gradient of every weight."""
    if not model.training:
        with torch.no_grad():
            return model(x)  # type: ignore[no-any-return]
    model.zero_grad()
    logits: Tensor = model(x)
    F.cross_entropy(logits, torch.arange(len(x)) % logits.shape[1]).backward()
    return logits.detach()


def equality(theirs: nn.Module, ours: nn.Module, x: Tensor) -> dict[str, float]:
    """Largest differences in float64, relative to the largest entry of each tensor, after one step.

    Of gradients that cancel to rounding errors (biases before a BatchNorm) relative to the largest of all gradients.
    """
    theirs, ours, x = theirs.double(), ours.double(), x.double()
    logits = [step(model, x) for model in (theirs, ours)]
    found = {"logits": _difference(logits[1], logits[0])}
    if theirs.training:
        pairs = [(mine.grad, its.grad) for mine, its in zip(ours.parameters(), theirs.parameters(), strict=True)]
        top = max(float(want.abs().max()) for _, want in pairs if want is not None)
        found["gradients"] = max(_difference(g, w, 1e-2 * top) for g, w in pairs if g is not None and w is not None)
        mine = ours.state_dict()
        stats = [(mine[name], want) for name, want in theirs.state_dict().items() if "running_" in name]
        found["statistics"] = max(_difference(got, want) for got, want in stats)
    return found


def _difference(got: Tensor, want: Tensor, least: float = 0.0) -> float:
    return float((got - want).abs().max()) / max(float(want.abs().max()), least, 1e-300)


def saved_bytes(model: nn.Module, x: Tensor) -> int:
    """What a forward pass keeps for backward, weights apart, every piece of memory once."""
    weights = {tensor.untyped_storage().data_ptr() for tensor in (*model.parameters(), *model.buffers())}
    kept: dict[int, int] = {}

    def note(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        held = model(x)
        total = sum(kept.values())
    del held
    return total


def main() -> None:
    """Measure what the first argument says."""
    order: dict[str, Any] = json.loads(sys.argv[1])
    torch.set_num_threads(1)
    if order["allocator"]:
        libc = ctypes.CDLL("libc.so.6")
        for option, value in _ALLOCATOR:
            libc.mallopt(option, value)
    theirs, ours = build(order["network"], order["peer"])
    x = made_batch(order["clips"], order["frames"], order["absent"])
    training = order["phase"] == "training"
    found: dict[str, Any] = {}
    if order["measure"] == "time":
        for model in (theirs.train(training), ours.train(training)):
            step(model, x)
        seconds: list[list[float]] = []
        for _ in range(order["pairs"]):
            pair = []
            for model in (theirs, ours):
                before = time.process_time()
                step(model, x)
                pair.append(time.process_time() - before)
            seconds.append(pair)
        found["seconds"] = seconds
    elif order["measure"] == "equality":
        theirs.load_state_dict(ours.state_dict())
        found = equality(theirs.train(training), ours.train(training), x)
    else:
        model = (theirs if order["measure"] == "peer" else ours).train(training)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        step(model, x)
        found["peak"] = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
        found["saved"] = saved_bytes(model, x) if training else 0
    print(json.dumps(found))


if __name__ == "__main__":
    main()
