"""One measurement of ``benchmarks.speed``, in a process of its own: reads what to do as JSON, prints what it found."""

from __future__ import annotations

import copy
import json
import resource
import sys
import time
from collections.abc import Iterable
from functools import partial
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


def equality(theirs: nn.Module, ours: nn.Module, x: Tensor) -> dict[str, tuple[float, float]]:
    """How far ours and theirs, each, are in float64 after one step from theirs with sums of BatchNorm done better.

    torch's own adds up tens of thousands of values one after the other, and moves gradients by up to 1e-11.

    Differences are the largest ones, relative to the largest entry of each tensor. Of gradients that cancel (biases
    before a BatchNorm, sums over everything) relative to a tenth of the largest of all; of running means relative to
    the deviation around them.
    """
    theirs, ours, x = theirs.double(), ours.double(), x.double()
    better = copy.deepcopy(theirs)
    for norm in better.modules():
        if isinstance(norm, nn.BatchNorm1d | nn.BatchNorm2d):
            norm.forward = partial(_normalized, norm)  # type: ignore[method-assign]
    wanted, *others = (_results(model, x) for model in (better, ours, theirs))
    mine, its_own = (_apart(found, wanted) for found in others)
    return {name: (mine[name], its_own[name]) for name in mine}


def _normalized(norm: Any, x: Tensor) -> Tensor:
    """What BatchNorm is defined as, in sums that torch adds up in pairs."""
    if not norm.training:
        return F.batch_norm(x, norm.running_mean, norm.running_var, norm.weight, norm.bias, False, 0.0, norm.eps)
    var, mean = torch.var_mean(x, [d for d in range(x.dim()) if d != 1], correction=0)
    count = x.numel() / x.shape[1]
    with torch.no_grad():
        norm.running_mean.lerp_(mean, norm.momentum)
        norm.running_var.lerp_(var * count / (count - 1), norm.momentum)
    rate = torch.rsqrt(var + norm.eps)
    mean, rate, weight, bias = (v.view(-1, *[1] * (x.dim() - 2)) for v in (mean, rate, norm.weight, norm.bias))
    return (x - mean) * rate * weight + bias


Results = tuple[Tensor, dict[str, Tensor], dict[str, Tensor]]
"""Logits, gradients and running statistics; the latter two are empty in evaluation."""


def _results(model: nn.Module, x: Tensor) -> Results:
    logits = step(model, x)
    if not model.training:
        return logits, {}, {}
    gradients = {name: w.grad for name, w in _by_our_names(model.named_parameters()).items() if w.grad is not None}
    buffers = _by_our_names(model.named_buffers())
    return logits, gradients, {name: tensor for name, tensor in buffers.items() if "running_" in name}


def _apart(found: Results, wanted: Results) -> dict[str, float]:
    (logits, gradients, statistics), (its_logits, its_gradients, its_statistics) = found, wanted
    apart = {"logits": _difference(logits, its_logits)}
    if its_gradients:
        top = max(float(gradient.abs().max()) for gradient in its_gradients.values())
        both = gradients.keys() & its_gradients.keys()
        apart["gradients"] = max(_difference(gradients[n], its_gradients[n], 1e-1 * top) for n in both)
        deviations = {n: float(its_statistics[n.replace("_mean", "_var")].max()) ** 0.5 for n in its_statistics}
        apart["statistics"] = max(_difference(statistics[n], its_statistics[n], deviations[n]) for n in its_statistics)
    return apart


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
