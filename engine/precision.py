"""In which number format a run computes; the one place that knows about autocast, loss scaling and Apex."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from engine.config import Config
from engine.distributed import ALONE, World
from errors import InputError

FLOAT16 = "float16"


class Precision:
    """Float32 throughout; the other formats change what they must.

    Training calls ``prepare`` once, computes within ``autocast``, hands every loss to ``backward``, asks for the
    ``gradient_norm``, and hands the optimizer to ``step``. Evaluation uses ``autocast`` and ``cast`` only, so it
    computes as training does.
    """

    name = "float32"

    def prepare(self, model: nn.Module, optimizer: torch.optim.Optimizer | None) -> nn.Module:
        """The model as it is to be trained or tested."""
        return model

    def autocast(self) -> AbstractContextManager[Any]:
        return nullcontext()

    def cast(self, clips: Tensor) -> Tensor:
        return clips

    def backward(self, loss: Tensor, optimizer: torch.optim.Optimizer, last: bool) -> None:
        """Add to the gradients; ``last`` is whether this is the last loss before ``step``."""
        loss.backward()

    def gradient_norm(self, optimizer: torch.optim.Optimizer, gradients: Sequence[Tensor]) -> Tensor:
        """The norm of all gradients, of which any scale is taken off before: NaN or infinite where one of them is."""
        return nn.utils.get_total_norm(gradients)

    def step(self, optimizer: torch.optim.Optimizer, finite: bool) -> None:
        """Change the weights; not where loss or gradients are not ``finite``."""
        if finite:
            optimizer.step()

    def state_dict(self) -> dict[str, Any]:
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        pass


class Autocast(Precision):
    """Float32 weights, the heavy operations in ``dtype``; float16 needs its gradients scaled."""

    def __init__(self, device: torch.device, dtype: torch.dtype) -> None:
        self.device = device
        self.dtype = dtype
        self.name = f"mixed precision ({str(dtype).removeprefix('torch.')})"
        self.scaler = torch.amp.GradScaler(device.type, enabled=dtype is torch.float16)

    def autocast(self) -> AbstractContextManager[Any]:
        return torch.autocast(self.device.type, self.dtype)

    def backward(self, loss: Tensor, optimizer: torch.optim.Optimizer, last: bool) -> None:
        self.scaler.scale(loss).backward()

    def gradient_norm(self, optimizer: torch.optim.Optimizer, gradients: Sequence[Tensor]) -> Tensor:
        self.scaler.unscale_(optimizer)
        return super().gradient_norm(optimizer, gradients)

    def step(self, optimizer: torch.optim.Optimizer, finite: bool) -> None:
        if finite:
            self.scaler.step(optimizer)
        self.scaler.update()

    def state_dict(self) -> dict[str, Any]:
        return self.scaler.state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        if state:
            self.scaler.load_state_dict(dict(state))


class Half(Precision):
    """The whole network in ``dtype``, weights included."""

    def __init__(self, dtype: torch.dtype) -> None:
        self.dtype = dtype
        self.name = f"half precision ({str(dtype).removeprefix('torch.')})"

    def prepare(self, model: nn.Module, optimizer: torch.optim.Optimizer | None) -> nn.Module:
        return model.to(self.dtype)

    def cast(self, clips: Tensor) -> Tensor:
        return clips.to(self.dtype)

    def gradient_norm(self, optimizer: torch.optim.Optimizer, gradients: Sequence[Tensor]) -> Tensor:
        return super().gradient_norm(
            optimizer, [gradient.float() for gradient in gradients]
        )  # its squares may overflow


class Apex(Precision):
    """NVIDIA Apex's own mixed precision, where an installed Apex still has it (``apex.amp`` left it in May 2025)."""

    def __init__(self, amp: Any, level: int) -> None:
        self.amp = amp
        self.level = f"O{level}"
        self.name = f"mixed precision (Apex {self.level})"

    def prepare(self, model: nn.Module, optimizer: torch.optim.Optimizer | None) -> nn.Module:
        if optimizer is None:
            prepared: nn.Module = self.amp.initialize(model, opt_level=self.level)
        else:
            prepared, _ = self.amp.initialize(model, optimizer, opt_level=self.level)
        return prepared

    def backward(self, loss: Tensor, optimizer: torch.optim.Optimizer, last: bool) -> None:
        with self.amp.scale_loss(loss, optimizer, delay_unscale=not last) as scaled:
            scaled.backward()

    def step(self, optimizer: torch.optim.Optimizer, finite: bool) -> None:
        optimizer.step()  # where gradients overflowed, Apex has put a step in its place that does nothing

    def state_dict(self) -> dict[str, Any]:
        return dict(self.amp.state_dict())

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        if state:
            self.amp.load_state_dict(dict(state))


def choose_precision(config: Config, device: torch.device, world: World = ALONE) -> tuple[Precision, str | None]:
    """What ``--half``, ``--amp-opt-level`` and ``--amp-dtype`` ask for on ``device``, and what there is to say of it.

    Without a GPU ``--half`` means float32, unless bfloat16 is asked for by name.
    """
    if not config.half or config.amp_opt_level == 0:
        return Precision(), None
    if device.type == "cpu" and config.amp_dtype != "bfloat16":
        return Precision(), "--half: on a CPU everything runs in float32 (--amp-dtype bfloat16 for bfloat16)"
    dtype = getattr(torch, config.amp_dtype or FLOAT16)
    why = ""
    if config.amp_dtype is None and device.type == "cuda":
        amp = _apex_amp()
        if amp is not None and world.size == 1:
            apex = Apex(amp, config.amp_opt_level)
            return apex, f"--half: {apex.name}"
        if amp is not None:  # each process would leave out the steps that overflow in itself alone
            why = "; Apex's is for one process"
    chosen = Half(dtype) if config.amp_opt_level == 3 else Autocast(device, dtype)
    return chosen, f"--half: {chosen.name} of PyTorch{why}"


def _apex_amp() -> Any | None:
    """``apex.amp`` of an installed NVIDIA Apex, None where there is none.

    Raises:
        InputError: the installed ``apex`` is the unrelated package of that name.
    """
    try:
        apex = importlib.import_module("apex")
    except ImportError:
        return None
    try:
        return importlib.import_module("apex.amp")
    except ImportError:
        if hasattr(apex, "optimizers") or hasattr(apex, "normalization"):
            return None  # NVIDIA's, of a version that has left mixed precision to PyTorch
        raise InputError(
            "--half: the installed package 'apex' is not NVIDIA Apex but another project of that name; uninstall it"
        ) from None
