"""What a network or an operator is made of, so that its faster form stands for that and for nothing else."""

from __future__ import annotations

from torch import nn

from model.batch_norm import BatchNorm1d, BatchNorm2d, WeightedBatchNorm1d, WeightedBatchNorm2d

_NORMS: dict[type[nn.Module], type[nn.Module]] = {  # what counts clones or all processes in their place is the same
    nn.BatchNorm1d: nn.BatchNorm1d,
    WeightedBatchNorm1d: nn.BatchNorm1d,
    BatchNorm1d: nn.BatchNorm1d,
    nn.BatchNorm2d: nn.BatchNorm2d,
    WeightedBatchNorm2d: nn.BatchNorm2d,
    BatchNorm2d: nn.BatchNorm2d,
}


def outline(module: nn.Module) -> str:
    """The parts of ``module`` by name, with their kind and what they say of themselves: kernel, stride, dilation.

    Sizes of linear maps and the settings of BatchNorms are left out, which a faster form reads when it computes.
    """
    return "; ".join(f"{name}: {_kind(part)}" for name, part in module.named_modules() if name)


def unchanged(module: nn.Module) -> bool:
    """Whether ``module`` noted its ``outline`` as ``built`` when it was, and has it still."""
    return getattr(module, "built", None) == outline(module)


def hooked(module: nn.Module) -> bool:
    """Whether a part of ``module`` has a hook, which does not run where the parts are not called one by one."""
    return any(map(_hooks, list(module.modules())[1:]))


def _kind(part: nn.Module) -> str:
    kind = _NORMS.get(type(part), type(part))
    said = "" if kind in _NORMS or kind is nn.Linear else part.extra_repr()
    return f"{kind.__module__}.{kind.__qualname__}({said})"


def _hooks(part: nn.Module) -> bool:
    return bool(part._forward_hooks or part._forward_pre_hooks or part._backward_hooks or part._backward_pre_hooks)
