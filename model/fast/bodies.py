"""Bodies that are not there: computed once for all clips, exactly.

A body of zeros is the same for every clip once it is normalised, which goes by body, joint and channel: so are all its
features. One of them is computed per place m of a body; in training it counts as often in every BatchNorm as there are
such bodies, and its gradient is the sum over all of them.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from model.fast.rows import tracing
from model.normalize import standing_for

Bodies = tuple[list[int], list[int], tuple[int, ...]]


def skipping_absent(model: nn.Module, clips: Tensor, bodies: Tensor, features: Callable[[Tensor], Tensor]) -> Tensor:
    """``features`` (N·M, F) of ``bodies`` (N·M, ...), the normalised ones of ``clips`` (N, C, T, V, M) as they came.

    All bodies are computed where none can be left out: in clips of one body, where gradients of the clips themselves
    are asked for, where dropout would treat equal bodies differently, and where the network is being exported.
    """
    if tracing() or clips.shape[-1] < 2 or clips.requires_grad or _draws(model):
        return features(bodies)
    kept, place, counts = distinct(clips)
    if len(kept) == len(bodies):
        return features(bodies)
    with standing_for(counts):
        found = features(bodies[torch.tensor(kept, device=bodies.device)])
    return found[torch.tensor(place, device=bodies.device)]


def distinct(clips: Tensor) -> Bodies:
    """Which bodies n·M + m of ``clips`` (N, C, T, V, M) to compute, and where among these each of all is to be found.

    First come those that are there, or alone in not being there; then, for every place m, one for all the others: how
    many each of these last ones stands for is given too.
    """
    present = clips.ne(0).flatten(1, 3).any(dim=1).tolist()  # (N, M); on a GPU, this waits for it
    absent = [[n for n, row in enumerate(present) if not row[m]] for m in range(clips.shape[-1])]
    shared = [(m, clips_of) for m, clips_of in enumerate(absent) if len(clips_of) > 1]
    width = clips.shape[-1]
    left = {n * width + m for m, clips_of in shared for n in clips_of}
    kept = [body for body in range(len(present) * width) if body not in left]
    where = {body: place for place, body in enumerate(kept)}
    for m, clips_of in shared:
        where |= {n * width + m: len(kept) for n in clips_of}
        kept.append(clips_of[0] * width + m)
    return kept, [where[body] for body in range(len(where))], tuple(len(clips_of) for _, clips_of in shared)


def _draws(model: nn.Module) -> bool:
    return any(isinstance(m, nn.modules.dropout._DropoutNd) and m.training and m.p > 0 for m in model.modules())
