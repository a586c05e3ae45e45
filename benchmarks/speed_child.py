"""One measurement of ``benchmarks.speed``, in a process of its own: reads what to do as JSON, prints what it found."""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Iterable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.peers import PEERS, side_by_side
from engine.allocator import keep_freed_memory
from model.fuse import fuse


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

    Of gradients that cancel (biases before a BatchNorm, sums over everything) relative to a tenth of the largest of
    all; of running means relative to the deviation around them.
    """
    theirs, ours, x = theirs.double(), ours.double(), x.double()
    logits = [step(model, x) for model in (theirs, ours)]
    found = {"logits": _difference(logits[1], logits[0])}
    if theirs.training:
        mine, its = dict(ours.named_parameters()), _by_our_names(theirs.named_parameters())
        pairs = [(mine[name].grad, its[name].grad) for name in mine]
        top = max(float(want.abs().max()) for _, want in pairs if want is not None)
        found["gradients"] = max(_difference(g, w, 1e-1 * top) for g, w in pairs if g is not None and w is not None)
        got, want = ours.state_dict(), _by_our_names(theirs.named_buffers())
        found["statistics"] = max(
            _difference(got[name], want[name], float(want[name.replace("_mean", "_var")].max()) ** 0.5)
            for name in want
            if "running_" in name
        )
    return found


def _by_our_names(named: Iterable[tuple[str, Tensor]]) -> dict[str, Tensor]:
    """Without what a peer's network is wrapped in."""
    return {name.removeprefix("backbone.").removeprefix("network."): tensor for name, tensor in named}


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
    if order["allocator"] and not keep_freed_memory():
        sys.exit("the allocator cannot be tuned: no glibc, or MALLOC_... or LD_PRELOAD in the environment")
    theirs, ours = side_by_side(PEERS[order["peer"]], order["folder"])
    fuse(ours)
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
