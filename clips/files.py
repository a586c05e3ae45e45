"""Writing files so that nobody ever sees half of one."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


@contextmanager
def atomic_path(path: str | os.PathLike[str]) -> Iterator[Path]:
    """A path beside ``path``, of the same suffix, that takes its place when the block ends well.

    On an error ``path`` stays as it was and nothing is left beside it. Missing folders are made.

    Raises:
        OSError: naming ``path``; the disk is full, say.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{os.getpid()}.partial.{path.name}")
    try:
        yield beside
        os.replace(beside, path)
    except OSError as error:
        if error.filename in (None, str(beside)):  # names nothing, or what the user never sees
            raise OSError(error.errno, error.strerror or str(error), str(path)) from error
        raise
    finally:
        beside.unlink(missing_ok=True)


@contextmanager
def atomic_write(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """A binary file that appears under ``path`` only when the block ends well; on the disk by then."""
    with atomic_path(path) as beside, open(beside, "wb") as file:
        yield file
        file.flush()
        os.fsync(file.fileno())


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Write ``text`` as UTF-8, whole or not at all."""
    with atomic_write(path) as file:
        file.write(text.encode())


def append(path: str | os.PathLike[str], data: bytes) -> None:
    """Add ``data`` to the end of a file, all of it or nothing.

    Raises:
        OSError: naming the file.
    """
    with open(path, "ab", buffering=0) as file:
        size = os.fstat(file.fileno()).st_size
        left = memoryview(data)
        try:
            while left:
                left = left[file.write(left) :]
        except OSError as error:
            file.truncate(size)
            raise OSError(error.errno, error.strerror, str(path)) from error


def sync(path: str | os.PathLike[str]) -> None:
    """Wait until what was written to the file is on the disk."""
    with open(path, "rb") as file:
        os.fsync(file.fileno())
