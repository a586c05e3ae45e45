"""Files of tensors: what they hold comes back, what they would run does not run, damage is said in a sentence."""

from __future__ import annotations

import collections
import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.tensor_files import read_tensors, write_tensors
from errors import InputError


class Touch:
    """Creates a file when unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return os.system, (f"touch {self.path}",)


def test_what_is_written_is_read(tmp_path: Path, differences: Any) -> None:
    content = {
        "model": collections.OrderedDict(a=torch.rand(3), b=torch.tensor(4)),
        "numbers": [1, 2.5, None, True, "text", (1, 2)],
        "milestones": collections.Counter({30: 1}),  # a schedule of torch has one
    }
    write_tensors(tmp_path / "deep" / "a.pt", content)
    assert differences(read_tensors(tmp_path / "deep" / "a.pt"), content) == []


def test_pickled_arrays_are_read(tmp_path: Path) -> None:
    (tmp_path / "a.pkl").write_bytes(pickle.dumps({"fc.bias": np.arange(3.0)}))
    np.testing.assert_array_equal(read_tensors(tmp_path / "a.pkl")["fc.bias"], [0, 1, 2])


@pytest.mark.parametrize("protocol", [2, 4])
@pytest.mark.parametrize("name", ["a.pt", "a.pkl"])
def test_a_pickle_cannot_run_code(tmp_path: Path, name: str, protocol: int) -> None:
    path, marker = tmp_path / name, tmp_path / "marker"
    path.write_bytes(pickle.dumps({"fc.bias": Touch(marker)}, protocol))
    with pytest.raises(InputError, match=rf"{name}: not ") as caught:
        read_tensors(path)
    assert not marker.exists()
    assert "\n" not in str(caught.value)
    pickle.loads(path.read_bytes())
    assert marker.exists()  # it would have


def test_a_file_of_torch_cannot_run_code(tmp_path: Path) -> None:
    path, marker = tmp_path / "a.pt", tmp_path / "marker"
    torch.save({"fc.bias": Touch(marker)}, path)
    with pytest.raises(InputError, match=r"holds more than tensors and plain containers \(.*posix.system") as caught:
        read_tensors(path)
    assert not marker.exists()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"not a file of tensors", b"PK\x03\x04 but no archive", bytes(100)])
def test_files_of_something_else_are_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.pt").write_bytes(content)
    with pytest.raises(InputError, match=r"a.pt: not ") as caught:
        read_tensors(tmp_path / "a.pt")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["gone.pt", "gone.pkl", "."])
def test_missing_files_are_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match=r": no such file$"):
        read_tensors(tmp_path / name)


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("saved") / "a.pt"
    torch.save({f"layer{i}": torch.arange(float(i)) for i in range(5)}, path)
    return path


@settings(max_examples=60)
@given(data=st.data())
def test_damage_is_noticed_or_harmless(saved: Path, data: st.DataObject) -> None:
    content = bytearray(saved.read_bytes())
    damaged = saved.with_name("damaged.pt")
    if data.draw(st.booleans()):
        content = content[: data.draw(st.integers(0, len(content) - 1))]
    else:
        content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
    damaged.write_bytes(content)
    try:
        read_tensors(damaged)
    except InputError as error:
        assert "\n" not in str(error)


def test_a_write_that_breaks_off_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.pt"
    write_tensors(path, {"epoch": 1})

    def half(content: Any, file: Any) -> None:
        file.write(b"half of it")
        raise OSError("no space left on device")

    monkeypatch.setattr(torch, "save", half)
    with pytest.raises(OSError, match="no space left"):
        write_tensors(path, {"epoch": 2})
    assert read_tensors(path) == {"epoch": 1}
    assert [p.name for p in tmp_path.iterdir()] == ["a.pt"]
