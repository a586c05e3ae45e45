"""What a network or an operator is made of, so that its faster form stands for that and for nothing else."""

from __future__ import annotations

from torch import nn

_BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d)  # and what counts clones or all processes in their place


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
    kind = next((known for known in _BATCH_NORMS if isinstance(part, known)), type(part))
    said = "" if isinstance(part, (*_BATCH_NORMS, nn.Linear)) else part.extra_repr()
    return f"{kind.__module__}.{kind.__qualname__}({said})"


def _hooks(part: nn.Module) -> bool:
    return bool(part._forward_hooks or part._forward_pre_hooks or part._backward_hooks or part._backward_pre_hooks)
