"""Where a run computes."""

from __future__ import annotations

import torch

from errors import InputError


def choose_device(wanted: list[str]) -> tuple[torch.device, str | None]:
    """The device that ``--device`` names, and what to say where that is not what was asked for.

    Raises:
        InputError: several devices, a GPU that is not there, or no device at all.
    """
    if len(wanted) != 1:
        raise InputError(
            f"device: {len(wanted)} devices ({' '.join(wanted)}) were given; training on several comes later, name one"
        )
    name = wanted[0]
    if name == "cpu":
        return torch.device("cpu"), None
    if not (name.isascii() and name.isdecimal()):
        raise InputError(f"device: {name!r} is neither the number of a GPU nor cpu")
    if not torch.cuda.is_available():
        return torch.device("cpu"), "there is no GPU: running on the CPU"
    if int(name) >= torch.cuda.device_count():
        raise InputError(f"device: GPU {name} was asked for, there are {torch.cuda.device_count()} (from 0)")
    return torch.device("cuda", int(name)), None
