"""Torch tensors in pickles: the values that torch put there, and nothing that a file could do beyond them."""

from __future__ import annotations

import io
import os
import pickle
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from clips.read.pickles import read_pickle
from clips.read.tensors import load_storage, rebuild_tensor
from errors import InputError

TYPES = [torch.float32, torch.float64, torch.float16, torch.bfloat16, torch.bool]
TYPES += [torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8]


def of_type(dtype: torch.dtype) -> dict[str, torch.Tensor]:
    numbers = torch.arange(24).reshape(2, 3, 4).to(dtype)
    return {
        "whole": numbers,
        "transposed": numbers.transpose(0, 2),
        "part": numbers[1:, 1, ::2],
        "empty": numbers[:, :0],
        "number": numbers[1, 0, 1],
    }


@pytest.mark.parametrize("protocol", range(2, 6))
@pytest.mark.parametrize("dtype", TYPES, ids=str)
def test_tensors_come_back_as_arrays(dtype: torch.dtype, protocol: int, tmp_path: Path) -> None:
    wanted = of_type(dtype)
    (tmp_path / "x.pkl").write_bytes(pickle.dumps([wanted, wanted["part"]], protocol))
    found, part = read_pickle(tmp_path / "x.pkl")
    assert found.keys() == wanted.keys()
    for name, tensor in wanted.items():
        array = (tensor.float() if dtype == torch.bfloat16 else tensor).numpy()
        assert (found[name].dtype, found[name].shape) == (array.dtype, array.shape)
        np.testing.assert_array_equal(found[name], array)
    np.testing.assert_array_equal(part, found["part"])


def test_a_bare_storage_comes_back(tmp_path: Path) -> None:
    storage = torch.tensor([1, 2, 3], dtype=torch.uint8).untyped_storage()
    (tmp_path / "x.pkl").write_bytes(pickle.dumps(storage))
    np.testing.assert_array_equal(read_pickle(tmp_path / "x.pkl"), [1, 2, 3])


class Call:
    """Pickles as a call of ``function`` with ``arguments``."""

    def __init__(self, function: Callable[..., Any], *arguments: Any) -> None:
        self.parts = function, arguments

    def __reduce__(self) -> Any:
        return self.parts


class ReferringPickler(pickle.Pickler):
    """Writes a ``Reference`` as the reference to a storage that it is."""

    def persistent_id(self, value: Any) -> Any:
        return value.pid if isinstance(value, Reference) else None


class Reference:
    """What a pickle refers to as ``pid``."""

    def __init__(self, *pid: Any) -> None:
        self.pid = pid


def storage(
    reference: Any = None, keys: Any = ("7",), tail: bytes = struct.pack("<q2f", 2, 1, 2), **machine: Any
) -> bytes:
    """The bytes of a storage of two floats, or of what is given in the place of its parts."""
    reference = Reference("storage", torch.FloatStorage, "7", "cpu", 2, None) if reference is None else reference
    stream = io.BytesIO()
    facts = {"little_endian": True, **machine}
    for part in (machine.get("magic", 0x1950A86A20F9469CFC6C), machine.get("version", 1001), facts, reference, [*keys]):
        ReferringPickler(stream, 2).dump(part)
    return stream.getvalue() + tail


def test_a_storage_made_by_hand_is_one() -> None:
    np.testing.assert_array_equal(load_storage(storage()), [1, 2])


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("text", "not bytes"),
        (storage(magic=3), "another format"),
        (storage(version=1002), "another format"),
        (storage(little_endian=False), "another format"),
        (storage([1]), "something else where a storage should be"),
        (storage(Reference("module", torch.FloatStorage, "7", "cpu", 2, None)), "no whole storage"),
        (storage(Reference("storage", torch.FloatStorage, "7", "cpu", 2, ("8", 0, 2))), "no whole storage"),
        (storage(Reference("storage", "FloatStorage", "7", "cpu", 2, None)), "what is no storage"),
        (storage(Reference("storage", torch.nn.Linear, "7", "cpu", 2, None)), "asks for torch.nn.modules.linear"),
        (storage(Reference("storage", torch.ComplexFloatStorage, "7", "cpu", 2, None)), "torch.ComplexFloatStorage"),
        (storage(keys=("7", "8")), "not the one it names"),
        (storage(keys=("8",)), "not the one it names"),
        (storage(tail=b""), "not the one it names"),
        (storage(tail=struct.pack("<q2f", 3, 1, 2)), "not the one it names"),
        (storage(tail=struct.pack("<q1f", 2, 1)), "2 values in 4 bytes"),
        (storage(Reference("storage", torch.FloatStorage, "7", "cpu", 2**60, None), tail=struct.pack("<q", 2**60)),
         "values in 0 bytes"),
        (storage(Call(os.system, "true")), "asks for posix.system"),
        (storage(Call(eval, "1")), "asks for "),
        (storage(Call(torch.load, "x")), "asks for torch.serialization.load"),
    ],
)  # fmt: skip
def test_storages_that_are_none(content: Any, says: str) -> None:
    with pytest.raises(pickle.UnpicklingError, match=says):
        load_storage(content)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((np.zeros(6), 0, (2, 4), (4, 1)), "on 6 values"),
        ((np.zeros(6), 1, (2, 3), (3, 1)), "on 6 values"),
        ((np.zeros(6), 6, (1,), (1,)), "on 6 values"),
        ((np.zeros(6), 0, (2**40,), (0,)), "on 6 values"),
        ((np.zeros(6), -1, (2,), (1,)), "shape"),
        ((np.zeros(6), 5, (2,), (-1,)), "shape"),
        ((np.zeros(6), 0, (-2, -3), (3, 1)), "shape"),
        ((np.zeros(6), 0, (2, 3), (1,)), "shape"),
        ((np.zeros(6), 0, (1,) * 40, (1,) * 40), "shape"),
        ((np.zeros((2, 3)), 0, (2,), (1,)), "without a storage"),
        ((np.zeros(2, object), 0, (2,), (1,)), "without a storage"),
        (([1.0, 2.0], 0, (2,), (1,)), "without a storage"),
    ],
)
def test_tensors_that_reach_outside(arguments: Any, says: str) -> None:
    with pytest.raises(pickle.UnpicklingError, match=says):
        rebuild_tensor(*arguments)


@pytest.mark.parametrize("function", [torch.load, torch.tensor, torch.hub.load], ids=lambda f: f.__name__)
def test_nothing_else_of_torch_is_called(function: Any, tmp_path: Path) -> None:
    (tmp_path / "x.pkl").write_bytes(pickle.dumps(Call(function, "x")))
    with pytest.raises(InputError, match="which is not plain data"):
        read_pickle(tmp_path / "x.pkl")


def test_code_within_a_storage_does_not_run(tmp_path: Path) -> None:
    """The bytes of a storage are pickles of their own; torch's own reader runs what they say."""
    marker = tmp_path / "marker"
    malicious = storage(Call(os.system, f"touch {marker}"))
    (tmp_path / "x.pkl").write_bytes(pickle.dumps(Call(torch.storage._load_from_bytes, malicious)))
    with pytest.raises(InputError, match=r"x.pkl: not a readable pickle: it asks for posix.system"):
        read_pickle(tmp_path / "x.pkl")
    assert not marker.exists()


def test_damage_gives_content_or_an_input_error(
    damages: st.SearchStrategy[Any], little_memory: None, tmp_path: Path
) -> None:
    sound = pickle.dumps([{"pred_score": torch.rand(5), "gt_label": torch.tensor([1])}], 2)
    path, outcomes = tmp_path / "x.pkl", []

    @given(damage=damages)
    @settings(max_examples=400, deadline=None)
    def check(damage: Any) -> None:
        path.write_bytes(damage(sound))
        try:
            outcomes.append(read_pickle(path))
        except InputError as error:
            outcomes.append(error)

    check()
    assert any(isinstance(outcome, InputError) for outcome in outcomes)
    assert not all(isinstance(outcome, InputError) for outcome in outcomes)
