"""Trained networks of several streams as one, for export: clips in, fused probabilities and logits out."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from clips.streams import MERGED


class Derived(nn.Module):
    """A stream of joint clips, as ``clips.streams.derive`` makes it where scores are subtracted like coordinates.

    Shapes: (N, C, T, V, M) -> the same, or 2C channels of a merged stream.
    """

    def __init__(self, stream: str, bone_pairs: Sequence[tuple[int, int]], joints: int) -> None:
        super().__init__()
        self.parts = MERGED.get(stream, (stream,))
        ends = dict(bone_pairs)
        paired = torch.tensor([float(joint in ends) for joint in range(joints)])
        self.register_buffer("paired", paired[:, None], persistent=False)
        self.register_buffer(
            "ends", torch.tensor([ends.get(joint, joint) for joint in range(joints)]), persistent=False
        )

    paired: Tensor
    ends: Tensor

    def forward(self, x: Tensor) -> Tensor:
        made = []
        for part in self.parts:
            y = x if part in ("joint", "joint_motion") else x - x.index_select(3, self.ends) * self.paired
            if "motion" in part:
                y = torch.cat([y[:, :, 1:] - y[:, :, :-1], torch.zeros_like(y[:, :, :1])], dim=2)
            made.append(y)
        return torch.cat(made, dim=1) if len(made) > 1 else made[0]


class Joined(nn.Module):
    """Networks whose probabilities are averaged with ``weights``; each has clips of its own, or one ``derive`` makes.

    With ``derive``, a ``Derived`` for each network, one batch of joint clips serves all.

    Shapes: (N, C, T, V, M) for each -> probabilities (N, num_class), then logits (N, num_class) of each.
    """

    def __init__(
        self, models: Sequence[nn.Module], weights: Sequence[float], derive: Sequence[nn.Module] | None = None
    ) -> None:
        super().__init__()
        self.models = nn.ModuleList(models)
        self.derive = nn.ModuleList(derive or ())
        self.weights = [weight / sum(weights) for weight in weights]

    def forward(self, *clips: Tensor) -> tuple[Tensor, ...]:
        every = [derive(clips[0]) for derive in self.derive] if len(self.derive) else clips
        logits = [model(some) for model, some in zip(self.models, every, strict=True)]
        fused = sum(row.softmax(dim=1) * weight for row, weight in zip(logits, self.weights, strict=True))
        assert isinstance(fused, Tensor)
        return fused, *logits
