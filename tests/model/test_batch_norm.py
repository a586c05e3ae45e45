"""BatchNorm over two processes, each with its share of a batch, is BatchNorm in one with the whole of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from model.batch_norm import BatchNorm1d, BatchNorm2d, WeightedBatchNorm1d, WeightedBatchNorm2d, across_processes, apart
from model.normalize import How, counts_now, moments, standing_for

SHAPES = {"1d": (5,), "1d along": (5, 7), "2d": (5, 7, 3)}
OPTIONS: list[dict[str, Any]] = [
    {},
    {"momentum": 0.3, "eps": 1e-3},
    {"momentum": None},
    {"affine": False},
    {"track_running_stats": False},
    {"affine": False, "track_running_stats": False},
]


def layer(shape: tuple[int, ...], options: dict[str, Any]) -> nn.Sequential:
    """One BatchNorm over 5 channels, with weights, in float64."""
    kind = nn.BatchNorm2d if len(shape) == 3 else nn.BatchNorm1d
    model = nn.Sequential(kind(5, **options)).double()
    with torch.no_grad():
        for number, parameter in enumerate(model.parameters()):
            parameter.copy_(torch.linspace(-1, 2, 5) + number)
    return model


def batch(clips: int, shape: tuple[int, ...], step: int) -> tuple[Tensor, Tensor]:
    """A batch far from zero mean (the case where sums of squares lose digits), and gradients of what comes of it."""
    generator = torch.Generator().manual_seed(step)
    offset = 100 * torch.arange(5, dtype=torch.float64).view(1, -1, *[1] * (len(shape) - 1))
    x, dy = torch.randn(2, clips, *shape, dtype=torch.float64, generator=generator)
    return x * (1 + step) + offset, dy


def steps(model: nn.Module, clips: int, shape: tuple[int, ...], mine: slice) -> dict[str, Tensor]:
    """What three steps in training mode and one in eval mode give for the clips ``mine`` of each batch.

    Without running statistics eval mode looks at the clips at hand, in each process on its own: nothing to compare.
    """
    found: dict[str, Tensor] = {}
    for step in range(4 if list(model.buffers()) else 3):
        model.train(step < 3)
        model.zero_grad()
        x, dy = batch(clips, shape, step)
        x = x[mine].requires_grad_()
        y = model(x)
        y.backward(dy[mine])
        assert x.grad is not None
        found |= {f"{step}.output": y.detach(), f"{step}.input": x.grad}
        found |= {
            f"{step}.gradient.{name}": p.grad.clone() for name, p in model.named_parameters() if p.grad is not None
        }
        found |= {f"{step}.{name}": buffer.clone() for name, buffer in model.named_buffers()}
    return found


def in_a_process(rank: int, clips: int, shape: tuple[int, ...], options: dict[str, Any], cut: int) -> dict[str, Tensor]:
    model = layer(shape, options)
    assert across_processes(model) == 1
    return steps(model, clips, shape, slice(0, cut) if rank == 0 else slice(cut, None))


@pytest.mark.parametrize("cut", [4, 2, 7])
@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_two_processes_compute_what_one_does(
    in_two: Callable[..., list[Any]], shape: tuple[int, ...], options: dict[str, Any], cut: int
) -> None:
    """Shares of 4 and 4, 2 and 6, 7 and 1 clips."""
    want = steps(layer(shape, options), 8, shape, slice(None))
    first, second = in_two(in_a_process, 8, shape, options, cut)
    assert first.keys() == second.keys() == want.keys()
    for name, value in want.items():
        kind = name.split(".")[1]
        if kind in ("output", "input"):
            got = torch.cat([first[name], second[name]])
        elif kind == "gradient":
            got = first[name] + second[name]
        else:
            assert torch.equal(first[name], second[name]), name
            got = first[name]
        torch.testing.assert_close(got, value, rtol=1e-12, atol=1e-12, msg=f"{name}: {got} instead of {value}")


def weights_alone(rank: int) -> list[bool]:
    """Frozen parameters get no gradient, and an input without one needs none."""
    model = layer((5, 7, 3), {})
    across_processes(model)
    bias = dict(model.named_parameters())["0.bias"]
    bias.requires_grad_(False)
    x, dy = batch(4, (5, 7, 3), rank)
    model(x).backward(dy)
    return [p.grad is not None for p in model.parameters()]


def test_what_is_frozen_gets_no_gradient(in_two: Callable[..., list[Any]]) -> None:
    assert in_two(weights_alone) == [[True, False]] * 2


def same_in_half(rank: int, dtype: torch.dtype) -> list[Tensor]:
    """Output, input gradient and running mean for inputs of ``dtype``, as autocast hands them to a BatchNorm."""
    model = layer((5, 7, 3), {}).float()
    across_processes(model)
    x, dy = batch(8, (5, 7, 3), 0)
    mine = slice(4 * rank, 4 * rank + 4)
    x = x.to(dtype)[mine].requires_grad_()
    with torch.autocast("cpu", dtype):
        y = model(x)
    assert y.dtype is dtype
    y.backward(dy[mine].to(dtype))
    return [y.detach(), x.grad, model[0].running_mean, model[0].weight.grad]  # type: ignore[list-item]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_inputs_are_computed_in_float32(in_two: Callable[..., list[Any]], dtype: torch.dtype) -> None:
    """Exactly what float32 gives, rounded; statistics and gradients of weights stay float32."""
    first, second = in_two(same_in_half, dtype)
    model = layer((5, 7, 3), {}).float()
    x, dy = batch(8, (5, 7, 3), 0)
    x = x.to(dtype).float().requires_grad_()
    y = model(x)
    y.backward(dy.to(dtype).float())
    step = torch.finfo(dtype).eps
    assert first[3].dtype is torch.float32
    for got, want in ((torch.cat([first[0], second[0]]), y.detach()), (torch.cat([first[1], second[1]]), x.grad)):
        assert got.dtype is dtype
        assert want is not None
        torch.testing.assert_close(got.float(), want, rtol=step, atol=step * float(want.abs().max()))
    torch.testing.assert_close(first[2], model[0].running_mean, rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(first[3] + second[3], model[0].weight.grad, rtol=1e-4, atol=1e-3)


def a_step(rank: int, alone: bool) -> dict[str, Tensor]:
    model = layer((5, 7, 3), {})
    across_processes(model)
    apart(model, alone)
    x, _ = batch(8, (5, 7, 3), 0)
    model(x[4 * rank : 4 * rank + 4])
    return dict(model.named_buffers())


def test_apart_each_looks_at_its_own_clips(in_two: Callable[..., list[Any]]) -> None:
    for rank, found in enumerate(in_two(a_step, True)):
        model = layer((5, 7, 3), {})
        model(batch(8, (5, 7, 3), 0)[0][4 * rank : 4 * rank + 4])
        for name, value in model.named_buffers():
            torch.testing.assert_close(found[name], value, rtol=1e-12, atol=1e-12)
    together = in_two(a_step, False)
    assert torch.equal(together[0]["0.running_mean"], together[1]["0.running_mean"])


def test_layers_are_replaced_and_everything_in_them_stays() -> None:
    model = nn.Sequential(
        nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4), nn.ModuleList([nn.BatchNorm1d(4, affine=False), nn.LayerNorm(4)])
    )
    parameters, keys = list(model.parameters()), list(model.state_dict())
    model[1].eval()
    called: list[nn.Module] = []
    model[1].register_forward_hook(lambda module, args, output: called.append(module))
    assert across_processes(model) == 2
    assert [type(module) for module in (model[1], model[2][0])] == [BatchNorm2d, BatchNorm1d]  # type: ignore[index]
    assert all(one is other for one, other in zip(model.parameters(), parameters, strict=True))
    assert list(model.state_dict()) == keys
    assert not model[1].training
    model[1](torch.zeros(2, 4, 1, 1))
    assert called == [model[1]]
    assert across_processes(model) == 0  # they are already


@pytest.mark.parametrize("options", OPTIONS)
def test_one_process_computes_as_ever(options: dict[str, Any]) -> None:
    shape = (5, 7, 3)
    ours = layer(shape, options)
    across_processes(ours)
    got, want = steps(ours, 6, shape, slice(None)), steps(layer(shape, options), 6, shape, slice(None))
    assert all(torch.equal(got[name], value) for name, value in want.items())


# --- items that stand for many --------------------------------------------------------------------------------------

COUNTS = (3, 1, 4)
"""What the last three items of a batch stand for."""


def counting(model: nn.Sequential) -> nn.Sequential:
    kinds = {nn.BatchNorm1d: WeightedBatchNorm1d, nn.BatchNorm2d: WeightedBatchNorm2d}
    for module in model:
        module.__class__ = kinds[type(module)]  # type: ignore[index]
    return model


def counted_steps(
    model: nn.Module, shape: tuple[int, ...], singles: slice, counts: tuple[int, ...], whole: bool
) -> dict[str, Tensor]:
    """Three steps on two single items and one for each of ``COUNTS``; ``whole``: with all clones written out."""
    found: dict[str, Tensor] = {}
    of = torch.tensor([0, 1] + [2 + place for place, times in enumerate(COUNTS) for _ in range(times)])
    for step in range(3):
        model.zero_grad()
        x, dy = batch(2 + len(COUNTS), shape, step)
        given = x.requires_grad_()
        if whole:
            y = model(given[of])
            share = torch.tensor([1.0, 1.0, *COUNTS])[of].view(-1, *[1] * len(shape))  # dy is a clone's sum
            y.backward(dy[of] / share)
        else:
            chosen = [0, 1][singles] + [2 + place for place, times in enumerate(COUNTS) if times in counts]
            with standing_for(counts):
                y = model(given[chosen])
            y.backward(dy[chosen])
        found |= {f"{step}.input": given.grad.clone()}  # type: ignore[union-attr]
        found |= {
            f"{step}.gradient.{name}": p.grad.clone() for name, p in model.named_parameters() if p.grad is not None
        }
        found |= {f"{step}.{name}": buffer.clone() for name, buffer in model.named_buffers()}
    return found


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_an_item_that_stands_for_many_is_many_items(shape: tuple[int, ...], options: dict[str, Any]) -> None:
    want = counted_steps(layer(shape, options), shape, slice(None), COUNTS, True)
    got = counted_steps(counting(layer(shape, options)), shape, slice(None), COUNTS, False)
    for name, value in want.items():
        torch.testing.assert_close(got[name], value, rtol=1e-12, atol=1e-12, msg=name)
    assert counts_now() == ()


def counted_in_a_process(rank: int, shape: tuple[int, ...], options: dict[str, Any]) -> dict[str, Tensor]:
    """One process has a single item and the three clones, the other the other single, the one and the four."""
    model = counting(layer(shape, options))
    assert across_processes(model) == 1
    return counted_steps(model, shape, slice(rank, rank + 1), COUNTS[:1] if rank == 0 else COUNTS[1:], False)


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_clones_and_processes_together(
    in_two: Callable[..., list[Any]], shape: tuple[int, ...], options: dict[str, Any]
) -> None:
    want = counted_steps(layer(shape, options), shape, slice(None), COUNTS, True)
    first, second = in_two(counted_in_a_process, shape, options)
    for name, value in want.items():
        both = name.split(".")[1] in ("input", "gradient")
        got = first[name] + second[name] if both else first[name]
        torch.testing.assert_close(got, value, rtol=1e-12, atol=1e-12, msg=name)


def test_in_eval_mode_nothing_is_counted() -> None:
    model = counting(layer((5, 7, 3), {})).eval()
    x, _ = batch(4, (5, 7, 3), 0)
    with standing_for((5,)):
        counted = model(x)
    assert torch.equal(counted, model(x))


@pytest.mark.parametrize("memory", [torch.contiguous_format, torch.channels_last])
def test_statistics_of_many_values_are_exact_in_float32(memory: torch.memory_format) -> None:
    """Summed up one after the other, 60 thousand values would be off by 1e-5."""
    x = torch.randn(16, 28, 150, 25, generator=torch.Generator().manual_seed(0)) + 0.5
    x = x.contiguous(memory_format=memory)
    mean, var, _ = moments(x, How(1e-5))
    torch.testing.assert_close(mean.double(), x.double().mean((0, 2, 3)), rtol=0, atol=5e-7)
    torch.testing.assert_close(var.double(), x.double().var((0, 2, 3), unbiased=False), rtol=2e-6, atol=0)
