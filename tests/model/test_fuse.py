"""The faster forms give what the plain operators give: logits, gradients and running statistics, whatever the clips."""

from __future__ import annotations

import copy
import io
import pickle
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from graph.adjacency import binary_adjacency
from model.batch_norm import across_processes
from model.fast.products import AggregateFirst, FewChannels, MixFirst, Product
from model.fast.rows import channels, rows
from model.fast.taps import Planes, branches_back, by_plane, in_time, pooled
from model.fuse import FASTER, fuse, unfuse
from model.ms_g3d import G3D, MultiWindowG3D
from model.ms_gcn import MultiScaleGraphConv
from model.ms_tcn import MultiScaleTemporalConv
from model.msg3d import Model
from model.normalize import counts_now

EXACT = 1e-12


def chain(joints: int) -> list[list[int]]:
    return [[joint + 1, joint] for joint in range(joints - 1)]


def network(joints: int = 5, bodies: int = 2, dtype: torch.dtype = torch.float64, **changes: Any) -> Model:
    """A network wide enough that rounding is not blown up by channels that hardly vary, with nothing at its default."""
    torch.manual_seed(0)
    layout = {"name": "chain", "num_joints": joints, "edges": chain(joints)}
    graph = {"graph": "graph.custom.AdjMatrixGraph", "graph_args": {"layout": layout}, "num_point": joints}
    scales = {"num_gcn_scales": 3, "num_g3d_scales": 2, "widths": (24, 36, 50)}
    return stirred(Model(**{"num_class": 4, "num_person": bodies, **scales, **graph, **changes})).to(dtype)


def stirred(module: Any) -> Any:
    """``module`` with weights and statistics unlike those that it starts with."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for name, tensor in [*module.named_parameters(), *module.named_buffers()]:
            if name.endswith("A_res"):
                tensor.uniform_(-0.1, 0.1, generator=generator)
            elif name.endswith(("running_var", "bn.weight")) or (tensor.dim() == 1 and name.endswith("weight")):
                tensor.uniform_(0.5, 1.5, generator=generator)
            elif name.endswith(("running_mean", "bias")):
                tensor.uniform_(-0.3, 0.3, generator=generator)
    return module


def batch(clips: int, frames: int, joints: int, bodies: int, absent: tuple[tuple[int, int], ...] = ()) -> Tensor:
    x = torch.randn(clips, 3, frames, joints, bodies, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    for clip, body in absent:
        x[clip, ..., body] = 0
    return x


def backward(model: nn.Module, x: Tensor) -> dict[str, Tensor]:
    """Every gradient of a loss."""
    model.zero_grad()
    F.cross_entropy(model(x), torch.arange(len(x)) % 4).backward()
    return {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}


def assert_same(got: dict[str, Tensor], want: dict[str, Tensor], limit: float = EXACT) -> None:
    """Relative to the largest entry of each tensor, or, for one that cancels to next to nothing, of all."""
    assert got.keys() == want.keys()
    top = max(float(value.abs().max()) for value in want.values())
    for name, value in want.items():
        scale = max(float(value.abs().max()), 1e-2 * top)
        assert float((got[name] - value).abs().max()) <= limit * scale, name


ABSENT = {
    "all there": (),
    "one absent": ((1, 1),),
    "some absent": ((0, 1), (1, 1), (3, 1)),
    "none in the second place": ((0, 1), (1, 1), (2, 1), (3, 1)),
    "in both places": ((0, 1), (1, 1), (2, 0), (3, 0)),
}
CLIPS = [(2, 9, 5, absent) for absent in ABSENT.values()] + [
    (3, 6, 5, ((0, 1), (1, 1), (0, 2), (1, 2), (2, 2), (3, 0))),
    (1, 8, 5, ()),
    (1, 8, 5, ((0, 0), (2, 0))),
    (2, 5, 17, ((0, 1), (1, 1))),
    (2, 4, 25, ((0, 1), (1, 1))),
    *((2, frames, 5, ((0, 1), (3, 1))) for frames in (1, 2, 3, 4, 7)),
]


@pytest.mark.parametrize(("bodies", "frames", "joints", "absent"), CLIPS)
def test_fused_is_plain(bodies: int, frames: int, joints: int, absent: tuple[tuple[int, int], ...]) -> None:
    """In evaluation, in evaluation with gradients, and over three steps of training."""
    plain = network(joints, bodies)
    fused = copy.deepcopy(plain)
    assert fuse(fused) == 25
    x = batch(4, frames, joints, bodies, absent)
    with torch.no_grad():
        torch.testing.assert_close(fused.eval()(x), plain.eval()(x), rtol=EXACT, atol=EXACT)
    assert_same(backward(fused, x), backward(plain, x))
    plain.train(), fused.train()
    for step in range(3):
        got, want = backward(fused, x + step * x.sign()), backward(plain, x + step * x.sign())
        assert_same(got, want)
    for name, buffer in plain.named_buffers():
        torch.testing.assert_close(fused.get_buffer(name), buffer, rtol=EXACT, atol=EXACT, msg=name)
    with torch.no_grad():
        torch.testing.assert_close(fused(x), plain(x), rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("clips", [1, 2])
def test_few_clips(clips: int) -> None:
    plain = network()
    fused = copy.deepcopy(plain)
    fuse(fused)
    x = batch(clips, 8, 5, 2, ((0, 1),))
    assert_same(backward(fused, x), backward(plain, x))
    with torch.no_grad():
        torch.testing.assert_close(fused.eval()(x), plain.eval()(x), rtol=EXACT, atol=EXACT)


@pytest.mark.parametrize("widths", [(6, 12, 18), (7, 13, 20), (96, 30, 42)])
def test_any_widths(widths: tuple[int, int, int]) -> None:
    """Branches of one channel blow rounding errors up in training: gradients within 1e-8."""
    plain = network(widths=widths)
    fused = copy.deepcopy(plain)
    fuse(fused)
    x = batch(4, 9, 5, 2, ((0, 1), (1, 1)))
    assert_same(backward(fused, x), backward(plain, x), 1e-8)
    with torch.no_grad():
        torch.testing.assert_close(fused.eval()(x), plain.eval()(x), rtol=EXACT, atol=EXACT)


def operators(joints: int, stride: int) -> dict[str, nn.Module]:
    adjacency = binary_adjacency(joints, [(child, parent) for child, parent in chain(joints)])
    return {
        "MS-GCN": MultiScaleGraphConv(24, 31, adjacency, 3),
        "MS-GCN without activation": MultiScaleGraphConv(24, 30, adjacency, 3, activation=False),
        "MS-GCN of few channels": MultiScaleGraphConv(3, 30, adjacency, 3),
        "G3D": G3D(24, 24, 30, adjacency, 2, window=5, stride=stride),
        "G3D of few channels": G3D(3, 24, 30, adjacency, 2, window=3, stride=stride),
        "MS-TCN": MultiScaleTemporalConv(24, 31, stride=stride),
        "MS-TCN of the same width": MultiScaleTemporalConv(24, 24, stride=stride, activation=False),
    }


@pytest.mark.parametrize("frames", [1, 2, 7])
@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("name", operators(5, 1))
def test_operators_one_by_one(name: str, stride: int, frames: int) -> None:
    """Values, the gradient of the input too, statistics; in training, frozen, in evaluation; in either memory order."""
    torch.manual_seed(0)
    plain = stirred(operators(5, stride)[name]).double()
    fused = copy.deepcopy(plain)
    assert fuse(fused) >= 1
    x = torch.randn(3, 3 if "few" in name else 24, frames, 5, dtype=torch.float64)
    x = x.contiguous(memory_format=torch.channels_last) if frames > 1 else x
    for training in (True, False):
        found = []
        for module in (plain.train(training), fused.train(training)):
            module.zero_grad()
            given = x.clone().requires_grad_()
            y = module(given)
            y.backward(torch.sin(torch.arange(y.numel(), dtype=torch.float64)).view_as(y))
            assert given.grad is not None
            gradients = {n: p.grad.clone() for n, p in module.named_parameters() if p.grad is not None}
            assert len(gradients) == len(list(module.parameters()))
            found.append({"y": y.detach(), "x": given.grad, **gradients, **dict(module.named_buffers())})
        assert_same(found[1], found[0])
    with torch.no_grad():
        torch.testing.assert_close(fused(x), plain(x), rtol=EXACT, atol=EXACT)


@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("frames", [1, 2, 5, 6, 9])
def test_the_first_of_equal_frames_gets_the_gradient(frames: int, stride: int) -> None:
    """As MaxPool2d has it, where values are positive: small whole numbers, most maxima reached more than once."""
    generator = torch.Generator().manual_seed(frames)
    x = torch.randint(1, 3, (1, frames, 4, 5), generator=generator).double().requires_grad_()
    want = F.max_pool2d(channels(x), (3, 1), (stride, 1), (1, 0))
    d_out = torch.arange(want.numel(), dtype=torch.float64).view_as(rows(want)[0])
    (dx,) = torch.autograd.grad(rows(want), x, d_out[None])

    y, dy = (Planes(x, 5, frames, stride) for _ in range(2))
    y.put(by_plane(x.detach(), stride)[0])
    kernels = torch.zeros(4, 3, 1, 1, dtype=torch.float64)
    branches_back(y, kernels, torch.cat([torch.zeros(*d_out.shape[:2], 4), d_out[..., 4:]], 2), dy, kernels.clone())
    assert torch.equal(pooled(y, slice(4, 5)), rows(want.detach())[0, ..., 4:])
    assert torch.equal(in_time(torch.cat(dy.inside)[None], stride)[..., 4:], dx[..., 4:])


@pytest.mark.parametrize("in_cache", [1, 2000, 2**30])
@pytest.mark.parametrize(
    ("form", "window", "stride"),
    [
        (AggregateFirst, 1, 1),
        *(
            (form, window, stride)
            for form in (MixFirst, FewChannels)
            for window, stride in ((1, 1), (3, 1), (3, 2), (5, 2))
        ),
    ],
)
def test_pieces_of_any_size_give_the_same(
    form: type[Product], window: int, stride: int, in_cache: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(form, "in_cache", in_cache)
    generator = torch.Generator().manual_seed(0)
    drawn = {"dtype": torch.float64, "generator": generator}
    x = torch.randn(2, 7, 4, 5, **drawn).requires_grad_()
    adjacency = torch.randn(2, window * 4, window * 4, **drawn).requires_grad_()
    weight = torch.randn(6, 2 * 5, **drawn).requires_grad_()
    margin = window // 2
    windows = F.pad(x, (0, 0, 0, 0, margin, margin)).unfold(1, window, stride).permute(0, 1, 4, 2, 3).flatten(2, 3)
    want = torch.einsum("kru,ntuc,hkc->ntrh", adjacency, windows, weight.view(6, 2, 5))
    want = want.unflatten(2, (window, 4)).transpose(2, 3).flatten(3)
    dz = torch.randn(want.shape, **drawn)
    dx, d_adjacency, d_weight = torch.autograd.grad(want, (x, adjacency, weight), dz)

    product = form(2, window, stride)
    a, w = product.arranged(adjacency, weight)
    with torch.no_grad():
        torch.testing.assert_close(product.forward(x, a, w, 6), want, rtol=EXACT, atol=EXACT)
        got, da, dw = product.backward(x, a, w, dz)
    torch.testing.assert_close(got, dx, rtol=EXACT, atol=1e-11)
    arranged = torch.autograd.grad((a, w), (adjacency, weight), (da, dw))
    torch.testing.assert_close(arranged, (d_adjacency, d_weight), rtol=EXACT, atol=1e-11)


def test_frozen_parts_keep_their_statistics() -> None:
    """A block whose BatchNorms are in eval mode within a network that trains."""
    plain = network()
    fused = copy.deepcopy(plain)
    fuse(fused)
    x = batch(4, 9, 5, 2, ((0, 1), (1, 1)))
    for model in (plain, fused):
        for part in (model.gcn3d2, model.sgcn2, model.tcn1):
            part.eval().requires_grad_(False)
        model.gcn3d3.gcn3d[0].out_bn.eval()  # half of an operator
        model.tcn3.branches[0][1].eval()
    assert_same(backward(fused, x), backward(plain, x))
    for name, buffer in plain.named_buffers():
        torch.testing.assert_close(fused.get_buffer(name), buffer, rtol=EXACT, atol=EXACT, msg=name)


def test_float32() -> None:
    """Nearer to float64 than 1e-5; where rounding decides what ReLU lets through, gradients are not compared."""
    plain = network(25, dtype=torch.float32, widths=(48, 96, 96))
    fused = copy.deepcopy(plain)
    fuse(fused)
    x = batch(4, 20, 25, 2, ((0, 1), (1, 1), (3, 1))).float()
    with torch.no_grad():
        torch.testing.assert_close(fused.eval()(x), plain.eval()(x), rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(fused.train()(x), plain.train()(x), rtol=1e-4, atol=1e-5)
    for name, buffer in plain.named_buffers():
        torch.testing.assert_close(fused.get_buffer(name), buffer, rtol=1e-5, atol=1e-5, msg=name)


@pytest.mark.parametrize("half", ["autocast", "weights too"])
def test_bfloat16(half: str) -> None:
    plain = network(dtype=torch.float32)
    fused = copy.deepcopy(plain)
    fuse(fused)
    x = batch(4, 9, 5, 2, ((0, 1), (1, 1))).float()
    if half == "weights too":
        plain, fused, x = plain.bfloat16(), fused.bfloat16(), x.bfloat16()
    found = []
    for model in (plain, fused):
        with torch.autocast("cpu", torch.bfloat16, enabled=half == "autocast"):
            logits = model(x)
            loss = F.cross_entropy(logits.float(), torch.arange(4))
        loss.backward()
        with torch.autocast("cpu", torch.bfloat16, enabled=half == "autocast"), torch.no_grad():
            evaluated = model.eval()(x)
        found.append(
            (
                logits.detach().float(),
                evaluated.float(),
                torch.stack([p.grad.float().norm() for p in model.parameters()]),
            )
        )
        assert all(p.grad.dtype == p.dtype for p in model.parameters())
    for got, want in zip(found[1], found[0], strict=True):
        assert got.isfinite().all()
        assert float((got - want).norm()) < 0.2 * float(want.norm())


def test_autocast_with_half_of_an_operator_frozen() -> None:
    """The plain operators, within autocast as they would be."""
    plain = network(dtype=torch.float32)
    fused = copy.deepcopy(plain)
    fuse(fused)
    x = batch(2, 6, 5, 2).float()
    found = []
    for model in (plain, fused):
        model.tcn1.branches[0][1].eval()
        with torch.autocast("cpu", torch.bfloat16):
            found.append(model(x))
    assert torch.equal(found[0], found[1])


def test_only_classes_change() -> None:
    model = network()
    plain = copy.deepcopy(model)
    before = {name: id(p) for name, p in [*model.named_parameters(), *model.named_buffers()]}
    kinds = [type(module) for module in model.modules()]
    assert fuse(model) == sum(kind in FASTER for kind in kinds) == 25
    assert {name: id(p) for name, p in [*model.named_parameters(), *model.named_buffers()]} == before
    assert list(model.state_dict()) == list(plain.state_dict())
    assert fuse(model) == 0
    assert unfuse(model) == 25
    assert [type(module) for module in model.modules()] == kinds
    assert fuse(nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))) == 0


def loaded_again(model: nn.Module) -> nn.Module:
    file = io.BytesIO()
    torch.save(model, file)
    file.seek(0)
    again: nn.Module = torch.load(file, weights_only=False)
    return again


@pytest.mark.parametrize("twin_of", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m)), loaded_again])
def test_copies_and_changed_weights(twin_of: Callable[[nn.Module], nn.Module]) -> None:
    """Nothing is remembered that could be out of date."""
    model = network().eval()
    fuse(model)
    x = batch(3, 9, 5, 2)
    with torch.no_grad():
        first = model(x)
        twin = twin_of(model)
        assert torch.equal(twin(x), first)
        for p in twin.parameters():
            p.mul_(1.1)
        twin.get_buffer("sgcn1.0.mlp.layers.1.running_mean").add_(0.1)
        changed = twin(x)
        assert torch.equal(model(x), first)
        unfuse(twin)
        torch.testing.assert_close(twin(x), changed, rtol=EXACT, atol=EXACT)
    assert not torch.allclose(changed, first)


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::torch.jit.TracerWarning")
def test_what_is_traced_are_plain_operators() -> None:
    model = network(dtype=torch.float32).eval()
    fuse(model)
    traced = torch.jit.trace(model, (batch(2, 9, 5, 2, ((0, 1), (1, 1))).float(),))
    other = batch(2, 9, 5, 2).float()
    torch.testing.assert_close(traced(other), model(other))


def test_what_is_exported_are_plain_operators() -> None:
    model = network(dtype=torch.float32).eval()
    x = batch(2, 9, 5, 2, ((0, 1), (1, 1))).float()
    want = model(x)
    fuse(model)
    exported = torch.export.export(model, (x,))
    assert "bmm" not in exported.graph_module.code
    torch.testing.assert_close(exported.module()(x), want)
    other = batch(2, 9, 5, 2).float()  # all bodies are there: nothing of the clips it was exported with is left
    torch.testing.assert_close(exported.module()(other), model(other))


def rows_of_features(model: nn.Module, x: Tensor) -> int:
    seen: list[int] = []
    hook = model.tcn3.register_forward_hook(lambda module, arguments, output: seen.append(len(output)))
    model(x)
    hook.remove()
    return sum(seen)


@pytest.mark.parametrize("training", [True, False])
def test_absent_bodies_are_computed_once(training: bool) -> None:
    model = network(bodies=3).train(training)
    fuse(model)
    x = batch(4, 9, 5, 3, ((0, 1), (1, 1), (2, 1), (0, 2), (3, 2), (1, 0)))
    assert rows_of_features(model, x) == 12 - 2 - 1
    assert rows_of_features(model, batch(4, 9, 5, 3)) == 12
    assert counts_now() == ()
    moved = x + 0.1  # a transform that moves zeros leaves no body absent
    assert rows_of_features(model, moved) == 12
    assert rows_of_features(model, x.clone().requires_grad_()) == 12


def a_share(rank: int, x: Tensor) -> list[dict[str, Tensor]]:
    """Three steps of one of two processes, each of which has another number of absent bodies; the loss is a sum."""
    model = network()
    fuse(model)
    across_processes(model)
    mine = slice(0, 5) if rank == 0 else slice(5, None)
    return [summed(model, x, mine) | {n: b.clone() for n, b in model.named_buffers()} for _ in range(3)]


def summed(model: nn.Module, x: Tensor, mine: slice) -> dict[str, Tensor]:
    model.zero_grad()
    F.cross_entropy(model(x[mine]), torch.arange(len(x))[mine] % 4, reduction="sum").backward()
    return {f"gradient {name}": p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}


def test_two_processes_that_leave_out_bodies_are_one(in_two: Callable[..., list[Any]]) -> None:
    x = batch(8, 8, 5, 2, ((0, 1), (1, 1), (3, 1), (5, 0), (6, 1), (7, 1)))
    plain = network()
    first, second = in_two(a_share, x)
    for step in range(3):
        want = summed(plain, x, slice(None))
        assert_same({name: first[step][name] + second[step][name] for name in want}, want)
        for name, buffer in plain.named_buffers():
            torch.testing.assert_close(first[step][name], buffer, rtol=EXACT, atol=EXACT, msg=name)


def test_clips_of_one_body_are_all_computed() -> None:
    model = network(bodies=1)
    fuse(model)
    assert rows_of_features(model, batch(4, 9, 5, 1, ((0, 0), (1, 0)))) == 4


def test_gradients_of_the_clips() -> None:
    """Asked for, they are those of every body on its own."""
    plain = network().eval()
    fused = copy.deepcopy(plain)
    fuse(fused)
    found = []
    for model in (plain, fused):
        x = batch(4, 9, 5, 2, ((0, 1), (1, 1))).requires_grad_()
        model(x).square().sum().backward()
        found.append(x.grad)
    torch.testing.assert_close(found[1], found[0], rtol=EXACT, atol=EXACT)


def test_windows_are_summed() -> None:
    torch.manual_seed(0)
    adjacency = binary_adjacency(5, [(child, parent) for child, parent in chain(5)])
    plain = stirred(MultiWindowG3D(6, 12, adjacency, 2, stride=2)).double().eval()
    fused = copy.deepcopy(plain)
    assert fuse(fused) == 4  # both, and the graph convolution in each
    x = torch.randn(2, 6, 7, 5, dtype=torch.float64)
    torch.testing.assert_close(fused(x), plain(x), rtol=EXACT, atol=EXACT)
