"""An operator that was changed after it was built is computed as it is, fused or not."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrizations, prune

from importing import import_class
from model.fuse import FASTER, fuse, left_plain
from model.outline import unchanged

NARROW: dict[str, dict[str, Any]] = {
    "msg3d": {"num_gcn_scales": 3, "num_g3d_scales": 2, "widths": (6, 12, 12)},
    "mstgcn": {"widths": (8, 8, 16), "s_scale": 2, "t_scale": 2},
    "dgstgcn": {"widths": (12, 12, 24), "num_filter": 3},
    "msagcn": {"widths": (40, 40, 40), "window_size": 8},
}


def build(network: str) -> nn.Module:
    torch.manual_seed(0)
    graph = {"graph": "graph.custom.AdjMatrixGraph", "graph_args": {"layout": "coco"}, "num_point": 17}
    model: nn.Module = import_class(f"model.{network}.Model", "model")(
        num_class=4, num_person=1, **NARROW[network], **graph
    )
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith("bias"):
                parameter.uniform_(-0.3, 0.3)
    return model.double().eval()


def replaced(model: nn.Module, kind: type[nn.Module], make: Callable[[Any], nn.Module]) -> int:
    """Put what ``make`` gives in place of every part of this kind; how many there were."""
    places = [(parent, name) for parent in model.modules() for name, part in parent.named_children()
              if type(part) is kind]  # fmt: skip
    for parent, name in places:
        setattr(parent, name, make(getattr(parent, name)))
    return len(places)


def other_activation(model: nn.Module) -> int:
    return replaced(model, nn.ReLU, lambda part: nn.GELU())


def other_pool(model: nn.Module) -> int:
    return replaced(model, nn.MaxPool2d, lambda part: nn.AvgPool2d(part.kernel_size, part.stride, part.padding))


def other_dilation(model: nn.Module) -> int:
    last = [part for part in model.modules() if isinstance(part, nn.Conv2d) and part.dilation == (4, 1)]
    for part in last:
        part.dilation, part.padding = (6, 1), (part.padding[0] * 6 // 4, 0)
    return len(last)


def without_biases(model: nn.Module) -> int:
    parts = [part for part in model.modules() if isinstance(part, nn.Conv2d)]
    for part in parts:
        part.bias = None
    return len(parts)


def reparametrized(model: nn.Module) -> int:
    parts = [part for part in model.modules() if isinstance(part, nn.Conv2d)]
    for part in parts:
        parametrizations.weight_norm(part)
        part.parametrizations.weight.original0.data *= 1.5  # type: ignore[union-attr]
    return len(parts)


def pruned(model: nn.Module) -> int:
    parts = [part for part in model.modules() if isinstance(part, nn.Conv2d)]
    for part in parts:
        prune.l1_unstructured(part, "weight", 0.5)
    return len(parts)


class Ghost(nn.BatchNorm2d):
    """What a user may put in place of a BatchNorm."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) * 2


def other_norm(model: nn.Module) -> int:
    return replaced(model, nn.BatchNorm2d, lambda part: Ghost(part.num_features).to(part.weight))


CHANGES = (other_norm, other_activation, other_pool, other_dilation, without_biases, reparametrized, pruned)
CASES = [
    (network, change)
    for network in NARROW
    for change in CHANGES
    if network != "mstgcn" or change not in (other_pool, other_dilation)
]  # it has neither


@pytest.fixture
def clips() -> Tensor:
    return torch.randn(2, 3, 8, 17, 1, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize(("network", "change"), CASES)
def test_a_changed_operator_stays_plain(network: str, change: Callable[[nn.Module], int], clips: Tensor) -> None:
    model = build(network)
    built = copy.deepcopy(model)
    assert change(model) > 0
    with torch.no_grad():
        wanted, before = model(clips), built(clips)
        fuse(model)
        assert left_plain(model) > 0
        torch.testing.assert_close(model(clips), wanted, rtol=1e-9, atol=1e-12)
    assert not torch.allclose(wanted, before, rtol=1e-6)


def test_a_hook_on_a_part_runs(clips: Tensor) -> None:
    model = build("msg3d")
    seen: list[tuple[int, ...]] = []
    inner: Any = model
    inner.sgcn1[1].branches[0][0].register_forward_hook(lambda part, given, out: seen.append(tuple(out.shape)))
    inner.tcn2.register_forward_hook(lambda part, given, out: seen.append(tuple(out.shape)))
    fuse(model)
    with torch.no_grad():
        model(clips)
    assert left_plain(model) == 1
    assert len(seen) == 2


@pytest.mark.parametrize("network", NARROW)
def test_what_does_not_change_the_parts_is_fused(network: str) -> None:
    model = build(network)
    assert all(unchanged(module) for module in model.modules() if type(module) in FASTER)
    fc: Any = model.fc
    model.fc = nn.Linear(fc.in_features, 7)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = None
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    fuse(copy.deepcopy(model).float())
    fuse(model)
    assert left_plain(model) == 0
    assert type(model) in FASTER.values()


def test_a_second_derivative_is_refused_in_a_sentence(clips: Tensor) -> None:
    model = build("msg3d").train()
    fuse(model)
    clips = clips.requires_grad_()
    (gradient,) = torch.autograd.grad(model(clips).square().sum(), clips, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        gradient.square().sum().backward()
