"""The command: recordings of one's own to a store and a configuration, and every fault in a sentence."""

from __future__ import annotations

import csv
import json
import pickle
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml

from clips.compact import CompactStore
from clips.read.pyskl import PysklStore
from command_line import exit_code
from data_gen import import_poses
from data_gen.own_config import NETWORKS
from engine.build import build_model
from engine.flags import parse
from feeders.feeder import Feeder
from graph.layouts import ESTIMATORS, find_layout

ROOT = Path(__file__).parents[2]
CHAIN = {"joints": ["hip", "chest", "head", "left hand", "right hand"],
         "edges": [["chest", "hip"], ["head", "chest"], ["left hand", "chest"], ["right hand", "chest"]],
         "center": "hip", "mirror": [["left hand", "right hand"]]}  # fmt: skip


def recording(number: int, shape: Sequence[int]) -> np.ndarray:
    return np.random.default_rng(number).normal(size=shape).astype(np.float32) + number % 3


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    """Twelve .npy recordings of three classes and four subjects, their labels and a skeleton file."""
    poses = tmp_path / "poses"
    poses.mkdir()
    rows = ["name,label,subject"]
    for number in range(12):
        np.save(poses / f"clip{number}.npy", recording(number, (5 + number, 5, 3)))
        rows.append(f"clip{number},{('wave', 'kick', 'sit')[number % 3]},{number // 3}")
    (tmp_path / "labels.csv").write_text("\n".join(rows))
    (tmp_path / "skeleton.yaml").write_text(yaml.safe_dump(CHAIN))
    return tmp_path


def run(
    folder: Path, *more: Any, skeleton: str = "skeleton.yaml", division: Sequence[str] = ("--test-share", "0.3")
) -> int:
    known = skeleton if skeleton in ESTIMATORS else str(folder / skeleton)
    words = [folder / "poses", "--labels", folder / "labels.csv", "--skeleton", known, "--out-folder", folder / "out"]
    return exit_code(import_poses.run, [str(word) for word in (*words, *division, *more)])


def refused(folder: Path, capsys: pytest.CaptureFixture[str], *more: Any, **options: Any) -> str:
    """The one sentence of a run that writes nothing."""
    capsys.readouterr()
    assert run(folder, *more, **options) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert not (folder / "out").exists()
    return err


def test_the_store_holds_what_the_files_hold(mine: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(mine, division=["--test-subjects", "1", "3"]) == 0
    store = CompactStore(mine / "out")
    assert store.names == [f"clip{number}" for number in range(12)]
    assert store.labels == [(2, 0, 1)[number % 3] for number in range(12)]
    for number in range(12):
        np.testing.assert_array_equal(
            store.clip(number)[..., 0], recording(number, (5 + number, 5, 3)).transpose(2, 0, 1)
        )
    assert CompactStore(mine / "out", "test").names == [f"clip{number}" for number in (3, 4, 5, 9, 10, 11)]
    assert CompactStore(mine / "out", "train").names == [f"clip{number}" for number in (0, 1, 2, 6, 7, 8)]
    assert (mine / "out/class_names.txt").read_text() == "kick\nsit\nwave\n"
    assert find_layout(mine / "out/skeleton.yaml") == find_layout(mine / "skeleton.yaml")
    out = capsys.readouterr().out
    assert f"{mine}/out: 12 clips" in out
    assert "5 to 16 frames" in out
    assert f"train: python3 main.py --config {mine}/out/train.yaml" in out


def test_workers_change_nothing(mine: Path) -> None:
    files = ("store.json", "index.npz", "clips.npy", "train.yaml", "class_names.txt", "skeleton.yaml")
    assert run(mine) == 0
    first = {file: (mine / "out" / file).read_bytes() for file in files}
    assert run(mine, "--n-cores", "2") == 0
    assert {file: (mine / "out" / file).read_bytes() for file in files} == first


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize(
    ("joints", "dims", "bodies", "scores"), [(5, 3, 1, False), (133, 2, 5, True), (5, 2, 2, False)]
)
def test_the_configuration_fits(network: str, joints: int, dims: int, bodies: int, scores: bool, mine: Path) -> None:
    """The network takes the feeder's clips and has an output for every class."""
    chain = {"num_joints": joints, "edges": [[v + 1, v] for v in range(joints - 1)]}
    (mine / "skeleton.yaml").write_text(yaml.safe_dump(chain))
    for number in range(12):
        np.save(mine / f"poses/clip{number}.npy", recording(number, (1 + number % 3, bodies, joints, dims + scores)))
    keep = ["--dims", dims, *(["--keep-scores", "--image-size", 640, 480] if scores else [])]
    assert run(mine, "--bodies", bodies, "--network", network, *keep) == 0
    config = parse(["--config", str(mine / "out/train.yaml")])[0]
    clips = [Feeder(**args)[0][0] for args in (config.train_feeder_args, config.test_feeder_args)]
    assert {clip.shape for clip in clips} == {(dims + scores, 64, joints, bodies)}
    if joints == 5:
        with torch.inference_mode():
            assert build_model(config).eval()(torch.from_numpy(np.stack(clips))).shape == (2, 3)
    else:
        assert build_model(config) is not None


def test_a_configuration_that_was_changed_stays(mine: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(mine) == 0
    path = mine / "out/train.yaml"
    path.write_text(path.read_text().replace("num_epoch: 30", "num_epoch: 60"))
    changed = path.read_bytes()
    assert run(mine) == 0
    assert path.read_bytes() == changed
    assert f"{path}: left as it was; remove it for a new one" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("more", "place", "others"),
    [
        ((), {"pre_normalize_2d": {"mode": "auto", "least": 0}}, ["crop_resize", "random_rotation_2d", "stream"]),
        (("--image-size", "640", "480"), None, ["crop_resize", "random_rotation_2d", "stream"]),
        (("--keep-scores", "--image-size", "640", "480"), None, ["crop_resize", "random_rotation_2d", "stream"]),
    ],
)
def test_planar_poses_are_turned_in_the_plane(more: tuple[str, ...], place: Any, others: list[str], mine: Path) -> None:
    for number in range(12):
        np.save(mine / f"poses/clip{number}.npy", np.abs(recording(number, (4, 5, 3))))
    assert run(mine, "--dims", "2", *more) == 0
    transforms = yaml.safe_load((mine / "out/train.yaml").read_text())["train_feeder_args"]["transforms"]
    assert transforms.pop(0) == {"trim": {"inside": True}}
    assert (transforms[0] == place) == (place is not None)
    names = [next(iter(item)) if isinstance(item, dict) else item for item in transforms[place is not None :]]
    assert names == others
    assert ({"stream": {"scores": "mean"}} in transforms) == ("--keep-scores" in more)
    assert CompactStore(mine / "out").clip(0).shape[0] == (3 if "--keep-scores" in more else 2)


def test_people_beyond_the_bodies_are_said(mine: Path, capsys: pytest.CaptureFixture[str]) -> None:
    np.save(mine / "poses/clip4.npy", recording(4, (6, 3, 5, 3)))
    assert run(mine) == 0
    assert "1 recordings have more than 1 people, up to 3: those were kept that move most" in capsys.readouterr().out
    assert run(mine, "--bodies", "3") == 0
    assert "recordings have more" not in capsys.readouterr().out


def test_damaged_recordings_are_named_and_nothing_is_written(mine: Path, capsys: pytest.CaptureFixture[str]) -> None:
    values = recording(1, (6, 5, 3))
    values[2, 3, 1] = np.nan
    np.save(mine / "poses/clip1.npy", values)
    (mine / "poses/clip2.npy").write_bytes(b"no array")
    assert run(mine) == 1
    err = capsys.readouterr().err
    assert f"damaged: {mine}/poses/clip1.npy: frame 2, joint 'left hand': a coordinate is nan" in err
    assert f"damaged: {mine}/poses/clip2.npy: not a readable .npy array" in err
    assert not (mine / "out/store.json").exists()
    assert not (mine / "out/train.yaml").exists()
    assert run(mine, "--allow-missing") == 0
    assert len(CompactStore(mine / "out").names) == 10
    assert run(mine, "--allow-missing", "--nan-as-missing") == 0
    assert len(CompactStore(mine / "out").names) == 11


def test_recordings_of_other_dimensions_are_not_mixed(mine: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """z would be taken for a score otherwise."""
    (mine / "poses/clip0.npy").unlink()
    (mine / "poses/clip0.json").write_text("[null, []]")  # says nothing of dimensions
    np.save(mine / "poses/clip1.npy", recording(1, (6, 5, 2)))
    sentence = f"{mine}/poses/clip1.npy has 2 coordinates of a joint and {mine}/poses/clip2.npy 3; say which are meant"
    assert sentence in refused(mine, capsys, "--allow-missing")
    assert run(mine, "--dims", "3", "--allow-missing") == 0
    assert CompactStore(mine / "out").names == [f"clip{number}" for number in range(2, 12)]


def test_a_side_of_damaged_recordings_alone_is_refused(mine: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for number in range(9, 12):
        np.save(mine / f"poses/clip{number}.npy", np.full((4, 5, 3), np.nan))
    message = refused(mine, capsys, "--allow-missing", division=["--test-subjects", "3"])
    assert f"split test: nothing is left, all 3 are damaged: {mine}/poses/clip9.npy: frame 0, joint 'hip'" in message


def test_where_nothing_is_readable_each_file_says_why(mine: Path, capsys: pytest.CaptureFixture[str]) -> None:
    people = [{"image_id": f"{n}_720p.jpg", "keypoints": [1.0] * 15} for n in range(3)]
    for number in range(12):
        (mine / f"poses/clip{number}.npy").unlink()
        (mine / f"poses/clip{number}.json").write_text(json.dumps(people))
    assert run(mine) == 1
    assert capsys.readouterr().err.count("have the same last number") == 12


def test_accents_are_the_same_in_one_piece_and_in_two(mine: Path) -> None:
    """macOS's disks take them apart, keyboards do not."""
    (mine / "poses/clip3.npy").rename(mine / "poses/zoe\u0308.NPY")
    (mine / "labels.csv").write_text((mine / "labels.csv").read_text().replace("clip3,", "zo\u00eb,"), "utf-8")
    assert run(mine) == 0
    assert "zo\u00eb" in CompactStore(mine / "out").names


def test_slips_in_labels_are_said(mine: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = (mine / "labels.csv").read_text().replace("clip3,wave", "clip3,Wave")
    (mine / "labels.csv").write_text(text)
    assert run(mine) == 0
    out = capsys.readouterr().out
    assert "classes that only capitals tell apart: Wave, wave" in out
    assert "subjects are both trained and tested on: " in out
    assert run(mine, "--by-subject") == 0
    assert "both trained and tested" not in capsys.readouterr().out


@pytest.mark.parametrize("name", ["no", "null", "on", "😀 gym", "küche"])
def test_any_folder_is_read_back(name: str, mine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(mine)
    assert run(Path(), "--out-folder", name) == 0
    config = parse(["--config", f"{name}/train.yaml"])[0]
    assert config.train_feeder_args["data_path"] == name
    assert Feeder(**config.train_feeder_args)[0][0].shape == (3, 64, 5, 1)
    assert config.batch_size == config.forward_batch_size == 4
    assert len(CompactStore(name, "train").names) == 9


def test_the_origin_is_the_centre_of_whoever_comes_late(mine: Path) -> None:
    values = recording(0, (9, 5, 3))
    values[:4] = 0
    np.save(mine / "poses/clip0.npy", values)
    assert run(mine, division=["--test-subjects", "0"]) == 0
    clip = Feeder(**parse(["--config", str(mine / "out/train.yaml")])[0].test_feeder_args)[0][0]
    np.testing.assert_allclose(clip[:, 0, :, 0], (values[4] - values[4, 0]).T, atol=1e-6)


def test_labels_and_recordings_belong_together(mine: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for number in range(5):
        np.save(mine / f"poses/new{number}.npy", recording(number, (3, 5, 3)))
    (mine / "poses/clip7.npy").unlink()
    err = refused(mine, capsys)
    assert f"5 recordings (new0, new1, new2, ...) of {mine}/poses have no label in {mine}/labels.csv; " in err
    assert (
        f"1 labels (clip7) of {mine}/labels.csv have no recording in {mine}/poses; --allow-missing leaves them" in err
    )
    assert run(mine, "--allow-missing") == 0
    assert CompactStore(mine / "out").names == [f"clip{number}" for number in range(12) if number != 7]
    assert "5 recordings (new0" in capsys.readouterr().out


def test_labels_may_lie_among_the_poses(mine: Path) -> None:
    (mine / "poses/labels.csv").write_bytes((mine / "labels.csv").read_bytes())
    assert run(mine, "--labels", mine / "poses/labels.csv") == 0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"edges": [["chest", "hpi"]]}, "edges names 'hpi', which is none of the joints; did you mean 'hip'?"),
        ({"edges": CHAIN["edges"][:3]}, "joint 4 ('right hand') is not connected to joint 0 ('hip')"),
        ({"edges": [*CHAIN["edges"], ["left hand", "right hand"]]}, "edges: [3, 4] closes a cycle"),
        ({"edges": [[1, 0], [2, 1], [3, 1], [5, 1]]}, "edges: [5, 1] names joint 5, but joints are 0 to 4"),
        ({"edges": [[1, 1], *CHAIN["edges"][1:]]}, "edges: [1, 1] links joint 1 ('chest') to itself"),
        ({"edges": None}, "edges is missing"),
        ({"joints": ["hip", "chest", "head", "hand", "hand"], "edges": [[1, 0]], "mirror": []},
         "joints 3 and 4 have the same name 'hand'"),
        ({"joints": None}, "give joints (a list of names) or num_joints"),
        ({"center": "hips"}, "center names 'hips', which is none of the joints; did you mean 'hip'?"),
        ({"mirror": [["left hand", "left hand"]]}, "mirror: joint 3 ('left hand') is there twice"),
        ({"centre": "hip"}, "unknown key 'centre'; did you mean 'center'?"),
        ("joints: [", "not readable as YAML"),
        ("", "a skeleton is a mapping with joints and edges, not NoneType"),
    ],
)  # fmt: skip
def test_a_wrong_skeleton_is_one_sentence(
    changes: Any, message: str, mine: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = changes if isinstance(changes, str) else yaml.safe_dump({**CHAIN, **changes})
    (mine / "skeleton.yaml").write_text(text)
    assert message in refused(mine, capsys)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--layout", "dense"], "--layout dense: recordings have no common length"),
        (["--skeleton", "mediapipe33"], "did you mean 'mediapipe-33'?"),
        (["--skeleton", "absent.yaml"], "absent.yaml: no such file"),
        (
            ["--keep-scores"],
            "--keep-scores and --image-size are for 2-D poses, and these are 3-D; --dims 2 leaves z out",
        ),
        (["--image-size", "640", "480"], "are for 2-D poses"),
        (["--keep-scores", "--dims", "3"], "--keep-scores is for 2-D poses"),
        (["--test-share", "1.5"], "wanted a share between 0 and 1, got '1.5'"),
        (["--bodies", "0"], "wanted a whole number of at least 1, got '0'"),
        (["--test-subjects", "1"], "--test-subjects and --test-share both say it"),
        (["--tset-share", "1"], "unknown argument '--tset-share'; did you mean '--test-share'?"),
    ],
)
def test_wrong_flags_are_refused(more: list[str], message: str, mine: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert message in refused(mine, capsys, *more)


def test_an_unfinished_import_goes_on_and_other_flags_begin_anew(
    mine: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = (mine / "poses/clip1.npy").read_bytes()
    (mine / "poses/clip1.npy").write_bytes(b"x")
    assert run(mine) == 1
    (mine / "poses/clip1.npy").write_bytes(whole)
    assert run(mine) == 0
    assert len(CompactStore(mine / "out").names) == 12
    capsys.readouterr()
    (mine / "poses/clip1.npy").write_bytes(b"x")
    assert run(mine, "--nan-as-missing") == 1
    assert "are done from before" not in capsys.readouterr().err


# ---- recordings that are there in another form

REAL = {"utd-mhad": "utd-mhad/utd_mhad.pkl", "hdm05": "hdm05-11/hdm05_11.pkl"}


def export_json(folder: Path, name: str, clip: np.ndarray, joints: Sequence[str]) -> None:
    (folder / f"{name}.json").write_text(json.dumps(clip[..., 0].transpose(1, 2, 0).tolist()))


def export_csv(folder: Path, name: str, clip: np.ndarray, joints: Sequence[str]) -> None:
    with open(folder / f"{name}.csv", "w", newline="") as file:
        out = csv.writer(file)
        out.writerow(["frame", *(f"{joint}_{axis}" for joint in joints for axis in "xyz")])
        flat = clip[..., 0].transpose(1, 2, 0).reshape(clip.shape[1], -1)
        out.writerows([t, *map(repr, row)] for t, row in enumerate(flat.tolist()))


EXPORTS: dict[str, Callable[..., None]] = {"utd-mhad": export_json, "hdm05": export_csv}


@pytest.mark.realdata
@pytest.mark.parametrize("name", REAL)
def test_real_recordings_come_back_bit_for_bit(name: str, skeleton_data: Path, tmp_path: Path) -> None:
    path, skeleton = skeleton_data / REAL[name], ROOT / f"config/skeletons/{name}.yaml"
    with open(path, "rb") as file:
        splits: dict[str, list[str]] = pickle.load(file)["split"]
    kept, poses = PysklStore(path), tmp_path / "poses"
    poses.mkdir()
    side = {recording: split for split, names in splits.items() for recording in names}
    rows = ["name,label,split"]
    for index, recording_name in enumerate(kept.names):
        EXPORTS[name](poses, recording_name, kept.clip(index), find_layout(skeleton).joints)
        rows.append(f"{recording_name},{kept.labels[index]},{side[recording_name]}")
    (tmp_path / "labels.csv").write_text("\n".join(rows))
    words = [poses, "--labels", tmp_path / "labels.csv", "--skeleton", skeleton, "--out-folder", tmp_path / "out"]
    began = time.perf_counter()
    assert exit_code(import_poses.run, [str(word) for word in words]) == 0
    assert time.perf_counter() - began < 60
    for split in (*splits, None):
        theirs, ours = PysklStore(path, split), CompactStore(tmp_path / "out", split)
        assert (ours.names, ours.labels) == (theirs.names, theirs.labels)
        for index in range(len(ours.names)):
            assert ours.clip(index).tobytes() == theirs.clip(index).tobytes()
    config = yaml.safe_load((ROOT / f"config/_base/{name}.yaml").read_text())
    for part in ("train", "test"):
        arguments = {**config[f"{part}_feeder_args"], "layout": str(skeleton)}
        ours, theirs = (Feeder(**{**arguments, "data_path": str(place)}) for place in (tmp_path / "out", path))
        assert ours.sample_name == theirs.sample_name
        for index in range(0, len(theirs), 9):
            assert ours[index][0].tobytes() == theirs[index][0].tobytes()


def test_a_store_brings_its_own_skeleton_along(mine: Path) -> None:
    """A skeleton of as many joints as a built-in one is not taken for that."""
    assert run(mine) == 0
    store = CompactStore(mine / "out")
    assert store.layout == find_layout(str(mine / "out/skeleton.yaml"))
    assert "layout" not in store.about


@pytest.mark.parametrize(("size", "said"), [((640, 480), False), ((64, 48), True)])
def test_a_picture_that_is_too_small_is_said(
    size: tuple[int, int], said: bool, mine: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in range(12):
        np.save(mine / f"poses/clip{number}.npy", np.random.default_rng(number).uniform(0, 470, (9, 5, 2)))
    assert run(mine, "--image-size", *size) == 0
    words = f"12 recordings go far beyond a picture of {size[0]} by {size[1]}: is --image-size right?"
    assert (words in capsys.readouterr().out) == said
