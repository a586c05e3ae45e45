"""What a network changes in itself while it computes in training: running statistics, running graphs."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from engine.distributed import World, by_kind, hand_out


class RunningState:
    """The buffers of ``model`` that go with its weights, as they are before a step.

    A step that comes to nothing must leave no trace in them: one infinite batch, and a running mean stays infinite.
    """

    def __init__(self, model: nn.Module) -> None:
        self._groups = by_kind(list(_persistent_buffers(model)))
        self._kept: list[Tensor] = []

    def keep(self, world: World) -> None:
        """Remember them; the first process's are those of all (as in torch's DistributedDataParallel)."""
        for group in self._groups:
            hand_out(world, group)
        self._kept = [torch.cat([tensor.detach().flatten() for tensor in group]) for group in self._groups]

    def put_back(self) -> None:
        """Make them what they were."""
        with torch.no_grad():
            for group, flat in zip(self._groups, self._kept, strict=True):
                for tensor, part in zip(group, flat.split([t.numel() for t in group]), strict=True):
                    tensor.copy_(part.view_as(tensor))


def _persistent_buffers(model: nn.Module) -> Iterator[Tensor]:
    saved = model.state_dict()
    return (buffer for name, buffer in model.named_buffers() if name in saved)
