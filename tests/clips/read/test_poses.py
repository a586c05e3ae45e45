"""Poses in every form that estimators leave them in: what was written is what is read, and damage has a name."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from clips.poses import Wanted, clip_of
from clips.read.poses import find_recordings, read_poses
from errors import InputError
from graph.layout import SkeletonLayout
from graph.layouts import ESTIMATORS

Grid = np.ndarray  # (T, M, V, D)
Scores = np.ndarray | None  # (T, M, V)


def write_npy(path: Path, grid: Grid, scores: Scores, names: Sequence[str]) -> Path:
    whole = _with_scores(grid, scores)
    np.save(path.with_suffix(".npy"), whole[:, 0] if grid.shape[1] == 1 else whole)
    return path.with_suffix(".npy")


def write_lists(path: Path, grid: Grid, scores: Scores, names: Sequence[str]) -> Path:
    whole = _with_scores(grid, scores)
    return _json(path, (whole[:, 0] if grid.shape[1] == 1 else whole).tolist())


def write_frames(path: Path, grid: Grid, scores: Scores, names: Sequence[str]) -> Path:
    return _json(path, {"frames": _with_scores(grid, scores).tolist()})


def write_landmarks(path: Path, grid: Grid, scores: Scores, names: Sequence[str]) -> Path:
    axes = [*"xyz"[: grid.shape[3]], *([] if scores is None else ["visibility"])]
    bodies = [[[dict(zip(axes, joint, strict=True)) for joint in body] for body in frame]
              for frame in _with_scores(grid, scores).tolist()]  # fmt: skip
    return _json(path, [frame[0] for frame in bodies] if grid.shape[1] == 1 else bodies)


def write_csv(path: Path, grid: Grid, scores: Scores, names: Sequence[str]) -> Path:
    T, M, V, D = grid.shape
    axes = [*"xyz"[:D], *([] if scores is None else ["score"])]
    header = ["frame", *(["body"] if M > 1 else []), *(f"{name}_{axis}" for name in names for axis in axes)]
    whole = _with_scores(grid, scores).tolist()
    with open(path.with_suffix(".csv"), "w", newline="") as file:
        out = csv.writer(file)
        out.writerow(header)
        for t in range(T):
            for m in range(M):
                who = [m] if M > 1 else []
                out.writerow([t, *who, *(repr(number) for joint in whole[t][m] for number in joint)])
    return path.with_suffix(".csv")


def write_alphapose(path: Path, grid: Grid, scores: Scores, names: Sequence[str]) -> Path:
    return _json(
        path,
        [
            {"image_id": f"{t}.jpg", "category_id": 1, "keypoints": _flat(grid, scores, t, m), "score": 1.5, "idx": m}
            for t in range(len(grid))
            for m in range(grid.shape[1])
        ],
    )


def write_mmpose(path: Path, grid: Grid, scores: Scores, names: Sequence[str]) -> Path:
    assert scores is not None
    people = [[{"keypoints": grid[t, m].tolist(), "keypoint_scores": scores[t, m].tolist(), "track_id": m + 7}
               for m in range(grid.shape[1])] for t in range(len(grid))]  # fmt: skip
    frames = [{"frame_id": t + 1, "instances": instances} for t, instances in enumerate(people)]
    return _json(path, {"meta_info": {}, "instance_info": frames})


def write_openpose(path: Path, grid: Grid, scores: Scores, names: Sequence[str]) -> Path:
    path.mkdir(parents=True, exist_ok=True)
    for t in range(len(grid)):
        key = f"pose_keypoints_{grid.shape[3]}d"
        other = f"pose_keypoints_{5 - grid.shape[3]}d"
        people = [{"person_id": [-1], key: _flat(grid, scores, t, m), other: []} for m in range(grid.shape[1])]
        file = path / f"{path.name}_{t:012d}_keypoints.json"
        file.write_text(json.dumps({"version": 1.3, "people": people}))
    return path


Writer = Callable[[Path, Grid, Scores, Sequence[str]], Path]

# Forms in which every body keeps its place; OpenPose's people are nobody in particular.
TRACKED: dict[str, Writer] = {
    **{"npy": write_npy, "lists": write_lists, "frames": write_frames, "landmarks": write_landmarks},
    **{"csv": write_csv, "alphapose": write_alphapose, "mmpose": write_mmpose},
}
WITH_SCORES_ONLY = ("alphapose", "mmpose", "openpose")
PLANAR = ("alphapose",)


def _with_scores(grid: Grid, scores: Scores) -> Grid:
    return grid if scores is None else np.concatenate([grid, scores[..., None]], axis=3)


def _flat(grid: Grid, scores: Scores, t: int, m: int) -> list[float]:
    return [float(number) for number in _with_scores(grid, scores)[t, m].ravel()]


def _json(path: Path, content: Any) -> Path:
    path.with_suffix(".json").write_text(json.dumps(content))
    return path.with_suffix(".json")


def chain(joints: int) -> SkeletonLayout:
    """A skeleton of so many joints in a row."""
    names = tuple(f"joint {number}" for number in range(joints))
    return SkeletonLayout("chain", joints, tuple((v + 1, v) for v in range(joints - 1)), joints=names)


def made(shape: tuple[int, int, int, int], seed: int) -> tuple[Grid, np.ndarray]:
    """Coordinates (T, M, V, D) that float32 holds, and scores (T, M, V) above 0."""
    rng = np.random.default_rng(seed)
    size = rng.choice([1e-6, 1.0, 1e3])
    grid = (size * rng.normal(size=shape)).astype(np.float32).astype(np.float64)
    return grid, rng.uniform(0.01, 1, shape[:3]).astype(np.float32).astype(np.float64)


@st.composite
def shapes(draw: st.DrawFn, most_frames: int = 10_000, numbers: int = 60_000) -> tuple[int, int, int, int]:
    """(T, M, V, D): T to 10,000, M to 5, V from 5 to 133, D = 2 or 3, not too large to be quick."""
    M, V, D = draw(st.integers(1, 5)), draw(st.integers(5, 133)), draw(st.integers(2, 3))
    return draw(st.integers(1, min(most_frames, numbers // (M * V * D)))), M, V, D


def read(path: Path, joints: int, dims: int | None, wanted: Wanted) -> np.ndarray:
    layout = chain(joints)
    return clip_of(read_poses(path, layout, dims), wanted, layout.joints, str(path))


@pytest.mark.parametrize("form", TRACKED)
@given(shape=shapes(), with_scores=st.booleans(), seed=st.integers(0, 2**32))
@example(shape=(10_000, 1, 5, 2), with_scores=True, seed=0)
@example(shape=(1, 5, 133, 3), with_scores=False, seed=0)
@settings(max_examples=25, deadline=None)
def test_what_was_written_is_read_bit_for_bit(
    form: str, shape: tuple[int, int, int, int], with_scores: bool, seed: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    T, M, V, D = shape
    D = 2 if form in PLANAR else D
    grid, scores = made((T, M, V, D), seed)
    scored = scores if with_scores or form in WITH_SCORES_ONLY else None
    layout = chain(V)
    path = TRACKED[form](tmp_path_factory.mktemp("poses") / "a", grid, scored, layout.joints)
    ambiguous = D == 2 and scored is not None and form in ("npy", "lists", "frames")  # x, y, score is x, y, z by itself
    for dims in (D,) if ambiguous else (D, None):
        keep = scored is not None and D == 2
        clip = read(path, V, dims, Wanted(bodies=M, keep_scores=keep))
        expected = np.concatenate([grid, scores[..., None]], axis=3) if keep else grid
        assert clip.dtype == np.float32
        np.testing.assert_array_equal(clip.view(np.int32), expected.transpose(3, 0, 2, 1).astype("<f4").view(np.int32))


@given(shape=shapes(most_frames=20, numbers=8_000), bodies=st.integers(1, 5), seed=st.integers(0, 2**32))
@settings(max_examples=25, deadline=None)
def test_openposes_people_come_in_the_order_of_their_scores(
    shape: tuple[int, int, int, int], bodies: int, seed: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    T, M, V, D = shape
    grid, scores = made(shape, seed)
    path = write_openpose(tmp_path_factory.mktemp("poses") / "a", grid, scores, ())
    clip = read(path, V, D, Wanted(bodies=bodies))
    expected = np.zeros((D, T, V, bodies), np.float32)
    for t in range(T):
        best = sorted(range(M), key=lambda m: -scores[t, m].sum())[:bodies]
        for slot, m in enumerate(best):
            expected[:, t, :, slot] = grid[t, m].T
    np.testing.assert_array_equal(clip, expected)


@pytest.mark.parametrize("name", ESTIMATORS)
def test_columns_of_every_estimator_are_found_however_they_are_written(name: str, tmp_path: Path) -> None:
    layout = ESTIMATORS[name]
    grid, _ = made((4, 1, layout.num_joints, 3), 1)
    spoken = [joint.upper().replace("_", " ") for joint in layout.joints]
    path = write_csv(tmp_path / "a", grid, None, spoken)
    np.testing.assert_array_equal(read_poses(path, layout).coordinates, grid[:, 0])


def test_rows_and_columns_of_a_csv_may_stand_in_any_order(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    grid, scores = made((6, 2, 5, 3), 3)
    path = write_csv(tmp_path / "a", grid, scores, chain(5).joints)
    rows = [line.split(",") for line in path.read_text().splitlines()]
    columns = rng.permutation(len(rows[0]))
    header, *rest = [[row[c] for c in columns] for row in rows]
    path.write_text("\n".join(",".join(row) for row in [header, *[rest[r] for r in rng.permutation(len(rest))]]))
    np.testing.assert_array_equal(read(path, 5, None, Wanted(bodies=2)), grid.transpose(3, 0, 2, 1).astype(np.float32))


def test_frames_that_are_left_out_are_empty(tmp_path: Path) -> None:
    grid, scores = made((3, 1, 5, 2), 0)
    lines = write_csv(tmp_path / "a", grid, None, chain(5).joints).read_text().splitlines()
    (tmp_path / "a.csv").write_text(
        "\n".join([lines[0], *(f"{n}{line[1:]}" for n, line in zip((7, 9, 12), lines[1:], strict=True))])
    )
    clip = read(tmp_path / "a.csv", 5, None, Wanted())
    assert clip.shape == (2, 6, 5, 1)
    assert clip.any(axis=(0, 2, 3)).tolist() == [True, False, True, False, False, True]
    people = json.loads(write_alphapose(tmp_path / "b", grid, scores, ()).read_text())
    for person, frame in zip(people, (2, 3, 6), strict=True):
        person["image_id"] = f"walk_{frame:04}.png"
    (tmp_path / "b.json").write_text(json.dumps(people))
    assert read(tmp_path / "b.json", 5, None, Wanted()).any(axis=(0, 2, 3)).tolist() == [True, True, False, False, True]


def test_frames_without_anybody_count(tmp_path: Path) -> None:
    body = [[1.0, 2.0]] * 5
    for number, frames in enumerate(
        ([None, body, []], [[], [body], None], [None, [body, body], []], {"frames": [[], body, []]})
    ):
        (tmp_path / "a.json").write_text(json.dumps(frames))
        clip = read(tmp_path / "a.json", 5, None, Wanted(bodies=2))
        assert clip.any(axis=(0, 2, 3)).tolist() == [False, True, False], number
    grid, scores = made((2, 1, 5, 2), 0)
    folder = write_openpose(tmp_path / "b", grid, scores, ())
    (folder / "b_000000000007_keypoints.json").write_text('{"people": []}')
    assert read(folder, 5, None, Wanted()).shape == (2, 8, 5, 1)


def test_people_who_come_and_go_keep_their_place(tmp_path: Path) -> None:
    one, two = [[[x, x + 1.0] for x in range(start, start + 5)] for start in (1, 50)]
    (tmp_path / "a.json").write_text(json.dumps([[one], [one, two], [None, two]]))
    clip = read(tmp_path / "a.json", 5, None, Wanted(bodies=2))
    assert clip.any(axis=(0, 2)).tolist() == [[True, False], [True, True], [False, True]]
    people = [{"image_id": t, "idx": [who], "keypoints": [9.0, 9.0, 1.0] * 5} for t, who in ((0, 4), (1, 8), (1, 4))]
    (tmp_path / "b.json").write_text(json.dumps(people))
    assert read(tmp_path / "b.json", 5, None, Wanted(bodies=2)).any(axis=(0, 2)).tolist() == [
        [True, False],
        [True, True],
    ]


def test_people_who_all_have_one_number_were_not_tracked(tmp_path: Path) -> None:
    """AlphaPose writes an idx without a tracker too, the same for everybody."""
    people = [{"image_id": 0, "idx": 0.0, "keypoints": [9.0, 9.0, score] * 5} for score in (0.25, 0.75)]
    (tmp_path / "a.json").write_text(json.dumps(people))
    clip = read(tmp_path / "a.json", 5, 2, Wanted(bodies=2, keep_scores=True))
    assert clip[2, 0, 0].tolist() == [0.75, 0.25]


def test_an_empty_cell_is_not_a_number_and_may_be_an_unseen_joint(tmp_path: Path) -> None:
    names = chain(5).joints
    header = ",".join(["frame", *(f"{name}_{axis}" for name in names for axis in "xy")])
    (tmp_path / "a.csv").write_text(f"{header}\n0,1,2,,,5,6,7,8,9,10\n1,1,2,3,nan,5,6,7,8,9,10\n")
    with pytest.raises(InputError, match=r"a.csv: frame 0, joint 'joint 1': a coordinate is nan; --nan-as-missing"):
        read(tmp_path / "a.csv", 5, None, Wanted())
    clip = read(tmp_path / "a.csv", 5, None, Wanted(nan_as_missing=True))
    np.testing.assert_array_equal(clip[:, :, 1], 0)
    np.testing.assert_array_equal(clip[0, 0, :, 0], [1, 0, 5, 7, 9])


def test_coordinates_that_there_are_not_are_refused(tmp_path: Path) -> None:
    grid, scores = made((2, 1, 5, 2), 0)

    def refused(path: Path, dims: int | None = None, **wanted: Any) -> str:
        with pytest.raises(InputError) as caught:
            read(path, 5, dims, Wanted(**wanted))
        return str(caught.value)

    assert "there is no z" in refused(write_csv(tmp_path / "a", grid, None, chain(5).joints), dims=3)
    assert "have 2 coordinates, and 3 are wanted" in refused(write_alphapose(tmp_path / "b", grid, scores, ()), dims=3)
    assert "have 2 coordinates, and 3 are wanted" in refused(write_mmpose(tmp_path / "c", grid, scores, ()), dims=3)
    assert "a landmark without 'z'" in refused(write_landmarks(tmp_path / "d", grid, scores, ()), dims=3)
    assert "there are no scores to keep" in refused(write_npy(tmp_path / "e", grid, None, ()), keep_scores=True)


def test_dims_2_leaves_z_out(tmp_path: Path) -> None:
    grid, scores = made((3, 2, 5, 3), 0)
    for write in (write_csv, write_landmarks, write_mmpose):
        clip = read(write(tmp_path / "a", grid, scores, chain(5).joints), 5, 2, Wanted(bodies=2))
        np.testing.assert_array_equal(clip, grid[..., :2].transpose(3, 0, 2, 1).astype(np.float32))


def test_recordings_are_found_by_name(tmp_path: Path) -> None:
    for name in ("b.csv", "a.json", "labels.csv", "notes.txt", ".hidden.csv"):
        (tmp_path / name).touch()
    (tmp_path / "c").mkdir()
    found = find_recordings(tmp_path, frozenset([(tmp_path / "labels.csv").resolve()]))
    assert {name: path.name for name, path in found.items()} == {"a": "a.json", "b": "b.csv", "c": "c"}
    (tmp_path / "a.npy").touch()
    with pytest.raises(InputError, match=r"a.json and a.npy are two recordings of one name"):
        find_recordings(tmp_path)
    with pytest.raises(InputError, match="No such file"):
        find_recordings(tmp_path / "absent")
    with pytest.raises(InputError, match="there are no recordings"):
        find_recordings(tmp_path / "c")
