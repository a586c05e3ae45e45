"""Computing blocks twice changes no bit and keeps less."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from engine.distributed import World
from engine.recompute import recompute_blocks
from engine.state import RunningState
from importing import import_class
from model.fuse import fuse

TOY = {"name": "toy", "num_joints": 5, "edges": [[1, 0], [2, 1], [3, 1], [4, 1]]}
NARROW: dict[str, dict[str, Any]] = {
    "msg3d": {"num_gcn_scales": 2, "num_g3d_scales": 2, "widths": (6, 12, 12)},
    "mstgcn": {"widths": (8, 8, 16), "s_scale": 2, "t_scale": 2},
    "dgstgcn": {"widths": (12, 12, 24), "num_filter": 3, "dropout": 0.3, "tcn_dropout": 0.2},
    "msagcn": {"widths": (40, 40, 40), "window_size": 8, "k": 2, "global_context": "ema"},
}


class Dropping(nn.Module):
    """A network behind dropout in one of its blocks, for those that have none."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.front = nn.Sequential(nn.Dropout(0.2), nn.Sequential(nn.Identity()))
        self.blocks = nn.ModuleList([network])

    def forward(self, x: Tensor) -> Tensor:
        return self.blocks[0](self.front(x))


def build(network: str) -> nn.Module:
    torch.manual_seed(0)
    graph = {"graph": "graph.custom.AdjMatrixGraph", "graph_args": {"layout": TOY}}
    return import_class(f"model.{network}.Model", "model")(
        num_class=4, num_person=2, num_point=5, **graph, **NARROW[network]
    )


def steps(model: nn.Module, autocast: bool) -> tuple[dict[str, Tensor], int]:
    """Outputs, gradients and buffers of two training steps, and an output in eval mode; the bytes kept for backward."""
    found: dict[str, Tensor] = {}
    kept: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    for step in range(2):
        torch.manual_seed(step)
        x = torch.randn(4, 3, 8, 5, 2)
        with (
            torch.autograd.graph.saved_tensors_hooks(keep, lambda t: t),
            torch.autocast("cpu", torch.bfloat16, autocast),
        ):
            y = model(x)
        model.zero_grad()
        y.float().square().sum().backward()
        found[f"{step}.output"] = y.detach()
        found |= {
            f"{step}.gradient.{name}": p.grad.clone() for name, p in model.named_parameters() if p.grad is not None
        }
        found |= {f"{step}.{name}": buffer.clone() for name, buffer in model.named_buffers()}
    with torch.no_grad():
        found["eval"] = model.eval()(x)
    return found, sum(kept.values())


@pytest.mark.parametrize("autocast", [False, True])
@pytest.mark.parametrize("network", NARROW)
def test_every_bit_stays_and_less_is_kept(network: str, autocast: bool) -> None:
    plain, twice = Dropping(build(network)), Dropping(build(network))
    keys, blocks = list(twice.state_dict()), list(twice.modules())
    count = recompute_blocks(twice)
    assert count >= 2
    assert (list(twice.state_dict()), list(twice.modules())) == (keys, blocks)
    want, much = steps(plain, autocast)
    got, less = steps(twice, autocast)
    assert got.keys() == want.keys()
    assert [name for name, value in want.items() if not torch.equal(got[name], value)] == []
    assert less < 0.5 * much


@pytest.mark.parametrize("network", NARROW)
def test_the_blocks_of_a_network_are_its_own(network: str) -> None:
    """Without a frame around: bits stay too, and every block keeps less than it computes."""
    plain, twice = build(network), build(network)
    assert recompute_blocks(twice) >= 3
    want, much = steps(plain, False)
    got, less = steps(twice, False)
    assert [name for name, value in want.items() if not torch.equal(got[name], value)] == []
    assert less < much


@pytest.mark.parametrize("network", ["msg3d", "mstgcn", "msagcn"])
def test_absent_bodies_are_counted_both_times(network: str) -> None:
    """Fused, and computed twice, a network learns from clips of one body what it learns plain."""
    plain, twice = build(network).double(), build(network).double()
    assert fuse(twice) >= 1
    recompute_blocks(twice)
    x = torch.randn(4, 3, 8, 5, 2, dtype=torch.float64)
    x[1:, ..., 1] = 0
    for model in (plain, twice):
        model(x).square().mean().backward()
    want = dict(plain.named_parameters())
    top = max(float(p.grad.abs().max()) for p in want.values() if p.grad is not None)
    for name, parameter in twice.named_parameters():
        grad = want[name].grad
        if grad is None:
            assert parameter.grad is None
        else:
            torch.testing.assert_close(parameter.grad, grad, rtol=1e-8, atol=1e-8 * top, msg=name)
    for name, buffer in plain.named_buffers():
        torch.testing.assert_close(twice.get_buffer(name), buffer, rtol=1e-9, atol=1e-9, msg=name)


def test_what_a_step_changed_can_be_put_back() -> None:
    """Buffers that the second computation put in place are the ones that ``RunningState`` restores."""
    model = build("msagcn")
    recompute_blocks(model)
    running = RunningState(model)
    running.keep(World())
    before = {name: buffer.clone() for name, buffer in model.named_buffers()}
    steps(model, False)
    assert any(not torch.equal(buffer, before[name]) for name, buffer in model.named_buffers())
    running.put_back()
    assert all(torch.equal(buffer, before[name]) for name, buffer in model.named_buffers())
