"""How much memory a computation moves, and how much a device could move in that time."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

_COPIED = 2**28  # bytes, far more than any cache holds
_REPEATS = 10


class Traffic(TorchDispatchMode):
    """Within, ``moved`` grows by the bytes that operators read and write, each as if no cache held any of it.

    That is what has to be moved while every operator is a kernel of its own. Views move nothing, nor does memory that
    nothing is written to yet.
    """

    moved: int = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        found = func(*args, **(kwargs or {}))
        name, returns = func._schema.name.partition("::")[2], func._schema.returns
        if "empty" in name or (returns and all(r.alias_info and not r.alias_info.is_write for r in returns)):
            return found
        shape_alone = name.startswith("new_") or name.endswith("_like")
        self.moved += sum(_size(leaf) for leaf in tree_leaves(found if shape_alone else (args, kwargs, found)))
        return found


def _size(leaf: Any) -> int:
    """Bytes of a tensor, of which an expanded one has fewer than entries."""
    if not isinstance(leaf, Tensor):
        return 0
    distinct = 1
    for length, stride in zip(leaf.shape, leaf.stride(), strict=True):
        distinct *= length if stride else min(length, 1)
    return distinct * leaf.element_size()


def moved_by(step: Callable[[], Any]) -> int:
    """Bytes that ``step`` moves."""
    with Traffic() as traffic:  # type: ignore[no-untyped-call]
        step()
    return int(traffic.moved)


def bandwidth(device: torch.device) -> float:
    """Bytes per second that ``device`` moves when it copies a large tensor: read and written."""
    source = torch.zeros(_COPIED // 4, device=device)
    target = torch.empty_like(source)
    finish(device)
    best = 0.0
    for _ in range(_REPEATS):
        start = time.perf_counter()
        target.copy_(source)
        finish(device)
        best = max(best, 2 * _COPIED / (time.perf_counter() - start))
    return best


def finish(device: torch.device) -> None:
    """Wait for what ``device`` was given to do."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
