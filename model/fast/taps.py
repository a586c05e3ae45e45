"""The temporal branches of MS-TCN as sums of shifted matrix products, and their gradients.

A dilated convolution of kernel 3 is three products, each on the frames d earlier, here, and d later. With the frames of
a clip held as planes, one for each remainder of t by the stride, zeros around, every such set of frames is one block of
memory: nothing is copied, and every product adds to the branch's own channels of the output.
"""

from __future__ import annotations

import torch
from torch import Tensor

from model.ms_tcn import DILATIONS

_MARGIN = max(DILATIONS)


class Planes:
    """The ``frames`` of one clip, (V, width) each, zeros beyond the ends; every ``stride``-th is a centre.

    ``like`` gives the number of joints V, type and device.
    """

    def __init__(self, like: Tensor, width: int, frames: int, stride: int) -> None:
        self.stride = stride
        self.centres = -(-frames // stride)
        whole = (self.centres + 2 * _MARGIN, like.shape[-2], width)
        self.whole = [like.new_zeros(whole) for _ in range(stride)]
        self.inside = [
            plane[_MARGIN : _MARGIN + len(range(first, frames, stride))] for first, plane in enumerate(self.whole)
        ]

    def at(self, offset: int, channels: slice) -> Tensor:
        """``channels`` of the frames ``offset`` after every centre, a view (T', V, channels)."""
        start = _MARGIN + offset // self.stride
        return self.whole[offset % self.stride][start : start + self.centres, :, channels]

    def put(self, frames: Tensor) -> None:
        """Frames (T, V, C) in the order of ``by_plane``."""
        for plane, some in zip(self.inside, frames.split([len(plane) for plane in self.inside]), strict=True):
            plane.copy_(some)

    def clear(self) -> None:
        for plane in self.whole:
            plane.zero_()


def by_plane(x: Tensor, stride: int) -> Tensor:
    """(N, T, V, C) with the frames of one remainder after those of the one before."""
    return x if stride == 1 else torch.cat([x[:, first::stride] for first in range(stride)], dim=1)


def in_time(x: Tensor, stride: int) -> Tensor:
    """Undo ``by_plane``."""
    if stride == 1:
        return x
    out, start = torch.empty_like(x), 0
    for first in range(stride):
        frames = len(range(first, x.shape[1], stride))
        out[:, first::stride] = x[:, start : start + frames]
        start += frames
    return out


def add_branches(y: Planes, kernels: Tensor, out: Tensor) -> None:
    """Add to the first channels of ``out`` (T', V, O) the branches' convolutions by ``kernels`` (branch, tap, b, b)."""
    for branch, dilation in enumerate(DILATIONS):
        mine = slice(branch * kernels.shape[2], (branch + 1) * kernels.shape[2])
        for tap in range(3):
            _flat(out[..., mine]).addmm_(_flat(y.at((tap - 1) * dilation, mine)), kernels[branch, tap])


def pooled(y: Planes, channels: slice) -> Tensor:
    """Maximum over three frames, of values that are nowhere negative: zeros beyond the ends change nothing."""
    before, here, after = (y.at(offset, channels) for offset in (-1, 0, 1))
    return torch.maximum(torch.maximum(before, here), after)


def branches_back(y: Planes, kernels: Tensor, d_out: Tensor, dy: Planes, d_kernels: Tensor) -> None:
    """Add to ``dy`` and ``d_kernels`` what ``d_out`` (T', V, 5b) of the branches and of the pool brings.

    The pool's goes to the first of equal frames (as MaxPool2d's does). Where that is a zero beyond an end, or any other
    zero, ReLU lets nothing through.
    """
    b = kernels.shape[2]
    for branch, dilation in enumerate(DILATIONS):
        mine = slice(branch * b, (branch + 1) * b)
        d = _flat(d_out[..., mine])
        for tap in range(3):
            offset = (tap - 1) * dilation
            _flat(dy.at(offset, mine)).addmm_(d, kernels[branch, tap].t())
            d_kernels[branch, tap].addmm_(_flat(y.at(offset, mine)).t(), d)
    last = slice(4 * b, 5 * b)
    left, most = d_out[..., last], pooled(y, last)
    for offset in (-1, 0, 1):
        hit = y.at(offset, last) == most
        dy.at(offset, last).add_(left * hit)
        left = left * ~hit


def _flat(x: Tensor) -> Tensor:
    """(T, V, C) -> (T·V, C), a view."""
    return x.view(-1, x.shape[2])
