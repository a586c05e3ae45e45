"""DG-GCN (DG-STGCN, section 3.2): graph convolution, its adjacency learned group by group and adapting to the clip."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from errors import InputError
from model.outline import outline

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "tanh": torch.tanh,
    "relu": torch.relu,
    "sigmoid": torch.sigmoid,
    "softmax": lambda scores: scores.softmax(dim=-2),  # over the joints that are gathered
}
DYNAMICS = (None, "T", "NA")


class DynamicGroupGraphConv(nn.Module):
    """K groups of channels, each gathered over its own learned adjacency plus what the clip itself suggests.

    The adjacency of group k is A[k] + alpha·D + beta·S. D tells joints apart channel by channel, act(x1[v] - x2[w])
    ("ctr", from CTR-GCN); S compares them over all channels, act(x1[v]·x2[w]) ("ada", from 2s-AGCN).

    Args:
        in_channels, out_channels: of the features.
        adjacency: the start of A (K, V, V); trained from there.
        ratio: width of a group as a share of ``out_channels``; None for 1 / K.
        ctr, ada: ``T`` makes D or S once per clip, from means over time; ``NA`` (for either) makes both anew in every
            frame; None leaves it out.
        subset_wise: a coefficient for each group instead of one for all. (All K are stored either way.)
        ctr_act, ada_act: tanh, relu, sigmoid or softmax.

    Shapes: (N, in_channels, T, V) -> (N, out_channels, T, V).

    Raises:
        InputError: an argument out of range.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        adjacency: Tensor,
        *,
        ratio: float | None = 0.25,
        ctr: str | None = "T",
        ada: str | None = "T",
        subset_wise: bool = False,
        ctr_act: str = "tanh",
        ada_act: str = "softmax",
    ) -> None:
        super().__init__()
        groups = len(adjacency)
        width = int((1 / groups if ratio is None else ratio) * out_channels)
        _check(ratio, width, ctr, ada, ctr_act, ada_act)
        self.groups, self.subset_wise = groups, subset_wise
        self.ctr, self.ada, self.ctr_act, self.ada_act = ctr, ada, ctr_act, ada_act

        self.A = nn.Parameter(adjacency.clone())
        self.alpha = nn.Parameter(torch.zeros(groups))
        self.beta = nn.Parameter(torch.zeros(groups))
        self.pre = nn.Sequential(
            nn.Conv2d(in_channels, width * groups, kernel_size=1), nn.BatchNorm2d(width * groups), nn.ReLU()
        )
        self.post = nn.Conv2d(width * groups, out_channels, kernel_size=1)
        if ctr or ada:
            self.conv1 = nn.Conv2d(in_channels, width * groups, kernel_size=1)
            self.conv2 = nn.Conv2d(in_channels, width * groups, kernel_size=1)
        self.down: nn.Module = nn.Identity()
        if in_channels != out_channels:
            self.down = nn.Sequential(nn.Conv2d(in_channels, out_channels, kernel_size=1), nn.BatchNorm2d(out_channels))
        self.bn = nn.BatchNorm2d(out_channels)
        self.built = outline(self)

    def adjacency(self, x: Tensor) -> Tensor:
        """The adjacency for ``x`` (N, C, T, V): (N, K, C', T', V, V), an axis of length 1 where it does not vary."""
        adjacency = self.A[None, :, None, None]  # (1, K, 1, 1, V, V)
        if not (self.ctr or self.ada):
            return adjacency
        u = x if "NA" in (self.ctr, self.ada) else x.mean(dim=2, keepdim=True)
        x1 = self.conv1(u).unflatten(1, (self.groups, -1))  # (N, K, C', T or 1, V)
        x2 = self.conv2(u).unflatten(1, (self.groups, -1))
        if self.ctr:
            difference = x1.unsqueeze(-1) - x2.unsqueeze(-2)
            adjacency = adjacency + ACTIVATIONS[self.ctr_act](difference) * self._coefficient(self.alpha)
        if self.ada:
            similarity = torch.einsum("nkctv,nkctw->nktvw", x1, x2).unsqueeze(2)
            adjacency = adjacency + ACTIVATIONS[self.ada_act](similarity) * self._coefficient(self.beta)
        return adjacency

    def forward(self, x: Tensor) -> Tensor:
        groups = self.pre(x).unflatten(1, (self.groups, -1))  # (N, K, C', T, V)
        adjacency = self.adjacency(x)
        y = _gather(groups, adjacency)
        return torch.relu(self.bn(self.post(y.flatten(1, 2))) + self.down(x))

    def _coefficient(self, coefficients: Tensor) -> Tensor:
        """(K,) -> (K, 1, 1, 1, 1), or the first alone."""
        return coefficients.view(-1, 1, 1, 1, 1) if self.subset_wise else coefficients[0]


def _gather(groups: Tensor, adjacency: Tensor) -> Tensor:
    """Sum over v of x[v] A[v, w]: (N, K, C', T, V) and (N, K, C' or 1, T or 1, V, V) -> (N, K, C', T, V)."""
    if adjacency.shape[3] == 1:  # one matrix for all frames
        return groups @ adjacency.squeeze(3)
    return (groups.unsqueeze(-2) @ adjacency).squeeze(-2)


def _check(ratio: float | None, width: int, ctr: str | None, ada: str | None, ctr_act: str, ada_act: str) -> None:
    if width < 1:
        raise InputError(f"model_args: gcn_ratio is {ratio}, which leaves a group no channel")
    for name, value in (("gcn_ctr", ctr), ("gcn_ada", ada)):
        if value not in DYNAMICS:
            raise InputError(f"model_args: {name} is {value!r}, wanted 'T', 'NA' or None")
    for name, value in (("gcn_ctr_act", ctr_act), ("gcn_ada_act", ada_act)):
        if value not in ACTIVATIONS:
            raise InputError(f"model_args: {name} is {value!r}, wanted one of {', '.join(ACTIVATIONS)}")
