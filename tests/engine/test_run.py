"""Whole runs on a tiny data set: what they write, and that stopping, workers and seeds change what they should."""

from __future__ import annotations

import csv
import itertools
import json
import pickle
import re
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tensorboardX import SummaryWriter

from engine import fit
from engine.evaluate import Evaluation
from model.msg3d import Model

# What Python and torch say of processes for loading where there are threads, or few cores.
QUIET = [
    pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:This DataLoader will create:UserWarning"),
]


@pytest.fixture(autouse=True)
def curves_of_every_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file of curves is named by the second it is begun in, and runs here take less."""
    number = itertools.count()
    monkeypatch.setattr(
        "engine.journal.SummaryWriter", lambda folder: SummaryWriter(folder, filename_suffix=f".{next(number):03}")
    )


@pytest.fixture
def train(tiny: Any, run_main: Any, tmp_path: Path) -> Any:
    """``train("name", flag, ...)`` trains into a work dir of that name, which it returns."""

    def run(name: str, *flags: Any, **changes: Any) -> Path:
        config = tiny.write(tmp_path / f"{name}.yaml", **changes)
        done = run_main("--config", config, "--work-dir", tmp_path / name, *flags)
        assert (done.code, done.err) == (0, []), done
        return tmp_path / name

    return run


@pytest.fixture
def light(own_package: str) -> dict[str, Any]:
    """Settings of a network of two layers, for what has nothing to do with the network."""
    return {"model": f"{own_package}.Model", "model_args": {"num_class": 6}}


@pytest.fixture
def same(load: Any, differences: Any, read_curves: Any) -> Any:
    """``same(one, other)``: where the weights, states, scores and curves of two runs differ in any bit."""

    def state(work_dir: Path) -> dict[str, Any]:
        content = load(work_dir / "checkpoints" / "last.pt")
        return {key: content[key] for key in ("model", "optimizer", "progress", "random", "precision")}

    def compare(one: Path, other: Path) -> list[str]:
        found = differences(state(one), state(other))
        name = f"epoch{load(one / 'checkpoints' / 'last.pt')['progress']['epoch']}_test_score.pkl"
        if not (other / name).is_file() or read_pickle(one / name) != read_pickle(other / name):
            found.append(f"{name}: other scores")
        if json.loads((one / "result.json").read_text()) != json.loads((other / "result.json").read_text()):
            found.append("result.json: other figures")
        for part in ("train", "val"):
            mine, theirs = (read_curves(work_dir / "trainlogs" / part) for work_dir in (one, other))
            found += [f"{part} {tag}: other points" for tag in mine if mine[tag] != theirs.get(tag)]
        return found

    return compare


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
        "log.txt",
        "config.yaml",
        "run.json",
        "result.json",
        "weights/weights-1-3.pt",
        "weights/weights-2-6.pt",
        "checkpoints/last.pt",
        "checkpoints/best.pt",
        "trainlogs/train/events.out.tfevents",
        "trainlogs/val/events.out.tfevents",
        "epoch2_test_score.pkl",
        "epoch2_test_labels.csv",
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
    assert re.fullmatch(r"epoch 1/1: training loss \d\.\d{4}, top-1 \d+\.\d\d%, lr 0\.05, \d+ s", done.out[0])
    assert re.fullmatch(r"  test: loss \d\.\d{4}, top-1 \d+\.\d\d%, top-5 \d+\.\d\d% \(12 clips\)", done.out[1])
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
    """The first evaluation is the best until there is a better one, right or wrong as it is; a tie changes nothing."""
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
    assert written == ["best.pt", "last.pt", "best.pt", "last.pt", "last.pt", "last.pt"]
    assert load(work_dir / "checkpoints" / "best.pt")["progress"]["epoch"] == 2
    result = json.loads((work_dir / "result.json").read_text())
    assert result["best_on_test_part"] == {"epoch": 2, "top1": 0.5}
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


@pytest.mark.parametrize("optimizer", ["SGD", "Adam"])
def test_a_stopped_run_goes_on_as_if_it_had_not_stopped(
    train: Any, run_main: Any, same: Any, load: Any, optimizer: str
) -> None:
    settings = {"optimizer": optimizer, "step": [1, 3], "nesterov": True, "seed": 11}
    straight = train("straight", "--num-epoch", 4, **settings)
    for with_config in (True, False):
        stopped = train(f"stopped_{with_config}", "--num-epoch", 2, **settings)
        assert same(straight, stopped) != []
        flags = ["--config", stopped.with_suffix(".yaml"), "--work-dir", stopped] if with_config else []
        done = run_main(*flags, "--checkpoint", stopped / "checkpoints" / "last.pt", "--num-epoch", 4)
        assert (done.code, done.err) == (0, [])
        assert next(line for line in done.out if line.startswith("epoch")).startswith("epoch 3/4:")
        assert same(straight, stopped) == []
        for epoch in (3, 4):
            one, other = (path / "weights" / f"weights-{epoch}-{3 * epoch}.pt" for path in (straight, stopped))
            assert load(one)["fc.weight"].equal(load(other)["fc.weight"])


def test_what_torch_draws_goes_on_too(train: Any, run_main: Any, same: Any, own_package: str) -> None:
    """Dropout draws from torch's generator, whose state is in the checkpoint; the network is a user's own."""
    settings = {"model": f"{own_package}.Model", "model_args": {"num_class": 6}, "feeder": f"{own_package}.Feeder"}
    straight = train("straight", "--num-epoch", 3, **settings)
    stopped = train("stopped", "--num-epoch", 1, **settings)
    flags = ["--checkpoint", stopped / "checkpoints" / "last.pt", "--num-epoch", 3]
    refused = run_main(*flags)
    assert refused.code == 2
    assert f"model: a checkpoint may only name classes of model, graph, feeders, not '{own_package}." in refused.err[0]
    assert run_main(*flags, "--allow-import", own_package).code == 0
    assert same(straight, stopped) == []


def test_going_on_twice_is_going_on(train: Any, run_main: Any, same: Any) -> None:
    straight, stopped = train("straight", "--num-epoch", 3), train("stopped", "--num-epoch", 1)
    for epoch in (2, 3):
        assert run_main("--checkpoint", stopped / "checkpoints" / "last.pt", "--num-epoch", epoch).code == 0
    assert same(straight, stopped) == []


def test_a_run_that_breaks_off_goes_on_from_its_last_epoch(
    tiny: Any, train: Any, run_main: Any, same: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    straight = train("straight", "--num-epoch", 3)
    original, config, work_dir = fit.evaluate_parts, tiny.write(tmp_path / "a.yaml"), tmp_path / "w"
    calls: list[int] = []

    def break_off(*args: Any) -> Any:
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return original(*args)

    monkeypatch.setattr(fit, "evaluate_parts", break_off)
    assert run_main("--config", config, "--work-dir", work_dir, "--num-epoch", 3).code == 130
    assert run_main("--checkpoint", work_dir / "checkpoints" / "last.pt").code == 0
    found = same(straight, work_dir)
    assert [line for line in found if not line.startswith("train ")] == []  # epoch 2 was drawn twice


def test_settings_of_the_one_that_goes_on_win(train: Any, run_main: Any, load: Any) -> None:
    work_dir = train("w", "--num-epoch", 1)
    last = work_dir / "checkpoints" / "last.pt"
    assert run_main("--checkpoint", last, "--num-epoch", 2, "--weight-decay", 0.125, "--base-lr", 0.25).code == 0
    (group,) = load(last)["optimizer"]["param_groups"]
    assert (group["weight_decay"], group["lr"]) == (0.125, 0.25)
    origin = json.loads((work_dir / "from-1-run.json").read_text())["origin"]
    assert (origin["weight_decay"], origin["batch_size"]) == ("--weight-decay", str(last))
    assert json.loads((work_dir / "run.json").read_text())["config"]["num_epoch"] == 1  # the first part's stays


@pytest.mark.parametrize("start_epoch", [["--start-epoch", 2], []])
def test_the_pair_that_msg3d_saves_goes_on(
    train: Any, run_main: Any, load: Any, differences: Any, tmp_path: Path, start_epoch: list[Any]
) -> None:
    settings = {"nesterov": True, "step": [3]}
    straight, stopped = train("straight", "--num-epoch", 4, **settings), train("stopped", "--num-epoch", 2, **settings)
    optimizer = load(stopped / "checkpoints" / "last.pt")["optimizer"]
    old = ("lr", "momentum", "dampening", "weight_decay", "nesterov", "params")  # those of the torch it was written for
    optimizer["param_groups"] = [
        {**{key: group[key] for key in old}, "initial_lr": 0.05} for group in optimizer["param_groups"]
    ]
    schedule = {"milestones": Counter({3: 1}), "gamma": 0.1, "base_lrs": [0.05], "last_epoch": 2}
    checkpoint = stopped / "checkpoints" / "checkpoint-2-fwbz4-6.pt"
    torch.save({"epoch": 2, "optimizer_states": optimizer, "lr_scheduler_states": schedule}, checkpoint)
    config = stopped.with_suffix(".yaml")
    flags = ["--config", config, "--work-dir", stopped, "--num-epoch", 4, "--checkpoint", checkpoint]
    alone = run_main(*flags)
    assert (alone.code, alone.err) == (
        2,
        [f"error: {checkpoint} holds no weights; name the file of the same epoch with --weights"],
    )
    done = run_main(*flags, "--weights", stopped / "weights" / "weights-2-6.pt", *start_epoch)
    assert (done.code, done.err) == (0, [])
    one, other = (load(work_dir / "checkpoints" / "last.pt") for work_dir in (straight, stopped))
    assert differences(one["model"], other["model"]) == []
    assert differences(one["optimizer"], other["optimizer"]) == []
    assert other["progress"]["step"] == 12


def test_optimizer_states_alone_are_a_start(train: Any, load: Any, light: Any) -> None:
    first = train("first", "--num-epoch", 1, **light)
    weights = first / "weights" / "weights-1-3.pt"
    last = first / "checkpoints" / "last.pt"
    plain = train("plain", "--num-epoch", 1, "--weights", weights, **light)
    moving = train("moving", "--num-epoch", 1, "--weights", weights, "--optimizer-states", last, **light)
    one, other = (load(path / "checkpoints" / "last.pt")["model"]["fc.weight"] for path in (plain, moving))
    assert not torch.equal(one, other)


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
    assert done.out[0] == f"weights from {weights}"
    scores = pickle.loads((tmp_path / "t" / "epoch1_test_score.pkl").read_bytes())
    with open(tmp_path / "t" / "epoch1_test_labels.csv", encoding="utf-8") as file:
        labels = [(row["name"], int(row["label"])) for row in csv.DictReader(file)]
    assert labels == [(f"val{i:02}", i % 6) for i in range(12)]
    assert list(scores) == [name for name, _ in labels]
    rows = [f"{i},{scores[name].argmax()},{label}" for i, (name, label) in enumerate(labels)]
    right = [row for row in rows if len(set(row.split(",")[1:])) == 1]
    assert (tmp_path / "t" / "right-samples.txt").read_text().splitlines() == right
    assert (tmp_path / "t" / "wrong-samples.txt").read_text().splitlines() == [row for row in rows if row not in right]
    assert f"top-1 {len(right) / 12:.2%}" in done.out[1]
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
    assert done.out[:2] == [f"weights from {weights}", f"{weights}: last layer made anew, 6 -> 9 classes"]
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


def test_a_run_that_diverges_stops_and_keeps_what_was_saved(train: Any, run_main: Any) -> None:
    work_dir = train("w", "--num-epoch", 1)
    last = work_dir / "checkpoints" / "last.pt"
    before = last.read_bytes()
    done = run_main("--checkpoint", last, "--num-epoch", 3, "--base-lr", 1e30)
    assert done.code == 2
    assert re.fullmatch(r"error: the loss of epoch 2 is (nan|inf): a lower --base-lr may help; .*", done.err[-1])
    assert last.read_bytes() == before


def test_a_run_that_started_from_weights_goes_on_from_its_checkpoint(
    train: Any, run_main: Any, load: Any, differences: Any
) -> None:
    begun = next((train("begun", "--num-epoch", 1) / "weights").glob("*.pt"))
    straight, stopped = train("straight", "--weights", begun), train("stopped", "--weights", begun, "--num-epoch", 1)
    again = ("--config", stopped.parent / "stopped.yaml", "--work-dir", stopped, "--weights", begun, "--num-epoch", 2)
    assert run_main(*again, "--checkpoint", stopped / "checkpoints" / "last.pt").code == 0
    one, other = (load(folder / "checkpoints" / "last.pt") for folder in (straight, stopped))
    assert differences(one["model"], other["model"]) == differences(one["optimizer"], other["optimizer"]) == []


def test_a_checkpoint_of_another_stream_is_refused(train: Any, run_main: Any) -> None:
    last = train("w", "--num-epoch", 1) / "checkpoints" / "last.pt"
    done = run_main("--checkpoint", last, "--stream", "bone_motion", "--num-epoch", 2)
    assert (done.code, len(done.err)) == (2, 1)
    assert "was saved by a run of stream None, this one is of bone_motion" in done.err[0] or "skeleton" in done.err[0]
