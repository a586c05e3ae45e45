"""Where a run computes."""

from __future__ import annotations

import torch

from engine.distributed import ALONE, World
from errors import InputError


def choose_device(wanted: list[str], world: World = ALONE) -> tuple[torch.device, str | None]:
    """The device of this process, of those that ``--device`` names, and what to say where it is not what was asked for.

    Of several names each process of a machine takes its own; one GPU for several processes (torchrun with nothing said)
    means the GPU of the process's number.

    Raises:
        InputError: a GPU that is not there, no device at all, or not as many as processes.
    """
    check_names(wanted)
    if all(name == "cpu" for name in wanted):
        return torch.device("cpu"), None
    if not torch.cuda.is_available():
        return torch.device("cpu"), "there is no GPU: running on the CPU"
    if world.local_size > 1 and len(wanted) == 1:
        wanted = [str(number) for number in range(world.local_size)]
    if world.size > 1 and len(wanted) != world.local_size:
        raise InputError(
            f"device: {len(wanted)} devices ({' '.join(wanted)}) for {world.local_size} processes on this machine"
        )
    number = int(wanted[world.local_rank])
    if number >= torch.cuda.device_count():
        raise InputError(f"device: GPU {number} was asked for, there are {torch.cuda.device_count()} (from 0)")
    return torch.device("cuda", number), None


def device_called(name: str) -> torch.device:
    """The device that ``--device`` of a prediction names: cpu, cuda or, of several GPUs, cuda:1.

    Raises:
        InputError: it is none of these, or not there.
    """
    kind, colon, number = name.partition(":")
    if name != "cpu" and (kind != "cuda" or (colon and not (number.isascii() and number.isdecimal()))):
        raise InputError(f"--device {name!r}: wanted cpu, cuda or cuda:NUMBER")
    if kind == "cuda" and not torch.cuda.is_available():
        raise InputError(f"--device {name}: there is no GPU that this PyTorch ({torch.__version__}) can use")
    if kind == "cuda" and int(number or 0) >= torch.cuda.device_count():
        raise InputError(f"--device {name}: there are {torch.cuda.device_count()} GPUs (from 0)")
    return torch.device(kind, int(number)) if colon else torch.device(kind)


def check_names(wanted: list[str]) -> None:
    """Whether ``--device`` names devices, whatever this machine has.

    Raises:
        InputError: it does not.
    """
    if not wanted:
        raise InputError("device: no device was given")
    for name in wanted:
        if name != "cpu" and not (name.isascii() and name.isdecimal()):
            raise InputError(f"device: {name!r} is neither the number of a GPU nor cpu")
    if "cpu" in wanted and set(wanted) != {"cpu"}:
        raise InputError(f"device: {' '.join(wanted)} mixes CPU and GPUs")
    if wanted[0] != "cpu" and len(set(wanted)) < len(wanted):
        raise InputError(f"device: {' '.join(wanted)} names a GPU twice")


def processes_wanted(wanted: list[str]) -> int:
    """How many processes ``--device`` asks for on this machine: one for each device, one where there is no GPU."""
    check_names(wanted)
    return len(wanted) if wanted[0] == "cpu" or torch.cuda.is_available() else 1
