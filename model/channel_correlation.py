"""How channels tell joints apart, averaged over all bodies of a batch: MSA-GCN's context across sequences."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from model.batch_mean import BatchMean, mean_over_bodies

QUARTERS = 4
MOMENTUM = 0.1


class ChannelCorrelation(nn.Module):
    """G = the mean of alpha·sigmoid(u[v] - u[w]), u being features averaged over time ("Channelcorrelation").

    ``conv4`` is in the published weights and never used.

    Args:
        in_channels, out_channels: of the features.
        num_joints: V.
        context: ``batch`` takes the mean over the bodies of the batch at hand, as released, in testing too: a clip's
            scores then depend on those tested with it. ``ema`` does so in training only, keeps a running mean in the
            buffer ``G_run``, and tests with that.
        corr: ``mean`` averages over channels too, as released; ``per_channel`` does not.

    Shapes: (B, in_channels, T, V) -> (V, V), or (out_channels, V, V) for ``per_channel``.
    """

    G_run: Tensor

    def __init__(
        self, in_channels: int, out_channels: int, num_joints: int, *, context: str = "batch", corr: str = "mean"
    ) -> None:
        super().__init__()
        self.running, self.per_channel = context == "ema", corr == "per_channel"
        self.alpha = nn.Parameter(torch.ones(QUARTERS))
        self.conv3 = nn.Conv2d(in_channels, out_channels, kernel_size=1)
        self.conv4 = nn.Conv2d(in_channels // QUARTERS, out_channels, kernel_size=1)
        self.over_batch = BatchMean()
        if self.running:
            shape = (out_channels, num_joints, num_joints) if self.per_channel else (num_joints, num_joints)
            self.register_buffer("G_run", torch.full(shape, 0.5))  # alpha = 1 and nothing to tell apart

    def forward(self, x: Tensor) -> Tensor:
        if self.running and not self.training:
            return self.G_run
        u = self.conv3(x.mean(dim=2, keepdim=True)).squeeze(2).unflatten(1, (QUARTERS, -1))  # (B, Q, C / Q, V)
        quarters = []
        for a, q in zip(self.alpha, u.unbind(dim=1), strict=True):  # (B, C, V, V) is the largest tensor of the network
            apart = (q.unsqueeze(-1) - q.unsqueeze(-2)).sigmoid()  # (B, C / Q, V, V)
            quarters.append(a * mean_over_bodies(apart if self.per_channel else apart.mean(dim=1)))
        graph = self.over_batch(torch.cat(quarters) if self.per_channel else torch.stack(quarters).mean(dim=0))
        if self.running:
            with torch.no_grad():
                self.G_run.lerp_(graph.to(self.G_run.dtype), MOMENTUM)
        return graph
