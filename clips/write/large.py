"""Files of gigabytes, whole or not at all, of which killed runs leave no more than one half beside them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


@contextmanager
def large_file(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """As ``clips.files.atomic_write``, but what a killed run left is written over by the next.

    Two runs at once would be in each other's way; the same holds for the preparation that comes before.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".partial.{path.name}")
    try:
        with open(beside, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)
