"""NW-UCLA's recordings and lists."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clips.read.ucla import UclaStore, read_recording, split_names
from errors import InputError

RAW = Path(__file__).parents[2] / "golden" / "ucla_raw"


def test_recordings_are_in_metres_and_labelled_after_their_names() -> None:
    store = UclaStore(RAW)
    assert store.names == ["a01_s01_e00_v03", "a02_s07_e03_v03", "a05_s04_e02_v03", "a12_s09_e04_v03"]
    assert store.labels == [0, 1, 4, 9]
    for index, frames in enumerate((21, 52, 9, 77)):
        clip = store.clip(index)
        raw = json.loads((RAW / f"{store.names[index]}.json").read_text())["skeletons"]
        assert (clip.dtype, clip.shape) == (np.float32, (3, frames, 20, 1))
        np.testing.assert_allclose(clip[:, 3, 7, 0], raw[3][7], rtol=1e-6)
        clip[:] = 0  # the caller's own
        assert store.clip(index).any()


def test_the_lists_are_the_published_ones() -> None:
    train, val = split_names("train", ""), split_names("val", "")
    assert (len(train), len(val), len({*train, *val})) == (1020, 464, 1484)
    assert (train[0], val[0]) == ("a05_s04_e02_v01", "a05_s04_e02_v03")
    assert {name[-3:] for name in train} == {"v01", "v02"}
    assert {name[-3:] for name in val} == {"v03"}
    actions = Counter(name[:3] for name in train)
    assert [actions[action] for action in sorted(actions)] == [102, 102, 96, 124, 101, 102, 99, 99, 98, 97]
    actions = Counter(name[:3] for name in val)
    assert [actions[action] for action in sorted(actions)] == [48, 50, 45, 49, 47, 47, 43, 43, 47, 45]


@pytest.mark.parametrize("split", ["train", "val"])
def test_a_split_is_in_the_order_of_its_list(split: str, tmp_path: Path) -> None:
    names = split_names(split, "")
    for name in sorted(names):
        (tmp_path / f"{name}.json").touch()
    (tmp_path / "a01_s01_e00_v09.json").touch()
    store = UclaStore(tmp_path, split)
    assert store.names == names
    assert set(store.labels) == set(range(10))
    (tmp_path / f"{names[7]}.json").unlink()
    with pytest.raises(InputError, match=f"1 of the {len(names)} recordings of split '{split}' .*: {names[7]}.json"):
        UclaStore(tmp_path, split)


def test_what_a_folder_may_lack(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no split 'vall', only train, val; did you mean 'val'"):
        UclaStore(RAW, "vall")
    with pytest.raises(InputError, match="1020 of the 1020 recordings of split 'train' are not there"):
        UclaStore(RAW, "train")
    (tmp_path / "index.json").touch()
    with pytest.raises(InputError, match="there is no recording of NW-UCLA"):
        UclaStore(tmp_path)
    (tmp_path / "a07_s01_e00_v03.json").touch()
    with pytest.raises(InputError, match=r"a07_s01_e00_v03\.json is of action 7, which NW-UCLA has not"):
        UclaStore(tmp_path)


@pytest.mark.parametrize(
    ("content", "want"),
    [
        ("", "not a recording of NW-UCLA"),
        ("[]", "not a recording of NW-UCLA"),
        ('{"skeleton": []}', "not a recording of NW-UCLA, .*: 'skeletons'"),
        ('{"skeletons": [[1], [1, 2]]}', "not a recording of NW-UCLA"),
        ('{"skeletons": "abc"}', "not a recording of NW-UCLA"),
        (f'{{"skeletons": [1{"0" * 400}]}}', "not a recording of NW-UCLA"),
        ('{"skeletons": []}', r"wanted skeletons \(T, 20, 3\), got \(0,\)"),
        ('{"skeletons": [[[1, 2, 3]]]}', r"wanted skeletons \(T, 20, 3\), got \(1, 1, 3\)"),
    ],
)
def test_damaged_recordings(content: str, want: str, tmp_path: Path) -> None:
    path = tmp_path / "a01_s01_e00_v03.json"
    path.write_text(content)
    with pytest.raises(InputError, match=f"a01_s01_e00_v03.json: {want}"):
        UclaStore(tmp_path).clip(0)


def test_a_recording_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        read_recording(tmp_path / "a01_s01_e00_v03.json")


@given(data=st.data())
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_damage_is_an_error_or_does_no_harm(data: st.DataObject, damages: st.SearchStrategy, tmp_path: Path) -> None:
    path = tmp_path / "a05_s04_e02_v03.json"
    path.write_bytes(data.draw(damages)((RAW / path.name).read_bytes()))
    try:
        assert read_recording(path).shape[2:] == (20, 1)
    except InputError as error:
        assert str(path) in str(error)
