"""The feeder against the items of MS-G3D's and CTR-GCN's: with their own random numbers, it must give the same.

MS-G3D's ``downsample``, ``mean_subtractor`` and ``openpose_match`` are in no feeder of its own, and so not here.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.scoring.metrics import top_k_accuracy
from feeders.feeder import Feeder
from feeders.transforms import Normalize

Write = Callable[..., dict[str, Any]]

# MS-G3D's own arguments, by golden case.
PUBLISHED: dict[str, dict[str, Any]] = {
    "feeder_plain": {},
    "feeder_norm": {"normalization": True},
    "feeder_pad": {"window_size": 30},
    "feeder_short_window": {"window_size": 15},
    "feeder_choose": {"random_choose": True, "window_size": 15},
    "feeder_shift": {"random_shift": True},
    "feeder_move": {"random_move": True},
    "feeder_all": {
        **{"random_shift": True, "random_choose": True, "random_move": True},
        **{"window_size": 14, "normalization": True},
    },
}
# CTR-GCN's, likewise, as our transforms: (part, stream, window, shares of the frames, rotated).
CTRGCN: dict[str, tuple[str, str, int, list[float], bool]] = {
    "feeder_ntu_test_joint": ("test", "joint", 64, [0.95], False),
    "feeder_ntu_test_bone": ("test", "bone", 64, [0.95], False),
    "feeder_ntu_test_vel": ("test", "joint_motion", 64, [0.95], False),
    "feeder_ntu_test_bone_vel": ("test", "bone_motion", 32, [0.95], False),
    "feeder_ntu_train_rot": ("train", "joint", 64, [0.5, 1], True),
    "feeder_ntu_train_plain": ("train", "joint", 40, [0.5, 1], False),
}


def replay(feeder: Feeder, draws: Any) -> list[np.ndarray]:
    """All items in order, with other random numbers than the feeder's own."""
    items = []
    for index in range(len(feeder)):
        clip = feeder.store.clip(index)
        for transform in feeder.pipeline:
            clip = transform.apply(clip, transform.draw(draws, clip))
        items.append(clip)
    return items


@pytest.mark.parametrize("use_mmap", [True, False])
@pytest.mark.parametrize("case", PUBLISHED)
def test_published_draws_give_the_published_items(
    case: str, use_mmap: bool, agcn: Any, agcn_draws: Any, write_dense: Write
) -> None:
    files = write_dense(agcn["feeder_data/in/data"], agcn["feeder_data/in/labels"].tolist())
    feeder = Feeder(**files, **PUBLISHED[case], use_mmap=use_mmap)
    items = replay(feeder, agcn_draws(agcn.seeds[case]))
    rtol = 1e-6 if case == "feeder_all" else 0  # the published clip is float64 after a shift, ours float32 throughout
    np.testing.assert_allclose(np.stack(items), agcn[f"{case}/out/y"], rtol=rtol, atol=1e-6)
    assert feeder.label == agcn[f"{case}/out/label"].tolist()
    assert [feeder[index][2] for index in range(5)] == agcn[f"{case}/out/index"].tolist()


@pytest.mark.parametrize("case", ["feeder_plain", "feeder_norm", "feeder_pad", "feeder_short_window"])
def test_published_items_without_chance(case: str, agcn: Any, write_dense: Write) -> None:
    files = write_dense(agcn["feeder_data/in/data"], agcn["feeder_data/in/labels"].tolist())
    feeder = Feeder(**files, **PUBLISHED[case])
    for index, want in enumerate(agcn[f"{case}/out/y"]):
        clip, label, number = feeder[index]
        assert clip.dtype == np.float32
        np.testing.assert_allclose(clip, want, rtol=0, atol=1e-6)
        assert (label, number) == (agcn[f"{case}/out/label"][index], index)


@pytest.mark.parametrize("case", ["feeder_norm", "feeder_all"])
def test_published_mean_and_deviation(case: str, agcn: Any, write_dense: Write) -> None:
    feeder = Feeder(**write_dense(agcn["feeder_data/in/data"]), **PUBLISHED[case])
    (normalize,) = (transform for transform in feeder.pipeline if isinstance(transform, Normalize))
    for name in ("mean", "std"):
        made, want = getattr(normalize, name), agcn[f"{case}/out/{name}_map"]
        assert (made.dtype, made.shape) == (want.dtype, want.shape)
        np.testing.assert_allclose(made, want, rtol=0, atol=1e-6)


def test_published_top_k(agcn: Any) -> None:
    score, labels = agcn["top_k/in/score"], agcn["feeder_data/in/labels"]
    made = [top_k_accuracy(score, labels, k) for k in range(1, 6)]
    np.testing.assert_allclose(made, agcn["top_k/out/acc"], rtol=0, atol=1e-10)


@pytest.mark.parametrize("case", CTRGCN)
def test_ctrgcn_draws_give_its_items(case: str, ctrgcn: Any, ctrgcn_draws: Any, tmp_path: Path) -> None:
    part, stream, window, shares, rotated = CTRGCN[case]
    rows, labels = ctrgcn["feeder_ntu_data/in/x_train"], np.eye(60)[ctrgcn["feeder_ntu_data/in/labels"]]
    np.savez(tmp_path / "NTU60_CS.npz", x_train=rows, y_train=labels, x_test=rows[::-1], y_test=labels[::-1])
    transforms: list[Any] = [{"crop_resize": {"window": window, "p_interval": shares}}]
    transforms += [{"random_rotation": {"theta": 0.3}}] if rotated else []
    feeder = Feeder(tmp_path / "NTU60_CS.npz", split=part, stream=stream, transforms=[*transforms, "stream"])
    assert feeder.label == ctrgcn[f"{case}/out/label"].tolist()
    assert feeder.sample_name == ctrgcn.rows[case]["sample_name"] == [f"{part}_{index}" for index in range(4)]
    want = ctrgcn[f"{case}/out/y"]
    made = np.stack(replay(feeder, ctrgcn_draws(ctrgcn.seeds[case])))
    assert made.dtype == want.dtype
    np.testing.assert_allclose(made, want, rtol=0, atol=1e-6)


def test_no_case_of_ctrgcn_is_left_out(ctrgcn: Any) -> None:
    elsewhere = ("valid_crop_resize_", "random_rot_")  # test_crop and test_space go through all of them
    here = {case for case in ctrgcn.rows if not case.startswith(elsewhere)}
    assert here == {*CTRGCN, "feeder_ntu_data"}
    assert [sum(case.startswith(start) for case in ctrgcn.rows) for start in elsewhere] == [25, 4]
