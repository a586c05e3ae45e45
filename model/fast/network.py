"""The networks, faster: absent bodies computed once, and in evaluation few bodies at a time."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from model import dgstgcn, msagcn, msg3d, mstgcn
from model.fast.bodies import skipping_absent
from model.fast.rows import one_pass, tracing

_FRAMES = 400  # of all bodies that are evaluated together on a CPU: their features fit into its cache


class FastNetwork:
    """Mixed into a network: the same numbers, same weights; its operators are to be the fast ones (``model.fuse``).

    Shapes: (N, C, T, V, M) -> logits (N, num_class).
    """

    bodies: Callable[[Tensor], Tensor]
    classify: Callable[[Tensor, int], Tensor]
    bodies_apart = True  # whether the features of a body are, in evaluation, its own affair

    def forward(self, x: Tensor) -> Tensor:
        assert isinstance(self, nn.Module)
        features = skipping_absent(self, x, self.bodies(x), self.features)
        return self.classify(features, x.shape[0])

    def features(self, x: Tensor) -> Tensor:
        assert isinstance(self, nn.Module)
        plain: Callable[[Tensor], Tensor] = super().features  # type: ignore[misc]
        if self.training or torch.is_grad_enabled() or x.device.type != "cpu" or tracing():
            return plain(x)
        with one_pass():
            at_once = max(1, _FRAMES // x.shape[2]) if self.bodies_apart else len(x)
            return torch.cat([plain(some) for some in x.split(at_once)])


class FastMSG3D(FastNetwork, msg3d.Model):
    """MS-G3D."""


class FastMSTGCN(FastNetwork, mstgcn.Model):
    """MST-GCN."""


class FastDGSTGCN(FastNetwork, dgstgcn.Model):
    """DG-STGCN."""


class FastMSAGCN(FastNetwork, msagcn.Model):
    """MSA-GCN, one of whose graphs is drawn from all bodies of a batch."""

    bodies_apart = False
