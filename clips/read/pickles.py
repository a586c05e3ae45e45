"""Pickles read as data: plain Python containers and NumPy arrays, never a function call of the file's choosing."""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from errors import InputError

# What NumPy and the standard library write for containers and arrays.
_CONTAINERS = {("builtins", name) for name in ("set", "frozenset", "complex", "slice", "bytearray")} | {
    ("collections", "OrderedDict"),
    ("_codecs", "encode"),
}
_ARRAYS = {("multiarray", "_reconstruct"), ("multiarray", "scalar"), ("numeric", "_frombuffer")}
_NUMPY_CORE = "numpy._core" if np.lib.NumpyVersion(np.__version__) >= "2.0.0" else "numpy.core"


class _DataUnpickler(pickle.Unpickler):
    """Finds nothing but the constructors of plain data, under every module name they have had."""

    def find_class(self, module: str, name: str) -> Any:
        module = module.replace("__builtin__", "builtins")
        if (module, name) in _CONTAINERS or (module == "numpy" and name in ("ndarray", "dtype")):
            return super().find_class(module, name)
        if module == "numpy.dtypes" and name.endswith("DType"):
            return super().find_class(module, name)
        package, _, last = module.rpartition(".")
        if package in ("numpy.core", "numpy._core") and (last, name) in _ARRAYS:
            return super().find_class(f"{_NUMPY_CORE}.{last}", name)
        raise pickle.UnpicklingError(f"it asks for {module}.{name}, which is not plain data, so it was not loaded")

    def persistent_load(self, pid: Any) -> NoReturn:
        raise pickle.UnpicklingError("it refers to objects outside the file")


def read_pickle(path: str | os.PathLike[str]) -> Any:
    """What a pickle holds, if that is only containers, strings, numbers and NumPy arrays.

    Raises:
        InputError: no such file; damaged; or it names anything else (such a pickle could run code).
    """
    path = Path(path)
    try:
        with open(path, "rb") as file:
            return _DataUnpickler(file, encoding="latin1").load()
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file") from error
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from error
    except Exception as error:  # damaged bytes can make pickle raise nearly anything
        raise InputError(f"{path}: not a readable pickle: {error or type(error).__name__}") from error
