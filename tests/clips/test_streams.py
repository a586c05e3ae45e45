"""The four streams: the published files bit for bit, and what must hold for any clip."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from clips.streams import SCORES, STREAMS, ancestor_pairs, bone, check_stream, derive, hops_of, motion, stream_of_file
from errors import InputError
from graph.adjacency import khop_relative
from graph.layouts import LAYOUTS

GOLDEN = Path(__file__).parents[1] / "golden"
Pairs = tuple[tuple[int, int], ...]


@st.composite
def skeletons(draw: st.DrawFn) -> tuple[int, Pairs]:
    """Number of joints, and bone pairs of a tree whose root is paired with itself, in any order."""
    joints = draw(st.integers(1, 6))
    pairs = [(0, 0), *((joint, draw(st.integers(0, joint - 1))) for joint in range(1, joints))]
    names = draw(st.permutations(range(joints)))
    return joints, tuple(draw(st.permutations([(names[a], names[b]) for a, b in pairs])))


@st.composite
def clips_and_pairs(draw: st.DrawFn, count: int = 1) -> tuple[list[np.ndarray], Pairs]:
    """Clips of one shape, of whole numbers: their sums are exact in float32."""
    joints, pairs = draw(skeletons())
    shape = (draw(st.integers(1, 3)), draw(st.integers(1, 6)), joints, draw(st.integers(1, 2)))
    whole = hnp.arrays(np.float32, shape, elements=st.integers(-99, 99))
    return [draw(whole) for _ in range(count)], pairs


@pytest.mark.parametrize(
    ("case", "layout"), [("ntu_xview", "ntu-rgb+d"), ("ntu120_xset", "ntu-rgb+d"), ("kinetics", "openpose")]
)
def test_bones_have_the_bits_of_the_published_script(case: str, layout: str) -> None:
    with np.load(GOLDEN / "data_bone.npz") as arrays:
        joints, want = arrays[f"{case}/in/joint"], arrays[f"{case}/out/bone"]
    made = bone(joints, LAYOUTS[layout].bone_pairs)
    assert made.dtype == want.dtype == np.float32
    assert np.array_equal(made, want)


@pytest.mark.parametrize("case", ["motion_joint", "motion_bone"])
def test_motion_has_the_bits_of_the_published_script(case: str) -> None:
    with np.load(GOLDEN / "data_motion.npz") as arrays:
        data, want = arrays[f"{case}/in/data"], arrays[f"{case}/out/motion"]
    made = motion(data)
    assert made.dtype == want.dtype == np.float32
    assert np.array_equal(made, want)


@pytest.mark.parametrize("stream", STREAMS)
@given(made=clips_and_pairs(count=2), factor=st.integers(-9, 9))
@settings(max_examples=30, deadline=None)
def test_streams_are_linear(stream: str, made: tuple[list[np.ndarray], Pairs], factor: int) -> None:
    (a, b), pairs = made
    both = derive(a * np.float32(factor) + b, stream, pairs)
    assert np.array_equal(both, derive(a, stream, pairs) * np.float32(factor) + derive(b, stream, pairs))


@given(made=clips_and_pairs(), offset=st.lists(st.integers(-99, 99), min_size=3, max_size=3))
@settings(max_examples=50, deadline=None)
def test_bones_do_not_say_where_the_body_is(made: tuple[list[np.ndarray], Pairs], offset: list[int]) -> None:
    (clip,), pairs = made
    moved = clip + np.array(offset[: len(clip)], dtype=np.float32)[:, None, None, None]
    assert np.array_equal(bone(moved, pairs), bone(clip, pairs))


@given(made=clips_and_pairs())
@settings(max_examples=50, deadline=None)
def test_bones_lead_back_to_the_joints(made: tuple[list[np.ndarray], Pairs]) -> None:
    (clip,), pairs = made
    vectors, parents = bone(clip, pairs), dict(pairs)
    for joint, parent in pairs:
        way = np.zeros_like(clip[..., 0, :])
        at = joint
        while parents[at] != at:
            way += vectors[..., at, :]
            at = parents[at]
        assert np.array_equal(clip[..., at, :] + way, clip[..., joint, :]), (joint, parent)


def test_a_joint_without_a_bone_keeps_its_position() -> None:
    clip = np.arange(24, dtype=np.float32).reshape(2, 3, 4, 1)
    made = bone(clip, ((2, 1), (3, 2)))
    assert np.array_equal(made[:, :, :2], clip[:, :, :2])
    assert np.array_equal(made[:, :, 2:], np.ones((2, 3, 2, 1)))


@given(made=clips_and_pairs())
@settings(max_examples=50, deadline=None)
def test_motion_adds_up_to_the_way_from_first_to_last_frame(made: tuple[list[np.ndarray], Pairs]) -> None:
    (clip,), _ = made
    steps = motion(clip)
    assert np.array_equal(steps.sum(axis=1), clip[:, -1] - clip[:, 0])
    assert not steps[:, -1].any()


@given(made=clips_and_pairs())
@settings(max_examples=50, deadline=None)
def test_each_stream_is_what_its_name_says(made: tuple[list[np.ndarray], Pairs]) -> None:
    (clip,), pairs = made
    assert np.array_equal(derive(clip, "joint", pairs), clip)
    assert np.array_equal(derive(clip, "bone", pairs), bone(clip, pairs))
    assert np.array_equal(derive(clip, "joint_motion", pairs), motion(clip))
    assert np.array_equal(derive(clip, "bone_motion", pairs), motion(bone(clip, pairs)))


@pytest.mark.parametrize("stream", STREAMS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_streams_leave_the_clip_alone_and_its_type(stream: str, dtype: type) -> None:
    clip = np.random.default_rng(0).normal(size=(3, 4, 5, 2)).astype(dtype)
    before = clip.copy()
    clip.flags.writeable = False
    made = derive(clip, stream, ((0, 0), (1, 0), (2, 1), (3, 2), (4, 3)))
    assert np.array_equal(clip, before)
    assert (made.dtype, made.shape) == (clip.dtype, clip.shape)


@given(made=clips_and_pairs())
@settings(max_examples=50, deadline=None)
def test_scores_are_averaged_where_that_is_asked_for(made: tuple[list[np.ndarray], Pairs]) -> None:
    (clip,), pairs = made
    clip = np.resize(clip, (3, *clip.shape[1:]))
    parents = [dict(pairs)[joint] for joint in range(clip.shape[2])]
    score = clip[2]
    both = (score + score[:, parents]) / 2
    no_root = both * (np.array(parents) != np.arange(len(parents)))[:, None]
    for stream in STREAMS:
        for scores in SCORES:
            means = no_root if scores == "mean_in_bones_but_root" else both
            made_of = derive(clip, stream, pairs, scores)
            assert np.array_equal(made_of[:2], derive(clip, stream, pairs)[:2])
            base = means if stream.startswith("bone") and scores != "difference" else derive(clip, stream, pairs)[2]
            if stream == "joint_motion" and scores == "mean":
                base = np.concatenate([(score[1:] + score[:-1]) / 2, 0 * score[:1]])
            if stream == "bone_motion" and scores != "difference":
                step = (means[1:] + means[:-1]) / 2 if scores == "mean" else means[1:] - means[:-1]
                base = np.concatenate([step, 0 * means[:1]])
            assert np.array_equal(made_of[2], base)


def test_a_joint_without_a_bone_keeps_its_score() -> None:
    clip = np.arange(12, dtype=np.float32).reshape(3, 1, 4, 1)
    made = derive(clip, "bone", ((2, 1), (3, 2)), "mean")
    assert made[2].ravel().tolist() == [8, 9, 9.5, 10.5]


def test_scores_need_their_channel() -> None:
    for channels in (2, 4):
        with pytest.raises(ValueError, match="scores are the third of three channels"):
            derive(np.zeros((channels, 2, 2, 1), np.float32), "joint", (), "mean")


def test_an_unknown_stream_is_refused_with_the_nearest() -> None:
    assert check_stream("bone_motion", "stream") == "bone_motion"
    with pytest.raises(InputError, match=r"stream: 'bones' is not one of joint, .*; did you mean 'bone'\?"):
        check_stream("bones", "stream")


@pytest.mark.parametrize(
    ("path", "stream"),
    [
        ("data/ntu/xsub/train_data_joint.npy", "joint"),
        ("val_data_bone.npy", "bone"),
        ("val_data_joint_motion.npy", "joint_motion"),
        ("val_data_bone_motion.npy", "bone_motion"),
        ("train_data.npy", None),
        ("train_data_joint_bone.npy", "joint_bone"),
        ("bone.npy", "bone"),
        ("data_bone/clips.pkl", None),
    ],
)
def test_the_stream_that_a_file_name_announces(path: str, stream: str | None) -> None:
    assert stream_of_file(path) == stream


@pytest.mark.parametrize("k", [1, 2, 3, 8, 9])
@pytest.mark.parametrize("skeleton", ["infogcn-ntu", "nw-ucla", "openpose"])
def test_khop_streams_take_the_ancestor_off(skeleton: str, k: int) -> None:
    layout = LAYOUTS[skeleton]
    clip = np.random.default_rng(0).normal(size=(3, 6, layout.num_joints, 2)).astype(np.float32)
    relative = khop_relative(layout.num_joints, layout.edges, k)
    want = np.einsum("vu,ctum->ctvm", relative, clip)
    pairs = ancestor_pairs(layout.edges, k)
    np.testing.assert_allclose(derive(clip, f"joint_k{k}", pairs), want, atol=1e-6)
    moving = derive(clip, f"joint_motion_k{k}", pairs)
    np.testing.assert_allclose(moving[:, :-1], np.diff(want, axis=1), atol=1e-5)
    assert not moving[:, -1].any()


def test_khop_streams_are_streams() -> None:
    assert check_stream("joint_k2", "stream") == "joint_k2"
    assert (hops_of("joint_motion_k7"), hops_of("bone")) == (7, 0)
    with pytest.raises(InputError, match=r"'joint_k0' is not one of joint, .* joint_k<1 to 9>"):
        check_stream("joint_k0", "stream")
