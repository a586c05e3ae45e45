"""Products of matrices by the faster of the two libraries inside PyTorch.

``torch.mm`` is MKL's. oneDNN, which computes PyTorch's convolutions, has a product too, reached through the operator of
a linear layer that ``torch.compile`` uses. In float32 that one is a sixth faster with AVX2, and on processors of AMD
with AVX-512, where MKL stays with AVX2, 2.3 times; but a call costs 9 µs instead of 2.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import torch
from torch import Tensor

_LEAST = {"AVX512": 2**20, "AVX2": 2**22}  # multiplications per thread from which the dearer call pays


def product(
    a: Tensor, b: Tensor, *, bias: Tensor | None = None, relu: bool = False, out: Tensor | None = None
) -> Tensor:
    """``a`` (m, k) times ``b`` (k, n), plus ``bias`` (n,) or (m, 1), then ReLU -> (m, n); in ``out``, where given.

    All of them may be views of any strides. No gradient goes through it where ``out`` is given.
    """
    if not _pays(a, b, len(a) * b.numel()):
        out = torch.mm(a, b, out=out) if bias is None else torch.addmm(bias, a, b, out=out)
        return out.relu_() if relu else out
    turned = a.stride(1) != 1 and bias is None and not relu and (b.stride(0) == 1 or b.shape[1] < len(a))
    if turned:
        found = _onednn(b.t(), a).t()
    elif bias is None or bias.dim() == 1:
        found = _onednn(a, b.t(), bias, "relu" if relu else "none")
    else:
        found = torch.add(_onednn(a, b.t()), bias, out=out)
        return found.relu_() if relu else found
    return found if out is None else out.copy_(found)


def add_product(out: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """Add ``a`` (m, k) times ``b`` (k, n) to ``out`` (m, n)."""
    return out.add_(product(a, b)) if _pays(a, b, len(a) * b.numel()) else out.addmm_(a, b)


def products(a: Tensor, b: Tensor, out: Tensor) -> Tensor:
    """``a`` (m, k) times every one of ``b`` (N, k, n) -> ``out`` (N, m, n); windows of ``b`` may overlap in memory."""
    if not _pays(a, b, a.numel() * b.shape[2] // 2):  # what comes out is copied too
        return torch.bmm(a.expand(len(b), -1, -1), b, out=out)
    for some, into in zip(b, out, strict=True):
        into.copy_(_onednn(a, some.t()))
    return out


def products_back(a: Tensor, b: Tensor, d_out: Tensor, d_a: Tensor, d_b: Tensor) -> None:
    """Add to ``d_a`` and ``d_b``, the gradients of ``a`` and ``b`` of ``products``, what ``d_out`` (N, m, n) brings.

    Where windows of ``b`` overlap, those of ``d_b`` are to do so too.
    """
    turned = a.t().contiguous()
    for some, d_some, d in zip(b, d_b, d_out, strict=True):
        add_product(d_a, d, some.t())
        add_product(d_some, turned, d)


def _pays(a: Tensor, b: Tensor, multiplications: int) -> bool:
    """Whether oneDNN's product of ``a`` and ``b`` can be used and gains something."""
    least = _LEAST.get(torch.backends.cpu.get_cpu_capability())
    return (
        least is not None
        and multiplications >= least * torch.get_num_threads()
        and a.dtype == b.dtype == torch.float32
        and a.device.type == b.device.type == "cpu"
        and not (torch.is_grad_enabled() and (a.requires_grad or b.requires_grad))
        and bool(torch.backends.mkldnn.enabled)
        and _works()
    )


def _onednn(x: Tensor, weight: Tensor, bias: Tensor | None = None, then: str = "none") -> Tensor:
    """``x`` (m, k) by ``weight`` (n, k), plus ``bias`` (n,), ``then`` none or relu -> (m, n)."""
    operator: Any = torch.ops.mkldnn._linear_pointwise
    found: Tensor = operator(x, weight, bias, then, [], "")
    return found


@cache
def _works() -> bool:
    """Whether this PyTorch has the operator, which is not among those it promises to keep, and it does what it did."""
    x, weight, bias = torch.arange(-3.0, 3.0).view(2, 3), torch.arange(12.0).view(3, 4), torch.tensor([0, 1, 2, -50.0])
    try:
        found = _onednn(x, weight.t(), bias, "relu")
    except (AttributeError, RuntimeError, TypeError):
        return False
    return torch.equal(found, torch.addmm(bias, x, weight).relu_())
