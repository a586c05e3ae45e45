"""Both libraries' products: the same numbers, whatever the strides, and only where they can be had."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as some
from torch import Tensor

from model.fast import matmul
from model.fast.matmul import add_product, product, products, products_back

VIEWS: dict[str, Callable[[int, int], Tensor]] = {
    "rows": lambda r, c: torch.randn(r, c),
    "columns": lambda r, c: torch.randn(c, r).t(),
    "part of rows": lambda r, c: torch.randn(r, c + 7)[:, 3 : 3 + c],
    "part of columns": lambda r, c: torch.randn(c, r + 5)[:, 2 : 2 + r].t(),
    "every other": lambda r, c: torch.randn(2 * r, 3 * c)[::2, ::3],
    "one row": lambda r, c: torch.randn(1, c).expand(r, c),
}
view, size = some.sampled_from(sorted(VIEWS)), some.integers(1, 40)


@pytest.fixture(params=["torch.mm", "oneDNN"], autouse=True)
def library(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Any:
    """All products by one of the two, however small."""
    least = 0 if request.param == "oneDNN" else 2**60
    monkeypatch.setattr(matmul, "_LEAST", dict.fromkeys(["AVX512", "AVX2", "DEFAULT", "NO AVX"], least))
    return request.param


def near(found: Tensor, wanted: Tensor) -> bool:
    return torch.allclose(found.double(), wanted, rtol=1e-5, atol=1e-5 * (1 + float(wanted.abs().max())))


def test_the_operator_is_there(library: str) -> None:
    assert matmul._works()  # of the PyTorch that constraints.txt names; others may miss it
    a = torch.ones(2, 2)
    assert matmul._pays(a, a, 8) is (library == "oneDNN")


@settings(max_examples=40, deadline=None)
@given(view, view, size, size, size, some.integers(0, 2**20))
def test_a_product_of_any_views(left: str, right: str, m: int, k: int, n: int, seed: int) -> None:
    torch.manual_seed(seed)
    a, b, bias = VIEWS[left](m, k), VIEWS[right](k, n), torch.randn(n)
    whole = a.double() @ b.double()
    assert near(product(a, b), whole)
    assert near(product(a, b, bias=bias), whole + bias)
    assert near(product(a, b, bias=bias, relu=True), (whole + bias).relu())
    column = torch.randn(m, 1)
    assert near(product(a, b, bias=column, relu=True), (whole + column).relu())
    assert near(product(a, b, bias=column, out=torch.empty(m, n)), whole + column)
    around = torch.full((m, n + 2), 7.0)
    assert product(a, b, out=around[:, 1:-1]).data_ptr() == around[:, 1:].data_ptr()
    assert near(around[:, 1:-1], whole)
    assert near(add_product(around[:, 1:-1], a, b), 2 * whole)
    assert (around[:, [0, -1]] == 7).all()


def test_one_matrix_with_windows_that_overlap() -> None:
    a, y = torch.randn(6, 12), torch.randn(10, 4, 5)
    windows = y.as_strided((4, 12, 5), (2 * 20, 5, 1))
    out = torch.empty(4, 6, 5)
    assert products(a, windows, out) is out
    assert near(out, a.double() @ windows.double())

    d_out, d_a, d_y = torch.randn(4, 6, 5), torch.ones(6, 12), torch.zeros(10, 4, 5)
    products_back(a, windows, d_out, d_a, d_y.as_strided(windows.shape, windows.stride()))
    inputs = [t.double().requires_grad_() for t in (a, y)]
    again = inputs[1].as_strided((4, 12, 5), (2 * 20, 5, 1))
    of_a, of_y = torch.autograd.grad((inputs[0] @ again * d_out).sum(), inputs)
    assert near(d_a, 1 + of_a)
    assert near(d_y, of_y)


def test_what_onednn_has_no_product_for_is_left_to_torch() -> None:
    a = torch.randn(3, 3)
    assert not matmul._pays(a.double(), a.double(), 27)
    assert not matmul._pays(a.requires_grad_(), a, 27)
    x = torch.randn(3, 3, requires_grad=True)
    product(x, a).sum().backward()
    assert x.grad is not None


def test_numbers_that_are_none_pass_through() -> None:
    a = torch.tensor([[1.0, float("inf")], [float("nan"), 1.0]])
    found = product(a, torch.eye(2))
    assert found.isnan().tolist() == [[True, False], [True, True]]
