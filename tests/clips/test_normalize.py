from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from clips.normalize import angle_between, prenormalize, rotation_matrix, strongest_bodies
from clips.read.ntu import read_ntu

GOLDEN = Path(__file__).parents[1] / "golden"
PRENORMALIZE = np.load(GOLDEN / "data_prenormalize.npz")
NTU_READ = np.load(GOLDEN / "data_ntu_read.npz")
FILES = sorted(path.name for path in (GOLDEN / "nturgbd_raw").glob("*.skeleton"))


@pytest.mark.parametrize(
    ("case", "axes"),
    [
        ("ntu_float32", {}),
        ("ntu_float64", {}),
        ("other_axes", {"zaxis": (0, 20), "xaxis": (2, 5)}),
        ("v18", {}),
    ],
)
def test_prenormalisation_is_the_published_one(case: str, axes: dict[str, tuple[int, int]]) -> None:
    clips, want = PRENORMALIZE[f"{case}/in/data"], PRENORMALIZE[f"{case}/out/data"]
    got = np.stack([prenormalize(clip, clip.shape[1], **axes) for clip in clips])
    assert got.dtype == want.dtype
    if want.dtype == np.float32:
        assert np.array_equal(got, want)
    else:
        np.testing.assert_allclose(got, want, rtol=0, atol=1e-12)


def test_the_golden_has_no_other_case() -> None:
    cases = json.loads((GOLDEN / "data_prenormalize.json").read_text())["cases"]
    assert [case["case"] for case in cases] == ["ntu_float32", "ntu_float64", "other_axes", "v18", "rotation"]


def test_rotations_are_the_published_ones() -> None:
    for (v1, v2), angle, matrix in zip(
        PRENORMALIZE["rotation/in/v"],
        PRENORMALIZE["rotation/out/angle"],
        PRENORMALIZE["rotation/out/matrix"],
        strict=True,
    ):
        assert angle_between(v1, v2) == pytest.approx(angle, abs=1e-12)
        got = rotation_matrix(np.cross(v1, v2), angle_between(v1, v2))
        np.testing.assert_allclose(np.eye(3) if got is None else got, matrix, rtol=0, atol=1e-12)


def test_a_longer_clip_is_the_same_loop() -> None:
    clip = PRENORMALIZE["ntu_float32/in/data"][1]
    short, long = prenormalize(clip, 22), prenormalize(clip, 60)
    assert np.array_equal(long[:, :22], short)
    assert np.array_equal(long[:, 13:26], long[:, :13])


@pytest.mark.parametrize("file", FILES)
def test_bodies_are_chosen_as_published(file: str) -> None:
    got = strongest_bodies(read_ntu(GOLDEN / "nturgbd_raw" / file))
    want = NTU_READ[f"read_xyz/{file}/out/data"]
    assert got.dtype == want.dtype
    assert np.array_equal(got, want)
