"""Convolutions over time, and the maximum over frames, as products and sums of shifted views.

In memory (C, T, J) a shift in time is a shift in memory. With zeros around the frames, and those of every remainder of
t by the stride on their own, the frames a fixed time from every centre are one block for each channel: a matrix that
nothing has to be copied for.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor


class Reach(NamedTuple):
    """A convolution, or the pool at the end, over ``size`` frames, ``dilation`` apart, of ``width`` channels."""

    size: int
    dilation: int
    width: int


class Planes:
    """The ``frames`` of one body, zeros beyond the ends; every ``stride``-th is a centre.

    Channels lie in the order of ``reaches``. ``views`` has for each of these its channels and, for each of its taps,
    the frames it sees, (width, T'·J).
    """

    def __init__(self, like: Tensor, frames: int, joints: int, stride: int, reaches: Sequence[Reach]) -> None:
        margin = max(-(-(reach.size // 2) * reach.dilation // stride) for reach in reaches)
        width = sum(reach.width for reach in reaches)
        self.stride = stride
        self.centres = -(-frames // stride)
        self.whole = [like.new_zeros(width, self.centres + 2 * margin, joints) for _ in range(stride)]
        self.inside = [
            plane[:, margin : margin + len(range(first, frames, stride))] for first, plane in enumerate(self.whole)
        ]
        self.views: list[tuple[slice, list[Tensor]]] = []
        start = 0
        for size, dilation, width in reaches:
            channels, seen = slice(start, start + width), []
            for offset in range(-(size // 2) * dilation, size // 2 * dilation + 1, dilation):
                first = margin + offset // stride
                seen.append(self.whole[offset % stride][channels, first : first + self.centres].flatten(1))
            self.views.append((channels, seen))
            start += width

    def put(self, frames: Tensor) -> None:
        """Frames (C, T, J), what is negative as zero."""
        for first, plane in enumerate(self.inside):
            torch.clamp_min(frames[:, first :: self.stride], 0, out=plane)

    def take(self, let_through: Tensor, out: Tensor) -> None:
        """The frames, as ``out`` (C, T, J), where ``let_through`` is positive; zero elsewhere."""
        for first, plane in enumerate(self.inside):
            mine = slice(first, None, self.stride)
            torch.ops.aten.threshold_backward.grad_input(plane, let_through[:, mine], 0, grad_input=out[:, mine])

    def clear(self) -> None:
        for plane in self.whole:
            plane.zero_()


Products = list[tuple[Tensor, Tensor, Tensor]]
"""Matrices (a, c), (a, b), (b, c): the product of the latter two is added to the first."""


def convolution(y: Planes, kernels: Sequence[Tensor], out: Tensor) -> Products:
    """``kernels``, each with its taps (size, b, b), on the frames of ``y``, whatever these will be: (C, T'·J)."""
    return [
        (out[channels], tap, view)
        for (channels, seen), kernel in zip(y.views, kernels, strict=False)
        for tap, view in zip(kernel, seen, strict=True)
    ]


def convolution_back(
    y: Planes, turned: Sequence[Tensor], d_out: Tensor, dy: Planes, d_turned: Sequence[Tensor]
) -> Products:
    """What ``d_out`` (C, T'·J) brings to ``dy``, and to the kernels, whose taps are ``turned``: (size, b in, b out)."""
    found: Products = []
    for (channels, seen), (_, d_seen), kernel, d_kernel in zip(y.views, dy.views, turned, d_turned, strict=False):
        d = d_out[channels]
        for view, d_view, tap, d_tap in zip(seen, d_seen, kernel, d_kernel, strict=True):
            found += [(d_tap, view, d.t()), (d_view, tap, d)]
    return found


def add(products: Products) -> None:
    """All of them, to what is there."""
    for total, left, right in products:
        total.addmm_(left, right)


def pooled(y: Planes) -> Tensor:
    """Maximum over the last branch's frames, (b, T'·J). Nothing is negative: zeros beyond the ends change nothing."""
    most, *others = y.views[-1][1]
    for view in others:
        most = torch.maximum(most, view)
    return most


def pooled_back(y: Planes, d_out: Tensor, dy: Planes) -> None:
    """Add to ``dy`` what ``d_out`` (C, T'·J) brings: to the first of equal frames, as MaxPool2d does.

    Where that is a zero beyond an end, or any other zero, ReLU lets nothing through.
    """
    most, (channels, seen) = pooled(y), y.views[-1]
    left = d_out[channels]
    for view, d_view in zip(seen, dy.views[-1][1], strict=True):
        missed = torch.ops.aten.threshold_backward(left, most - view, 0)
        d_view.add_(left).sub_(missed)
        left = missed
