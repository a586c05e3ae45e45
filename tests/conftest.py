"""What every test shares: one thread each, and the way to the real recordings."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch

DATA_VARIABLE = "SKELETON_DATA"


def pytest_configure(config: pytest.Config) -> None:
    os.environ["OMP_NUM_THREADS"] = "1"  # for the processes that tests start, xdist's workers among them
    torch.set_num_threads(1)
    folder = os.environ.get(DATA_VARIABLE)
    if folder and not Path(folder).is_dir():
        raise pytest.UsageError(f"{DATA_VARIABLE}={folder} is not a folder")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if os.environ.get(DATA_VARIABLE):
        return
    absent = pytest.mark.skip(reason=f"no real recordings: {DATA_VARIABLE} is not set")
    for item in items:
        if item.get_closest_marker("realdata"):
            item.add_marker(absent)


@pytest.fixture(scope="session")
def skeleton_data() -> Path:
    """The folder of the real recordings; a test that asks for it carries the marker ``realdata``."""
    return Path(os.environ[DATA_VARIABLE])
