"""MS-G3D's pairs of files: clips as they were saved, and a sentence for everything else."""

from __future__ import annotations

import io
import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clips.dense import DenseStore, read_labels
from errors import InputError

NAMES, LABELS = ["S001A001", "S001A002", "ä"], [0, 59, 2]


def save(folder: Path, data: np.ndarray, content: Any = (NAMES, LABELS), protocol: int = 4) -> tuple[Path, Path]:
    data_path, label_path = folder / "val_data_joint.npy", folder / "val_label.pkl"
    np.save(data_path, data)
    label_path.write_bytes(pickle.dumps(content, protocol))
    return data_path, label_path


def made(dtype: str = "float32", count: int = 3) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(count, 3, 4, 5, 2)).astype(dtype)


@pytest.mark.parametrize("mmap", [True, False])
@pytest.mark.parametrize("dtype", ["float32", ">f4", "float64", "float16"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_clips_as_saved(mmap: bool, dtype: str, order: Any, tmp_path: Path) -> None:
    data = np.asarray(made(dtype), order=order)
    store = DenseStore(*save(tmp_path, data), mmap=mmap)
    assert (store.names, store.labels, store.layout) == (NAMES, LABELS, None)
    for index in range(3):
        clip = store.clip(index)
        assert clip.dtype == np.float32
        assert clip.flags.writeable
        assert np.array_equal(clip, data[index].astype(np.float32))


def test_a_clip_may_be_written_to_without_changing_the_file(tmp_path: Path) -> None:
    for mmap in (True, False):
        store = DenseStore(*save(tmp_path, made()), mmap=mmap)
        store.clip(1)[:] = 0
        assert np.array_equal(store.clip(1), made()[1])


def test_a_mapped_store_travels_to_other_processes_without_its_contents(tmp_path: Path) -> None:
    data = np.zeros((3, 3, 40, 25, 2), dtype=np.float32) + np.arange(3, dtype=np.float32).reshape(3, 1, 1, 1, 1)
    store = DenseStore(*save(tmp_path, data))
    sent = pickle.dumps(store)
    assert len(sent) < data.nbytes / 10
    arrived = pickle.loads(sent)
    assert isinstance(arrived.data, np.memmap)
    assert np.array_equal(arrived.clip(2), data[2])
    assert np.array_equal(store.clip(2), data[2])
    whole = pickle.loads(pickle.dumps(DenseStore(*save(tmp_path, data), mmap=False)))
    assert np.array_equal(whole.clip(2), data[2])


def test_where_both_files_are_missing_the_clips_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"val_data_joint.npy: no such file"):
        DenseStore(tmp_path / "val_data_joint.npy", tmp_path / "val_label.pkl")


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize(
    "content",
    [
        (NAMES, LABELS),
        [NAMES, tuple(LABELS)],
        (tuple(NAMES), np.array(LABELS)),
        (np.array(NAMES), [np.int64(label) for label in LABELS]),
        (np.array(NAMES, dtype=object), np.array(LABELS, dtype=np.uint8)),
    ],
    ids=["lists", "tuples", "label array", "name array", "object array"],
)
def test_labels_in_every_protocol(protocol: int, content: Any, tmp_path: Path) -> None:
    path = tmp_path / "val_label.pkl"
    path.write_bytes(pickle.dumps(content, protocol))
    names, labels = read_labels(path)
    assert (names, labels) == (NAMES, LABELS)
    assert {type(name) for name in names} == {str}
    assert {type(label) for label in labels} == {int}


def test_labels_that_python_2_wrote(tmp_path: Path) -> None:
    path = tmp_path / "val_label.pkl"
    path.write_bytes(b"(lp0\nS'a.skeleton'\np1\naS'b'\np2\na(lp3\nI4\naI0\na\x86.")  # with "str" names
    assert read_labels(path) == (["a.skeleton", "b"], [4, 0])


@pytest.mark.parametrize(
    ("content", "want"),
    [
        ({"names": NAMES}, "pickled pair .* got dict"),
        ((NAMES, LABELS, []), "pickled pair"),
        ((NAMES, LABELS[:2]), "3 sample names, but 2 labels"),
        ((["a", "b", "a"], LABELS), "1 sample names occur more than once: 'a'"),
        ((NAMES, [0, 1.5, 2]), "integer labels: 'float'"),
        ((NAMES, [0, "1", 2]), "integer labels: 'str'"),
        ((NAMES, [0, None, 2]), "integer labels"),
        ((NAMES, np.zeros(3)), "integer labels"),
        ((NAMES, np.eye(3, dtype=int)), "integer labels"),
        ((NAMES, float("inf")), "integer labels"),
        ((3, LABELS), "integer labels"),
        ((NAMES, [0, 1, -(2**31)]), f"sample {NAMES[2]!r}: a label of 32 bits, wanted a class number up to"),
        ((NAMES, [0, 10**5000, 2]), f"sample {NAMES[1]!r}: a label of 16610 bits, wanted a class number up to"),
    ],
)
def test_labels_that_are_none(content: Any, want: str, tmp_path: Path) -> None:
    path = tmp_path / "val_label.pkl"
    path.write_bytes(pickle.dumps(content))
    with pytest.raises(InputError, match=want) as caught:
        read_labels(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("mmap", [True, False])
@pytest.mark.parametrize(
    ("data", "want"),
    [
        (made()[0], r"wanted real numbers \(N, C, T, V, M\), got float32 \(3, 4, 5, 2\)"),
        (made()[None], r"\(1, 3, 3, 4, 5, 2\)"),
        (made().astype(np.int32), "got int32"),
        (made().astype(complex), "got complex128"),
        (made()[:, :, :0], r"its clips are empty, \(N, C, T, V, M\) = \(3, 3, 0, 5, 2\)"),
        (made(count=2), "has 2 clips, but .*val_label.pkl names 3"),
    ],
)
def test_arrays_that_are_no_clips(mmap: bool, data: np.ndarray, want: str, tmp_path: Path) -> None:
    paths = save(tmp_path, data)
    with pytest.raises(InputError, match=want):
        DenseStore(*paths, mmap=mmap)


@pytest.mark.parametrize("mmap", [True, False])
def test_files_that_cannot_be_read(mmap: bool, tmp_path: Path) -> None:
    data, labels = save(tmp_path, made())
    whole = data.read_bytes()
    for content, want in (
        (whole[:-1], "not a readable .npy array"),
        (whole[:100], "not a readable .npy array"),
        (whole[:20], "not a readable .npy array"),
        (b"", "not a readable .npy array"),
        (b"no array at all", "magic string is not correct"),
        (whole.replace(b"'descr'", b"'descr\""), "not a readable .npy array"),
    ):
        data.write_bytes(content)
        with pytest.raises(InputError, match=want):
            DenseStore(data, labels, mmap=mmap)
    with pytest.raises(InputError, match=r"nowhere\.npy: no such file"):
        DenseStore(tmp_path / "nowhere.npy", labels, mmap=mmap)
    data.write_bytes(whole)
    with pytest.raises(InputError, match=r"nowhere\.pkl: no such file"):
        DenseStore(data, tmp_path / "nowhere.pkl", mmap=mmap)
    with pytest.raises(InputError, match="not a readable"):
        DenseStore(tmp_path, labels, mmap=mmap)


@pytest.mark.parametrize("mmap", [True, False])
def test_an_npy_file_of_objects_is_not_unpickled(mmap: bool, tmp_path: Path) -> None:
    marker = tmp_path / "marker"

    class Touch:
        def __reduce__(self) -> Any:
            return os.system, (f"touch {marker}",)

    data, labels = save(tmp_path, np.array([Touch()] * 3, dtype=object))
    with pytest.raises(InputError, match=r"not a readable \.npy array: .*(object|Object)"):
        DenseStore(data, labels, mmap=mmap)
    assert not marker.exists()
    np.load(data, allow_pickle=True)
    assert marker.exists()  # it would have run


@pytest.mark.parametrize("mmap", [True, False])
def test_an_npz_archive_under_another_name(mmap: bool, tmp_path: Path) -> None:
    data, labels = save(tmp_path, made())
    archive = io.BytesIO()
    np.savez(archive, x=made())
    data.write_bytes(archive.getvalue())
    with pytest.raises(InputError, match=r"not a readable \.npy array"):
        DenseStore(data, labels, mmap=mmap)


def test_damage_gives_clips_or_an_input_error(
    damages: st.SearchStrategy[Any], little_memory: None, tmp_path: Path
) -> None:
    data, labels = save(tmp_path, made())
    whole = data.read_bytes()[:128], data.read_bytes()[128:]
    outcomes = []

    @given(damage=damages, mmap=st.booleans())
    @settings(max_examples=200, deadline=None)
    def check(damage: Any, mmap: bool) -> None:
        data.write_bytes(damage(whole[0]) + whole[1])  # the header: the rest is numbers, whatever they are
        try:
            store = DenseStore(data, labels, mmap=mmap)
            outcomes.append([store.clip(index).shape for index in range(3)])
        except InputError as error:
            outcomes.append(str(error))

    check()
    assert any(isinstance(outcome, str) for outcome in outcomes)
