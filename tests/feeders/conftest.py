"""What the feeders' tests share: golden arrays, the published code's random numbers, data sets of a few clips."""

from __future__ import annotations

import json
import pickle
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

GOLDEN = Path(__file__).parents[1] / "golden"


class AgcnDraws:
    """The random numbers of MS-G3D's feeder, in the place of a generator: ``random`` and ``numpy.random``, as it does.

    It draws numbers of frames and of moves from the former, motions from the latter.
    """

    def __init__(self, seed: int) -> None:
        random.seed(seed)
        np.random.seed(seed)

    def integers(self, high: int) -> int:
        return random.randint(0, high - 1)

    def choice(self, values: Any, size: int | None = None) -> Any:
        return random.choice(values) if size is None else np.random.choice(values, size)


class CtrgcnDraws:
    """The random numbers of CTR-GCN's feeder: crops from ``numpy.random``, rotations from torch."""

    def __init__(self, seed: int) -> None:
        np.random.seed(seed)
        torch.manual_seed(seed)

    def uniform(self, low: float, high: float, size: int | None = None) -> Any:
        if size is not None:
            return torch.zeros(size).uniform_(low, high).numpy()
        return (np.random.rand(1) * (high - low) + low)[0]

    def integers(self, high: int) -> int:
        return np.random.randint(0, high)


class Fixture:
    """Cases of ``tests/golden/<stem>``: arrays by ``<case>/in/<name>`` and ``<case>/out/<name>``, seeds by case."""

    def __init__(self, stem: str) -> None:
        rows = json.loads((GOLDEN / f"{stem}.json").read_text(encoding="utf-8"))["cases"]
        self.rows = {row["case"]: row for row in rows}
        self.seeds = {case: row.get("seed") for case, row in self.rows.items()}
        with np.load(GOLDEN / f"{stem}.npz") as arrays:
            self.arrays = dict(arrays)

    def __getitem__(self, name: str) -> np.ndarray:
        return self.arrays[name]


@pytest.fixture(scope="session")
def agcn() -> Fixture:
    return Fixture("data_feeder_tools")


@pytest.fixture(scope="session")
def ctrgcn() -> Fixture:
    return Fixture("data_ctrgcn")


@pytest.fixture
def agcn_draws() -> type[AgcnDraws]:
    return AgcnDraws


@pytest.fixture
def ctrgcn_draws() -> type[CtrgcnDraws]:
    return CtrgcnDraws


@pytest.fixture
def write_dense(tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """``write_dense(data, labels)``: both files of a dense set; the feeder's arguments that name them."""

    def write(data: np.ndarray, labels: list[int] | None = None, stream: str = "joint") -> dict[str, Any]:
        paths = tmp_path / f"val_data_{stream}.npy", tmp_path / "val_label.pkl"
        np.save(paths[0], data)
        names = [f"clip{index}" for index in range(len(data))]
        paths[1].write_bytes(pickle.dumps((names, labels or [index % 3 for index in range(len(data))])))
        return {"data_path": paths[0], "label_path": paths[1]}

    return write


@pytest.fixture
def write_pyskl(tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """``write_pyskl(clips)``: clips (C, T, V, M) of any length as a pickle; the feeder's arguments that name it."""

    def write(
        clips: list[np.ndarray], meta: dict[str, Any] | None = None, img_shape: tuple[int, int] | None = None
    ) -> dict[str, Any]:
        annotations = [
            {"frame_dir": f"clip{index}", "label": index % 3, "keypoint": clip.transpose(3, 1, 2, 0)}
            | ({"img_shape": img_shape} if img_shape else {})
            for index, clip in enumerate(clips)
        ]
        split = {"all": [annotation["frame_dir"] for annotation in annotations], "none": []}
        path = tmp_path / "clips.pkl"
        path.write_bytes(pickle.dumps({"split": split, "annotations": annotations, "meta": meta or {}}))
        return {"data_path": path, "split": "all"}

    return write
