"""Torch tensors inside pickles, rebuilt as NumPy arrays: without torch, and without running what a file names.

``pickle.dumps(tensor)`` writes a call of ``_rebuild_tensor_v2`` on a storage, and the storage as the bytes that
``torch.save`` wrote in its format before 1.6: a magic number, a version, facts about the machine, a reference to the
storage, the list of storages, and then of each its length and its values.
"""

from __future__ import annotations

import io
import math
import operator
import pickle
from typing import Any, NoReturn

import numpy as np

_MAGIC, _VERSION = 0x1950A86A20F9469CFC6C, 1001
_DTYPES = {
    **{"Float": "<f4", "Double": "<f8", "Half": "<f2", "BFloat16": "<u2", "Bool": "?"},
    **{"Long": "<i8", "Int": "<i4", "Short": "<i2", "Char": "i1", "Byte": "u1"},
}
_MOST_AXES = 32


class _Kind:
    """The type of a storage's values, as its class in torch is called."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.dtype = np.dtype(_DTYPES[name])


class _StorageUnpickler(pickle.Unpickler):
    """Reads the pickles within a storage: plain values, and one reference to a storage of numbers."""

    def find_class(self, module: str, name: str) -> _Kind:
        kind = name.removesuffix("Storage")
        if (module, name) == ("torch.storage", "UntypedStorage"):
            return _Kind("Byte")
        if module != "torch" or kind == name or kind not in _DTYPES:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}, which is no storage of numbers")
        return _Kind(kind)

    def persistent_load(self, pid: Any) -> tuple[_Kind, str, int]:
        """``("storage", class, key, device, count, view)``: kind, key and count."""
        if not isinstance(pid, tuple) or len(pid) not in (5, 6) or pid[0] != "storage" or any(pid[5:]):
            _refuse("a reference to what is no whole storage")
        _, kind, key, _, count = pid[:5]
        if not isinstance(kind, _Kind) or not isinstance(key, str):
            _refuse("a reference to what is no storage")
        return kind, key, operator.index(count)


def load_storage(content: Any) -> np.ndarray:
    """The values (n,) of a storage that ``torch.save`` wrote as ``content``; bfloat16 becomes float32.

    Raises:
        UnpicklingError: anything but one whole storage of numbers, exactly as long as it says.
    """
    if not isinstance(content, (bytes, bytearray)):
        _refuse("a storage that is not bytes")
    stream = io.BytesIO(content)
    magic, version, machine, reference, keys = (_StorageUnpickler(stream).load() for _ in range(5))
    if (magic, version) != (_MAGIC, _VERSION) or not isinstance(machine, dict) or machine.get("little_endian") is False:
        _refuse("a storage in another format than torch's of little-endian machines")
    if not isinstance(reference, tuple) or len(reference) != 3 or not isinstance(reference[0], _Kind):
        _refuse("something else where a storage should be")
    kind, key, count = reference
    rest = content[stream.tell() :]
    if keys != [key] or len(rest) < 8 or int.from_bytes(rest[:8], "little") != count:
        _refuse("a storage that is not the one it names")
    if len(rest) - 8 != count * kind.dtype.itemsize:
        _refuse(f"a storage of {count} values in {len(rest) - 8} bytes")
    values = np.frombuffer(rest, kind.dtype, offset=8)
    if kind.name == "BFloat16":
        return (values.astype(np.uint32) << 16).view(np.float32)
    return values


def rebuild_tensor(storage: Any, offset: Any, size: Any, stride: Any, *_: Any) -> np.ndarray:
    """The array that ``size`` and ``stride``, in elements, make of the values (n,) of ``storage`` from ``offset`` on.

    Raises:
        UnpicklingError: it would reach outside the storage, or be larger than it.
    """
    if not isinstance(storage, np.ndarray) or storage.ndim != 1 or storage.dtype.hasobject:
        _refuse("a tensor without a storage")
    start = operator.index(offset)
    shape, steps = (tuple(map(operator.index, axes)) for axes in (size, stride))
    if len(shape) != len(steps) or len(shape) > _MOST_AXES or min((start, *shape, *steps)) < 0:
        _refuse(f"a tensor of shape {shape} and strides {steps}")
    if math.prod(shape) == 0:
        return np.zeros(shape, storage.dtype)
    last = start + sum((length - 1) * step for length, step in zip(shape, steps, strict=True))
    if last >= storage.size or math.prod(shape) > storage.size:
        _refuse(f"a tensor of shape {shape} on {storage.size} values")
    strides = tuple(step * storage.itemsize for step in steps)
    found: np.ndarray = np.lib.stride_tricks.as_strided(storage[start:], shape, strides).copy()
    return found


def _refuse(what: str) -> NoReturn:
    raise pickle.UnpicklingError(f"it holds {what}")
