"""Whole stores: the same clips and splits from every layout, and damage to any of them."""

from __future__ import annotations

import json
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clips.whole import ALL, Place, open_whole
from clips.write.compact import Piece, write_store
from clips.write.npz import write_npz
from errors import InputError

UCLA = Path(__file__).parents[1] / "golden" / "ucla_raw"
ABOUT = {"channels": 3, "joints": 25, "bodies": 2}


def clips() -> list[np.ndarray]:
    return [np.random.default_rng(seed).normal(size=(3, 6, 25, 2)).astype(np.float32) for seed in range(4)]


def make_compact(folder: Path) -> Path:
    piece = Piece()
    for clip in clips():
        piece.append(clip)
    piece.save(folder / "p.npz")
    splits = {"xsub_train": [0, 2], "xsub_val": [3], "xview_val": [2, 3]}
    write_store(folder / "store", [folder / "p.npz"], list("abcd"), [0, 1, 2, 3], splits, ABOUT | {"lineage": "x"})
    return folder / "store"


def make_pickle(folder: Path) -> Path:
    annotations = [
        {"frame_dir": name, "label": label, "keypoint": clip.transpose(3, 1, 2, 0)}
        for label, (name, clip) in enumerate(zip("abcd", clips(), strict=True))
    ]
    splits = {"xsub_train": ["c", "a"], "xsub_val": {"d"}, "xview_val": ("c", "d")}
    (folder / "a.pkl").write_bytes(pickle.dumps({"split": splits, "annotations": annotations}))
    return folder / "a.pkl"


def make_dense(folder: Path) -> Path:
    for place, rows in (("xsub/train", (0, 2)), ("xsub/val", (3,)), ("xview/val", (2, 3))):
        (folder / "dense" / place).parent.mkdir(parents=True, exist_ok=True)
        np.save(folder / "dense" / f"{place}_data_joint.npy", np.stack([clips()[row] for row in rows]))
        labels = (["abcd"[row] for row in rows], list(rows))
        (folder / "dense" / f"{place}_label.pkl").write_bytes(pickle.dumps(labels))
    return folder / "dense"


@pytest.mark.parametrize("make", [make_compact, make_pickle, make_dense])
def test_splits_and_clips(make: Callable[[Path], Path], tmp_path: Path) -> None:
    whole = open_whole(make(tmp_path))
    assert {name: [whole.name(p) for p in places] for name, places in whole.splits.items()} == {
        "xsub_train": ["a", "c"],
        "xsub_val": ["d"],
        "xview_val": ["c", "d"],
    }
    for place in whole.places():
        label = whole.label(place)
        assert whole.name(place) == "abcd"[label]
        assert np.array_equal(whole.clip(place), clips()[label])
    assert len(list(whole.places())) == (5 if make is make_dense else 4)
    assert whole.about.get("lineage") == ("x" if make is make_compact else None)


def test_an_npz_has_two_splits(tmp_path: Path) -> None:
    write_npz(tmp_path / "a.npz", {"train": (clips()[:3], [0, 1, 2]), "test": (clips()[3:], [3])}, 4, 6)
    whole = open_whole(tmp_path / "a.npz")
    assert whole.splits == {"train": [Place(0, 0), Place(0, 1), Place(0, 2)], "test": [Place(1, 0)]}
    assert np.array_equal(whole.clip(Place(1, 0)), clips()[3])


def test_what_names_no_split_is_all(tmp_path: Path) -> None:
    (tmp_path / "a.pkl").write_bytes(pickle.dumps(pickle.loads(make_pickle(tmp_path).read_bytes())["annotations"]))
    assert [place.index for place in open_whole(tmp_path / "a.pkl").splits[ALL]] == [0, 1, 2, 3]


def test_refusals(tmp_path: Path) -> None:
    content = pickle.loads(make_pickle(tmp_path).read_bytes())
    for splits, want in (({"a": ["a", "x"]}, "split 'a' names 1 recordings that are absent: x"), ({"a": 3}, "a list")):
        (tmp_path / "b.pkl").write_bytes(pickle.dumps({**content, "split": splits}))
        with pytest.raises(InputError, match=want):
            open_whole(tmp_path / "b.pkl")
    with pytest.raises(InputError, match="recordings of split 'train' are not there"):
        open_whole(UCLA)
    with pytest.raises(InputError, match="clips are read from"):
        open_whole(tmp_path / "nothing")
    shutil.copytree(make_compact(tmp_path), tmp_path / "torn")
    with np.load(tmp_path / "torn" / "index.npz") as file:
        arrays = dict(file)
    np.savez(tmp_path / "torn" / "index.npz", **(arrays | {"split/xview_val": np.array([9])}))
    with pytest.raises(InputError, match="names clips that there are not"):
        open_whole(tmp_path / "torn")


@given(data=st.data(), make=st.sampled_from([make_compact, make_pickle, make_dense]))
@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
def test_damage_is_an_error_or_does_no_harm(
    data: st.DataObject,
    make: Callable[[Path], Path],
    damages: st.SearchStrategy,
    tmp_path_factory: pytest.TempPathFactory,
    little_memory: None,
) -> None:
    folder = tmp_path_factory.mktemp("whole")
    path = make(folder)
    files = sorted(found for found in ([path] if path.is_file() else path.rglob("*")) if found.is_file())
    victim = data.draw(st.sampled_from(files))
    victim.write_bytes(data.draw(damages)(victim.read_bytes()))
    try:
        whole = open_whole(path)
        for place in whole.places():
            assert whole.clip(place).ndim == 4
            assert json.dumps([whole.name(place), whole.label(place)])
    except InputError as error:
        assert str(folder) in str(error)
    shutil.rmtree(folder)
