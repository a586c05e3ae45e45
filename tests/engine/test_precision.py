"""Number formats: what --half, --amp-opt-level and --amp-dtype choose, with Apex and without, and that they train."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import nn

from engine import resume
from engine.config import Config, make_config
from engine.distributed import World
from engine.optim import build_optimizer
from engine.parts import build_parts
from engine.precision import Apex, Autocast, Half, Precision, choose_precision
from engine.resume import start
from engine.train import train_one_epoch
from errors import InputError

CPU, GPU = torch.device("cpu"), torch.device("cuda")
NO_GPU = "--half: on a CPU everything runs in float32 (--amp-dtype bfloat16 for bfloat16)"


@pytest.fixture(autouse=True)
def without_apex(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if none were installed; None makes the import fail."""
    monkeypatch.setitem(sys.modules, "apex", None)


@pytest.mark.parametrize(
    ("settings", "device", "kind", "note"),
    [
        ({}, CPU, Precision, None),
        ({}, GPU, Precision, None),
        ({"half": True}, CPU, Precision, NO_GPU),
        ({"half": True, "amp_dtype": "float16"}, CPU, Precision, NO_GPU),
        ({"half": True, "amp_opt_level": 3}, CPU, Precision, NO_GPU),
        ({"half": True, "amp_opt_level": 0}, CPU, Precision, None),
        ({"half": True, "amp_opt_level": 0}, GPU, Precision, None),
        ({"amp_dtype": "bfloat16"}, CPU, Precision, None),
        ({"half": True, "amp_dtype": "bfloat16"}, CPU, Autocast, None),
        ({"half": True, "amp_dtype": "bfloat16", "amp_opt_level": 2}, CPU, Autocast, None),
        ({"half": True, "amp_dtype": "bfloat16", "amp_opt_level": 3}, CPU, Half, None),
        ({"half": True, "amp_dtype": "bfloat16"}, GPU, Autocast, None),
        ({"half": True, "amp_opt_level": 3}, GPU, Half, None),
    ],
)
def test_what_flags_and_device_choose(settings: dict[str, Any], device: torch.device, kind: type, note: str) -> None:
    precision, said = choose_precision(Config(**settings), device)
    wanted_note = f"--half: {precision.name} of PyTorch" if kind in (Autocast, Half) else note
    assert (type(precision), said) == (kind, wanted_note)
    wanted = torch.bfloat16 if settings.get("amp_dtype") == "bfloat16" else torch.float16
    if isinstance(precision, (Autocast, Half)):
        assert precision.dtype is wanted


@pytest.mark.filterwarnings("ignore:.*GradScaler is enabled, but CUDA is not available")
@pytest.mark.parametrize("level", [1, 2])
def test_half_on_a_gpu_is_mixed_precision_in_float16(level: int) -> None:
    precision, said = choose_precision(Config(half=True, amp_opt_level=level), GPU)
    assert isinstance(precision, Autocast)
    assert (precision.dtype, said) == (torch.float16, "--half: mixed precision (float16) of PyTorch")


def network() -> nn.Module:
    torch.manual_seed(2)
    return nn.Sequential(nn.Flatten(), nn.Linear(24, 16), nn.ReLU(), nn.Linear(16, 3))


def epoch(precision: Precision, model: nn.Module | None = None) -> tuple[nn.Module, torch.optim.SGD, float]:
    """Two batches of two forward passes each."""
    model = model or network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    model = precision.prepare(model, optimizer)
    generator = torch.Generator().manual_seed(1)
    batches = [
        (torch.randn(4, 3, 8, generator=generator), torch.tensor([0, 1, 2, 0]), torch.arange(4)) for _ in range(2)
    ]
    loss, _ = train_one_epoch(model, batches, optimizer, forward_batch_size=2, precision=precision, device=CPU)
    return model, optimizer, loss


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_mixed_precision_trains_as_float32_does_but_for_rounding(dtype: torch.dtype) -> None:
    seen: list[torch.dtype] = []
    model = network()
    model[1].register_forward_hook(lambda module, args, output: seen.append(output.dtype))  # type: ignore[operator]
    before = {name: value.clone() for name, value in model.state_dict().items()}
    model, _, loss = epoch(Autocast(CPU, dtype), model)
    wanted, _, wanted_loss = epoch(Precision())
    assert set(seen) == {dtype}
    assert loss == pytest.approx(wanted_loss, rel=0.02)
    assert loss != wanted_loss
    for name, value in wanted.state_dict().items():
        mixed = model.state_dict()[name]
        assert mixed.dtype is torch.float32
        moved = (value - before[name]).abs().max()
        assert (mixed - value).abs().max() < 0.1 * moved


def test_float16_scales_its_gradients_and_keeps_the_scale_in_the_checkpoint(differences: Any) -> None:
    precision = Autocast(CPU, torch.float16)
    epoch(precision)
    state = precision.state_dict()
    assert state["scale"] > 1
    assert state["_growth_tracker"] == 2  # one for each step that was no overflow
    twin = Autocast(CPU, torch.float16)
    twin.load_state_dict({**state, "scale": 128.0})
    assert differences(twin.state_dict(), {**state, "scale": 128.0}) == []


def test_a_step_of_overflowing_gradients_is_left_out() -> None:
    precision = Autocast(CPU, torch.float16)
    precision.load_state_dict({**precision.state_dict(), "scale": 2.0**30})  # too much for 5 bits of exponent
    before = {name: value.clone() for name, value in network().state_dict().items()}
    model, _, _ = epoch(precision)
    assert precision.state_dict()["scale"] < 2.0**30
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_level_3_is_the_whole_network_in_half() -> None:
    model, optimizer, loss = epoch(Half(torch.bfloat16))
    assert {p.dtype for p in model.parameters()} == {torch.bfloat16}
    assert {p.dtype for group in optimizer.param_groups for p in group["params"]} == {torch.bfloat16}
    assert loss == pytest.approx(epoch(Precision())[2], rel=0.05)


class StandIn(ModuleType):
    """Apex with what MS-G3D uses of ``amp``; notes every call."""

    def __init__(self) -> None:
        super().__init__("apex")
        self.amp = ModuleType("apex.amp")
        self.calls: list[Any] = []
        self.amp.__dict__.update(
            initialize=self.initialize,
            scale_loss=self.scale_loss,
            state_dict=lambda: {"loss_scaler0": {"loss_scale": 8.0}},
            load_state_dict=lambda state: self.calls.append(("load_state_dict", state)),
        )

    def initialize(self, model: nn.Module, optimizer: Any = None, *, opt_level: str) -> Any:
        self.calls.append(("initialize", opt_level, optimizer is not None))
        return model if optimizer is None else (model, optimizer)

    @contextmanager
    def scale_loss(self, loss: torch.Tensor, optimizer: Any, *, delay_unscale: bool = False) -> Iterator[torch.Tensor]:
        self.calls.append(("scale_loss", delay_unscale))
        yield loss * 8
        if not delay_unscale:  # where Apex takes the scale off again
            for group in optimizer.param_groups:
                for parameter in group["params"]:
                    parameter.grad /= 8


@pytest.fixture
def apex(monkeypatch: pytest.MonkeyPatch) -> StandIn:
    stand_in = StandIn()
    monkeypatch.setitem(sys.modules, "apex", stand_in)
    monkeypatch.setitem(sys.modules, "apex.amp", stand_in.amp)
    return stand_in


def test_an_installed_apex_is_used_as_msg3d_uses_it(apex: StandIn) -> None:
    precision, note = choose_precision(Config(half=True), GPU)
    assert (type(precision), note) == (Apex, "--half: mixed precision (Apex O1)")
    model, _, loss = epoch(precision)
    of_a_step = [("scale_loss", True), ("scale_loss", False)]  # two passes, and the scale comes off after the last
    assert apex.calls == [("initialize", "O1", True), *of_a_step, *of_a_step]
    plain, _, wanted = epoch(Precision())
    assert loss == pytest.approx(wanted, rel=1e-6)
    for one, other in zip(model.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(one, other)
    assert precision.state_dict() == {"loss_scaler0": {"loss_scale": 8.0}}
    precision.load_state_dict(precision.state_dict())
    assert apex.calls[-1] == ("load_state_dict", precision.state_dict())


class FusedSGD(torch.optim.SGD):
    """Stands for ``apex.optimizers.FusedSGD``, which takes the same settings."""


@pytest.fixture
def fused(monkeypatch: pytest.MonkeyPatch) -> type[FusedSGD]:
    module = ModuleType("apex.optimizers")
    module.__dict__["FusedSGD"] = FusedSGD
    monkeypatch.setitem(sys.modules, "apex.optimizers", module)
    return FusedSGD


class OnAGPU(nn.Parameter):
    """A parameter that says of itself that it is on a GPU."""

    @property
    def is_cuda(self) -> bool:  # type: ignore[override]
        return True


@pytest.mark.parametrize(
    ("settings", "on_gpu", "taken"),
    [
        ({"half": True}, True, True),
        ({"half": True, "amp_opt_level": 2}, True, True),
        ({"half": True, "amp_opt_level": 3}, True, False),  # its momentum would be of half precision
        ({"half": True, "optimizer": "Adam"}, True, False),
        ({"half": True}, False, False),
        ({}, True, False),
    ],
)
def test_apexs_fused_sgd_is_taken_with_half_on_a_gpu(
    apex: StandIn, fused: type[FusedSGD], settings: dict[str, Any], on_gpu: bool, taken: bool
) -> None:
    kind = OnAGPU if on_gpu else nn.Parameter
    optimizer = build_optimizer([kind(torch.zeros(2))], Config(**settings, nesterov=True, weight_decay=0.25))
    assert (type(optimizer) is fused) is taken
    if type(optimizer) in (fused, torch.optim.SGD):
        (group,) = optimizer.param_groups
        assert (group["momentum"], group["nesterov"], group["weight_decay"], group["lr"]) == (0.9, True, 0.25, 0.01)


def test_which_optimizer_was_taken_is_said(
    apex: StandIn, fused: type[FusedSGD], tiny: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = build_parts(make_config({**tiny.settings, "work_dir": str(tmp_path / "w")}, {}))
    assert type(start(parts)[0]) is torch.optim.SGD
    assert not any("FusedSGD" in note for note in parts.notes)
    monkeypatch.setattr(resume, "build_optimizer", lambda parameters, config: fused(parameters, lr=0.1))
    assert type(start(parts)[0]) is fused
    assert parts.notes[-1] == "optimizer: FusedSGD of Apex"


@pytest.mark.filterwarnings("ignore:.*GradScaler is enabled, but CUDA is not available")
def test_several_processes_take_pytorchs_mixed_precision(apex: StandIn) -> None:
    """Apex decides in each process for itself which steps to leave out."""
    precision, note = choose_precision(Config(half=True), GPU, World(1, 2))
    assert (type(precision), apex.calls) == (Autocast, [])
    assert note == "--half: mixed precision (float16) of PyTorch; Apex's is for one process"


def test_apex_is_called_in_the_order_that_it_documents(apex: StandIn) -> None:
    """initialize, then for every step: scaled backward passes, of which the last unscales, and the optimizer's step."""

    class Noted(torch.optim.SGD):
        def step(self, closure: Any = None) -> None:
            apex.calls.append("step")
            super().step(closure)

        def zero_grad(self, set_to_none: bool = True) -> None:
            apex.calls.append("zero_grad")
            super().zero_grad(set_to_none)

    precision, _ = choose_precision(Config(half=True), GPU)
    model = network()
    optimizer = Noted(model.parameters(), lr=0.1)
    model = precision.prepare(model, optimizer)
    batches = [(torch.randn(6, 3, 8), torch.tensor([0, 1, 2, 0, 1, 2]), torch.arange(6)) for _ in range(2)]
    train_one_epoch(model, batches, optimizer, forward_batch_size=2, precision=precision, device=CPU)
    of_a_step = ["zero_grad", *[("scale_loss", True)] * 2, ("scale_loss", False), "step"]
    assert apex.calls == [("initialize", "O1", True), *of_a_step, *of_a_step]


def test_apex_prepares_a_network_to_test_without_an_optimizer(apex: StandIn) -> None:
    model = network()
    assert choose_precision(Config(half=True, amp_opt_level=2), GPU)[0].prepare(model, None) is model
    assert apex.calls == [("initialize", "O2", False)]


def test_apex_is_left_alone_where_it_is_not_wanted(apex: StandIn) -> None:
    assert type(choose_precision(Config(half=True, amp_dtype="bfloat16"), GPU)[0]) is Autocast
    assert type(choose_precision(Config(half=True), CPU)[0]) is Precision
    assert type(choose_precision(Config(half=True, amp_opt_level=0), GPU)[0]) is Precision
    assert apex.calls == []


@pytest.mark.parametrize("part", ["optimizers", "normalization"])
def test_an_apex_that_has_left_mixed_precision_to_torch(monkeypatch: pytest.MonkeyPatch, part: str) -> None:
    newer = ModuleType("apex")
    setattr(newer, part, ModuleType(part))
    monkeypatch.setitem(sys.modules, "apex", newer)
    assert type(choose_precision(Config(half=True, amp_opt_level=3), GPU)[0]) is Half


def test_the_unrelated_package_called_apex_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "apex").mkdir()
    (tmp_path / "apex" / "__init__.py").write_text("def authenticate(): ...\n")
    monkeypatch.delitem(sys.modules, "apex")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(
        InputError, match="installed package 'apex' is not NVIDIA Apex but another project of that name"
    ):
        choose_precision(Config(half=True), GPU)
    choose_precision(Config(half=True), CPU)  # nobody asked for it


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--half"], [NO_GPU]),
        (["--half", "--amp-dtype", "bfloat16"], ["--half: mixed precision (bfloat16) of PyTorch"]),
        (
            ["--half", "--amp-dtype", "bfloat16", "--amp-opt-level", "3"],
            ["--half: half precision (bfloat16) of PyTorch"],
        ),
        (["--half", "--amp-opt-level", "0"], []),
    ],
)
def test_half_runs_without_a_gpu(
    tiny: Any, run_main: Any, load: Any, tmp_path: Path, flags: list[str], said: str
) -> None:
    config = tiny.write(tmp_path / "run.yaml", num_epoch=1)
    done = run_main("--config", config, "--work-dir", tmp_path / "w", *flags)
    assert (done.code, done.err) == (0, [])
    assert [line for line in done.out if "--half" in line] == said
    (path,) = (tmp_path / "w" / "weights").iterdir()
    whole = flags[-1] == "3"
    assert load(path)["fc.weight"].dtype is (torch.bfloat16 if whole else torch.float32)
    tested = run_main(
        *("--config", config, "--phase", "test", "--weights", path, "--work-dir", tmp_path / "t"),
        *flags,
    )
    assert (tested.code, tested.err) == (0, [])
    assert [line for line in done.out if "test: loss" in line][-1] in tested.out


def test_resuming_goes_on_in_the_same_format(
    tiny: Any, run_main: Any, load: Any, differences: Any, tmp_path: Path
) -> None:
    flags = ["--config", tiny.write(tmp_path / "run.yaml"), "--half", "--amp-dtype", "bfloat16"]
    straight, stopped = tmp_path / "straight", tmp_path / "stopped"
    assert run_main(*flags, "--work-dir", straight, "--num-epoch", 2).code == 0
    assert run_main(*flags, "--work-dir", stopped, "--num-epoch", 1).code == 0
    assert run_main("--checkpoint", stopped / "checkpoints" / "last.pt", "--num-epoch", 2).code == 0
    one, other = (load(folder / "checkpoints" / "last.pt") for folder in (straight, stopped))
    assert differences(one["model"], other["model"]) == []
