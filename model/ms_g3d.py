"""G3D: graph convolution across space and time in sliding windows (MS-G3D, section 3.3)."""

from __future__ import annotations

import numpy as np
import torch.nn.functional as F
from torch import Tensor, nn

from graph.adjacency import window_adjacency
from model.ms_gcn import MultiScaleGraphConv
from model.outline import outline


class TemporalWindows(nn.Module):
    """Windows of ``size`` frames around every ``stride``-th frame, their joints side by side as one larger graph.

    Frames before the first and after the last are zero.

    Shapes: (N, C, T, V) -> (N, C, ceil(T / stride), size·V), joint i·V + v for frame i of the window.
    """

    def __init__(self, size: int, stride: int) -> None:
        super().__init__()
        self.size = size
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        x = F.pad(x, (0, 0, self.size // 2, self.size // 2))
        windows = x.unfold(2, self.size, self.stride)  # (N, C, T', V, size)
        return windows.transpose(3, 4).flatten(3)


class G3D(nn.Module):
    """One window size: aggregate over the window's space-time graph, then collapse the window into its centre frame.

    Shapes: (N, in_channels, T, V) -> (N, out_channels, ceil(T / stride), V).
    """

    def __init__(
        self,
        in_channels: int,
        hidden_channels: int,
        out_channels: int,
        adjacency: np.ndarray,
        num_scales: int,
        *,
        window: int,
        stride: int,
        normalization: str = "symmetric",
    ) -> None:
        super().__init__()
        self.window = window
        linked = window_adjacency(adjacency, window)
        self.gcn3d = nn.Sequential(
            TemporalWindows(window, stride),
            MultiScaleGraphConv(in_channels, hidden_channels, linked, num_scales, normalization=normalization),
        )
        self.out_conv = nn.Conv3d(hidden_channels, out_channels, kernel_size=(1, window, 1))
        self.out_bn = nn.BatchNorm2d(out_channels)
        self.built = outline(self)

    def forward(self, x: Tensor) -> Tensor:
        y = self.gcn3d(x)  # (N, hidden, T', window·V)
        y = self.out_conv(y.unflatten(3, (self.window, -1)))  # (N, out, T', 1, V)
        return self.out_bn(y.squeeze(3))


class MultiWindowG3D(nn.Module):
    """The G3D pathway of a block: one G3D per window size, summed ("MS-G3D").

    ``hidden_channels`` is the width inside a window; it defaults to ``in_channels``.

    Shapes: (N, in_channels, T, V) -> (N, out_channels, ceil(T / stride), V).
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        adjacency: np.ndarray,
        num_scales: int,
        *,
        hidden_channels: int | None = None,
        windows: tuple[int, ...] = (3, 5),
        stride: int = 1,
        normalization: str = "symmetric",
    ) -> None:
        super().__init__()
        hidden = hidden_channels or in_channels
        self.gcn3d = nn.ModuleList(
            G3D(
                in_channels,
                hidden,
                out_channels,
                adjacency,
                num_scales,
                window=window,
                stride=stride,
                normalization=normalization,
            )
            for window in windows
        )

    def forward(self, x: Tensor) -> Tensor:
        first, *rest = [g3d(x) for g3d in self.gcn3d]
        return sum(rest, start=first)
