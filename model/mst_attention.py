"""The attentions that MST-GCN can put after a block: over parts, channels, frames, joints, or several of these."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from errors import InputError, one_of
from model.mst_common import Options


def squeeze_excite(channels: int, inner: int, out: int, *, bias: bool = True) -> nn.Sequential:
    """Pool, narrow, BatchNorm, ReLU, widen: (N, channels, T, V) -> (N, out, 1, 1)."""
    return nn.Sequential(
        nn.AdaptiveAvgPool2d(1),
        nn.Conv2d(channels, inner, kernel_size=1, bias=bias),
        nn.BatchNorm2d(inner),
        nn.ReLU(),
        nn.Conv2d(inner, out, kernel_size=1),
    )


class FrameJointAttention(nn.Module):
    """``stja``: which frames times which joints, for every channel; ``stcja``: times which channels.

    Shapes: (N, C, T, V) -> (N, C, T, V), values in (0, 1), as of all gates here unless they say otherwise.
    """

    def __init__(self, channels: int, options: Options, parts: Any, *, with_channels: bool) -> None:
        super().__init__()
        inner = max(channels // options.reduct_ratio, 1)
        self.fcn = nn.Sequential(
            nn.Conv2d(channels, inner, kernel_size=1, bias=options.bias), nn.BatchNorm2d(inner), nn.Hardswish()
        )
        self.conv_t = nn.Conv2d(inner, channels, kernel_size=1)
        self.conv_v = nn.Conv2d(inner, channels, kernel_size=1)
        if with_channels:
            self.conv_c = nn.Sequential(nn.Conv2d(inner, channels, kernel_size=1), nn.Sigmoid())
        self.with_channels = with_channels

    def forward(self, x: Tensor) -> Tensor:
        frames, joints = x.mean(dim=3, keepdim=True), x.mean(dim=2).unsqueeze(3)  # (N, C, T, 1), (N, C, V, 1)
        t, v = self.fcn(torch.cat([frames, joints], dim=2)).split([x.shape[2], x.shape[3]], dim=2)
        gate = self.conv_t(t).sigmoid() * self.conv_v(v.transpose(2, 3)).sigmoid()
        if self.with_channels:
            gate = gate * self.conv_c((t.mean(dim=2, keepdim=True) + v.mean(dim=2, keepdim=True)) / 2)
        return gate


class PartAttention(nn.Module):
    """``pa``: a softmax over the parts of the body, for every channel. Returns (N, C, 1, V)."""

    def __init__(self, channels: int, options: Options, parts: Sequence[Sequence[int]]) -> None:
        super().__init__()
        self.num_parts = len(parts)
        part_of = {joint: number for number, part in enumerate(parts) for joint in part}
        numbers = torch.tensor([part_of[joint] for joint in range(len(part_of))])
        self.joints = nn.Parameter(numbers, requires_grad=False)  # a parameter in the published weights
        inner = max(channels // options.reduct_ratio, 1)
        self.fcn = squeeze_excite(channels, inner, channels * self.num_parts, bias=options.bias)

    def forward(self, x: Tensor) -> Tensor:
        weights = self.fcn(x).view(len(x), -1, 1, self.num_parts).softmax(dim=3)
        return weights[:, :, :, self.joints]


class ChannelAttention(nn.Module):
    """``ca``: squeeze and excite. Returns (N, C, 1, 1)."""

    def __init__(self, channels: int, options: Options, parts: Any) -> None:
        super().__init__()
        self.fcn = squeeze_excite(channels, max(channels // 4, 1), channels)

    def forward(self, x: Tensor) -> Tensor:
        return self.fcn(x).sigmoid()


class FrameAttention(nn.Module):
    """``fa``: a convolution over 9 frames of each frame's mean and maximum. Returns (N, 1, T, 1), any value."""

    def __init__(self, channels: int, options: Options, parts: Any) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 1, kernel_size=(9, 1), padding=(4, 0))

    def forward(self, x: Tensor) -> Tensor:
        summary = torch.stack([x.mean(dim=(1, 3)), x.amax(dim=(1, 3))], dim=1)  # (N, 2, T)
        return self.conv(summary.unsqueeze(3))


class JointAttention(nn.Module):
    """``ja``: a softmax over joints. Returns (N, 1, 1, V)."""

    def __init__(self, channels: int, options: Options, parts: Sequence[Sequence[int]]) -> None:
        super().__init__()
        joints = sum(len(part) for part in parts)
        self.fcn = squeeze_excite(joints, max(joints // 2, 1), joints)

    def forward(self, x: Tensor) -> Tensor:
        return self.fcn(x.transpose(1, 3)).transpose(1, 3).softmax(dim=3)


ATTENTIONS: dict[str, Callable[..., nn.Module]] = {
    "stja": partial(FrameJointAttention, with_channels=False),
    "stcja": partial(FrameJointAttention, with_channels=True),
    "pa": PartAttention,
    "ca": ChannelAttention,
    "fa": FrameAttention,
    "ja": JointAttention,
}


class AttentionLayer(nn.Module):
    """A gate on the features, BatchNorm, residual.

    Shapes: (N, C, T, V) -> the same.
    """

    def __init__(self, channels: int, kind: str, options: Options, parts: Sequence[Sequence[int]]) -> None:
        super().__init__()
        self.att = ATTENTIONS[kind](channels, options, parts)
        self.bn = nn.BatchNorm2d(channels)
        self.act = options.activation()

    def forward(self, x: Tensor) -> Tensor:
        return self.act(self.bn(x * self.att(x)) + x)


def check_attention(kind: str | None, parts: Sequence[Sequence[int]] | None, num_point: int) -> str | None:
    """The attention that ``atten`` names, None for none; YAML files write that as the word None.

    Raises:
        InputError: an unknown one, ``pa`` without ``parts``, or ``parts`` that do not hold every joint once.
    """
    if kind is None or kind == "None":
        return None
    one_of("model_args: atten", kind, ["None", *ATTENTIONS])
    wanted = kind == "pa" or parts is not None
    if wanted and sorted(joint for part in parts or () for joint in part) != list(range(num_point)):
        raise InputError(
            f"model_args: parts are lists of joints that hold each of 0 to {num_point - 1} once (atten pa needs them), "
            f"not {parts}"
        )
    return kind
