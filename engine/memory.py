"""How many clips fit into memory at once."""

from __future__ import annotations

import gc
from collections.abc import Callable, Sequence

import torch
from torch import nn

from engine.distributed import ALONE, World, gather
from engine.optim import train_mode
from engine.precision import Precision
from engine.state import RunningState
from errors import InputError
from model.batch_norm import apart

ON_A_CPU = 16  # where memory is not refused but taken from others, and the system ends whoever takes too much


def is_out_of_memory(error: BaseException) -> bool:
    """Whether a device, or the CPU's allocator, had no memory left."""
    return isinstance(error, torch.OutOfMemoryError) or "DefaultCPUAllocator" in str(error)


def free_memory(device: torch.device) -> None:
    """Give back what nobody uses any more."""
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()


def fitting_forward_batch(
    model: nn.Module,
    shape: Sequence[int],
    batch_size: int,
    *,
    precision: Precision,
    device: torch.device,
    world: World,
    say: Callable[[str], None],
) -> int:
    """The most clips (of ``shape`` (C, T, V, M)) of all processes that one training pass has room for.

    Tries ``batch_size`` of them, then half as many and so on, with numbers in their place; no weight, statistic or
    optimizer state is left changed. A batch of another size is another batch to BatchNorm: ``say`` is told.

    Raises:
        InputError: there is no room for a single clip.
    """
    size = batch_size // world.size if device.type == "cuda" else min(batch_size, ON_A_CPU * world.size) // world.size
    running = RunningState(model)
    train_mode(model)
    apart(model, True)  # the others may have stopped trying
    while not _fits(model, (size, *shape), precision, device, running):
        if size == 1:
            raise InputError(f"forward_batch_size auto: there is no memory for one clip of shape {tuple(shape)}")
        size = -(-size // 2)
    apart(model, False)
    found = min(gather(world, size)) * world.size
    say(f"forward_batch_size auto: {found} of {batch_size} clips at once")
    return int(found)


def _fits(
    model: nn.Module, shape: Sequence[int], precision: Precision, device: torch.device, running: RunningState
) -> bool:
    """Whether clips of ``shape`` (N, C, T, V, M) go forward and backward."""
    running.keep(ALONE)
    clips = torch.randn(*shape, generator=torch.Generator().manual_seed(0))
    try:
        with precision.autocast():
            loss = model(precision.cast(clips.to(device))).float().sum()
        loss.backward()
    except RuntimeError as error:
        if not is_out_of_memory(error):
            raise
        return False
    finally:
        running.put_back()
        model.zero_grad(set_to_none=True)
        free_memory(device)
    return True
