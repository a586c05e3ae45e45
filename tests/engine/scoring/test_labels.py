"""Labels of a data set: from whichever of its files is there and knows the samples."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest

from clips.compact import CompactStore
from clips.read.ucla import split_names
from data_gen.convert import run as convert
from engine.scoring.labels import DATASETS, labels_of_annotations, labels_of_dataset
from errors import InputError

NAMES = ["a", "b", "c"]


def write_pickle(path: Path, names: list[str], labels: list[int]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(pickle.dumps((names, labels)))
    return path


def write_npz(path: Path, labels: list[int]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    clips, onehot = np.zeros((len(labels), 4, 150), np.float32), np.eye(60)[labels]
    np.savez(path, x_train=clips, y_train=onehot, x_test=clips + 1, y_test=onehot)
    return path


@pytest.mark.parametrize("dataset", DATASETS)
def test_the_label_pickle_of_msg3d(dataset: str, tmp_path: Path) -> None:
    path = write_pickle(tmp_path / dataset / "val_label.pkl", NAMES, [2, 0, 1])
    assert labels_of_dataset(dataset, NAMES, tmp_path) == (str(path), {"a": 2, "b": 0, "c": 1})


@pytest.mark.parametrize(
    ("dataset", "file"),
    [
        ("ntu/xsub", "ntu/NTU60_CS.npz"),
        ("ntu/xview", "ntu/NTU60_CV.npz"),
        ("ntu120/xsub", "ntu120/NTU120_CSub.npz"),
        ("ntu120/xset", "ntu120/NTU120_CSet.npz"),
    ],
)
def test_the_npz_of_the_sgn_lineage(dataset: str, file: str, tmp_path: Path) -> None:
    path = write_npz(tmp_path / file, [5, 3])
    wanted = (str(path), {"test_0": 5, "test_1": 3})
    assert labels_of_dataset(dataset, ["test_0"], tmp_path) == wanted
    write_pickle(tmp_path / dataset / "val_label.pkl", NAMES, [2, 0, 1])
    assert labels_of_dataset(dataset, ["test_0"], tmp_path) == wanted  # the other file does not know it
    assert labels_of_dataset(dataset, ["b"], tmp_path)[1] == {"a": 2, "b": 0, "c": 1}
    assert labels_of_dataset(dataset, ["nowhere"], tmp_path)[1] == {"a": 2, "b": 0, "c": 1}


@pytest.mark.parametrize(("folder", "dataset"), [("ntu", "ntu/xsub"), ("ntu_sgn", "ntu/xsub")])
def test_a_compact_store(folder: str, dataset: str, tmp_path: Path) -> None:
    source = write_npz(tmp_path / "from.npz", [5, 3])
    argv = [str(source), "--to", "compact", "--out", str(tmp_path / folder)]
    assert convert([*argv, "--split-map", "train=xsub_train", "test=xsub_val"]) == 0
    store = CompactStore(tmp_path / folder, "xsub_val")
    found = labels_of_dataset(dataset, store.names, tmp_path)
    assert found == (str(tmp_path / folder), dict(zip(store.names, [5, 3], strict=True)))


def test_the_recordings_of_nw_ucla(tmp_path: Path) -> None:
    folder = tmp_path / "NW-UCLA" / "all_sqe"
    folder.mkdir(parents=True)
    names = split_names("val", "x")
    for name in names:
        (folder / f"{name}.json").touch()
    _, labels = labels_of_dataset("NW-UCLA", names, tmp_path)
    assert len(labels) == len(names) == 464
    assert sorted(set(labels.values())) == list(range(10))


def test_nothing_of_the_data_set_is_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"ntu/xsub/val_label.pkl: no such file, nor is there another of ntu/xsub"):
        labels_of_dataset("ntu/xsub", NAMES, tmp_path)


def test_annotations_need_no_skeletons(tmp_path: Path) -> None:
    annotations = [{"frame_dir": name, "label": label} for name, label in zip(NAMES, (2, 0, 1), strict=True)]
    path = tmp_path / "ann.pkl"
    path.write_bytes(pickle.dumps({"split": {"val": ["c", "a"]}, "annotations": annotations}))
    assert labels_of_annotations(str(path), "val") == (["a", "c"], (str(path), {"a": 2, "c": 1}))  # in file order
    assert labels_of_annotations(str(path), None)[0] == NAMES
    path.write_bytes(pickle.dumps(annotations))
    assert labels_of_annotations(str(path), None)[0] == NAMES
    path.write_bytes(pickle.dumps([*annotations, annotations[0]]))
    with pytest.raises(InputError, match="1 recordings occur more than once"):
        labels_of_annotations(str(path), None)
    path.write_bytes(pickle.dumps([{"frame_dir": "a"}]))
    with pytest.raises(InputError, match="annotation 0: there is no 'label'"):
        labels_of_annotations(str(path), None)


@pytest.mark.realdata
def test_a_published_annotation_list(skeleton_data: Path) -> None:
    path = skeleton_data / "scores" / "mmaction2_k400_sample_no_keypoints.pkl"
    names, (_, labels) = labels_of_annotations(str(path), "train")
    assert len(names) == len(labels) > 0
    assert all(0 <= label < 400 for label in labels.values())
