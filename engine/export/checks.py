"""Whether an exported file says what the networks say, and says something of its input at all."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from engine.export.plan import Plan

MOST = 1e-4
"""The largest difference of logits that is let pass, as a share of the largest logit where that is above 1."""

_SHARE = 1e-2  # of what clips differ by, that a difference may be
Run = Callable[[Sequence[Tensor]], Sequence[np.ndarray]]
"""Clips for each input in; probabilities, then logits of each stream out."""


class ParityError(Exception):
    """An exported file is not the networks that it was made of; a sentence."""


@dataclass(frozen=True)
class Parity:
    """How far a file and the networks are apart: over ``batches``, the largest difference of logits and the largest."""

    batches: int
    difference: float
    largest: float

    def __str__(self) -> str:
        apart = f"largest difference of logits {self.difference:.1e}, logits up to {self.largest:.3g}"
        return f"{apart}, in {self.batches} batches"


def check(plan: Plan, run: Run, batch: int | None, frames: int | None) -> Parity:
    """Compare ``run`` to the networks of ``plan`` on its clips, and on noise.

    ``batch`` and ``frames`` are the size and the length of the only batches that the file takes, None where they are
    free: then several are tried.

    Raises:
        ParityError: a difference above ``MOST``, or an output that does not depend on the input.
    """
    difference = largest = 0.0
    rows: list[list[np.ndarray]] = [[] for _ in plan.outputs]
    batches = batches_of(plan, batch, frames)
    for clips in batches:
        with torch.inference_mode():
            wanted = [output.numpy() for output in plan.joined(*clips)]
        found = run(clips)
        for name, ours, theirs in zip(plan.outputs, wanted, found, strict=True):
            if ours.shape != theirs.shape or not np.isfinite(theirs).all():
                raise ParityError(f"{name} is {theirs.shape}, or not finite, where the network gives {ours.shape}")
            apart, most = float(np.abs(ours - theirs).max()), float(np.abs(ours).max())
            if not apart <= MOST * max(1.0, most):
                raise ParityError(f"{name} differs by {apart:.1e} from the network's, whose largest is {most:.3g}")
            if name != "probabilities":
                difference, largest = max(difference, apart), max(largest, most)
        for kept, theirs in zip(rows, found, strict=True):
            kept.append(theirs)
    for name, kept in zip(plan.outputs[1:], rows[1:], strict=True):
        spread = float(np.ptp(np.concatenate(kept), axis=0).max())
        if spread <= max(difference / _SHARE, 1e-7):
            raise ParityError(
                f"{name} does not depend on the input: over {sum(map(len, kept))} clips it varies by {spread:.1e}, "
                f"and differs by {difference:.1e} from the network's"
            )
    return Parity(len(batches), difference, largest)


def batches_of(plan: Plan, batch: int | None, frames: int | None) -> list[list[Tensor]]:
    """What to try, one batch for each input: the clips of ``plan`` at their length and others, alone and together."""
    noise = torch.Generator().manual_seed(0)
    alike = [[torch.cat(parts)] for parts in zip(*plan.fed[:3], strict=True)] if _one_length(plan.fed[:3]) else []
    tried = [list(clips) for clips in plan.fed]
    tried += [[parts[0] for parts in alike]] if alike else []
    tried.append([torch.randn(clips.shape, generator=noise) for clips in plan.fed[0]])
    if frames is not None:
        tried = [[_of_length(clips, frames) for clips in row] for row in tried]
    else:
        first = plan.fed[0]
        for length in (first[0].shape[2] * 2, first[0].shape[2] // 2 + 1):
            tried.append([_of_length(clips, length) for clips in first])
    if batch is None:
        return tried
    return [
        [part[_cycle(start, batch, len(part))] for part in row]
        for row in tried
        for start in range(0, len(row[0]), batch)
    ]


def _one_length(fed: Sequence[Sequence[Tensor]]) -> bool:
    return len({tuple(clips.shape[1:3]) for row in fed for clips in row[:1]}) == 1


def _of_length(clips: Tensor, frames: int) -> Tensor:
    """Clips played again from their first frame, or cut short: (N, C, T, V, M) -> (N, C, frames, V, M)."""
    return clips[:, :, _cycle(0, frames, clips.shape[2])]


def _cycle(start: int, count: int, length: int) -> Tensor:
    return (torch.arange(count) + start) % length
