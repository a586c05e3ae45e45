"""What is not finite: clips are named and left out, steps are undone, weights beyond help end the run by name."""

from __future__ import annotations

import copy
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from engine.data import NO_CLIP, Batch
from engine.nonfinite import first_not_finite
from engine.precision import Autocast, Half, Precision
from engine.state import RunningState
from engine.train import Step, train_step
from model.msg3d import Model

CPU = torch.device("cpu")
TOY = {"name": "toy", "num_joints": 5, "edges": [[1, 0], [2, 1], [3, 1], [4, 1]]}
FORMATS = {
    "float32": Precision,
    "bfloat16": lambda: Autocast(CPU, torch.bfloat16),
    "float16": lambda: Autocast(CPU, torch.float16),
    "half": lambda: Half(torch.bfloat16),
}


def network() -> nn.Module:
    torch.manual_seed(0)
    return Model(6, 5, 1, 2, 1, "graph.custom.AdjMatrixGraph", graph_args={"layout": TOY}, widths=(6, 12, 12))


def batch(size: int = 4, factor: float = 1.0) -> Batch:
    clips = torch.randn(size, 3, 8, 5, 1, generator=torch.Generator().manual_seed(1)) * factor
    return clips, torch.arange(size) % 6, torch.arange(size)


def settled(precision: Precision) -> Precision:
    """The loss of float16 is scaled as after some steps; it begins with as much as makes the first ones overflow."""
    if precision.state_dict():
        precision.load_state_dict({**precision.state_dict(), "scale": 16.0})
    return precision


def stepped(
    model: nn.Module, optimizer: torch.optim.Optimizer, precision: Precision, given: Batch, at_once: int = 2
) -> Step:
    return train_step(
        model,
        given,
        optimizer,
        forward_batch_size=at_once,
        precision=precision,
        device=CPU,
        running=RunningState(model),
    )


def state(model: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, Any]:
    return copy.deepcopy({"model": dict(model.state_dict()), "optimizer": optimizer.state_dict()})


@pytest.mark.parametrize("precision", FORMATS.values(), ids=FORMATS)
@pytest.mark.parametrize("what", ["loss", "gradients"])
def test_a_step_that_overflows_leaves_no_trace(precision: Any, what: str, differences: Any) -> None:
    """Neither in weights nor in momentum nor in running statistics; the next step is an ordinary one."""
    model, chosen = network(), settled(precision())
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    model = chosen.prepare(model, optimizer)
    assert stepped(model, optimizer, chosen, batch()).done
    before = state(model, optimizer)
    clips, labels, indices = batch()
    if what == "loss":
        step = stepped(model, optimizer, chosen, (clips * torch.inf, labels, indices))
    else:
        weight = next(p for name, p in model.named_parameters() if name == "fc.weight")
        hook = weight.register_hook(lambda gradient: gradient * torch.inf)
        step = stepped(model, optimizer, chosen, (clips, labels, indices))
        hook.remove()
    assert (step.done, step.correct) == (False, 0)
    assert differences(state(model, optimizer), before) == []
    assert stepped(model, optimizer, chosen, batch()).done
    after = state(model, optimizer)
    assert all(value.isfinite().all() for value in after["model"].values())
    assert differences(after, before) != []


@pytest.mark.parametrize("at_once", [1, 4])
def test_a_clip_without_a_label_has_no_part_in_its_batch(at_once: int) -> None:
    """Weights and statistics after the step are those of a batch that never had it, alone in its pass or not."""
    clips, labels, indices = batch()
    found = []
    for kept in ([0, 1, 3], [0, 1, 2, 3]):
        model = network()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        held = clips[kept].clone(), labels[kept].clone(), indices[kept]
        if len(kept) == 4:
            held[0][2], held[1][2] = 0, NO_CLIP
        assert stepped(model, optimizer, Precision(), held, at_once=at_once).done
        found.append(model.state_dict())
    torch.testing.assert_close(found[0], found[1], rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("precision", FORMATS.values(), ids=FORMATS)
def test_a_batch_of_nothing_but_such_clips_leaves_no_trace(precision: Any, differences: Any) -> None:
    model, chosen = network(), settled(precision())
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, weight_decay=0.1)
    model = chosen.prepare(model, optimizer)
    clips, labels, indices = batch()
    before = state(model, optimizer)
    step = stepped(model, optimizer, chosen, (clips * 0, torch.full_like(labels, NO_CLIP), indices))
    assert (step.done, step.clips) == (False, 0)
    assert differences(state(model, optimizer), before) == []
    assert stepped(model, optimizer, chosen, batch()).done


@pytest.mark.parametrize("precision", FORMATS.values(), ids=FORMATS)
def test_a_pass_of_nothing_but_such_clips_has_no_part_in_the_loss(precision: Any) -> None:
    model, chosen = network(), settled(precision())
    optimizer = torch.optim.SGD(model.parameters(), lr=0.0)
    model = chosen.prepare(model, optimizer)
    clips, labels, indices = batch()
    clips[2:], labels[2:] = 0, NO_CLIP  # the whole of the second pass
    step = stepped(model, optimizer, chosen, (clips, labels, indices))
    assert (step.done, step.clips) == (True, 2)
    alone = network()
    other = settled(precision())
    alone_optimizer = torch.optim.SGD(alone.parameters(), lr=0.0)
    alone = other.prepare(alone, alone_optimizer)
    want = stepped(alone, alone_optimizer, other, (clips[:2], labels[:2], indices[:2]))
    assert step.loss == pytest.approx(want.loss, rel=1e-6)


@pytest.mark.parametrize(
    ("damaged", "says"),
    [
        ("fc.weight", "weight of fc (Linear) holds values that are not finite"),
        ("data_bn.bias", "bias of data_bn (BatchNorm1d) holds values that are not finite"),
        (None, "the network's scores are finite, its gradients are not"),
    ],
)
def test_a_weight_beyond_help_is_named(damaged: str | None, says: str) -> None:
    model = network()
    if damaged:
        with torch.no_grad():
            dict(model.named_parameters())[damaged].view(-1)[0] = torch.nan
    found = first_not_finite(model, batch(), Precision(), CPU)
    assert re.sub(r"\(Weighted|\(", "(", found) == says


def test_the_innermost_module_that_overflows_is_named() -> None:
    model = nn.Sequential(nn.Flatten(), nn.ModuleDict({"a": nn.Linear(120, 2)})["a"], nn.Sequential(Exploding()))
    assert (
        first_not_finite(model, batch(), Precision(), CPU) == "2.0 (Exploding) is the first whose output is not finite"
    )
    assert not model[2][0]._forward_hooks  # type: ignore[index]


class Exploding(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x / 0


@pytest.fixture
def with_nan(tiny: Any, tmp_path: Path) -> dict[str, Any]:
    """The tiny data set, but a value of its sixth training clip is NaN in every frame."""
    clips = np.load(tiny.settings["train_feeder_args"]["data_path"])
    clips[5, 1, :, 2, 0] = np.nan
    np.save(tmp_path / "nan.npy", clips)
    return {"train_feeder_args": {**tiny.settings["train_feeder_args"], "data_path": str(tmp_path / "nan.npy")}}


@pytest.mark.parametrize("flags", [[], ["--half", "--amp-dtype", "bfloat16"]])
def test_a_clip_of_no_numbers_is_named_once_an_epoch_and_survived(
    train: Any, load: Any, with_nan: Any, flags: list[Any]
) -> None:
    work_dir = train("w", *flags, **with_nan)
    log = (work_dir / "log.txt").read_text(encoding="utf-8")
    assert log.count("clip 'train05' holds values that are no numbers and is left out of training") == 2
    assert "not finite" not in log
    last = load(work_dir / "checkpoints" / "last.pt")
    assert all(value.isfinite().all() for value in last["model"].values())
    assert last["progress"]["skipped"] == 0


def test_a_weight_of_nan_ends_the_run_by_name(train: Any, run_main: Any, load: Any, tmp_path: Path) -> None:
    work_dir = train("w", "--num-epoch", 1)
    (path,) = (work_dir / "weights").iterdir()
    weights = load(path)
    weights["fc.weight"][0, 0] = torch.nan
    torch.save(weights, tmp_path / "damaged.pt")
    flags = ["--config", work_dir.parent / "w.yaml", "--weights", tmp_path / "damaged.pt", "--work-dir", tmp_path / "v"]
    done = run_main(*flags, "--max-bad-steps", 3)
    assert done.code == 2
    assert "of 3 steps in a row, up to step 3, are not finite: weight of fc (Linear) holds" in done.err[-1]
    assert "nothing had been saved yet" in done.err[-1]
    assert sum("the step is skipped" in line for line in done.out) == 3
    assert not (tmp_path / "v" / "checkpoints").exists()
