"""Every flag of main.py does something: for each, a command line and what is to be seen of it afterwards."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import get_worker_info

import feeders.feeder
import main
from engine import fit
from engine.config import DEFAULTS

HERE = "tests.test_every_flag"
SAVED: list[str] = []
"""Names of the checkpoints that were written."""
SAVES_OF_TWO_EPOCHS = 4  # before each evaluation and after it


class Network(nn.Module):
    """Means over everything, through a layer and a BatchNorm; notes how many clips come at once in evaluation."""

    at_once: list[int] = []  # noqa: RUF012

    def __init__(self, num_class: int, width: int = 8) -> None:
        super().__init__()
        self.block = nn.Sequential(nn.Sequential(nn.Linear(3, width), nn.BatchNorm1d(width)))
        self.fc = nn.Linear(width, num_class)

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            self.at_once.append(len(x))
        logits: Tensor = self.fc(self.block(x.mean(dim=(2, 3, 4))).relu())
        return logits


class Wide(Network):
    """Twice as wide."""

    def __init__(self, num_class: int) -> None:
        super().__init__(num_class, 16)


class Doubled(feeders.feeder.Feeder):
    """Clips twice as large."""

    def __getitem__(self, index: int) -> Any:
        clip, label, index = super().__getitem__(index)
        return 2 * clip, label, index


class OfWorkers(feeders.feeder.Feeder):
    """Clips that are zeros unless a process of their own loads them."""

    def __getitem__(self, index: int) -> Any:
        clip, label, index = super().__getitem__(index)
        return (clip if get_worker_info() else 0 * clip), label, index


@dataclass(frozen=True)
class Ran:
    """What a run left, and ``plain``, the same without flags of its own; ``again`` runs once more, elsewhere."""

    folder: Path
    out: list[str]
    plain: Path
    again: Callable[..., Ran]

    def said(self, text: str) -> bool:
        return any(text in line for line in self.out)

    def weights(self, epoch: int = 2) -> dict[str, Tensor]:
        (path,) = self.folder.glob(f"weights/weights-{epoch}-*.pt")
        found: dict[str, Tensor] = torch.load(path)
        return found

    def names(self, pattern: str) -> list[str]:
        return sorted(path.name for path in self.folder.glob(pattern))

    def group(self) -> dict[str, Any]:
        """The optimizer's settings at the end."""
        (group,) = torch.load(self.folder / "checkpoints" / "last.pt")["optimizer"]["param_groups"]
        found: dict[str, Any] = group
        return found

    def scores(self) -> np.ndarray:
        (path, *_) = sorted(self.folder.glob("epoch*_test_score.pkl"), reverse=True)
        return np.stack(list(pickle.loads(path.read_bytes()).values()))

    def moved(self) -> bool:
        """Whether the weights are not those of the plain run."""
        want = Ran(self.plain, [], self.plain, self.again).weights()
        mine = self.weights()
        return any(not torch.equal(mine[name], value) for name, value in want.items())

    def tests(self) -> int:
        return sum("  test: loss" in line for line in self.out)


Case = tuple[list[Any], Callable[[Ran], Any]]
W, LAST = "{plain}/weights/weights-2-6.pt", "{plain}/checkpoints/last.pt"
HALF = ["--half", "--amp-dtype", "bfloat16"]
TEST = ["--phase", "test", "--weights", W]
COSINE = ["--lr-schedule", "cosine"]
MSG3D = [
    *("--model", "model.msg3d.Model", "--model-args", "num_point=5", "num_person=2", "widths=[6,12,12]"),
    *("num_gcn_scales=2", "num_g3d_scales=2", "graph=graph.custom.AdjMatrixGraph"),
    "graph_args={{layout: {{name: toy, num_joints: 5, edges: [[1, 0], [2, 1], [3, 1], [4, 1]]}}}}",
]

CASES: dict[str, Case] = {
    "phase": (TEST, lambda ran: ran.names("*-samples.txt") == ["right-samples.txt", "wrong-samples.txt"]),
    "work_dir": ([], lambda ran: ran.names("result.json") == ["result.json"]),
    "seed": (["--seed", 2], Ran.moved),
    "seeds": (["--seeds", 1, 2], lambda ran: json.loads((ran.folder / "seeds.json").read_text())["seeds"] == [1, 2]),
    "deterministic": (["--deterministic"], lambda ran: torch.are_deterministic_algorithms_enabled()),
    "stream": (["--stream", "joint_motion"], Ran.moved),
    "debug": (["--debug"], lambda ran: ran.said("(100 clips)") and not ran.again().said("(100 clips)")),
    "describe": (["--describe"], lambda ran: ran.said("block") and not ran.folder.exists()),
    "feeder": (["--feeder", f"{HERE}.Doubled"], Ran.moved),
    "train_feeder_args": (["--train-feeder-args", "random_move=True"], Ran.moved),
    "test_feeder_args": (
        ["--test-feeder-args", "random_move=True"],
        lambda ran: not ran.moved() and not np.array_equal(ran.scores(), ran.again().scores()),
    ),
    "num_worker": (
        ["--num-worker", 1, "--feeder", f"{HERE}.OfWorkers"],
        lambda ran: not ran.moved() and ran.again("--feeder", f"{HERE}.OfWorkers").moved(),
    ),
    "model": (["--model", f"{HERE}.Wide"], lambda ran: ran.weights()["fc.weight"].shape == (6, 16)),
    "model_args": (["--model-args", "width=5"], lambda ran: ran.weights()["fc.weight"].shape == (6, 5)),
    "weights": (["--weights", W], lambda ran: ran.said("weights from ") and ran.moved()),
    "ignore_weights": (["--weights", W, "--ignore-weights", "fc"], lambda ran: ran.said("left out 2 weights as told")),
    "freeze": (
        ["--weights", W, "--freeze", "block"],
        lambda ran: torch.equal(
            ran.weights()["block.0.0.weight"], torch.load(ran.plain / "weights" / "weights-2-6.pt")["block.0.0.weight"]
        ),
    ),
    "checkpoint": (
        ["--checkpoint", LAST, "--num-epoch", 3],
        lambda ran: ran.said("epoch 3/3:") and not ran.said("epoch 2/3:"),
    ),
    "optimizer_states": (
        ["--weights", W, "--optimizer-states", LAST],
        lambda ran: not torch.equal(ran.weights()["fc.weight"], ran.again("--weights", W).weights()["fc.weight"]),
    ),
    "resume": (
        ["--resume", "auto"],
        lambda ran: (
            ran.said("epoch 1/2:")
            and ran.again("--resume", "auto", "--work-dir", ran.folder).said("nothing left to train")
        ),
    ),
    "start_epoch": (["--start-epoch", 1], lambda ran: ran.said("epoch 2/2:") and not ran.said("epoch 1/2:")),
    "allow_import": (
        ["--checkpoint", LAST, "--phase", "test", "--allow-import", "tests"],
        lambda ran: ran.names("right-samples.txt"),
    ),
    "device": (["--device", "cpu"], lambda ran: not ran.said("no GPU") and ran.again().said("there is no GPU")),
    "sync_bn": (["--sync-bn"], lambda ran: ran.said("sync_bn: 1 BatchNorms over 1 processes")),
    "half": (HALF, lambda ran: ran.said("--half: mixed precision (bfloat16)") and ran.moved()),
    "amp_opt_level": (
        [*HALF, "--amp-opt-level", 3],
        lambda ran: ran.weights()["fc.weight"].dtype is torch.bfloat16,
    ),
    "amp_dtype": (HALF, lambda ran: ran.again("--half").said("everything runs in float32") and ran.moved()),
    "num_epoch": (["--num-epoch", 1], lambda ran: ran.names("weights/*") == ["weights-1-3.pt"]),
    "batch_size": (["--batch-size", 12], lambda ran: ran.names("weights/*")[-1] == "weights-2-4.pt"),
    "forward_batch_size": (["--forward-batch-size", 2], Ran.moved),
    "test_batch_size": (["--test-batch-size", 7], lambda ran: set(Network.at_once) == {1, 7, 104 % 7}),
    "checkpoint_activations": (
        ["--checkpoint-activations"],
        lambda ran: ran.said("checkpoint_activations: 1 blocks are computed twice") and not ran.moved(),
    ),
    "no_fuse": (
        ["--no-fuse", *MSG3D],
        lambda ran: not ran.said("in their faster form") and ran.again(*MSG3D).said(" operators in their faster form"),
    ),
    "no_malloc_tuning": (
        ["--no-malloc-tuning"],
        lambda ran: not ran.said("freed memory is kept") and not ran.moved() and ran.again().said("memory is kept"),
    ),
    "max_bad_steps": (
        ["--base-lr", 1e30, "--max-bad-steps", 2],
        lambda ran: ran.said("of 2 steps in a row") and ran.out[-1].startswith("error"),
    ),
    "optimizer": (["--optimizer", "Adam"], lambda ran: "betas" in ran.group()),
    "base_lr": (["--base-lr", 0.25], lambda ran: ran.group()["lr"] == 0.25),
    "scale_lr": (["--scale-lr", "--base-batch-size", 4], lambda ran: ran.group()["lr"] == 0.1),
    "base_batch_size": (["--scale-lr", "--base-batch-size", 16], lambda ran: ran.group()["lr"] == 0.025),
    "lr_schedule": (COSINE, lambda ran: 0 < ran.group()["lr"] < 0.01),
    "min_lr": ([*COSINE, "--min-lr", 0.02], lambda ran: ran.group()["lr"] > 0.02),
    "warm_up_epoch": (["--warm-up-epoch", 2, "--num-epoch", 3], lambda ran: ran.said("lr 0.025,")),
    "nesterov": (["--nesterov"], lambda ran: ran.group()["nesterov"] and ran.moved()),
    "weight_decay": (["--weight-decay", 0.25], lambda ran: ran.group()["weight_decay"] == 0.25 and ran.moved()),
    "label_smoothing": (["--label-smoothing", 0.3], Ran.moved),
    "step": (["--step", 1], lambda ran: ran.group()["lr"] == pytest.approx(0.005)),
    "eval_interval": (["--eval-interval", 2], lambda ran: ran.tests() == 1),
    "eval_start": (["--eval-start", 2], lambda ran: ran.tests() == 1),
    "save_every_steps": (
        ["--save-every-steps", 2],
        lambda ran: SAVED.count("last.pt") == 3 + SAVES_OF_TWO_EPOCHS,  # after steps 2, 4 and 6
    ),
    "keep": (["--keep", 1, "--num-epoch", 4], lambda ran: len(ran.names("weights/*")) <= 2),
    "save_interval": (["--save-interval", 2], lambda ran: ran.names("weights/*") == ["weights-2-6.pt"]),
    "save_score": (["--save-score", "True"], lambda ran: len(ran.names("epoch*.pkl")) == 2),
    "test_best": (["--test-best"], lambda ran: len(ran.names("best/epoch*.pkl")) == 1),
    "eval": ([*TEST, "--eval", "mean_class_accuracy"], lambda ran: ran.said("mean_class_accuracy: ")),
    "out": ([*TEST, "--out", "{folder}.pkl"], lambda ran: ran.folder.with_name("flagged.pkl").is_file()),
    "show_topk": (["--show-topk", 1, 2], lambda ran: ran.said("top-2 ") and not ran.said("top-5 ")),
    "log_interval": (
        ["--log-interval", 1],
        lambda ran: (ran.folder / "metrics.jsonl").read_text().count('"train"') == 6,
    ),
    "print_log": (["--print-log", "False"], lambda ran: ran.names("log.txt") == []),
    "model_saved_name": (
        ["--model-saved-name", "mine"],
        lambda ran: ran.names("weights/*") == ["mine-1-3.pt", "mine-2-6.pt"],
    ),
    "assume_yes": (["--assume-yes"], lambda ran: not ran.moved()),
    "validate": (["--validate"], lambda ran: ran.tests() == 2 and not ran.moved()),
    "test_last": (["--test-last"], lambda ran: ran.names("epoch*.pkl") == ["epoch2_test_score.pkl"]),
}


@pytest.fixture(scope="module")
def settings(tiny: Any, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """24 clips to train on and 104 to test on, the network above, no device."""
    folder = tmp_path_factory.mktemp("clips")
    labels = [index % 6 for index in range(104)]
    clips = np.random.default_rng(1).normal(0, 0.3, (104, 3, 6, 5, 2)).astype(np.float32)
    np.save(folder / "val.npy", clips + np.array(labels, dtype=np.float32)[:, None, None, None, None])
    (folder / "val.pkl").write_bytes(pickle.dumps(([f"val{i:03}" for i in range(104)], labels)))
    files = {"data_path": str(folder / "val.npy"), "label_path": str(folder / "val.pkl")}
    train = {key: tiny.settings["train_feeder_args"][key] for key in ("data_path", "label_path")}
    own = {"model": f"{HERE}.Network", "model_args": {"num_class": 6}}
    kept = {key: tiny.settings[key] for key in ("batch_size", "forward_batch_size", "num_epoch", "base_lr")}
    return {"train_feeder_args": train, "test_feeder_args": files, **own, **kept}


@pytest.fixture(scope="module")
def plain(settings: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The work dir of the run without flags, the configuration beside it. Nobody may write to it."""
    folder = tmp_path_factory.mktemp("plain")
    (folder / "c.yaml").write_text(json.dumps(settings), encoding="utf-8")  # JSON is YAML
    assert main.main(["--config", str(folder / "c.yaml"), "--work-dir", str(folder / "w")]) == 0
    return folder / "w"


@pytest.fixture(autouse=True)
def as_it_was(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    save = fit.save_checkpoint

    def noted(path: Path, *given: Any) -> None:
        SAVED.append(Path(path).name)
        save(path, *given)

    monkeypatch.setattr(fit, "save_checkpoint", noted)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    SAVED.clear()
    Network.at_once.clear()
    yield
    torch.use_deterministic_algorithms(False)


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
@pytest.mark.filterwarnings("ignore:This DataLoader will create:UserWarning")
@pytest.mark.parametrize("key", CASES)
def test_a_flag_is_seen(key: str, plain: Path, run_main: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG", raising=False)

    def run(*flags: Any, folder: str = "another") -> Ran:
        written = [str(flag).format(plain=plain, folder=tmp_path / "flagged") for flag in flags]
        config = [] if "--allow-import" in written else ["--config", plain.parent / "c.yaml"]
        done = run_main(*config, "--work-dir", tmp_path / folder, *written)
        assert done.code == (2 if "--max-bad-steps" in written else 0), done
        return Ran(tmp_path / folder, done.out + done.err, plain, run)

    flags, check = CASES[key]
    assert f"--{key.replace('_', '-')}" in ["--work-dir", *flags]
    assert check(run(*flags, folder="flagged"))


def test_the_table_has_every_flag() -> None:
    assert set(CASES) == set(DEFAULTS)
