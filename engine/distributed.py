"""The processes of one run: who they are, and what they add up, hand round and agree on."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn

from engine.config import Config
from errors import InputError

Made = TypeVar("Made")

_PATIENCE = timedelta(minutes=30)  # for the slowest process, before a lost one is noticed


@dataclass(frozen=True)
class World:
    """This process among ``size`` of them; ``local_rank`` of ``local_size`` on its machine."""

    rank: int = 0
    size: int = 1
    local_rank: int = 0
    local_size: int = 1

    @property
    def main(self) -> bool:
        """Whether this is the process that writes and speaks."""
        return self.rank == 0

    @classmethod
    def of_environment(cls) -> World:
        """What torchrun, or ``engine.launch``, says.

        Raises:
            InputError: it says only a part, or no numbers.
        """
        if "WORLD_SIZE" not in os.environ:
            return cls()
        try:
            size, rank = int(os.environ["WORLD_SIZE"]), int(os.environ["RANK"])
            local_size = int(os.environ.get("LOCAL_WORLD_SIZE", size))
            return cls(rank, size, int(os.environ.get("LOCAL_RANK", rank % local_size)), local_size)
        except (KeyError, ValueError) as error:
            raise InputError(
                f"WORLD_SIZE is set, but RANK and the rest of torchrun's variables are not: {error}"
            ) from None


ALONE = World()


class StoppedTogether(InputError):  # noqa: N818
    """What is wrong is known to all processes; the first of them says it."""


class ProcessLost(InputError):  # noqa: N818
    """Another process of the run is gone; it may have said why."""


@contextmanager
def together(world: World, device: torch.device) -> Iterator[None]:
    """The processes know each other within: NCCL between GPUs, gloo between CPUs."""
    if world.size == 1:
        yield
        return
    if device.type == "cuda":
        torch.cuda.set_device(device)
    backend = "cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo"
    try:
        dist.init_process_group(backend, timeout=_PATIENCE, rank=world.rank, world_size=world.size)
    except (RuntimeError, ValueError) as error:
        raise InputError(f"the {world.size} processes do not find each other: {_first_line(error)}") from error
    try:
        yield
    finally:
        dist.destroy_process_group()


def agreed(world: World, make: Callable[[], Made]) -> Made:
    """What ``make`` gives, if it gives it in every process.

    Raises:
        StoppedTogether: it is refused in one of them; all raise, so that none waits for another.
        InputError: it is refused, and there is no other process.
    """
    if world.size == 1:
        return make()
    made: list[Made] = []
    problem = None
    try:
        made.append(make())
    except (InputError, OSError) as error:
        problem = str(error)
    for rank, text in enumerate(gather(world, problem)):
        if text is not None:
            raise StoppedTogether(text if rank == 0 else f"process {rank}: {text}")
    return made[0]


def gather(world: World, thing: Any) -> list[Any]:
    """What every process hands in, in all of them, in the order of their ranks."""
    if world.size == 1:
        return [thing]
    found: list[Any] = [None] * world.size
    with _heard():
        dist.all_gather_object(found, thing)
    return found


def add_up(world: World, gradients: Sequence[Tensor], figures: Tensor) -> Tensor:
    """Replace gradients by their sums over all processes, in one message, with ``figures`` (any few numbers) on top.

    Networks of this field have a few million weights: one message after the last backward pass costs less than it would
    gain to send them bit by bit on the way, and with gradient accumulation nothing is sent twice.
    """
    if world.size == 1:
        return figures
    kind = torch.promote_types(figures.dtype, torch.float32)
    for gradient in gradients:
        kind = torch.promote_types(kind, gradient.dtype)
    flat = torch.cat([figures.to(kind), *(gradient.flatten().to(kind) for gradient in gradients)])
    with _heard():
        dist.all_reduce(flat)
    parts: list[Tensor]
    sums: Tensor
    sums, *parts = flat.split([len(figures), *(gradient.numel() for gradient in gradients)])
    for gradient, part in zip(gradients, parts, strict=True):
        gradient.copy_(part.view_as(gradient))
    return sums


def hand_out(world: World, tensors: Sequence[Tensor]) -> None:
    """Give every process the values of the first one."""
    if world.size > 1 and tensors:
        flat = torch.cat([tensor.detach().flatten() for tensor in tensors])
        with _heard():
            dist.broadcast(flat, 0)
        with torch.no_grad():
            for tensor, part in zip(tensors, flat.split([t.numel() for t in tensors]), strict=True):
                tensor.copy_(part.view_as(tensor))


def by_kind(tensors: Sequence[Tensor]) -> list[list[Tensor]]:
    """Tensors grouped by number format, so that each group can be one message."""
    groups: dict[torch.dtype, list[Tensor]] = {}
    for tensor in tensors:
        groups.setdefault(tensor.dtype, []).append(tensor)
    return list(groups.values())


def hand_out_state(world: World, model: nn.Module) -> None:
    """Give every process the first one's weights and statistics."""
    for group in by_kind(list(model.state_dict().values())):
        hand_out(world, group)


def check_shares(world: World, config: Config) -> None:
    """Whether batches can be shared evenly: sizes count the clips of all processes.

    Raises:
        InputError: one cannot.
    """
    for key in ("batch_size", "forward_batch_size"):
        total = getattr(config, key)
        if total != "auto" and total % world.size:
            raise InputError(
                f"{key} is {total}, which {world.size} processes cannot share evenly; it counts the clips of all "
                "together"
            )


@contextmanager
def _heard() -> Iterator[None]:
    """Turns what a lost process makes of a message into a sentence."""
    try:
        yield
    except RuntimeError as error:
        if (
            not isinstance(error, dist.DistError)
            and "gloo" not in str(error).lower()
            and "nccl" not in str(error).lower()
        ):
            raise
        what = re.sub(r"^\[\S+:\d+\] ", "", _first_line(error)).partition(". ")[0]  # not where in gloo, nor its advice
        raise ProcessLost(f"another process of this run is gone: {what}") from error


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0][:200]
