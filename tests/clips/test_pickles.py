"""Pickles are read as data: what NumPy and Python write comes back, whatever could run code does not."""

from __future__ import annotations

import builtins
import collections
import copyreg
import importlib
import io
import operator
import os
import pickle
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clips.dense import read_labels
from clips.read.pickles import read_pickle
from clips.read.pyskl import PysklStore
from errors import InputError

PROTOCOLS = range(6)
ARRAYS = {
    "contiguous": np.arange(24.0, dtype=np.float32).reshape(2, 3, 4),
    "fortran": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    "transposed": np.arange(24.0).reshape(2, 3, 4).transpose(1, 0, 2),
    "strided": np.arange(10)[::2],
    "big-endian": np.arange(3, dtype=">f4"),
    "half": np.array([1, 2], dtype=np.float16),
    "booleans": np.array([True, False]),
    "text": np.array(["ab", "c"]),
    "bytes": np.array([b"ab", b"c"]),
    "objects": np.array([["a", [1]], [None, 2]], dtype=object),
    "empty": np.zeros((0, 3)),
    "no text": np.array([], dtype=str),
    "number": np.array(3),
    "one object": np.array("x", dtype=object),
}
SCALARS = [np.float32(1.5), np.float64("nan"), np.int64(3), np.bool_(True), np.str_("ä"), np.str_(""), np.bytes_(b"x")]


class Call:
    """Pickles as a call: unpickled, ``function(*arguments)`` runs; with ``state``, the result is given it."""

    def __init__(self, function: Callable[..., Any], *arguments: Any, state: Any = None) -> None:
        self.parts = (function, arguments) if state is None else (function, arguments, state)

    def __reduce__(self) -> Any:
        return self.parts


def element(code: str, *state: Any) -> Call:
    """The type of an array's elements, with a state that NumPy did not write."""
    return Call(np.dtype, code, False, True, state=(3, *state))


def array(kind: Any, values: Any, shape: tuple[int, ...] = (1,)) -> Call:
    """An array with a state that NumPy did not write."""
    reconstruct = np.arange(1).__reduce__()[0]
    return Call(reconstruct, np.ndarray, (0,), b"b", state=(1, shape, kind, False, values))


def write(path: Path, content: Any, protocol: int = 4) -> Path:
    path.write_bytes(pickle.dumps(content, protocol))
    return path


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("name", ARRAYS)
def test_arrays_come_back(name: str, protocol: int, tmp_path: Path) -> None:
    array = ARRAYS[name]
    want = pickle.loads(pickle.dumps(array, protocol))
    first, second = read_pickle(write(tmp_path / "x.pkl", [array, array], protocol))
    assert (first.shape, first.dtype) == (want.shape, want.dtype)
    assert np.array_equal(first, array)
    assert second is first


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_an_array_that_was_read_is_pickled_as_a_plain_one(protocol: int, tmp_path: Path) -> None:
    for array in ARRAYS.values():
        read = read_pickle(write(tmp_path / "x.pkl", array, protocol))
        assert isinstance(read, np.ndarray)
        again = pickle.loads(pickle.dumps(read, protocol))
        assert type(again) is np.ndarray
        assert np.array_equal(again, array)


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("value", SCALARS, ids=repr)
def test_scalars_come_back(value: Any, protocol: int, tmp_path: Path) -> None:
    read = read_pickle(write(tmp_path / "x.pkl", value, protocol))
    assert type(read) is type(value)
    assert read == value or (np.isnan(read) and np.isnan(value))


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_containers_come_back(protocol: int, tmp_path: Path) -> None:
    content = {
        "list": [1, 2.5, None, True, "ä", b"\0\xff", b""],
        "tuple": ((), (1,), 2**100),
        "sets": [{1, 2}, frozenset("ab")],
        "ordered": collections.OrderedDict(b=1, a=2),
        "others": [1j, slice(1, 2, None), bytearray(b"ab")],
    }
    assert read_pickle(write(tmp_path / "x.pkl", content, protocol)) == content


def test_names_that_numpy_1_and_python_2_used(tmp_path: Path) -> None:
    for new, old in ((b"numpy._core", b"numpy.core"), (b"__builtin__", b"__builtin__")):
        content = pickle.dumps([np.arange(3), np.float64(2), {1}], 2)
        assert new in content
        (tmp_path / "x.pkl").write_bytes(content.replace(new, old))
        numbers, two, one = read_pickle(tmp_path / "x.pkl")
        assert (numbers.tolist(), two, one) == ([0, 1, 2], 2.0, {1})
    # What Python 2 pickled as "str" is text here: array([1.0]), float64(1.0), 'x'.
    state = b"(I1\n(I1\ntcnumpy\ndtype\n(S'f8'\nI0\nI1\ntR(I3\nS'<'\nNNNI-1\nI-1\nI0\ntbI00\nS'%s'\ntb"
    array = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntS'b'\ntR" + state
    scalar = (
        b"cnumpy.core.multiarray\nscalar\n(cnumpy\ndtype\n(S'f8'\nI0\nI1\ntR(I3\nS'<'\nNNNI-1\nI-1\nI0\ntbS'%s'\ntR"
    )
    one_as_bytes = rb"\x00\x00\x00\x00\x00\x00\xf0?"
    (tmp_path / "x.pkl").write_bytes(b"(" + array % one_as_bytes + scalar % one_as_bytes + b"S'x'\nt.")
    numbers, one, text = read_pickle(tmp_path / "x.pkl")
    assert (numbers.tolist(), one, text) == ([1.0], 1.0, "x")


def evil(marker: Path) -> dict[str, Any]:
    """Pickles that do something when loaded; the first ones leave ``marker`` behind."""
    leave = f"open({str(marker)!r}, 'w').close()"
    return {
        "system": Call(os.system, f"touch {marker}"),
        "eval": Call(builtins.eval, leave),
        "exec": Call(builtins.exec, leave),
        "popen": Call(subprocess.getoutput, f"touch {marker}"),
        "open": Call(io.open, str(marker), "w"),
        "mkdir": Call(os.mkdir, str(marker)),
        "array file": Call(np.save, str(marker.with_suffix("")), 0),
    }


def gadgets() -> dict[str, Any]:
    """Pickles that name something which is no plain data, harmless by itself or not."""
    return {
        "numpy.load": Call(np.load, "x.npy"),
        "numpy.fromfile": Call(np.fromfile, "/dev/null"),
        "numpy class": np.random.default_rng(0),
        "attrgetter": operator.attrgetter("__class__"),
        "methodcaller": operator.methodcaller("clear"),
        "getattr": Call(getattr, [], "clear"),
        "import": Call(importlib.import_module, "this"),
        "reconstructor": Call(copyreg._reconstructor, Path, object, None),  # type: ignore[attr-defined]
        "class": collections.Counter,
        "path": Path("x"),
        "function": write,
    }


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("name", evil(Path("x")))
def test_code_is_not_run(name: str, protocol: int, tmp_path: Path) -> None:
    marker = tmp_path / "marker.npy"
    call = evil(marker)[name]
    for content in (call, [[1, {"a": call}]], (["a"], [call]), {"annotations": [{"frame_dir": call}]}):
        path = write(tmp_path / "x.pkl", content, protocol)
        for read in (read_pickle, read_labels, PysklStore):
            with pytest.raises(InputError, match="which is not plain data, so it was not loaded") as caught:
                read(path)
            assert str(path) in str(caught.value)
    assert list(tmp_path.iterdir()) == [path]
    made = pickle.loads(path.read_bytes())["annotations"][0]["frame_dir"]  # it would have run
    if isinstance(made, io.IOBase):
        made.close()
    assert marker.exists()


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("name", gadgets())
def test_nothing_else_is_looked_up(name: str, protocol: int, tmp_path: Path) -> None:
    path = write(tmp_path / "x.pkl", [gadgets()[name]], protocol)
    with pytest.raises(InputError, match="which is not plain data, so it was not loaded"):
        read_pickle(path)


@pytest.mark.parametrize("module", ["numpy", "numpy.core", "numpy._core", "numpy.core.multiarray", "builtins"])
@pytest.mark.parametrize("name", ["load", "ndarray.tofile", "dtype.__setstate__", "multiarray._reconstruct", "eval"])
def test_dotted_names_lead_nowhere(module: str, name: str, tmp_path: Path) -> None:
    path = tmp_path / "x.pkl"
    path.write_bytes(b"\x80\x04" + b"".join(b"\x8c" + bytes([len(x)]) + x.encode() for x in (module, name)) + b"\x93.")
    with pytest.raises(InputError, match="which is not plain data"):
        read_pickle(path)


def test_objects_outside_the_file_are_refused(tmp_path: Path) -> None:
    class Outside(pickle.Pickler):
        def persistent_id(self, obj: Any) -> Any:
            return "tensor 1" if obj == "x" else None

    with open(tmp_path / "x.pkl", "wb") as file:
        Outside(file).dump(["x"])
    with pytest.raises(InputError, match="objects outside the file"):
        read_pickle(tmp_path / "x.pkl")


POINTERS = b"\x01" * 8  # bytes that NumPy would follow as the address of a Python object
SCALAR = np.float64(1).__reduce__()[0]
NAMED = (("a",), {"a": (np.dtype("O"), 0)}, 8, 1)


HOSTILE = {
    "objects over bytes": Call(np.ndarray, (1,), "O", POINTERS),
    "steps past the end": Call(np.ndarray, (4,), "f8", bytearray(8), 0, (10**9,)),
    "objects from bytes": array(np.dtype("O"), POINTERS),
    "too few objects": array(np.dtype("O"), ["a"], (9,)),
    "negative shape of objects": array(np.dtype("O"), ["a", "b"], (-1, -2)),
    "objects in a field": array(element("V8", "|", None, *NAMED, 0), POINTERS),
    "objects in a subarray": array(element("V8", "|", (np.dtype("O"), (1,)), None, None, 8, 1, 0), POINTERS),
    "field past the end": array(element("V8", "|", None, ("a",), {"a": (np.dtype("f8"), 10**9)}, 8, 1, 0), POINTERS),
    "dates": array(element("M8", "<", None, None, None, -1, -1, 0), POINTERS),
    "elements of no type": array("f8", POINTERS),
    "too few bytes": array(np.dtype("f8"), POINTERS, (2,)),
    "negative shape": array(np.dtype("f8"), POINTERS, (-1,)),
    "object scalar": Call(SCALAR, np.dtype("O"), POINTERS),
    "scalar with an object": Call(SCALAR, element("V8", "|", None, *NAMED, 0), POINTERS),
    "short scalar": Call(SCALAR, np.dtype("f8"), b"short"),
    "type of fields": Call(np.dtype, [("a", "O")]),
    "type of two objects": Call(np.dtype, "O,O"),
}


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("name", HOSTILE)
def test_arrays_that_reach_outside_their_own_memory(name: str, protocol: int, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not a readable pickle"):
        read_pickle(write(tmp_path / "x.pkl", HOSTILE[name], protocol))


@pytest.mark.parametrize("flags", [1, 2, 4, 8, 16, 63, 127, 255])
def test_what_a_file_says_about_elements_is_not_believed(flags: int, tmp_path: Path) -> None:
    objects = array(element("f8", "<", None, None, None, -1, -1, flags), np.float64(1.5).tobytes())
    numbers = read_pickle(write(tmp_path / "x.pkl", objects))
    assert numbers.dtype.flags == 0
    assert numbers.tolist() == [1.5]
    text = read_pickle(write(tmp_path / "x.pkl", array(element("S8", "|", None, None, None, 2**30, 1, 0), b"x" * 8)))
    assert text.dtype.itemsize == 8


@pytest.mark.parametrize(
    ("content", "want"),
    [
        (b"", "not a readable pickle: Ran out of input"),
        (b"\x80\x04", "not a readable pickle"),
        (pickle.dumps(list(range(99)))[:-5], "not a readable pickle"),
        (b"just text", "not a readable pickle"),
        (b"\x93NUMPY\x01\x00v\x00", "not a readable pickle"),
        (pickle.dumps({}).replace(b"}", b"]") + b"junk", None),
        (b"(I1\nl.", None),
    ],
)
def test_other_bytes(content: bytes, want: str | None, tmp_path: Path) -> None:
    path = tmp_path / "x.pkl"
    path.write_bytes(content)
    if want is None:
        assert isinstance(read_pickle(path), list)
    else:
        with pytest.raises(InputError, match=want):
            read_pickle(path)


def test_paths_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nowhere\.pkl: no such file"):
        read_pickle(tmp_path / "nowhere.pkl")
    with pytest.raises(InputError, match="cannot be read: Is a directory"):
        read_pickle(tmp_path)


def sound() -> dict[str, tuple[Any, Callable[[Path], Any]]]:
    """Good pickles, and how each is read to the end."""
    rng = np.random.default_rng(0)

    def annotation(name: str, label: Any) -> dict[str, Any]:
        keypoint = rng.random((1, 2, 3, 2)).astype(np.float32)
        score = rng.random((1, 2, 3)).astype(np.float16)
        return {"frame_dir": name, "label": label, "keypoint": keypoint, "keypoint_score": score, "total_frames": 2}

    def read_all(path: Path) -> Any:
        store = PysklStore(path, "val")
        return [store.clip(index) for index in range(len(store.names))]

    annotations = [annotation("a", 0), annotation("b", np.int64(1))]
    meta = {"edges_1based": [(1, 2), (3, 2)], "joints": "hand, elbow, shoulder"}
    return {
        "labels": ((["a", "b", "c"], [0, np.int64(1), 2]), read_labels),
        "arrays": ((np.array(["a", "b", "c"], dtype=object), np.array([0, 1, 2])), read_labels),
        "pyskl": ({"split": {"val": ["a", "b"]}, "annotations": annotations, "meta": meta}, read_all),
    }


@pytest.mark.parametrize("name", sound())
def test_damage_gives_content_or_an_input_error(
    name: str, damages: st.SearchStrategy[Any], little_memory: None, tmp_path: Path
) -> None:
    content, read = sound()[name]
    path, outcomes = tmp_path / "x.pkl", []
    for protocol in PROTOCOLS:
        read(write(path, content, protocol))

    @given(protocol=st.sampled_from(PROTOCOLS), damage=damages)
    @settings(max_examples=200, deadline=None)
    def check(protocol: int, damage: Any) -> None:
        path.write_bytes(damage(pickle.dumps(content, protocol)))
        try:
            outcomes.append(read(path))
        except InputError as error:
            outcomes.append(error)

    check()
    assert any(isinstance(outcome, InputError) for outcome in outcomes)
    assert not all(isinstance(outcome, InputError) for outcome in outcomes)
