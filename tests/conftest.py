"""What every test shares: one thread each, the way to the real recordings, a tiny data set and main.py to run on it."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import traceback
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.distributed as dist
import yaml

import main

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


@dataclass(frozen=True)
class TinySet:
    """A made data set of five joints, and the settings that train on it in a blink."""

    folder: Path
    settings: dict[str, Any]

    def write(self, path: Path, **changes: Any) -> Path:
        """The settings as a YAML file, ``changes`` in place of what they name."""
        path.write_text(yaml.safe_dump({**self.settings, **changes}), encoding="utf-8")
        return path


@dataclass(frozen=True)
class Outcome:
    """What a command left: exit code, lines on the screen, lines of complaint."""

    code: int
    out: list[str]
    err: list[str]


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> TinySet:
    """24 clips to train on and 12 to test on, of 6 classes, as MS-G3D's dense files. Nobody may write to its folder."""
    folder = tmp_path_factory.mktemp("tiny")
    rng = np.random.default_rng(0)
    for part, count in (("train", 24), ("val", 12)):
        labels = [index % 6 for index in range(count)]
        clips = rng.normal(0, 0.3, (count, 3, 10, 5, 2)).astype(np.float32)
        clips[:, 0] += np.array(labels, dtype=np.float32)[:, None, None, None] - 2.5
        np.save(folder / f"{part}_data_joint.npy", clips)
        names = [f"{part}{index:02}" for index in range(count)]
        (folder / f"{part}_label.pkl").write_bytes(pickle.dumps((names, labels)))
    files = {
        part: {"data_path": str(folder / f"{part}_data_joint.npy"), "label_path": str(folder / f"{part}_label.pkl")}
        for part in ("train", "val")
    }
    augmentation = {"random_choose": True, "random_shift": True, "random_move": True, "window_size": 8}
    toy = {"name": "toy", "num_joints": 5, "edges": [[1, 0], [2, 1], [3, 1], [4, 1]]}
    settings = {
        "train_feeder_args": {**files["train"], **augmentation},
        "test_feeder_args": files["val"],
        "model": "model.msg3d.Model",
        "model_args": {
            **{"num_class": 6, "num_point": 5, "num_person": 2, "num_gcn_scales": 2, "num_g3d_scales": 2},
            **{"graph": "graph.custom.AdjMatrixGraph", "graph_args": {"layout": toy}, "widths": [6, 12, 12]},
        },
        **{"batch_size": 8, "forward_batch_size": 4, "test_batch_size": 5, "num_epoch": 2, "base_lr": 0.05},
        "device": "cpu",
    }
    return TinySet(folder, settings)


@pytest.fixture
def run_main(capsys: pytest.CaptureFixture[str]) -> Callable[..., Outcome]:
    """``run_main("--config", path, ...)``: main.py in this process."""

    def run(*argv: Any) -> Outcome:
        capsys.readouterr()
        code = main.main([str(argument) for argument in argv])
        out, err = capsys.readouterr()
        return Outcome(code, out.splitlines(), err.splitlines())

    return run


@pytest.fixture
def tree() -> Callable[[Path], dict[str, bytes | None]]:
    """Everything below a folder: path to content, None for folders. Compared, it shows whether anything was written."""

    def look(folder: Path) -> dict[str, bytes | None]:
        return {str(p.relative_to(folder)): p.read_bytes() if p.is_file() else None for p in folder.rglob("*")}

    return look


@pytest.fixture(scope="session")
def never_used() -> dict[str, str]:
    """By network, a regular expression: names of weights that the published one has and never uses."""
    return {
        "mstgcn": r"layers\.\d+\.mstcn\.bn_in\.",
        "msagcn": r"l\d+\.(mscam\.(alpha$|Att\.bn|Channelcorrelation\.conv4)|tmst\.branches\.4\.0\.bn)",
    }


def _serve(rank: int, size: int, meeting: str, orders: Connection) -> None:
    """One of several processes: calls the functions it is sent, and sends back what they give or what went wrong."""
    torch.set_num_threads(1)
    patience = timedelta(seconds=60)
    dist.init_process_group("gloo", init_method=f"file://{meeting}", rank=rank, world_size=size, timeout=patience)
    while order := orders.recv_bytes():
        function, arguments = pickle.loads(order)
        try:
            answer: tuple[Any, str] = (function(rank, *arguments), "")
        except Exception:
            answer = (None, traceback.format_exc())
        orders.send_bytes(pickle.dumps(answer))
    dist.destroy_process_group()


@pytest.fixture(scope="session")
def in_two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., list[Any]]]:
    """``in_two(function, *arguments)``: what ``function(rank, *arguments)`` of a test module gives in each of two
    processes that know each other. They are started once."""
    meeting = str(tmp_path_factory.mktemp("gloo") / "meeting")
    context, lines = multiprocessing.get_context("spawn"), []
    with ExitStack() as stack:
        for rank in range(2):
            mine, theirs = context.Pipe()
            process = context.Process(target=_serve, args=(rank, 2, meeting, theirs), daemon=True)
            process.start()
            theirs.close()
            lines.append(mine)
            stack.callback(process.join)
            stack.callback(mine.send_bytes, b"")

        def call(function: Callable[..., Any], *arguments: Any) -> list[Any]:
            for line in lines:
                line.send_bytes(pickle.dumps((function, arguments)))
            answers = [pickle.loads(line.recv_bytes()) for line in lines]
            assert [problem for _, problem in answers if problem] == []
            return [answer for answer, _ in answers]

        yield call
