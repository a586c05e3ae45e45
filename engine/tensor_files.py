"""Files of tensors (weights, checkpoints), read without running anything they bring along."""

from __future__ import annotations

import errno
import os
import pickle
import warnings
from pathlib import Path
from typing import Any

import torch

from clips.files import atomic_write
from clips.read.pickles import numpy_scalars, read_pickle
from errors import InputError


def read_tensors(path: str | os.PathLike[str]) -> Any:
    """What ``torch.save`` wrote, if that is tensors and plain containers; a ``.pkl`` may hold NumPy arrays instead.

    Raises:
        InputError: no such file, damaged, or it holds anything that would have to be imported.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    if path.suffix == ".pkl":
        return read_pickle(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what torch thinks of a strange pickle; if it cannot read it, we say so
            with torch.serialization.safe_globals(numpy_scalars()):  # pyskl notes its best accuracy as one
                return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        reason = str(error).partition("\n")[0] if "weights_only" not in str(error) else _named_global(str(error))
        raise InputError(f"{path}: not loaded: {reason}") from error
    except Exception as error:  # damaged bytes can make torch raise nearly anything
        raise InputError(f"{path}: not a readable file of tensors: {' '.join(str(error).split())[:200]}") from error


def write_tensors(path: str | os.PathLike[str], content: Any) -> None:
    """``torch.save``, whole or not at all."""
    with atomic_write(path) as file:
        try:
            torch.save(content, file)
        except RuntimeError as error:  # how torch passes on a full disk
            raise OSError(errno.EIO, f"cannot be written: {error}", str(path)) from error


def _named_global(message: str) -> str:
    """The part of torch's advice that says which object the file wanted."""
    for line in message.splitlines():
        if "GLOBAL" in line or "Unsupported" in line:
            return f"it holds more than tensors and plain containers ({line.strip().partition(' was not ')[0]})"
    return "it holds more than tensors and plain containers"
