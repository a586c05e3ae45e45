"""main.py on a disk with a fault: ``python3 -m benchmarks.faulty FOLDER WHAT OPERATION NUMBER main.py's arguments``.

Operations of one kind below FOLDER are counted: ``write`` (a piece of a file that is made beside and renamed),
``append`` (a piece of any other: log, figures, curves), ``fsync`` or ``replace``. Before the one with
that NUMBER the process dies (WHAT is ``kill``), or the disk is full: it and all of its kind after it fail (``full``),
where of a piece that is to be written the first half still fits (``half``). ``count`` prints at the end how many of
each there were.
"""

from __future__ import annotations

import builtins
import errno
import os
import signal
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import main

OPERATIONS = ("write", "append", "fsync", "replace")


class Fault:
    """What happens to which operation."""

    def __init__(self, folder: str, what: str, operation: str, number: int) -> None:
        self._folder, self._what, self._operation, self._number = Path(folder).resolve(), what, operation, number
        self.counts: Counter[str] = Counter()

    def install(self) -> None:
        """Put itself between this process and its files."""
        for name in ("fsync", "replace"):
            setattr(os, name, self._watched(name, getattr(os, name)))
        builtins.open = self._opened(builtins.open)

    def due(self, operation: str) -> bool:
        """Count one; whether it is to fail. It may be the last thing that this process does."""
        self.counts[operation] += 1
        if operation != self._operation or self.counts[operation] < self._number or self._what == "count":
            return False
        if self._what == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        return True

    def takes_half(self) -> bool:
        """Whether what does not fit is written as far as it fits."""
        return self._what == "half"

    def _watched(self, name: str, function: Any) -> Any:
        def watched(*arguments: Any, **options: Any) -> Any:
            if self.due(name):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return function(*arguments, **options)

        return watched

    def _opened(self, function: Any) -> Any:
        def opened(path: Any, mode: str = "r", *arguments: Any, **options: Any) -> Any:
            file = function(path, mode, *arguments, **options)
            ours = isinstance(path, (str, Path)) and self._folder in Path(path).resolve().parents
            operation = "write" if ".partial." in str(path) else "append"
            return _File(file, self, operation) if ours and set(mode) & set("wax+") else file

        return opened


class _File:
    """An open file whose writes are counted."""

    def __init__(self, file: Any, fault: Fault, operation: str) -> None:
        self._file, self._fault, self._operation = file, fault, operation

    def write(self, data: Any) -> Any:
        if self._fault.due(self._operation):
            if self._fault.takes_half():
                self._file.write(data[: len(data) // 2])
                self._file.flush()
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return self._file.write(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    def __enter__(self) -> _File:
        return self

    def __exit__(self, *error: object) -> None:
        self._file.close()


if __name__ == "__main__":
    folder, what, operation, number, *arguments = sys.argv[1:]
    fault = Fault(folder, what, operation, int(number))
    fault.install()
    code = main.main(arguments)
    if what == "count":
        print("operations:", *(f"{name} {fault.counts[name]}" for name in OPERATIONS))
    sys.exit(code)
