"""Graph convolution over windows of frames, multiplied out in the order that is fastest, forward and backward.

Z[r, h] = sum over scales k, joints u and channels c of A_k[r, u] x[u, c] W[h, k, c], where r and u are joints of a
window of frames. Which sum comes first changes nothing but the work. Every form walks over pieces of the clips whose
intermediate results stay in the processor's cache; backward computes these again instead of keeping them.

Tensors are rows: x (N, T, V, C), every joint's channels side by side, and Z (N, T', V, window·H), the frames of a
window side by side, so that what collapses the window is one matrix product.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from model.fast.matmul import add_product, product, products, products_back


@dataclass(frozen=True)
class Product:
    """One form; windows of ``window`` frames around every ``stride``-th frame of x, beyond whose ends all is zero."""

    scales: int
    window: int = 1
    stride: int = 1

    in_cache = 2**21
    """Bytes in between at once."""

    def arranged(self, adjacency: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
        """Adjacency (K, window·V, window·V) and weight (H, K·C) as the form wants them; autograd goes through."""
        raise NotImplementedError

    def piece(self, clip: Tensor, frames: slice, a: Tensor, w: Tensor, z: Tensor) -> None:
        """Z of the windows over ``frames`` of ``clip`` (T, V, C), into ``z`` (windows, V, window·H)."""
        raise NotImplementedError

    def piece_back(
        self, clip: Tensor, frames: slice, a: Tensor, w: Tensor, dz: Tensor, d_clip: Tensor, da: Tensor, dw: Tensor
    ) -> None:
        """Add to the gradients of ``clip``, ``a`` and ``w`` what ``dz`` (windows, V, window·H) brings."""
        raise NotImplementedError

    def between(self, a: Tensor, w: Tensor) -> int:
        """How many numbers a window has in between."""
        raise NotImplementedError

    @property
    def margin(self) -> int:
        """How many frames of zeros ``clips`` puts before the first frame and behind the last."""
        return self.window // 2

    def clips(self, x: Tensor) -> Tensor:
        """What ``pieces`` are counted in: x (N, T, V, C) with margins; as one clip where windows are frames."""
        if self.window == self.stride == 1:
            return x.flatten(0, 1)[None]
        return F.pad(x, (0, 0, 0, 0, self.margin, self.margin)) if self.margin else x

    def windows(self, clips: Tensor) -> int:
        """T' of ``clips``."""
        return (clips.shape[1] - self.window) // self.stride + 1

    def pieces(self, clips: Tensor, a: Tensor, w: Tensor) -> Iterator[tuple[int, slice, slice]]:
        """(clip, frames with margins, windows) of every piece of ``clips``."""
        size = max(1, self.in_cache // (self.between(a, w) * clips.element_size()))
        windows = self.windows(clips)
        for clip in range(len(clips)):
            for first in range(0, windows, size):
                last = min(first + size, windows)
                frames = slice(first * self.stride, (last - 1) * self.stride + self.window)
                yield clip, frames, slice(first, last)

    def forward(self, x: Tensor, a: Tensor, w: Tensor, width: int, finish: Callable[[Tensor], Any] = id) -> Tensor:
        """Z of x (N, T, V, C), of which ``finish`` may change every piece; ``width`` is H."""
        clips = self.clips(x)
        z = x.new_empty(len(clips), self.windows(clips), x.shape[2], self.window * width)
        for clip, frames, windows in self.pieces(clips, a, w):
            self.piece(clips[clip], frames, a, w, z[clip, windows])
            finish(z[clip, windows])
        return z.view(len(x), -1, *z.shape[2:])

    def backward(self, x: Tensor, a: Tensor, w: Tensor, dz: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The gradients of x, a and w."""
        clips = self.clips(x)
        dz = dz.reshape(len(clips), -1, *dz.shape[2:])
        dx, da, dw = torch.zeros_like(clips), torch.zeros_like(a), torch.zeros_like(w)
        for clip, frames, windows in self.pieces(clips, a, w):
            self.piece_back(clips[clip], frames, a, w, dz[clip, windows], dx[clip], da, dw)
        return dx[:, self.margin : dx.shape[1] - self.margin].reshape(x.shape), da, dw


class AggregateFirst(Product):
    """Frames alone: Y = A x, rows (joint, scale), which as (V, K·C) meets W in one product. The least work back."""

    def arranged(self, adjacency: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
        return adjacency.transpose(0, 1).flatten(0, 1).contiguous(), weight  # (V·K, V), (H, K·C)

    def between(self, a: Tensor, w: Tensor) -> int:
        return a.shape[1] * w.shape[1]

    def aggregated(self, frames: Tensor, a: Tensor, w: Tensor) -> Tensor:
        return torch.bmm(a.expand(len(frames), -1, -1), frames).view(-1, w.shape[1])

    def piece(self, clip: Tensor, frames: slice, a: Tensor, w: Tensor, z: Tensor) -> None:
        product(self.aggregated(clip[frames], a, w), w.t(), out=z.view(-1, len(w)))

    def piece_back(
        self, clip: Tensor, frames: slice, a: Tensor, w: Tensor, dz: Tensor, d_clip: Tensor, da: Tensor, dw: Tensor
    ) -> None:
        x, dz = clip[frames], dz.reshape(-1, len(w))
        add_product(dw, dz.t(), self.aggregated(x, a, w))
        dy = product(dz, w).view(len(x), len(a), -1)
        torch.bmm(a.t().expand(len(x), -1, -1), dy, out=d_clip[frames])
        da += torch.bmm(dy, x.transpose(1, 2)).sum(0)


class MixFirst(Product):
    """Y = x W on frames, which several windows share; then Z = A Y, a window being Y's rows (frame, joint, scale)."""

    in_cache = 2**22  # frames at the ends of a piece are mixed twice

    def arranged(self, adjacency: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
        k, rows, columns = adjacency.shape
        a = adjacency.view(k, self.window, -1, columns).permute(2, 1, 3, 0).reshape(rows, columns * k)
        w = weight.view(len(weight), k, -1).transpose(0, 1).flatten(0, 1).contiguous()
        return a, w  # (V·window, window·V·K), (K·H, C)

    def between(self, a: Tensor, w: Tensor) -> int:
        return self.stride * len(a) // self.window * len(w)

    def mixed(self, clip: Tensor, frames: slice, a: Tensor, w: Tensor) -> tuple[Tensor, Tensor]:
        """Y (F, V·K, H), and its overlapping windows (windows, window·V·K, H) in the same memory."""
        y = product(clip[frames].flatten(0, 1), w.t()).view(-1, clip.shape[1] * self.scales, len(w) // self.scales)
        windows = (len(y) - self.window) // self.stride + 1
        over = y.as_strided((windows, a.shape[1], y.shape[2]), (self.stride * y.stride(0), y.stride(1), 1))
        return y, over

    def piece(self, clip: Tensor, frames: slice, a: Tensor, w: Tensor, z: Tensor) -> None:
        _, windows = self.mixed(clip, frames, a, w)
        products(a, windows, z.view(len(windows), len(a), -1))

    def piece_back(
        self, clip: Tensor, frames: slice, a: Tensor, w: Tensor, dz: Tensor, d_clip: Tensor, da: Tensor, dw: Tensor
    ) -> None:
        y, windows = self.mixed(clip, frames, a, w)
        dy = torch.zeros_like(y)
        products_back(
            a, windows, dz.reshape(len(windows), len(a), -1), da, dy.as_strided(windows.shape, windows.stride())
        )
        dy = dy.view(-1, len(w))
        add_product(d_clip[frames].flatten(0, 1), dy, w)
        add_product(dw, dy.t(), clip[frames].flatten(0, 1))


class FewChannels(Product):
    """Where C is far below H: one product of A with the channels of all windows as rows, then one with W."""

    def arranged(self, adjacency: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
        k, rows, columns = adjacency.shape
        a = adjacency.view(k, self.window, -1, columns).permute(2, 1, 0, 3).reshape(-1, columns)
        w = weight.view(len(weight), k, -1).transpose(1, 2).flatten(1).contiguous()
        return a, w  # (V·window·K, window·V), (H, C·K)

    def between(self, a: Tensor, w: Tensor) -> int:
        return len(a) // self.scales * (2 * w.shape[1] + len(w))

    def aggregated(self, frames: Tensor, a: Tensor, w: Tensor) -> tuple[Tensor, Tensor]:
        """Windows with every channel a row (windows·C, window·V), and A times these, (windows·V·window, C·K)."""
        c = frames.shape[2]
        rows = frames.permute(2, 0, 1).unfold(1, self.window, self.stride)  # (C, windows, V, window)
        rows = rows.permute(1, 0, 3, 2).reshape(-1, a.shape[1])
        y = product(rows, a.t()).view(-1, c, len(a) // self.scales, self.scales)
        return rows, y.transpose(1, 2).reshape(-1, w.shape[1])

    def piece(self, clip: Tensor, frames: slice, a: Tensor, w: Tensor, z: Tensor) -> None:
        product(self.aggregated(clip[frames], a, w)[1], w.t(), out=z.view(-1, len(w)))

    def piece_back(
        self, clip: Tensor, frames: slice, a: Tensor, w: Tensor, dz: Tensor, d_clip: Tensor, da: Tensor, dw: Tensor
    ) -> None:
        rows, y = self.aggregated(clip[frames], a, w)
        dz = dz.reshape(-1, len(w))
        add_product(dw, dz.t(), y)
        v, c = clip.shape[1:]
        dy = product(dz, w).view(-1, len(a) // self.scales, c, self.scales).transpose(1, 2).reshape(-1, len(a))
        add_product(da, dy.t(), rows)
        windows = product(dy, a).view(-1, c, self.window, v)
        for i in range(self.window):
            d_clip[frames][i :: self.stride][: len(windows)].add_(windows[:, :, i].transpose(1, 2))


def best_product(scales: int, window: int, stride: int, channels: int, hidden: int) -> Product:
    """The form that is fastest for C ``channels`` before and H ``hidden`` ones after."""
    if 4 * channels <= hidden:
        return FewChannels(scales, window, stride)
    return AggregateFirst(scales) if window == stride == 1 else MixFirst(scales, window, stride)
