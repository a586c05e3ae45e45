"""One epoch of training: gradients add up to those of the whole batch, steps and sums are counted right."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engine.precision import Precision
from engine.train import Totals, train_one_epoch
from model.msg3d import Model

CPU = torch.device("cpu")


class Recorder(torch.optim.SGD):
    """Keeps the gradients of every step."""

    def __init__(self, model: nn.Module, lr: float = 0.0) -> None:
        super().__init__(model.parameters(), lr=lr)
        self.seen: list[dict[str, Tensor]] = []
        self.names = [name for name, _ in model.named_parameters()]

    def step(self, closure: Any = None) -> None:
        parameters = self.param_groups[0]["params"]
        self.seen.append({n: p.grad.clone() for n, p in zip(self.names, parameters, strict=True) if p.grad is not None})
        super().step(closure)


class SteadyModel(Model):
    """MS-G3D whose BatchNorm uses its running statistics in training too, so that clips do not see each other."""

    def train(self, mode: bool = True) -> SteadyModel:
        super().train(mode)
        for module in self.modules():
            if isinstance(module, (nn.BatchNorm1d, nn.BatchNorm2d)):
                nn.Module.train(module, False)
        return self


def network(kind: type[Model] = SteadyModel) -> Model:
    torch.manual_seed(3)
    edges = [[1, 0], [2, 1], [3, 1], [4, 1]]
    layout = {"name": "toy", "num_joints": 5, "edges": edges}
    return kind(
        6, 5, 1, 2, 2, "graph.custom.AdjMatrixGraph", graph_args={"layout": layout}, widths=(6, 12, 12)
    ).double()


def batch(size: int, seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    clips = torch.randn(size, 3, 8, 5, 1, dtype=torch.float64, generator=generator)
    return clips, torch.randint(6, (size,), generator=generator), torch.arange(size)


def gradients(forward_batch_size: int, size: int) -> tuple[list[dict[str, Tensor]], tuple[float, float]]:
    model = network()
    recorder = Recorder(model)
    means = train_one_epoch(
        model,
        [batch(size)],
        recorder,
        forward_batch_size=forward_batch_size,
        precision=Precision(),
        device=CPU,
    )
    return recorder.seen, means


@pytest.mark.parametrize(("size", "forward"), [(32, 8), (10, 4), (5, 1)])
def test_gradients_add_up_to_those_of_the_whole_batch(size: int, forward: int) -> None:
    (whole,), whole_means = gradients(size, size)
    (parts,), part_means = gradients(forward, size)
    assert whole.keys() == parts.keys() == dict(network().named_parameters()).keys()
    for name, gradient in whole.items():
        torch.testing.assert_close(parts[name], gradient, rtol=1e-10, atol=1e-12, msg=name)
    assert part_means == pytest.approx(whole_means, rel=1e-6)
    assert max(gradient.abs().max().item() for gradient in whole.values()) > 1e-3


def test_the_whole_batch_gives_the_gradients_of_its_mean_loss() -> None:
    (whole,), (loss, accuracy) = gradients(32, 32)
    model = network()
    model.train()
    clips, labels, _ = batch(32)
    logits = model(clips)
    wanted = F.cross_entropy(logits, labels)
    wanted.backward()
    for name, parameter in model.named_parameters():
        torch.testing.assert_close(whole[name], parameter.grad, rtol=1e-10, atol=1e-12)
    assert loss == pytest.approx(wanted.item(), rel=1e-6)
    assert accuracy == pytest.approx((logits.argmax(1) == labels).double().mean().item())


def test_every_batch_is_one_step_from_gradients_of_its_own() -> None:
    model = network()
    recorder = Recorder(model)  # the rate is 0, so that the weights stay
    counted: list[int] = []
    train_one_epoch(
        model,
        [batch(4, 0), batch(4, 1), batch(4, 0)],
        recorder,
        forward_batch_size=2,
        precision=Precision(),
        device=CPU,
        after_step=lambda step, batch: counted.append(step.clips),
    )
    first, second, third = recorder.seen
    assert counted == [4, 4, 4]
    for name in first:
        assert torch.equal(first[name], third[name])
    assert not torch.equal(first["fc.weight"], second["fc.weight"])


def test_training_is_in_training_mode_and_moves_the_weights() -> None:
    model = network(Model)
    model.eval()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    train_one_epoch(model, [batch(4)], optimizer, forward_batch_size=4, precision=Precision(), device=CPU)
    assert all(module.training for module in model.modules())
    still = [name for name, value in model.state_dict().items() if torch.equal(value, before[name])]
    assert [name for name in still if not name.endswith(".bias")] == []  # one before BatchNorm has no gradient


def test_means_are_per_clip() -> None:
    assert Totals(loss=6.0, correct=3, clips=4).means() == (1.5, 0.75)
    assert Totals().means() == (0.0, 0.0)


class Constant(nn.Module):
    """Says class 0 of 2, always as surely."""

    def __init__(self, dtype: torch.dtype) -> None:
        super().__init__()
        self.logit = nn.Parameter(torch.tensor([2.0, 0.0], dtype=dtype))

    def forward(self, x: Tensor) -> Tensor:
        return self.logit.expand(len(x), 2)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_the_loss_is_never_computed_in_a_half_format(dtype: torch.dtype) -> None:
    model = Constant(dtype)

    def batches() -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        yield torch.zeros(4, 1), torch.tensor([0, 0, 0, 1]), torch.arange(4)

    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    loss, accuracy = train_one_epoch(
        model, batches(), optimizer, forward_batch_size=3, precision=Precision(), device=CPU
    )
    wanted = F.cross_entropy(torch.tensor([[2.0, 0.0]] * 4, dtype=torch.float64), torch.tensor([0, 0, 0, 1])).item()
    assert loss == pytest.approx(wanted, rel=1e-6)
    assert accuracy == 0.75
