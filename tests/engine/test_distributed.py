"""Several processes: what two compute together is what one computes, and what goes wrong in one ends all."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from engine.checkpoint import Progress
from engine.config import Config
from engine.data import test_batches as batches_to_test
from engine.data import training_batches
from engine.distributed import StoppedTogether, World, add_up, agreed, by_kind, check_shares, gather, hand_out_state
from engine.evaluate import Evaluation, evaluate
from engine.precision import Precision
from engine.run import _check_same
from engine.train import Step, train_one_epoch
from errors import InputError
from importing import import_class
from model.batch_norm import across_processes

CPU = torch.device("cpu")
Pair = Callable[..., list[Any]]
TOY = {"name": "toy", "num_joints": 5, "edges": [[1, 0], [2, 1], [3, 1], [4, 1]]}
NARROW: dict[str, dict[str, Any]] = {
    "msg3d": {"num_gcn_scales": 2, "num_g3d_scales": 1, "widths": (6, 12, 12)},
    "mstgcn": {"widths": (8, 8, 16), "s_scale": 2, "t_scale": 2},
    "dgstgcn": {
        **{"widths": (24, 24, 48), "num_filter": 3},
        **{"num_stages": 4, "inflate_stages": (2, 3), "down_stages": (2, 3)},
    },
    "msagcn": {"widths": (40, 40, 40), "window_size": 4, "k": 2, "global_context": "ema"},
}
# At these a weight moved by 1e-15 moves no loss by 1e-6 in 20 steps; at higher ones training itself is a chaos.
RATE = {"msg3d": 0.05, "mstgcn": 0.05, "dgstgcn": 0.005, "msagcn": 0.005}


class Clips(torch.utils.data.Dataset[Any]):
    """``count`` random clips (3, 4, 5, 1) of 5 classes in float64."""

    def __init__(self, count: int) -> None:
        rng = np.random.default_rng(0)
        self.clips = rng.normal(size=(count, 3, 4, 5, 1))
        self.label = [index % 5 for index in range(count)]
        self.clips[:, 0] += np.array(self.label)[:, None, None, None]
        self.sample_name = [f"clip{index:02}" for index in range(count)]

    def __len__(self) -> int:
        return len(self.clips)

    def __getitem__(self, index: int) -> tuple[np.ndarray, int, int]:
        return self.clips[index], self.label[index], index


def build(network: str) -> nn.Module:
    torch.manual_seed(0)
    graph = {"graph": "graph.custom.AdjMatrixGraph", "graph_args": {"layout": TOY}}
    made = import_class(f"model.{network}.Model", "model")(
        num_class=5, num_person=1, num_point=5, **graph, **NARROW[network]
    )
    model: nn.Module = made.double()
    return model


def trained(world: World, network: str, forward_batch_size: int) -> tuple[list[Step], dict[str, Tensor]]:
    """20 steps of batches of 16, the share of one process; what came of each, and the state at the end."""
    model, clips = build(network), Clips(80)
    if world.size > 1:
        across_processes(model)
    optimizer = torch.optim.SGD(model.parameters(), lr=RATE[network], momentum=0.9, nesterov=True, weight_decay=5e-4)
    steps: list[Step] = []
    for epoch in range(4):
        batches = training_batches(
            clips,
            *(16,),
            **{"seed": 1, "epoch": epoch, "num_worker": 0, "pin": False},
            forward_batch_size=forward_batch_size,
            world=world,
        )
        train_one_epoch(
            model,
            batches,
            optimizer,
            forward_batch_size=forward_batch_size // world.size,
            precision=Precision(),
            device=CPU,
            world=world,
            after_step=lambda step, batch: steps.append(step),
        )
    return steps, model.state_dict()


def trained_in_two(rank: int, network: str, forward_batch_size: int) -> tuple[list[Step], dict[str, Tensor]]:
    return trained(World(rank, 2, rank, 2), network, forward_batch_size)


@pytest.mark.parametrize(
    ("network", "forward_batch_size"),
    [
        ("msg3d", 16),
        ("mstgcn", 8),
        ("dgstgcn", 8),
        ("msagcn", 16),
        pytest.param("mstgcn", 16, marks=pytest.mark.slow),
        pytest.param("dgstgcn", 16, marks=pytest.mark.slow),
        *(pytest.param(network, 8, marks=pytest.mark.slow) for network in ("msg3d", "msagcn")),
    ],
)
def test_two_processes_train_as_one_does(in_two: Pair, network: str, forward_batch_size: int) -> None:
    """Losses, hits, weights and statistics, for 20 steps; batches as a whole, and in two passes."""
    steps, state = trained(World(), network, forward_batch_size)
    first, second = in_two(trained_in_two, network, forward_batch_size)
    assert len(steps) == 20
    for got in (first, second):
        assert [(step.correct, step.clips, step.done) for step in got[0]] == [
            (step.correct, step.clips, step.done) for step in steps
        ]
        np.testing.assert_allclose([s.loss for s in got[0]], [s.loss for s in steps], rtol=1e-6)
        for name, value in state.items():
            torch.testing.assert_close(got[1][name], value, rtol=1e-6, atol=1e-6, msg=name)
    assert all(torch.equal(first[1][name], second[1][name]) for name in state if "running_" not in name)
    assert steps[-1].loss < steps[0].loss


def scored(world: World, batch_size: int) -> Evaluation:
    """All of 13 clips, which no two processes share evenly."""
    model, clips = build("msg3d"), Clips(13)
    batches = batches_to_test(clips, batch_size // world.size, seed=1, num_worker=0, pin=False, world=world)
    return evaluate(model, batches, clips.sample_name, precision=Precision(), device=CPU, world=world)


def scored_in_two(rank: int, batch_size: int) -> Evaluation:
    return scored(World(rank, 2), batch_size)


@pytest.mark.parametrize("batch_size", [2, 6, 26])
def test_every_name_is_scored_once_whatever_the_shares(in_two: Pair, batch_size: int) -> None:
    want = scored(World(), batch_size)
    for got in in_two(scored_in_two, batch_size):
        assert list(got.names) == list(want.names) == Clips(13).sample_name
        assert got.labels.tolist() == want.labels.tolist() == Clips(13).label
        np.testing.assert_allclose(got.logits, want.logits, rtol=1e-5, atol=1e-6)
        assert got.loss == pytest.approx(want.loss, rel=1e-6)


@pytest.mark.parametrize(("key", "total"), [("batch_size", 15), ("forward_batch_size", 1)])
def test_batches_that_cannot_be_shared_are_refused(key: str, total: int) -> None:
    with pytest.raises(InputError, match=f"{key} is {total}, which 2 processes cannot share evenly; it counts the cl"):
        check_shares(World(0, 2), Config(**{key: total}))


@pytest.mark.parametrize("size", [8, "auto"])
def test_batches_that_can_be_shared_are_taken(size: int | str) -> None:
    check_shares(World(0, 4), Config(batch_size=12, forward_batch_size=size))


def refused(rank: int, which: list[int]) -> str:
    """What ``agreed`` makes of a refusal in the processes ``which``."""

    def make() -> str:
        if rank in which:
            raise InputError(f"clip {rank} is broken")
        return "made"

    try:
        return agreed(World(rank, 2), make)
    except StoppedTogether as stopped:
        return f"stopped: {stopped}"


@pytest.mark.parametrize(
    ("which", "says"),
    [
        ([], "made"),
        ([0], "stopped: clip 0 is broken"),
        ([1], "stopped: process 1: clip 1 is broken"),
        ([0, 1], "stopped: clip 0 is broken"),
    ],
)
def test_what_one_process_refuses_ends_all(in_two: Pair, which: list[int], says: str) -> None:
    assert in_two(refused, which) == [says, says]


def at_steps(rank: int, steps: list[int]) -> str:
    try:
        _check_same(World(rank, 2), Progress(step=steps[rank]))
    except StoppedTogether as stopped:
        return str(stopped)
    return ""


def test_processes_at_different_steps_are_refused(in_two: Pair) -> None:
    """As where each machine has a work dir of its own."""
    assert in_two(at_steps, [3, 3]) == ["", ""]
    says = "the processes begin at different steps, [3, 0]: the work dir must lie on a disk that all machines share"
    assert in_two(at_steps, [3, 0]) == [says, says]


def messages(rank: int) -> dict[str, Any]:
    """A round of every message, of numbers that tell who sent them."""
    world = World(rank, 2)
    gradients = [torch.full((2, 3), 1.0 + rank), torch.full((4,), 10.0 * (1 + rank), dtype=torch.bfloat16)]
    figures = add_up(world, gradients, torch.tensor([1.0, rank]))
    model = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    with torch.no_grad():
        for tensor in model.state_dict().values():
            tensor.fill_(5 + rank)
    hand_out_state(world, model)
    return {
        "gradients": gradients,
        "figures": figures,
        "state": sorted({float(v.flatten()[0]) for v in model.state_dict().values()}),
        "gathered": gather(world, {"rank": rank}),
    }


def test_messages_reach_everybody(in_two: Pair) -> None:
    for got in in_two(messages):
        assert [g.unique().tolist() for g in got["gradients"]] == [[3.0], [30.0]]
        assert [g.dtype for g in got["gradients"]] == [torch.float32, torch.bfloat16]
        assert got["figures"].tolist() == [2.0, 1.0]
        assert got["state"] == [5.0]
        assert got["gathered"] == [{"rank": 0}, {"rank": 1}]


def test_formats_are_sent_apart() -> None:
    one, two, three = torch.zeros(1), torch.zeros(1, dtype=torch.int64), torch.zeros(2)
    groups = by_kind([one, two, three])
    assert [[t.data_ptr() for t in group] for group in groups] == [
        [one.data_ptr(), three.data_ptr()],
        [two.data_ptr()],
    ]


@pytest.mark.parametrize(
    ("variables", "want"),
    [
        ({}, World()),
        (
            {"WORLD_SIZE": "4", "RANK": "3", "LOCAL_RANK": "1", "LOCAL_WORLD_SIZE": "2"},
            World(3, 4, 1, 2),
        ),
        ({"WORLD_SIZE": "4", "RANK": "3"}, World(3, 4, 3, 4)),
    ],
)
def test_who_one_is_stands_in_the_environment(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], want: World
) -> None:
    for name in ("WORLD_SIZE", "RANK", "LOCAL_RANK", "LOCAL_WORLD_SIZE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert World.of_environment() == want
    assert want.main is (want.rank == 0)


@pytest.mark.parametrize("rank", [None, "first"])
def test_half_an_environment_is_refused(monkeypatch: pytest.MonkeyPatch, rank: str | None) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.delenv("RANK", raising=False)
    if rank is not None:
        monkeypatch.setenv("RANK", rank)
    with pytest.raises(InputError, match="WORLD_SIZE is set, but RANK and the rest"):
        World.of_environment()
