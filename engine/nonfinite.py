"""Where numbers stop being finite."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from engine.data import Batch
from engine.precision import Precision
from model.fuse import plainly


def first_not_finite(model: nn.Module, batch: Batch, precision: Precision, device: torch.device) -> str:
    """The weight that holds NaN or infinity, or the module that first gives it for the clips of ``batch``, in words."""
    for name, weight in model.named_parameters():
        if not weight.isfinite().all():
            owner, _, leaf = name.rpartition(".")
            return f"{leaf} of {_called(model, owner)} holds values that are not finite"
    names = {module: name for name, module in model.named_modules()}
    found: list[str] = []

    def look(module: nn.Module, arguments: Any, output: Any) -> None:
        if not found and isinstance(output, Tensor) and not output.isfinite().all():
            found.append(names[module])

    hooks = [module.register_forward_hook(look) for module in model.modules()]  # inner modules answer first
    try:
        with torch.no_grad(), plainly(model), precision.autocast():
            model(precision.cast(batch[0].to(device)))
    finally:
        for hook in hooks:
            hook.remove()
    if found:
        return f"{_called(model, found[0])} is the first whose output is not finite"
    return "the network's scores are finite, its gradients are not"


def _called(model: nn.Module, name: str) -> str:
    module = model.get_submodule(name)
    return f"{name or 'the network'} ({type(module).__name__})"
