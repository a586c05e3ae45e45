"""DG-TCN: groups of channels with different receptive fields in time, on joints and on the whole skeleton at once.

DG-STGCN, section 3.3.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from errors import InputError
from model.outline import outline
from model.temporal_conv import FrameConv, FramewiseConv

PUBLISHED: tuple[Any, ...] = ((3, 1), (3, 2), (3, 3), (3, 4), ("max", 3), "1x1")
"""The published branches: (kernel size, dilation), ("max", size of the pool), or "1x1"."""


class DynamicGroupTemporalConv(nn.Module):
    """Branches side by side, on the joints and on their mean as one more joint (joint-skeleton fusion).

    Args:
        in_channels, out_channels: of the features; the first branch gets what the division leaves over.
        stride: of time.
        num_joints: joints that the weights have a fusion coefficient for, at least V. The published networks have 25
            whatever the skeleton.
        dropout: share of values dropped at the end.
        ms_cfg: the branches, as ``PUBLISHED`` writes them.

    Shapes: (N, in_channels, T, V) -> (N, out_channels, ceil(T / stride), V).

    Raises:
        InputError: a branch that is none, or more branches than channels.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        stride: int = 1,
        num_joints: int = 25,
        dropout: float = 0.0,
        ms_cfg: Sequence[Any] = PUBLISHED,
    ) -> None:
        super().__init__()
        width = out_channels // len(ms_cfg) if ms_cfg else 0
        if width < 1:
            raise InputError(f"model_args: tcn_ms_cfg has {len(ms_cfg)} branches for {out_channels} channels")
        widths = [out_channels - width * (len(ms_cfg) - 1), *[width] * (len(ms_cfg) - 1)]
        self.add_coeff = nn.Parameter(torch.zeros(num_joints))
        self.branches = nn.ModuleList(
            _branch(in_channels, width, stride, branch) for width, branch in zip(widths, ms_cfg, strict=True)
        )
        self.transform = nn.Sequential(
            nn.BatchNorm2d(out_channels), nn.ReLU(), nn.Conv2d(out_channels, out_channels, kernel_size=1)
        )
        self.bn = nn.BatchNorm2d(out_channels)
        self.drop = nn.Dropout(dropout)
        self.built = outline(self)

    def forward(self, x: Tensor) -> Tensor:
        joints = x.shape[3]
        x = torch.cat([x, x.mean(dim=3, keepdim=True)], dim=3)  # (N, C, T, V + 1)
        y = torch.cat([branch(x) for branch in self.branches], dim=1)
        local, whole = y.split([joints, 1], dim=3)
        return self.drop(self.bn(self.transform(local + whole * self.add_coeff[:joints])))


class _UnitConv(nn.Module):
    """A convolution over time under the name that the published weights give it."""

    def __init__(self, channels: int, kernel_size: int, *, stride: int, dilation: int) -> None:
        super().__init__()
        self.conv = FrameConv(channels, channels, kernel_size, stride=stride, dilation=dilation)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x)


def _branch(in_channels: int, width: int, stride: int, branch: Any) -> nn.Module:
    if branch == "1x1":
        return FramewiseConv(in_channels, width, step=stride)
    if not isinstance(branch, list | tuple) or len(branch) != 2 or not _fits(*branch):
        raise InputError(
            f"model_args: tcn_ms_cfg holds {branch!r}, wanted [kernel size, dilation], [max, size] or 1x1, sizes odd"
        )
    reduce = [nn.Conv2d(in_channels, width, kernel_size=1), nn.BatchNorm2d(width), nn.ReLU()]
    kind, number = branch
    if kind == "max":
        pool = nn.MaxPool2d(kernel_size=(number, 1), stride=(stride, 1), padding=(number // 2, 0))
        return nn.Sequential(*reduce, pool)
    return nn.Sequential(*reduce, _UnitConv(width, kind, stride=stride, dilation=number))


def _fits(kind: Any, number: Any) -> bool:
    size = number if kind == "max" else kind
    return isinstance(size, int) and size % 2 == 1 and size > 0 and isinstance(number, int) and number > 0
