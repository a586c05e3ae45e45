"""Whole runs on a tiny data set: what they write, and that stopping, workers and seeds change what they should."""

from __future__ import annotations

import csv
import json
import pickle
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from engine import fit
from engine.evaluate import Evaluation
from model.msg3d import Model

# What Python and torch say of processes for loading where there are threads, or few cores.
QUIET = [
    pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:This DataLoader will create:UserWarning"),
]


def read_pickle(path: Path) -> dict[str, list[float]]:
    return {name: row.tolist() for name, row in pickle.loads(path.read_bytes()).items()}


def test_a_training_run_writes_what_msg3d_writes_and_our_own(
    train: Any, tree: Any, load: Any, read_curves: Any, tiny: Any
) -> None:
    work_dir = train("w", "--log-interval", 1)
    files = {
        re.sub(r"tfevents\..*", "tfevents", name) for name, content in tree(work_dir).items() if content is not None
    }
    assert files == {
        ".lock",
        "log.txt",
        "metrics.jsonl",
        "config.yaml",
        "run.json",
        "result.json",
        "weights/weights-1-3.pt",
        "weights/weights-2-6.pt",
        "checkpoints/last.pt",
        "checkpoints/previous.pt",
        "checkpoints/best.pt",
        "trainlogs/train/events.out.tfevents",
        "trainlogs/val/events.out.tfevents",
        "epoch2_test_score.pkl",
        "epoch2_test_labels.csv",
        "files/best_score.pkl",
        "files/best_labels.csv",
    }
    network = Model(**tiny.settings["model_args"])
    weights = load(work_dir / "weights" / "weights-2-6.pt")
    assert type(weights) is dict
    network.load_state_dict(weights)
    last = load(work_dir / "checkpoints" / "last.pt")
    assert last["progress"]["epoch"] == 2
    assert all(torch.equal(last["model"][name], value) for name, value in weights.items())

    curves = read_curves(work_dir / "trainlogs" / "train")
    assert curves.keys() == {"acc", "loss", "loss_l1", "lr", "epoch"}
    assert [step for step, _ in curves["loss"]] == [1, 2, 3, 4, 5, 6]
    assert {value for _, value in curves["loss_l1"]} == {0.0}
    assert [value for _, value in curves["lr"]] == pytest.approx([0.05] * 6)
    assert [value for _, value in curves["epoch"]] == [0, 0, 0, 1, 1, 1]
    curves = read_curves(work_dir / "trainlogs" / "val")
    assert curves.keys() == {"acc", "loss", "loss_l1"}
    assert [step for step, _ in curves["acc"]] == [3, 6]

    result = json.loads((work_dir / "result.json").read_text())
    assert result["last"]["epoch"] == 2
    assert result["last"].keys() == {"epoch", "loss", "top1", "top5"}
    assert result["last"]["top1"] == pytest.approx(curves["acc"][-1][1])
    assert result["last"]["loss"] == pytest.approx(curves["loss"][-1][1])
    assert result["best_on_test_part"]["top1"] == pytest.approx(max(value for _, value in curves["acc"]))

    account = json.loads((work_dir / "run.json").read_text())
    assert account["origin"]["work_dir"] == "--work-dir"
    assert account["origin"]["model_args.num_class"].endswith("w.yaml")
    assert account["origin"]["seed"] == "default"
    assert account["versions"]["torch"] == str(torch.__version__)


def test_the_log_is_what_was_on_the_screen(tiny: Any, run_main: Any, tmp_path: Path) -> None:
    flags = ["--config", tiny.write(tmp_path / "a.yaml"), "--num-epoch", 1, "--work-dir"]
    done = run_main(*flags, tmp_path / "a")
    lines = (tmp_path / "a" / "log.txt").read_text(encoding="utf-8").splitlines()
    assert [re.sub(r"^\[ \d{4}-\d\d-\d\d \d\d:\d\d:\d\d \] ", "", line) for line in lines] == done.out
    epoch = next(number for number, line in enumerate(done.out) if line.startswith("epoch"))
    assert re.fullmatch(r"epoch 1/1: training loss \d\.\d{4}, top-1 \d+\.\d\d%, lr 0\.05, \d+ s", done.out[epoch])
    wanted = r"  test: loss \d\.\d{4}, top-1 \d+\.\d\d%, top-5 \d+\.\d\d% \(12 clips\)"
    assert re.fullmatch(wanted, done.out[epoch + 1])
    run_main(*flags, tmp_path / "b", "--print-log", "False")
    assert not (tmp_path / "b" / "log.txt").exists()


def test_intervals_decide_what_is_written_when(train: Any, read_curves: Any, light: Any) -> None:
    work_dir = train(
        *("w", "--num-epoch", 5, "--eval-start", 3, "--eval-interval", 2, "--save-interval", 3),
        *("--save-score", "True", "--log-interval", 100),
        **light,
    )
    assert sorted(path.name for path in (work_dir / "weights").iterdir()) == ["weights-3-9.pt", "weights-5-15.pt"]
    assert sorted(path.name for path in work_dir.glob("*.pkl")) == [f"epoch{e}_test_score.pkl" for e in (4, 5)]
    assert [step for step, _ in read_curves(work_dir / "trainlogs" / "val")["acc"]] == [12, 15]
    assert [step for step, _ in read_curves(work_dir / "trainlogs" / "train")["loss"]] == [3, 6, 9, 12, 15]


def test_the_best_epoch_is_kept_whole(train: Any, load: Any, light: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first evaluation is the best until there is one no worse, right or wrong as it is; of equal ones the last."""
    accuracies, written = iter([0.0, 0.5, 0.5, 0.25]), []
    original = fit.save_checkpoint

    def evaluated(*args: Any) -> Evaluation:
        labels = np.arange(12) % 6
        right = np.arange(12) < 12 * next(accuracies)
        return Evaluation([f"clip{i}" for i in range(12)], labels, np.eye(7)[labels + ~right], 1.0)

    def save(path: Path, *args: Any) -> None:
        written.append(path.name)
        original(path, *args)

    monkeypatch.setattr(fit, "evaluate_parts", evaluated)
    monkeypatch.setattr(fit, "save_checkpoint", save)
    work_dir = train("w", "--num-epoch", 4, **light)
    no_worse, worse = ["last.pt", "best.pt", "last.pt"], ["last.pt", "last.pt"]  # the first before evaluation
    assert written == [*no_worse, *no_worse, *no_worse, *worse]
    assert load(work_dir / "checkpoints" / "best.pt")["progress"]["epoch"] == 3
    result = json.loads((work_dir / "result.json").read_text())
    assert result["best_on_test_part"] == {"epoch": 3, "top1": 0.5}
    assert (result["last"]["epoch"], result["last"]["top1"]) == (4, 0.25)


def test_scores_are_not_written_when_nobody_wants_them(train: Any, light: Any) -> None:
    assert list(train("w", "--save-score", "False", "--num-epoch", 1, **light).glob("epoch*")) == []


def test_the_rate_falls_to_a_tenth_after_every_step(train: Any, read_curves: Any, load: Any, light: Any) -> None:
    work_dir = train("w", "--num-epoch", 4, "--step", 1, 3, **light)
    rates = [rate for _, rate in read_curves(work_dir / "trainlogs" / "train")["lr"]]
    assert rates == pytest.approx([0.05, 0.005, 0.005, 0.0005])
    (group,) = load(work_dir / "checkpoints" / "last.pt")["optimizer"]["param_groups"]
    assert group["lr"] == pytest.approx(0.0005)


def test_settings_reach_the_optimizer(train: Any, load: Any, light: Any) -> None:
    for flags, wanted in (
        (["--nesterov", "True", "--weight-decay", "0.25"], {"nesterov": True, "weight_decay": 0.25, "momentum": 0.9}),
        (["--optimizer", "Adam"], {"betas": (0.9, 0.999), "weight_decay": 0.0005}),
    ):
        work_dir = train(flags[1], "--num-epoch", 1, *flags, **light)
        (group,) = load(work_dir / "checkpoints" / "last.pt")["optimizer"]["param_groups"]
        assert {key: group[key] for key in wanted} == wanted


@pytest.mark.parametrize("workers", [pytest.param(2, marks=QUIET)])
def test_workers_change_nothing(train: Any, same: Any, workers: int) -> None:
    alone, helped = train("alone", "--num-worker", 0), train("helped", "--num-worker", workers)
    assert same(alone, helped) == []


@pytest.mark.parametrize("workers", [pytest.param(2, marks=QUIET)])
def test_workers_change_nothing_for_a_network_that_draws(train: Any, same: Any, light: Any, workers: int) -> None:
    alone, helped = (train(f"w{n}", "--num-worker", n, **light) for n in (0, workers))
    assert same(alone, helped) == []


def test_one_seed_is_one_run(train: Any, same: Any, light: Any) -> None:
    one = train("one", "--seed", 3, **light)
    assert same(one, train("again", "--seed", 3, **light)) == []
    found = same(one, train("other", "--seed", 4, **light))
    assert any(line.startswith(".model.") for line in found)
    assert "train loss: other points" in found


def test_the_scores_of_training_and_of_testing_are_one(train: Any, run_main: Any, tiny: Any, tmp_path: Path) -> None:
    work_dir = train("w")
    weights = work_dir / "weights" / "weights-2-6.pt"
    for name, flags in (
        ("file", ["--config", tiny.write(tmp_path / "t.yaml"), "--weights", weights]),
        ("checkpoint", ["--checkpoint", work_dir / "checkpoints" / "last.pt"]),
    ):
        done = run_main(*flags, "--phase", "test", "--work-dir", tmp_path / name)
        assert (done.code, done.err) == (0, [])
        assert read_pickle(tmp_path / name / "epoch1_test_score.pkl") == read_pickle(work_dir / "epoch2_test_score.pkl")
        labels = (tmp_path / name / "epoch1_test_labels.csv").read_text()
        assert labels == (work_dir / "epoch2_test_labels.csv").read_text()


def test_a_test_writes_scores_and_samples(train: Any, run_main: Any, tiny: Any, tree: Any, tmp_path: Path) -> None:
    weights = train("w") / "weights" / "weights-2-6.pt"
    config = tiny.write(tmp_path / "t.yaml", phase="test", weights=str(weights), save_score=True)
    done = run_main("--config", config, "--work-dir", tmp_path / "t")
    assert tree(tmp_path / "t").keys() == {
        "log.txt",
        "config.yaml",
        "run.json",
        "epoch1_test_score.pkl",
        "epoch1_test_labels.csv",
        "right-samples.txt",
        "wrong-samples.txt",
    }
    assert f"weights from {weights}" in done.out
    scores = pickle.loads((tmp_path / "t" / "epoch1_test_score.pkl").read_bytes())
    with open(tmp_path / "t" / "epoch1_test_labels.csv", encoding="utf-8") as file:
        labels = [(row["name"], int(row["label"])) for row in csv.DictReader(file)]
    assert labels == [(f"val{i:02}", i % 6) for i in range(12)]
    assert list(scores) == [name for name, _ in labels]
    rows = [f"{i},{scores[name].argmax()},{label}" for i, (name, label) in enumerate(labels)]
    right = [row for row in rows if len(set(row.split(",")[1:])) == 1]
    assert (tmp_path / "t" / "right-samples.txt").read_text().splitlines() == right
    assert (tmp_path / "t" / "wrong-samples.txt").read_text().splitlines() == [row for row in rows if row not in right]
    assert sum(f"top-1 {len(right) / 12:.2%}" in line for line in done.out) == 1
    run_main("--config", config, "--work-dir", tmp_path / "u", "--save-score", "False")
    assert {path.name for path in (tmp_path / "u").glob("epoch*")} == set()


def test_a_test_in_the_folder_of_its_training(train: Any, run_main: Any, tree: Any) -> None:
    work_dir = train("w")
    before = tree(work_dir)
    assert run_main("--checkpoint", work_dir / "checkpoints" / "last.pt", "--phase", "test").code == 0
    after = tree(work_dir)
    assert {name for name in before if before[name] != after[name]} == {"log.txt"}
    assert "test-run.json" in after.keys() - before.keys()


def test_training_learns(train: Any) -> None:
    work_dir = train("w", "--num-epoch", 6, "--optimizer", "Adam", "--base-lr", 0.01)
    result = json.loads((work_dir / "result.json").read_text())
    assert result["best_on_test_part"]["top1"] >= 0.5  # of six classes


def test_weights_for_other_classes_are_a_start_but_no_test(
    train: Any, run_main: Any, tiny: Any, tmp_path: Path
) -> None:
    weights = train("w", "--num-epoch", 1) / "weights" / "weights-1-3.pt"
    flags = ["--config", tiny.write(tmp_path / "a.yaml"), "--model-args", "num_class=9", "--weights", weights]
    done = run_main(*flags, "--work-dir", tmp_path / "nine", "--num-epoch", 1)
    assert done.code == 0
    said = [f"weights from {weights}", f"{weights}: last layer made anew, 6 -> 9 classes"]
    assert [line for line in done.out if str(weights) in line] == said
    tested = run_main(*flags, "--work-dir", tmp_path / "test", "--phase", "test")
    assert tested.code == 2
    assert "2 of another shape (fc.bias: (6,) for (9,), fc.weight: (6, 12) for (9, 12))" in tested.err[0]


def test_ignored_weights_are_left_out_by_prefix(
    train: Any, run_main: Any, tiny: Any, load: Any, tmp_path: Path
) -> None:
    weights = train("w", "--num-epoch", 1) / "weights" / "weights-1-3.pt"
    flags = ["--config", tiny.write(tmp_path / "a.yaml"), "--weights", weights, "--work-dir", tmp_path / "b"]
    done = run_main(*flags, "--num-epoch", 1, "--ignore-weights", "fc", "gcn3d1")
    count = sum(name.startswith(("fc.", "gcn3d1.")) for name in load(weights))
    assert done.code == 0
    assert f"{weights}: left out {count} weights as told" in done.out


def test_a_stream_is_derived_and_names_its_folder(tiny: Any, run_main: Any, tmp_path: Path) -> None:
    layout = tiny.settings["model_args"]["graph_args"]["layout"]
    parts = {key: {**tiny.settings[key], "layout": layout} for key in ("train_feeder_args", "test_feeder_args")}
    config = tiny.write(tmp_path / "a.yaml", **parts, work_dir=str(tmp_path / "msg3d_{stream}"), num_epoch=1)
    for stream in ("joint", "bone"):
        assert run_main("--config", config, "--stream", stream).code == 0
    joint, bone = (read_pickle(tmp_path / f"msg3d_{s}" / "epoch1_test_score.pkl") for s in ("joint", "bone"))
    assert joint.keys() == bone.keys()
    assert joint != bone


def test_losses_are_those_of_training_by_hand(train: Any, tiny: Any, read_curves: Any) -> None:
    """One epoch without augmentation, written out with nothing of the engine's."""
    settings = {
        **tiny.settings,
        "train_feeder_args": {k: tiny.settings["train_feeder_args"][k] for k in ("data_path", "label_path")},
    }
    work_dir = train("w", "--num-epoch", 1, "--batch-size", 24, "--forward-batch-size", 24, "--seed", 2, **settings)
    torch.manual_seed(2)
    model = Model(**settings["model_args"])
    clips = torch.from_numpy(np.load(settings["train_feeder_args"]["data_path"]))
    labels = torch.arange(24) % 6
    loss = torch.nn.functional.cross_entropy(model(clips), labels).item()
    ((_, got),) = read_curves(work_dir / "trainlogs" / "train")["loss"]
    assert got == pytest.approx(loss, rel=1e-5)
