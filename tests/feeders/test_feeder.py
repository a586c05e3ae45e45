"""The feeder: draws that depend on seed, epoch and index alone, streams, skeletons, clear refusals."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from torch.utils.data import DataLoader

from clips.streams import derive
from errors import InputError
from feeders.agcn import AutoPad, RandomChoose, RandomMove, RandomShift
from feeders.crop import CropResize
from feeders.feeder import DEBUG_CLIPS, Feeder
from feeders.space import RandomRotation
from feeders.transforms import DeriveStream, Normalize
from graph.layouts import LAYOUTS

ROOT = Path(__file__).parents[2]
Write = Callable[..., dict[str, Any]]
AUGMENTED = {"random_choose": True, "random_shift": True, "random_move": True, "window_size": 7}
TOY = {"joints": ["hip", "knee", "foot"], "edges": [["knee", "hip"], ["foot", "knee"]]}


def ragged(joints: int = 3, channels: int = 3) -> list[np.ndarray]:
    """Clips of one body and of 5 to 12 frames."""
    rng = np.random.default_rng(1)
    return [rng.normal(size=(channels, frames, joints, 1)).astype(np.float32) for frames in (9, 5, 12, 7)]


def dense(joints: int = 3, count: int = 6, frames: int = 9) -> np.ndarray:
    return np.random.default_rng(2).normal(size=(count, 3, frames, joints, 2)).astype(np.float32)


def test_the_pipeline_has_the_published_order(write_dense: Write) -> None:
    feeder = Feeder(**write_dense(dense()), **AUGMENTED, normalization=True)
    assert [type(step) for step in feeder.pipeline] == [DeriveStream, Normalize, RandomShift, RandomChoose, RandomMove]
    feeder = Feeder(**write_dense(dense()), window_size=7, transforms=["random_rotation"])
    assert [type(step) for step in feeder.pipeline] == [DeriveStream, RandomRotation, AutoPad]


def test_an_item_depends_on_seed_epoch_and_index_alone(write_dense: Write) -> None:
    files = write_dense(dense()[:1].repeat(6, axis=0))
    feeder, other = Feeder(**files, **AUGMENTED), Feeder(**files, **AUGMENTED)
    for one in (feeder, other):
        one.set_epoch(2, seed=5)
    backwards = {index: other[index][0] for index in reversed(range(6))}
    for index in range(6):
        first, again = feeder[index][0], feeder[index][0]
        assert np.array_equal(first, again)
        assert np.array_equal(first, backwards[index])
    assert not np.array_equal(backwards[0], backwards[1])  # the same clip, drawn anew
    for epoch, seed in ((3, 5), (2, 6)):
        feeder.set_epoch(epoch, seed)
        assert any(not np.array_equal(feeder[index][0], backwards[index]) for index in range(6))
    feeder.set_epoch(2, seed=5)
    assert all(np.array_equal(feeder[index][0], backwards[index]) for index in range(6))


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
@pytest.mark.parametrize("kind", ["dense", "dense in memory", "pyskl"])
def test_workers_change_nothing(kind: str, write_dense: Write, write_pyskl: Write) -> None:
    files = write_pyskl(ragged()) if kind == "pyskl" else {**write_dense(dense()), "use_mmap": kind == "dense"}
    feeder = Feeder(**files, **AUGMENTED, stream="bone", layout=TOY)
    for epoch in range(2):
        feeder.set_epoch(epoch, seed=1)
        alone, shared = (list(DataLoader(feeder, 2, num_workers=workers)) for workers in (0, 2))
        assert len(alone) == len(shared) == (len(feeder) + 1) // 2
        for one, other in zip(alone, shared, strict=True):
            assert all(a.equal(b) for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize("kind", ["dense", "pyskl"])
def test_a_feeder_can_be_sent_to_another_process(kind: str, write_dense: Write, write_pyskl: Write) -> None:
    files = write_dense(dense()) if kind == "dense" else write_pyskl(ragged())
    feeder = Feeder(**files, **AUGMENTED, stream="bone_motion", layout=TOY)
    feeder.set_epoch(3, seed=4)
    arrived = pickle.loads(pickle.dumps(feeder))
    assert all(np.array_equal(arrived[index][0], feeder[index][0]) for index in range(len(feeder)))


def test_items_are_contiguous_float32_with_label_and_index(write_dense: Write) -> None:
    data = dense().astype(np.float64)
    feeder = Feeder(**write_dense(data), random_choose=True, window_size=4)
    clip, label, index = feeder[4]
    assert (clip.dtype, clip.shape, clip.flags.c_contiguous) == (np.float32, (3, 4, 3, 2), True)
    assert (label, index) == (1, 4)
    assert (feeder.sample_name[4], len(feeder), feeder.label) == ("clip4", 6, [0, 1, 2, 0, 1, 2])


def test_memory_mapping_changes_nothing(write_dense: Write) -> None:
    files = write_dense(dense())
    mapped, whole = (Feeder(**files, **AUGMENTED, use_mmap=use_mmap) for use_mmap in (True, False))
    assert [isinstance(feeder.store.data, np.memmap) for feeder in (mapped, whole)] == [True, False]
    assert all(np.array_equal(mapped[index][0], whole[index][0]) for index in range(6))


def test_debug_keeps_the_first_clips(write_dense: Write) -> None:
    data = dense(count=DEBUG_CLIPS + 3, frames=2)
    files = write_dense(data)
    feeder = Feeder(**files, debug=True)
    assert len(feeder) == len(feeder.label) == DEBUG_CLIPS == 100
    assert feeder.sample_name == [f"clip{index}" for index in range(100)]
    assert np.array_equal(feeder[99][0], data[99])
    assert len(Feeder(**files)) == 103
    assert len(Feeder(**write_dense(dense(count=4)), debug=True)) == 4


@pytest.mark.parametrize("stream", ["joint", "bone", "joint_motion", "bone_motion"])
@pytest.mark.parametrize("kind", ["dense", "pyskl"])
def test_streams_are_derived_from_joints(stream: str, kind: str, write_dense: Write, write_pyskl: Write) -> None:
    data = list(dense(25)) if kind == "dense" else ragged(25)
    files = write_dense(np.stack(data)) if kind == "dense" else write_pyskl(data)
    feeder = Feeder(**files, stream=stream)
    for index, clip in enumerate(data):
        assert np.array_equal(feeder[index][0], derive(clip, stream, LAYOUTS["ntu-rgb+d"].bone_pairs))


def test_without_a_stream_the_file_is_taken_as_it_is(write_dense: Write) -> None:
    data = dense()
    for stream in ("joint", "bone", "joint_motion", "x"):
        files = write_dense(data, stream=stream)
        assert np.array_equal(Feeder(**files)[0][0], data[0])
        if stream != "x":
            assert np.array_equal(Feeder(**files, stream=stream)[0][0], data[0])  # it holds just that


@pytest.mark.parametrize("held", ["bone", "joint_motion", "bone_motion"])
def test_no_stream_is_derived_from_another(held: str, write_dense: Write) -> None:
    files = write_dense(dense(25), stream=held)
    for stream in {"joint", "bone", "joint_motion", "bone_motion"} - {held}:
        with pytest.raises(InputError, match=f"holds the {held} stream, and '{stream}' is derived from joints"):
            Feeder(**files, stream=stream)


@pytest.mark.parametrize("how", ["name", "yaml", "mapping"])
def test_a_skeleton_of_the_users(how: str, write_dense: Write, tmp_path: Path) -> None:
    data = dense()
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(TOY))
    layout: Any = {"name": "nw-ucla", "yaml": str(tmp_path / "mine.yaml"), "mapping": TOY}[how]
    pairs = ((0, 0), (1, 0), (2, 1))
    if how == "name":
        data, pairs = dense(20), LAYOUTS["nw-ucla"].bone_pairs
    feeder = Feeder(**write_dense(data), stream="bone", layout=layout)
    assert np.array_equal(feeder[1][0], derive(data[1], "bone", pairs))


def test_the_skeleton_in_the_data_comes_before_built_in_ones(write_pyskl: Write) -> None:
    clips, meta = ragged(25), {"edges_1based": [(joint, joint + 1) for joint in range(1, 25)]}
    chain = (*((joint, joint + 1) for joint in range(24)), (24, 24))
    feeder = Feeder(**write_pyskl(clips, meta), stream="bone")
    assert np.array_equal(feeder[0][0], derive(clips[0], "bone", chain))
    feeder = Feeder(**write_pyskl(clips, meta), stream="bone", layout="ntu-rgb+d")
    assert np.array_equal(feeder[0][0], derive(clips[0], "bone", LAYOUTS["ntu-rgb+d"].bone_pairs))


def test_normalized_data_has_mean_0_and_deviation_1(write_dense: Write) -> None:
    data = dense() * 3 + 5
    data[:, :, :, 1] = 2.5  # a joint that never moves
    feeder = Feeder(**write_dense(data), normalization=True)
    made = np.stack([feeder[index][0] for index in range(6)])
    np.testing.assert_allclose(made.mean(axis=(0, 2, 4)), 0, atol=1e-5)
    np.testing.assert_allclose(made.std(axis=(0, 2, 4))[:, [0, 2]], 1, atol=1e-5)
    assert not made[:, :, :, 1].any()


def test_normalization_is_of_the_stream(write_dense: Write) -> None:
    feeder = Feeder(**write_dense(dense()), stream="bone", layout=TOY, normalization=True)
    made = np.stack([feeder[index][0] for index in range(6)])
    np.testing.assert_allclose(made.std(axis=(0, 2, 4))[:, 1:], 1, atol=1e-5)


def test_clips_of_every_length(write_pyskl: Write) -> None:
    clips = ragged()
    feeder = Feeder(**write_pyskl(clips))
    assert [feeder[index][0].shape[1] for index in range(4)] == [9, 5, 12, 7]
    feeder = Feeder(**write_pyskl(clips), transforms=[{"crop_resize": {"window": 8}}])
    assert isinstance(feeder.pipeline[1], CropResize)
    assert {feeder[index][0].shape[1] for index in range(4)} == {8}


@pytest.mark.parametrize(
    ("arguments", "want"),
    [
        ({"random_choose": True}, "random_choose needs window_size, the number of frames to choose; got -1"),
        ({"random_choose": True, "window_size": 0}, "random_choose needs window_size, .* got 0"),
        ({"stream": "bones"}, r"stream: 'bones' is not one of .*; did you mean 'bone'\?"),
        ({"stream": "bone"}, "clips.pkl: stream bone: no built-in skeleton has 3 joints"),
        ({"stream": "bone", "layout": "ntu-rgb+d"}, "clips.pkl has 3 joints, but layout 'ntu-rgb.d' 25"),
        ({"stream": "bone", "layout": "nturgbd"}, "did you mean 'nturgb.d'"),
        ({"stream": "bone", "layout": "nowhere.yaml"}, "nowhere.yaml: no such file"),
        ({"stream": "bone", "layout": {"num_joints": 3}}, "layout: edges is missing"),
        ({"transforms": ["random_rotate"]}, "transforms: there is no transform 'random_rotate'; did you mean"),
        ({"transforms": [{"center": {"joints": 1}}]}, "center takes no argument 'joints'; did you mean 'joint'"),
        ({"stream": "bone_p2"}, "clips.pkl: stream bone_p2: no built-in skeleton has 3 joints"),
        ({"stream": "bone_p5", "layout": TOY}, "stream bone_p5: its bones are known of ntu-rgb.d, .*, not of 'layout'"),
        ({"data_path": False}, "data_path is False, not a file or folder"),
        ({"repeat": 0}, "repeat is a number of times, not 0"),
        ({"balance": 0.5}, "balance is a number of clips, not 0.5"),
        ({"transforms": [{"uniform_sample": {"clip_len": 3, "num_clips": 2}}] * 2}, r"several sample .*, \[2, 2\]"),
        ({"split": "al"}, "there is no split 'al', only all, none; did you mean 'all'"),
        ({"split": "none"}, "clips.pkl: there are no clips"),
    ],
)
def test_refusals(arguments: dict[str, Any], want: str, write_pyskl: Write) -> None:
    with pytest.raises(InputError, match=want):
        Feeder(**{**write_pyskl(ragged()), **arguments})


def test_a_skeleton_that_is_ambiguous(write_pyskl: Write) -> None:
    with pytest.raises(InputError, match="17 joints may be coco or toyota-unik, and their bones differ"):
        Feeder(**write_pyskl(ragged(17)), stream="bone")
    Feeder(**write_pyskl(ragged(17)), stream="joint_motion")  # which needs no bones


@pytest.mark.realdata
@pytest.mark.parametrize(
    ("file", "skeleton", "joints"), [("utd-mhad/utd_mhad.pkl", "utd-mhad", 20), ("hdm05-11/hdm05_11.pkl", "hdm05", 31)]
)
def test_real_recordings(file: str, skeleton: str, joints: int, skeleton_data: Path) -> None:
    files = {"data_path": skeleton_data / file, "split": "xsub_val"}
    transforms = [{"crop_resize": {"window": 16}}, {"random_rotation": {}}, "stream"]
    layout = ROOT / f"config/skeletons/{skeleton}.yaml"
    described = Feeder(**files, stream="bone", transforms=transforms)
    named = Feeder(**files, stream="bone", transforms=transforms, layout=layout)
    for index in range(0, len(named), 10):
        clip = named[index][0]
        assert clip.shape == (3, 16, joints, 1)
        assert np.isfinite(clip).all()
        assert np.array_equal(clip, described[index][0])
