"""What the faster forms of the operators share: rows of channels, folded weights, and when they are not to be used."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeVar

import torch
from torch import Tensor

from model.normalize import Norms, alike

T = TypeVar("T")

_HELD: ContextVar[dict[Any, Any] | None] = ContextVar("held", default=None)


@contextmanager
def one_pass() -> Iterator[None]:
    """Within, weights stay as they are: what ``once`` has made is used again, and forgotten at the end."""
    token = _HELD.set({})
    try:
        yield
    finally:
        _HELD.reset(token)


def once(owner: Any, make: Callable[[], T]) -> T:
    """What ``make`` gives for ``owner``; within ``one_pass``, what it gave the first time."""
    held = _HELD.get()
    if held is None:
        return make()
    if owner not in held:
        held[owner] = make()
    found: T = held[owner]
    return found


def rows(x: Tensor) -> Tensor:
    """(N, C, T, V) -> (N, T, V, C), every joint's channels side by side: a view of channels-last memory."""
    return x.permute(0, 2, 3, 1).contiguous()


def channels(x: Tensor) -> Tensor:
    """(N, T, V, C) -> (N, C, T, V), a view."""
    return x.permute(0, 3, 1, 2)


def tracing() -> bool:
    """Whether the network is being written down rather than run: what it is written down as are its plain operators."""
    tracing = torch.jit.is_tracing()  # type: ignore[attr-defined, no-untyped-call]
    return torch.compiler.is_compiling() or tracing


def usual(x: Tensor, norms: Norms) -> bool:
    """Whether to use the faster form: on a CPU, in float32 or float64, for BatchNorms of the usual kind.

    On a GPU its many small products would cost more than they save; half precision is slow on a CPU in any form.
    """
    return x.device.type == "cpu" and full_precision(x) and alike(norms) and not tracing()


def full_precision(x: Tensor) -> bool:
    """Whether ``x`` is float32 or float64, and is to stay that."""
    return x.dtype in (torch.float32, torch.float64) and not torch.is_autocast_enabled(x.device.type)


def frozen(norms: Norms) -> bool:
    """Whether weights can take in the BatchNorms behind them: statistics stand still, and no gradient is asked for."""
    return not norms[0].training and not torch.is_grad_enabled()


def folded(weight: Tensor, bias: Tensor | None, norm: Any) -> tuple[Tensor, Tensor]:
    """Weight (H, ...) and bias (H,) that do what these and the BatchNorm behind them do.

    W' = s W and b' = s (b - mean) + t, where s = weight / sqrt(var + eps) and t = bias of the BatchNorm.
    """
    scale = norm.weight * torch.rsqrt(norm.running_var + norm.eps)
    mean = norm.running_mean if bias is None else norm.running_mean - bias
    return weight * scale.view(-1, *[1] * (weight.dim() - 1)), norm.bias - mean * scale
