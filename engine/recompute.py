"""Training in less memory: what a block computed is forgotten, and computed again when its gradients are due."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from typing import Any

from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from model.normalize import counts_now, standing_for


def recompute_blocks(model: nn.Module) -> int:
    """Make every block of ``model`` compute twice and keep its input alone; how many blocks there are.

    Blocks are the network's own parts that have parts themselves, those within its lists one by one. Gradients, running
    statistics and state dict stay the same to the last bit (Chen et al., 2016).
    """
    blocks = list(_blocks(model))
    for block in blocks:
        block.forward = partial(_forward, block)
    return len(blocks)


def _blocks(model: nn.Module) -> Iterator[nn.Module]:
    for child in model.children():
        if isinstance(child, nn.ModuleList):
            yield from child
        elif any(True for _ in child.children()):
            yield child


def _forward(block: nn.Module, *arguments: Tensor) -> Any:
    """What the class of ``block`` makes of ``arguments``, in training to be computed again."""
    compute: Callable[..., Any] = partial(type(block).forward, block)
    if not block.training:
        return compute(*arguments)
    return checkpoint(compute, *arguments, use_reentrant=False, context_fn=partial(_contexts, block))


def _contexts(block: nn.Module) -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
    """For the first computation and the second, which begins with the same buffers and leaves none changed."""
    before: list[tuple[nn.Module, str, Tensor]] = []
    counts = counts_now()

    @contextmanager
    def first() -> Iterator[None]:
        for module in block.modules():
            before.extend((module, name, value.clone()) for name, value in module.named_buffers(recurse=False))
        yield

    @contextmanager
    def second() -> Iterator[None]:
        now = [(module, name, module.get_buffer(name)) for module, name, _ in before]
        _put(before)
        try:
            with standing_for(counts):
                yield
        finally:
            _put(now)

    return first(), second()


def _put(buffers: list[tuple[nn.Module, str, Tensor]]) -> None:
    """Put tensors, not values, in place: the autograd graph may hold on to those that were there."""
    for module, name, value in buffers:
        module._buffers[name] = value
