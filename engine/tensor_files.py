"""Files of tensors (weights, checkpoints), read without running anything they bring along."""

from __future__ import annotations

import errno
import os
import pickle
import warnings
import zipfile
import zlib
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch

from clips.files import atomic_path
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
    _check_sums(path)
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


def write_tensors(path: str | os.PathLike[str], content: Any, keep_as: Path | None = None) -> None:
    """``torch.save``, whole or not at all; the file that was there before becomes ``keep_as``."""
    with atomic_path(path) as beside:
        with open(beside, "wb") as file:
            try:
                torch.save(content, file)
            except RuntimeError as error:  # how torch passes on a full disk
                cause = error.__context__ if isinstance(error.__context__, OSError) else None
                number = cause.errno if cause is not None and cause.errno else errno.EIO
                raise OSError(number, f"cannot be written: {os.strerror(number)}", str(path)) from error
            file.flush()
            os.fsync(file.fileno())
        if keep_as is not None:
            with suppress(FileNotFoundError):
                os.replace(path, keep_as)


def _check_sums(path: Path) -> None:
    """Compare the checksums that ``torch.save`` left in the file, at which ``torch.load`` does not look.

    Raises:
        InputError: the content is not what was written.
    """
    try:
        if not zipfile.is_zipfile(path):  # before torch 1.6, or no such file at all: torch.load will say
            return
        with zipfile.ZipFile(path) as archive:
            wrong = archive.testzip()
    except (zipfile.BadZipFile, zlib.error, OSError, EOFError, NotImplementedError, RuntimeError, ValueError) as error:
        raise InputError(f"{path}: damaged: {error}") from error
    if wrong is not None:
        raise InputError(f"{path}: damaged: the checksum of {wrong} is wrong")


def _named_global(message: str) -> str:
    """The part of torch's advice that says which object the file wanted."""
    for line in message.splitlines():
        if "GLOBAL" in line or "Unsupported" in line:
            return f"it holds more than tensors and plain containers ({line.strip().partition(' was not ')[0]})"
    return "it holds more than tensors and plain containers"
