"""Pickles read as data: plain containers, NumPy arrays and torch tensors, never a call of the file's choosing."""

from __future__ import annotations

import math
import os
import pickle
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from clips.read.tensors import load_storage, rebuild_tensor
from errors import InputError, in_a_line

# What NumPy and the standard library write for containers and arrays.
_CONTAINERS = {("builtins", name) for name in ("set", "frozenset", "complex", "slice", "bytes", "bytearray")} | {
    ("collections", "OrderedDict"),
    ("_codecs", "encode"),
}
_KINDS = "biufcSUO"  # booleans, numbers, bytes, text, Python objects


class _Dtype:
    """The type of an array's elements, as far as a file may choose it.

    NumPy's own class believes whatever sizes and flags a pickle gives it, and then reads the file's bytes as pointers.
    """

    def __init__(self, code: str, *_: Any) -> None:
        self.dtype = np.dtype(str(code))
        if self.dtype.kind not in _KINDS:
            raise pickle.UnpicklingError(f"it holds an array of {self.dtype}")

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.dtype = self.dtype.newbyteorder(state[1])


class _Array(np.ndarray):
    """An array whose elements and shape are checked before NumPy fills it from a pickle; pickled again, a plain one."""

    def __setstate__(self, state: Any) -> None:
        _, shape, element, fortran_order, values = state
        if element.dtype.kind == "O" and not (isinstance(values, list) and len(values) == math.prod(shape)):
            raise pickle.UnpicklingError(f"it holds an array {shape} with another number of elements")
        super().__setstate__((1, shape, element.dtype, fortran_order, values))

    def __reduce__(self) -> Any:
        return np.asarray(self).__reduce__()  # not of this class, which is for reading alone


def _reconstruct(*_: Any) -> Any:
    return _Array((0,))


def _scalar(element: _Dtype, value: Any) -> Any:
    if element.dtype.itemsize == 0:
        return element.dtype.type()
    data = value.encode("latin1") if isinstance(value, str) else value  # Python 2 wrote text
    return np.frombuffer(data, element.dtype, count=1)[0]


def _frombuffer(buffer: Any, element: _Dtype, shape: Any, order: Any, axes: Any = None) -> Any:
    array = np.frombuffer(buffer, element.dtype)
    return array.reshape(shape).transpose(axes) if order == "K" else array.reshape(shape, order=order)


# An array is told that it is one, not handed the class: that would make arrays of any memory.
_ARRAYS = {
    ("numpy", "dtype"): _Dtype,
    ("numpy", "ndarray"): "numpy.ndarray",
    ("multiarray", "_reconstruct"): _reconstruct,
    ("multiarray", "scalar"): _scalar,
    ("numeric", "_frombuffer"): _frombuffer,
}
_TENSORS = {("torch._utils", "_rebuild_tensor_v2"): rebuild_tensor, ("torch.storage", "_load_from_bytes"): load_storage}


def numpy_scalars() -> list[Any]:
    """Pairs of what rebuilds single NumPy numbers and the name that pickles have for it, for torch's reader."""
    places = [f"{package}.multiarray" for package in ("numpy.core", "numpy._core")]
    return [(_Dtype, "numpy.dtype"), *((_scalar, f"{place}.scalar") for place in places)]


class _DataUnpickler(pickle.Unpickler):
    """Finds nothing but the constructors of plain data, under every module name they have had."""

    def find_class(self, module: str, name: str) -> Any:
        module = module.replace("__builtin__", "builtins")
        if (module, name) in _CONTAINERS:
            return super().find_class(module, name)
        package, _, last = module.rpartition(".")
        known = (last if package in ("numpy.core", "numpy._core") else module, name)
        if known in _ARRAYS:
            return _ARRAYS[known]
        if known in _TENSORS:
            return _TENSORS[known]
        raise pickle.UnpicklingError(f"it asks for {module}.{name}, which is not plain data, so it was not loaded")

    def persistent_load(self, pid: Any) -> NoReturn:
        raise pickle.UnpicklingError("it refers to objects outside the file")


def read_pickle(path: str | os.PathLike[str]) -> Any:
    """What a pickle holds, if that is only containers, strings, numbers, NumPy arrays and torch tensors (as arrays).

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
        raise InputError(f"{path}: not a readable pickle: {in_a_line(error)}") from error
