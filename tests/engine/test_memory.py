"""How many clips fit: found without a trace, fewer in evaluation, and kept when a run goes on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from engine import memory
from engine.distributed import World
from engine.evaluate import evaluate
from engine.memory import fitting_forward_batch, is_out_of_memory
from engine.precision import Precision
from errors import InputError
from model.batch_norm import across_processes

CPU = torch.device("cpu")
SHAPE = (3, 4, 5, 1)


class Small(nn.Module):
    """Has memory for so many clips and no more, forward or backward."""

    def __init__(self, room: int) -> None:
        super().__init__()
        self.norm, self.dropout, self.fc = nn.BatchNorm1d(3), nn.Dropout(0.5), nn.Linear(3, 4)
        self.room = room
        self.tried: list[int] = []

    def forward(self, x: Tensor) -> Tensor:
        self.tried.append(len(x))
        if len(x) > self.room:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return self.fc(self.dropout(self.norm(x.flatten(2)).mean(dim=2)))  # type: ignore[no-any-return]


def found(model: nn.Module, batch_size: int, world: World | None = None) -> tuple[int, list[str]]:
    said: list[str] = []
    size = fitting_forward_batch(
        model, SHAPE, batch_size, precision=Precision(), device=CPU, world=world or World(), say=said.append
    )
    return size, said


@pytest.mark.parametrize(
    ("room", "batch_size", "size", "tried"),
    [(99, 16, 16, [16]), (7, 16, 4, [16, 8, 4]), (3, 10, 3, [10, 5, 3]), (1, 5, 1, [5, 3, 2, 1]), (99, 64, 16, [16])],
)
def test_the_size_that_fits_is_found_and_nothing_is_changed(
    room: int, batch_size: int, size: int, tried: list[int], differences: Any
) -> None:
    """On a CPU no more than 16, where memory is not refused in time."""
    torch.manual_seed(0)
    model = Small(room)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    assert found(model, batch_size) == (size, [f"forward_batch_size auto: {size} of {batch_size} clips at once"])
    assert model.tried == tried
    assert differences(dict(model.state_dict()), before) == []
    assert all(parameter.grad is None for parameter in model.parameters())


def test_no_room_for_a_single_clip_is_said() -> None:
    with pytest.raises(InputError, match=r"there is no memory for one clip of shape \(3, 4, 5, 1\)"):
        found(Small(0), 8)


def test_any_other_error_is_not_taken_for_one_of_memory() -> None:
    with pytest.raises(RuntimeError, match="mat1 and mat2"):
        found(nn.Sequential(nn.Flatten(), nn.Linear(7, 2)), 4)
    assert is_out_of_memory(RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"))


def with_little_room(rank: int) -> tuple[int, list[str], list[int]]:
    """The second process has room for less; BatchNorms over both must not wait for each other on the way."""
    model = Small([8, 3][rank])
    across_processes(model)
    size, said = found(model, 16, World(rank, 2))
    return size, said, model.tried


def test_processes_settle_on_what_fits_in_each(in_two: Callable[..., list[Any]]) -> None:
    (first, said, tried), (second, _, tried_by_second) = in_two(with_little_room)
    assert (first, second) == (4, 4)
    assert said == ["forward_batch_size auto: 4 of 16 clips at once"]
    assert (tried, tried_by_second) == ([8], [8, 4, 2])


def test_evaluation_takes_half_as_many_and_says_so() -> None:
    torch.manual_seed(0)
    clips = torch.randn(13, *SHAPE)
    batches = [
        (clips[:8], torch.zeros(8).long(), torch.arange(8)),
        (clips[8:], torch.zeros(5).long(), torch.arange(8, 13)),
    ]
    names, said = [f"clip{i}" for i in range(13)], []  # type: ignore[var-annotated]
    model = Small(99)
    want = evaluate(model, batches, names, precision=Precision(), device=CPU, at_once=8)
    model.room, model.tried = 3, []
    got = evaluate(model, batches, names, precision=Precision(), device=CPU, at_once=8, say=said.append)
    assert model.tried == [8, 4, *[2] * 4, 2, 2, 1]  # and never as many again
    assert said == [f"memory does not suffice: {n} clips at once from here on" for n in (4, 2)]
    assert list(got.names) == list(want.names)
    np.testing.assert_allclose(got.logits, want.logits, rtol=1e-5, atol=1e-6)
    model.room = 0
    with pytest.raises(torch.OutOfMemoryError):
        evaluate(model, batches, names, precision=Precision(), device=CPU, at_once=8)


def test_a_run_that_goes_on_keeps_the_size_that_was_found(
    train: Any, run_main: Any, same: Any, light: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another would be another batch to BatchNorm."""
    flags = ["--forward-batch-size", "auto", "--batch-size", 8]
    monkeypatch.setattr(memory, "ON_A_CPU", 4)
    straight = train("straight", *flags, "--num-epoch", 2)
    stopped = train("stopped", *flags, "--num-epoch", 1)
    assert "forward_batch_size auto: 4 of 8 clips at once" in (stopped / "log.txt").read_text()
    monkeypatch.setattr(memory, "ON_A_CPU", 8)
    again = ["--config", stopped.parent / "stopped.yaml", "--work-dir", stopped, *flags, "--num-epoch", 2]
    done = run_main(*again, "--resume", "auto")
    assert (done.code, done.err) == (0, [])
    assert not any("auto:" in line for line in done.out)
    assert same(straight, stopped) == []


def test_auto_trains_as_the_number_does(train: Any, same: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "ON_A_CPU", 4)
    one, other = train("one", "--forward-batch-size", "auto"), train("other", "--forward-batch-size", 4)
    assert [line for line in same(one, other) if "forward_batch_size" not in line] == []
