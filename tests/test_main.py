"""main.py as a command: whatever is wrong is one line and exit code 2, before anything is written."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from engine.config import DEFAULTS

ROOT = Path(__file__).resolve().parents[1]
Flags = list[Any]
Case = Callable[[Any, Path], Flags]
"""From the tiny data set and a folder of its own to the flags after ``--config`` and ``--work-dir``."""


class Touch:
    """Creates a file when unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return os.system, (f"touch {self.path}",)


@pytest.fixture(scope="session")
def trained(tiny: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The work dir of a training run of one epoch. Nobody may write to it."""
    folder = tmp_path_factory.mktemp("trained")
    config = tiny.write(folder / "run.yaml", num_epoch=1)
    command = [sys.executable, ROOT / "main.py", "--config", config, "--work-dir", folder / "w"]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    return folder / "w"


def test_help_is_quick_complete_and_needs_no_torch() -> None:
    began = time.monotonic()
    command = [sys.executable, "-X", "importtime", str(ROOT / "main.py"), "--help"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert time.monotonic() - began < 3
    assert done.returncode == 0
    assert [key for key in DEFAULTS if f"--{key.replace('_', '-')} " not in done.stdout] == []
    assert " torch" not in done.stderr
    assert "yaml" in done.stderr


def test_a_command_that_works_exits_with_0(trained: Path, tmp_path: Path) -> None:
    """From another folder, as a process of its own."""
    last = trained / "checkpoints" / "last.pt"
    command = [sys.executable, ROOT / "main.py", "--checkpoint", last, "--phase", "test", "--work-dir", "t"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "t" / "epoch1_test_score.pkl").is_file()


def data(tiny: Any, folder: Path, shape: tuple[int, ...], labels: list[int]) -> Flags:
    """Flags for training data of that shape with those labels."""
    np.save(folder / "clips.npy", np.zeros(shape, dtype=np.float32))
    pair = ([f"clip{i}" for i in range(len(labels))], labels)
    (folder / "labels.pkl").write_bytes(pickle.dumps(pair))
    return ["--train-feeder-args", f"data_path={folder}/clips.npy", f"label_path={folder}/labels.pkl"]


def evil_labels(tiny: Any, folder: Path) -> Flags:
    (folder / "labels.pkl").write_bytes(pickle.dumps((["clip"], [Touch(folder / "marker")])))
    return ["--train-feeder-args", f"label_path={folder}/labels.pkl"]


def evil_weights(tiny: Any, folder: Path) -> Flags:
    torch.save({"fc.bias": Touch(folder / "marker")}, folder / "weights.pt")
    return ["--weights", folder / "weights.pt"]


def damaged_weights(tiny: Any, folder: Path) -> Flags:
    torch.save({"fc.bias": torch.zeros(6)}, folder / "weights.pt")
    content = (folder / "weights.pt").read_bytes()
    (folder / "weights.pt").write_bytes(content[: len(content) // 2])
    return ["--weights", folder / "weights.pt"]


def foreign_weights(tiny: Any, folder: Path) -> Flags:
    torch.save({"fc.wieght": torch.zeros(6, 12), "data_bn.weight": torch.zeros(3)}, folder / "weights.pt")
    return ["--weights", folder / "weights.pt"]


def yaml_with(**changes: Any) -> Case:
    def write(tiny: Any, folder: Path) -> Flags:
        return ["--config", tiny.write(folder / "other.yaml", **changes)]

    return write


def flags(*words: Any) -> Case:
    return lambda tiny, folder: list(words)


BAD: dict[str, tuple[Case, list[str]]] = {
    "a YAML key": (yaml_with(bath_size=3), ["other.yaml: unknown key 'bath_size'; did you mean 'batch_size'?"]),
    "a flag": (flags("--bse-lr", "0.1"), ["unknown argument '--bse-lr'; did you mean '--base-lr'?"]),
    "a value": (flags("--base-lr", "-1"), ["--base-lr: base_lr is '-1', wanted at least 0"]),
    "a seed": (flags("--seed", "-1"), ["--seed: seed is '-1', wanted at least 0"]),
    "the config": (flags("--config", "gone.yaml"), ["gone.yaml: no such file"]),
    "the clips": (flags("--test-feeder-args", "data_path=gone.npy"), ["gone.npy: no such file"]),
    "the labels": (flags("--test-feeder-args", "label_path=gone.pkl"), ["gone.pkl: no such file"]),
    "the weights": (flags("--weights", "gone.pt"), ["gone.pt: no such file"]),
    "the checkpoint": (flags("--checkpoint", "gone.pt"), ["gone.pt: no such file"]),
    "the optimizer": (flags("--optimizer-states", "gone.pt"), ["gone.pt: no such file"]),
    "a label": (
        lambda tiny, folder: data(tiny, folder, (9, 3, 8, 5, 2), [0, 1, 6, 0, 0, 0, 0, 0, 0]),
        ["clips.npy: sample 'clip2' has label 6, but the network tells 6 classes apart, 0 to 5"],
    ),
    "joints": (
        lambda tiny, folder: data(tiny, folder, (9, 3, 8, 4, 2), [0] * 9),
        ["clips.npy has 4 joints per clip, but the network is built for 5", "graph graph.custom.AdjMatrixGraph"],
    ),
    "channels": (
        lambda tiny, folder: data(tiny, folder, (9, 2, 8, 5, 2), [0] * 9),
        ["clips.npy has 2 channels per clip, but the network is built for 3"],
    ),
    "bodies": (
        lambda tiny, folder: data(tiny, folder, (9, 3, 8, 5, 1), [0] * 9),
        ["clips.npy has 1 bodies per clip, but the network is built for 2"],
    ),
    "the number of labels": (
        lambda tiny, folder: data(tiny, folder, (9, 3, 8, 5, 2), [0] * 8),
        ["clips.npy has 9 clips, but ", "names 8"],
    ),
    "too few clips": (flags("--batch-size", "25"), ["has 24 clips, fewer than one batch (batch_size 25)"]),
    "the graph": (
        flags("--model-args", "graph=graph.ntu_rgb_d.AdjMatrixGraph", "graph_args={}"),
        ["model_args"],
    ),
    "labels that run code": (evil_labels, ["labels.pkl: not a readable pickle", "system"]),
    "weights that run code": (evil_weights, ["weights.pt: not loaded", "system"]),
    "damaged weights": (damaged_weights, ["weights.pt: not a readable file of tensors"]),
    "weights of another network": (
        foreign_weights,
        [
            "missing (",
            "1 unexpected (fc.wieght; did you mean 'fc.weight'?)",
            "1 of another shape (data_bn.weight: (3,)",
        ],
    ),
    "weights to ignore": (
        lambda tiny, folder: [*foreign_weights(tiny, folder), "--ignore-weights", "data_nb"],
        ["ignore_weights: neither the network nor ", "has a weight 'data_nb'; did you mean 'data_bn."],
    ),
    "devices": (flags("--device", "0", "cpu"), ["device: 0 cpu mixes CPU and GPUs"]),
    "a device": (flags("--device", "gpu"), ["device: 'gpu' is neither the number of a GPU nor cpu"]),
    "no weights to test": (flags("--phase", "test"), ["weights is missing: say with --weights what to test"]),
    "nothing left to train": (flags("--start-epoch", "2"), ["nothing to train: 2 epochs are done and num_epoch is 2"]),
    "no model": (yaml_with(model=None), ["model is missing"]),
    "another model": (flags("--model", "model.msg3.Model"), ["did you mean 'model.msg3d'?"]),
    "a model's argument": (
        flags("--model-args", "num_clas=3"),
        ["takes no argument 'num_clas'; did you mean 'num_class'?"],
    ),
    "a feeder's argument": (flags("--test-feeder-args", "lable_path=a"), ["did you mean 'label_path'?"]),
    "a feeder's value": (flags("--test-feeder-args", "window_size=eight"), ["test_feeder_args: "]),
    "the stream": (flags("--stream", "bons"), ["stream: 'bons' is not one of joint, bone, joint_motion, bone_motion"]),
}


@pytest.mark.parametrize(("case", "says"), BAD.values(), ids=BAD)
def test_what_is_wrong_is_one_line_and_nothing_is_written(
    tiny: Any, run_main: Any, tree: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, case: Case, says: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    config = tiny.write(tmp_path / "run.yaml")
    given = case(tiny, tmp_path)
    before = tree(tmp_path)
    done = run_main("--config", config, "--work-dir", tmp_path / "w", *given)
    assert (done.code, done.out, len(done.err)) == (2, [], 1)
    assert done.err[0].startswith("error: ")
    assert [part for part in says if part not in done.err[0]] == []
    assert tree(tmp_path) == before


def test_a_process_of_its_own_does_the_same(tiny: Any, tree: Any, tmp_path: Path) -> None:
    config = tiny.write(tmp_path / "run.yaml")
    for case in ("a YAML key", "a flag", "weights that run code", "labels that run code", "weights of another network"):
        folder = tmp_path / case
        folder.mkdir()
        given, says = BAD[case][0](tiny, folder), BAD[case][1]
        before = tree(tmp_path)
        command = [sys.executable, ROOT / "main.py", "--config", config, "--work-dir", folder / "w", *given]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, cwd=folder)
        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1), done.stderr
        assert done.stderr.startswith("error: ")
        assert [part for part in says if part not in done.stderr] == []
        assert tree(tmp_path) == before


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ([], "already holds a training run: go on with it with --resume auto, or "),
        (["--checkpoint", "last"], "nothing to train: 1 epochs are done and num_epoch is 1"),
        (["--checkpoint", "last", "--num-epoch", 2, "--start-epoch", 3], "start_epoch is 3, but "),
        (["--checkpoint", "last", "--num-epoch", 2, "--optimizer", "Adam"], "it is of another kind of optimizer"),
        (["--checkpoint", "last", "--num-epoch", 2, "--model-args", "widths=[6,12,18]"], "does not fit the network"),
        (
            ["--checkpoint", "last", "--num-epoch", 2, "--model-args", "num_class=9"],
            "2 of another shape (fc.bias: (6,)",
        ),
        (["--checkpoint", "last", "--num-epoch", 2, "--batch-size", 25], "fewer than one batch"),
        (["--checkpoint", "weights"], "not a checkpoint of this program or of MS-G3D"),
    ],
)
def test_a_folder_that_is_in_use_stays_as_it_is(
    trained: Path, run_main: Any, tree: Any, given: Flags, says: str
) -> None:
    """With ``--config``; the checkpoint alone is below."""
    names = {"last": trained / "checkpoints" / "last.pt", "weights": trained / "weights" / "weights-1-3.pt"}
    before = tree(trained)
    done = run_main("--config", trained.parent / "run.yaml", "--work-dir", trained, *(names.get(g, g) for g in given))
    assert (done.code, done.out, len(done.err)) == (2, [], 1)
    assert says in done.err[0]
    assert tree(trained) == before


@pytest.mark.parametrize("key", ["model", "feeder", "graph"])
def test_a_checkpoint_cannot_make_us_import_what_lies_around(
    trained: Path, run_main: Any, tree: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    module, marker = f"mine_{tmp_path.name}", tmp_path / "marker"
    (tmp_path / f"{module}.py").write_text(f"open({str(marker)!r}, 'w').close()\n")
    content = torch.load(trained / "checkpoints" / "last.pt", weights_only=True)
    settings = content["config"]
    settings |= {"num_epoch": 2, "work_dir": str(tmp_path / "w")}
    (settings["model_args"] if key == "graph" else settings)[key] = f"{module}.Class"
    torch.save(content, tmp_path / "evil.pt")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    before = tree(tmp_path)
    done = run_main("--checkpoint", "evil.pt")
    wanted = (
        f"error: evil.pt: {key}: a checkpoint may only name classes of model, graph, feeders, not '{module}.Class'; "
    )
    assert (done.code, done.out) == (2, [])
    assert done.err == [wanted + "name its package with --allow-import if you trust it"]
    assert tree(tmp_path) == before
    assert run_main("--checkpoint", "evil.pt", "--work-dir", "w", "--allow-import", module).code == 2  # no such class
    assert marker.exists()  # but now it was imported
