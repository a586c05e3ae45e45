"""What the spatial and the temporal layers of MST-GCN share: options, residuals, the cascade of channel groups."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from errors import InputError, one_of
from model.temporal_conv import FramewiseConv, Nothing

ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {"relu": nn.ReLU, "swish": nn.SiLU, "hswish": nn.Hardswish}
LAYER_TYPES = ("basic", "normal", "sep")


@dataclass(frozen=True)
class Options:
    """How the layers of a block are built; the published names.

    Attributes:
        kernel_size: frames that a temporal convolution sees; odd.
        reduct_ratio: by what the bottlenecks and the attentions narrow the channels.
        expand_ratio: by what the separable layers widen them first; 0 does not.
        s_scale, t_scale: groups of channels of the multi-scale layers, spatial and temporal.
        layer_type: ``sep`` puts separable layers into the groups of block type ``ms``; ``basic`` and ``normal`` do not.
        act: relu, swish or hswish.
        bias: whether the attentions' reductions have a bias.

    Raises:
        InputError: a value out of range.
    """

    kernel_size: int = 9
    reduct_ratio: int = 2
    expand_ratio: int = 0
    s_scale: int = 4
    t_scale: int = 4
    layer_type: str = "basic"
    act: str = "relu"
    bias: bool = True

    def __post_init__(self) -> None:
        for name in ("kernel_size", "reduct_ratio", "s_scale", "t_scale"):
            if getattr(self, name) < 1:
                raise InputError(f"model_args: {name} is {getattr(self, name)}, wanted at least 1")
        if self.expand_ratio < 0:
            raise InputError(f"model_args: expand_ratio is {self.expand_ratio}, wanted 0 or more")
        if self.kernel_size % 2 == 0:
            raise InputError(f"model_args: kernel_size is {self.kernel_size}, wanted an odd number of frames")
        one_of("model_args: layer_type", self.layer_type, LAYER_TYPES)
        one_of("model_args: act", self.act, ACTIVATIONS)

    def activation(self) -> nn.Module:
        """A fresh activation."""
        return ACTIVATIONS[self.act]()


def group_width(channels: int, groups: int, name: str) -> int:
    """Channels of one of ``groups`` equal groups.

    Raises:
        InputError: they do not divide.
    """
    if channels % groups:
        raise InputError(f"model_args: {name} is {groups}, but {channels} channels do not divide into {groups} groups")
    return channels // groups


def residual_of(in_channels: int, out_channels: int, *, stride: int = 1, residual: bool = True) -> nn.Module:
    """What is added to a layer's output: nothing, its input, or a projection of it to the other shape."""
    if not residual:
        return Nothing()
    if in_channels == out_channels and stride == 1:
        return nn.Identity()
    return nn.Sequential(FramewiseConv(in_channels, out_channels, step=stride), nn.BatchNorm2d(out_channels))


def grouped(x: Tensor, branches: nn.ModuleList, *, chained: bool, activation: nn.Module | None = None) -> Tensor:
    """Every branch on its own group of channels; chained, each group is joined by the output of the one before.

    That is how later groups come to see farther (MST-GCN, section 3.2: the hierarchy of sub-convolutions).

    Shapes: (N, C, T, V) -> the branches' outputs side by side.
    """
    outputs: list[Tensor] = []
    for branch, group in zip(branches, x.chunk(len(branches), dim=1), strict=True):
        y = branch(group + outputs[-1] if chained and outputs else group)
        outputs.append(y if activation is None else activation(y))
    return torch.cat(outputs, dim=1)
