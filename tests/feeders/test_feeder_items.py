"""The feeder: sets gone through again, several clips of a recording, pictures, prompt bones, and what does not fit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from errors import InputError
from feeders.feeder import DEBUG_CLIPS, Feeder
from feeders.uniform import UniformSample

Write = Callable[..., dict[str, Any]]
AUGMENTED = {"random_choose": True, "random_shift": True, "random_move": True, "window_size": 7}


def ragged(joints: int = 3, channels: int = 3) -> list[np.ndarray]:
    """Clips of one body and of 5 to 12 frames."""
    rng = np.random.default_rng(1)
    return [rng.normal(size=(channels, frames, joints, 1)).astype(np.float32) for frames in (9, 5, 12, 7)]


def dense(joints: int = 3, count: int = 6, frames: int = 9) -> np.ndarray:
    return np.random.default_rng(2).normal(size=(count, 3, frames, joints, 2)).astype(np.float32)


def test_repetitions_have_draws_of_their_own(write_dense: Write) -> None:
    files = write_dense(dense())
    once, thrice = Feeder(**files, **AUGMENTED), Feeder(**files, **AUGMENTED, repeat=3)
    assert (len(thrice), thrice.sample_name, thrice.label) == (18, once.sample_name * 3, once.label * 3)
    for index in range(6):
        made = [thrice[index + 6 * turn] for turn in range(3)]
        assert np.array_equal(made[0][0], once[index][0])
        assert [(label, number) for _, label, number in made] == [(index % 3, index + 6 * turn) for turn in range(3)]
    assert any(not np.array_equal(thrice[index][0], thrice[index + 6][0]) for index in range(6))
    plain = Feeder(**files, repeat=2, normalization=True)
    assert all(np.array_equal(plain[index][0], plain[index + 6][0]) for index in range(6))


def test_small_classes_come_more_often(write_dense: Write) -> None:
    """UNIK: of n clips fewer than the wanted number, each comes round(wanted / n) times."""
    files = write_dense(dense(count=7))  # three clips of class 0, two of 1 and of 2
    for balance, times in ((3, (1, 2, 2)), (7, (2, 4, 4)), (2, (1, 1, 1))):
        feeder = Feeder(**files, balance=balance)
        assert [feeder.label.count(label) for label in range(3)] == [3 * times[0], 2 * times[1], 2 * times[2]]
        assert feeder.sample_name == [f"clip{i}" for i in range(7) for _ in range(times[i % 3])]
    twice = Feeder(**files, balance=3, repeat=2)
    assert len(twice) == 22
    plain = Feeder(**files)
    for index, name in enumerate(twice.sample_name):
        clip, label, number = twice[index]
        assert (name, label, number) == (f"clip{int(name[4:])}", int(name[4:]) % 3, index)
        assert np.array_equal(clip, plain[int(name[4:])][0])


def test_debug_keeps_the_first_clips_of_a_set_that_is_repeated(write_dense: Write) -> None:
    feeder = Feeder(**write_dense(dense(count=DEBUG_CLIPS + 3, frames=2)), debug=True, repeat=2)
    assert len(feeder) == len(feeder.sample_name) == 2 * DEBUG_CLIPS
    assert feeder.sample_name[DEBUG_CLIPS] == feeder.sample_name[0] == "clip0"


def test_several_clips_of_a_recording_make_one_item(write_pyskl: Write) -> None:
    sample = {"clip_len": 4, "num_clips": 3, "seed": 255}
    feeder = Feeder(**write_pyskl(ragged()), transforms=[{"uniform_sample": sample}, {"bodies": {"num_person": 2}}])
    assert (feeder.num_clips, len(feeder)) == (3, 4)
    made = feeder[0][0]
    assert (made.shape, made.dtype, made.flags.c_contiguous) == (((3, 3, 4, 3, 2)), np.float32, True)
    step = UniformSample(**sample)
    clip = ragged()[0]
    frames = step.draw(np.random.default_rng(9), clip)
    for number in range(3):
        assert np.array_equal(made[number, ..., :1], clip[:, frames[4 * number : 4 * number + 4]])
        assert not made[number, ..., 1].any()
    one = Feeder(**write_pyskl(ragged()), transforms=[{"uniform_sample": {"clip_len": 4}}])
    assert (one.num_clips, one[0][0].shape) == (1, (3, 4, 3, 1))


def test_a_picture_of_the_recording_comes_before_the_setting(write_pyskl: Write) -> None:
    clips = [np.abs(clip) * 100 for clip in ragged(channels=2)]
    transforms = [{"pre_normalize_2d": {"img_shape": [480, 640]}}]
    plain, own = (
        Feeder(**write_pyskl(clips, img_shape=shape), transforms=transforms)[1][0] for shape in (None, (240, 320))
    )
    np.testing.assert_allclose(own + 1, 2 * (plain + 1), rtol=1e-5)


def test_a_picture_without_extent_is_refused(write_pyskl: Write) -> None:
    feeder = Feeder(**write_pyskl(ragged(channels=2), img_shape=(0, 320)), transforms=["pre_normalize_2d"])
    with pytest.raises(InputError, match="clip1: img_shape is the picture's height and width"):
        feeder[1]


def test_prompt_bones_of_built_in_skeletons(write_dense: Write) -> None:
    for joints, layout in ((25, None), (25, "nturgb+d"), (20, None)):
        data = dense(joints)
        made = Feeder(**write_dense(data), stream="bone_p5", layout=layout)[2][0]
        np.testing.assert_array_equal(made[:, :, 1], data[2][:, :, 1] - data[2][:, :, 4 if joints == 25 else 0])
        assert not made[:, :, 20:21].any()
    with pytest.raises(InputError, match=r"stream bone_p2: its bones are known of .*, not of 'smpl'"):
        Feeder(**write_dense(dense(24)), stream="bone_p2")


@pytest.mark.parametrize(
    ("transform", "want"),
    [
        ({"center": {"joint": 3}}, "Center does not fit clip0"),
    ],
)
def test_a_transform_that_does_not_fit_the_clips(transform: Any, want: str, write_pyskl: Write) -> None:
    feeder = Feeder(**write_pyskl(ragged()), transforms=[transform])
    with pytest.raises(InputError, match=rf"{want}, \(C, T, V, M\) = \(3, 9, 3, 1\): ."):
        feeder[0]


@pytest.mark.parametrize("name", ["random_rotation", "random_view", "pre_normalize_3d"])
def test_a_rotation_needs_three_coordinates(name: str, write_pyskl: Write) -> None:
    arguments = {"pre_normalize_3d": {"xaxis": [0, 2]}}.get(name)
    feeder = Feeder(**write_pyskl(ragged(channels=2)), transforms=[{name: arguments}])
    cls = name.title().replace("_", "")
    with pytest.raises(InputError, match=rf"{cls} does not fit clip0, \(C, T, V, M\) = \(2, 9, 3, 1\)"):
        feeder[0]


@pytest.mark.parametrize(
    ("transform", "channels", "want"),
    [
        ({"random_scale": {"scale": [0.2, 0.2]}}, 3, "RandomScale does not fit clip0, .*: scale has 2 numbers"),
        ("pre_normalize_2d", 4, "PreNormalize2D does not fit clip0, .*: pixels have two channels, or three with"),
        ({"stream": {"scores": "mean"}}, 2, "DeriveStream does not fit clip0, .*: scores are the third of three"),
        ("pre_normalize_3d", 3, "PreNormalize3D does not fit clip0, .*index 8 is out of bounds"),
    ],
)
def test_channels_and_joints_that_do_not_fit(transform: Any, channels: int, want: str, write_pyskl: Write) -> None:
    feeder = Feeder(**write_pyskl(ragged(channels=channels)), transforms=[transform])
    with pytest.raises(InputError, match=want):
        feeder[0]


@pytest.mark.parametrize(("k", "staying"), [(1, 1), (2, 3), (3, 8), (4, 13), (5, 17), (6, 21), (7, 23)])
@pytest.mark.parametrize("layout", ["ntu-rgb+d", "infogcn-ntu"])
def test_khop_streams_of_ntu_hang_from_the_middle_of_the_spine(
    layout: str, k: int, staying: int, write_dense: Write
) -> None:
    """As InfoGCN's do, whose tables leave so many joints of 25 where they are."""
    clips = dense(joints=25, count=1)
    feeder = Feeder(**write_dense(clips), stream=f"joint_k{k}", layout=layout)
    same = (feeder[0][0] == clips[0]).all(axis=(0, 1, 3))
    assert same.sum() == staying and same[1]
