"""MS-G3D, faster: absent bodies computed once, and in evaluation few bodies at a time."""

from __future__ import annotations

import torch
from torch import Tensor

from model.bodies import skipping_absent
from model.msg3d import Model
from model.rows import one_pass, tracing

_FRAMES = 200  # of all bodies that are evaluated together on a CPU: their features fit into its cache


class FastModel(Model):
    """The same numbers as ``Model``, same weights; its operators are to be the fast ones (``model.fuse``).

    Shapes: (N, C, T, V, M) -> logits (N, num_class).
    """

    def forward(self, x: Tensor) -> Tensor:
        features = skipping_absent(self, x, self.bodies(x), self.features)
        return self.classify(features, len(x))

    def features(self, x: Tensor) -> Tensor:
        plain = super().features
        if self.training or torch.is_grad_enabled() or x.device.type != "cpu" or tracing():
            return plain(x)
        with one_pass():
            return torch.cat([plain(some) for some in x.split(max(1, _FRAMES // x.shape[2]))])
