"""The commands for several GPUs as pyskl's and MST-GCN's users type them, run with two processes on a CPU."""

from __future__ import annotations

import json
import os
import pickle
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

ROOT = Path(__file__).resolve().parents[1]


def typed(*words: Any, **variables: str) -> subprocess.CompletedProcess[str]:
    """What a command leaves, from the root of the repository, ``python3`` being this one."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    command = [str(word) for word in words]
    environment = {**os.environ, "PATH": path, "OMP_NUM_THREADS": "1", **variables}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120, check=False)


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def scores(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = pickle.loads(path.read_bytes())
    return found


@pytest.fixture(scope="module")
def trained(tiny: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A work dir of dist_train.sh with two processes, the configuration beside it."""
    folder = tmp_path_factory.mktemp("trained")
    config = tiny.write(folder / "c.yaml", base_batch_size=4, num_epoch=1)
    done = typed(
        *("bash", "tools/dist_train.sh", config, 2, "--validate", "--test-last", "--test-best"),
        *("--sync-bn", "--work-dir", folder / "w"),
    )
    assert done.returncode == 0, done.stderr
    assert "the best weights on the test part" in done.stdout
    return folder / "w"


def test_dist_train_runs_as_many_processes_as_it_is_told(trained: Path) -> None:
    """Each with as many clips at once as the configuration gives one, and the learning rate follows the batch."""
    account = json.loads((trained / "run.json").read_text())
    assert account["processes"] == 2
    assert (account["config"]["batch_size"], account["config"]["forward_batch_size"]) == (8, 8)
    assert (account["config"]["device"], account["origin"]["scale_lr"]) == (["0", "1"], "--scale-lr")
    log = (trained / "log.txt").read_text()
    assert "scale_lr: learning rate 0.05 * 8 / 4 = 0.1" in log
    assert log.count("epoch 1/1:") == 1  # the first process alone speaks
    assert sorted(scores(trained / "best" / "epoch1_test_score.pkl")) == [f"val{i:02}" for i in range(12)]


def test_main_starts_the_same_processes_itself(trained: Path, tmp_path: Path) -> None:
    """``--device cpu cpu`` and torchrun: the same weights and scores, bit by bit."""
    flags = [
        "--device",
        "cpu",
        "cpu",
        "--forward-batch-size",
        8,
        "--scale-lr",
        "--sync-bn",
        "--work-dir",
        tmp_path / "w",
    ]
    done = typed("python3", "main.py", "--config", trained.parent / "c.yaml", *flags)
    assert (done.returncode, done.stderr) == (0, "")
    one, other = (scores(folder / "epoch1_test_score.pkl") for folder in (trained, tmp_path / "w"))
    assert list(one) == list(other)
    np.testing.assert_array_equal(list(one.values()), list(other.values()))
    weights = [torch.load(folder / "weights" / "weights-1-3.pt") for folder in (trained, tmp_path / "w")]
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[1])


def test_one_process_gives_the_same_but_for_rounding(tiny: Any, run_main: Any, tmp_path: Path) -> None:
    """After one step: from the second on, rounding puts values on the other side of a ReLU or a pool now and then."""
    files = {name: tmp_path / f"eight_{name}" for name in ("data.npy", "label.pkl")}
    np.save(files["data.npy"], np.load(tiny.folder / "train_data_joint.npy")[:8])
    names, labels = pickle.loads((tiny.folder / "train_label.pkl").read_bytes())
    files["label.pkl"].write_bytes(pickle.dumps((names[:8], labels[:8])))
    eight = {"data_path": str(files["data.npy"]), "label_path": str(files["label.pkl"])}
    feeder = {**tiny.settings["train_feeder_args"], **eight}
    config = tiny.write(tmp_path / "c.yaml", train_feeder_args=feeder, base_batch_size=4, num_epoch=1)
    done = typed("bash", "tools/dist_train.sh", config, 2, "--sync-bn", "--work-dir", tmp_path / "two")
    assert done.returncode == 0, done.stderr
    flags = ["--forward-batch-size", 8, "--scale-lr", "--work-dir", tmp_path / "one"]
    assert run_main("--config", config, *flags).code == 0
    one, two = (torch.load(tmp_path / name / "weights" / "weights-1-1.pt") for name in ("one", "two"))
    assert list(one) == list(two)
    for name, value in one.items():
        np.testing.assert_allclose(two[name], value, rtol=1e-4, atol=1e-6, err_msg=name)


def test_dist_test_gives_pyskls_figures_and_file(trained: Path, tmp_path: Path) -> None:
    weights, out = trained / "weights" / "weights-1-3.pt", tmp_path / "result.pkl"
    done = typed(
        *("bash", "tools/dist_test.sh", trained.parent / "c.yaml", weights, 2),
        *("--eval", "top_k_accuracy", "mean_class_accuracy", "--out", out, "--work-dir", tmp_path / "t"),
        PORT=str(free_port()),
    )
    assert done.returncode == 0, done.stderr
    one, other = (scores(folder / "epoch1_test_score.pkl") for folder in (trained, tmp_path / "t"))
    np.testing.assert_array_equal(list(one.values()), list(other.values()))
    right = np.mean([row.argmax() == index % 6 for index, row in enumerate(other.values())])
    assert f"top_k_accuracy: top1_acc {right:.4f}, top5_acc " in done.stdout
    assert "mean_class_accuracy: " in done.stdout
    result = pickle.loads(out.read_bytes())
    np.testing.assert_allclose(np.stack(result).sum(axis=1), 1, rtol=1e-5)
    assert [row.argmax() for row in result] == [row.argmax() for row in other.values()]


def test_run_sh_takes_gpus_their_number_a_port_and_a_pause(tiny: Any, tmp_path: Path) -> None:
    config = tiny.write(tmp_path / "c.yaml", num_epoch=1, forward_batch_size=2)
    done = typed("sh", "run.sh", "0,1", 2, free_port(), 0, "--config", config, "--work-dir", tmp_path / "w_joint")
    assert done.returncode == 0, done.stderr
    account = json.loads((tmp_path / "w_joint" / "run.json").read_text())
    assert account["processes"] == 2
    assert (account["config"]["stream"], account["config"]["forward_batch_size"]) == ("joint", 16)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["bash", "tools/dist_train.sh", "gone.yaml", 2], "error: gone.yaml: no such file\n"),
        (["bash", "tools/dist_train.sh", "gone.yaml"], "usage: bash tools/dist_train.sh CONFIG GPUS"),
        (["bash", "tools/dist_train.sh", "gone.yaml", "--validate"], "usage: bash tools/dist_train.sh CONFIG GPUS"),
        (["bash", "tools/dist_test.sh", "gone.yaml", 2], "usage: bash tools/dist_test.sh CONFIG CHECKPOINT GPUS"),
        (["sh", "run.sh", "0,1"], "usage: sh run.sh GPUS COUNT PORT SLEEP"),
    ],
)
def test_what_is_missing_is_one_line(words: list[Any], says: str) -> None:
    done = typed(*words)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert done.stderr.startswith(says)
