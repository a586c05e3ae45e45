"""Runs that stop, on purpose or not, and go on as if they had not."""

from __future__ import annotations

import json
import os
import pickle
import re
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from engine import fit


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
    """Dropout draws from torch's generator, which every step seeds anew; the network is a user's own."""
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


def test_a_run_that_breaks_off_in_its_last_evaluation_keeps_its_rate(
    train: Any, run_main: Any, same: Any, light: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No step follows that would set it, and the checkpoint of the end holds it too."""
    settings = {**light, "step": [1], "num_epoch": 2, "eval_start": 2}
    straight = train("straight", **settings)
    with monkeypatch.context() as patch:
        patch.setattr(fit, "evaluate_parts", _break_off)
        with pytest.raises(AssertionError):
            train("stopped", **settings)
    stopped = straight.with_name("stopped")
    assert run_main("--config", stopped.with_suffix(".yaml"), "--work-dir", stopped, "--resume", "auto").code == 0
    assert same(straight, stopped) == []


def _break_off(*args: Any) -> Any:
    raise KeyboardInterrupt


def test_settings_of_the_one_that_goes_on_win(train: Any, run_main: Any, load: Any) -> None:
    work_dir = train("w", "--num-epoch", 1)
    last = work_dir / "checkpoints" / "last.pt"
    assert run_main("--checkpoint", last, "--num-epoch", 2, "--weight-decay", 0.125, "--base-lr", 0.25).code == 0
    (group,) = load(last)["optimizer"]["param_groups"]
    assert (group["weight_decay"], group["lr"]) == (0.125, 0.25)
    origin = json.loads((work_dir / "from-3-run.json").read_text())["origin"]
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


def test_a_run_that_diverges_stops_and_keeps_what_was_saved(train: Any, run_main: Any) -> None:
    work_dir = train("w", "--num-epoch", 1)
    last = work_dir / "checkpoints" / "last.pt"
    before = last.read_bytes()
    flags = ["--checkpoint", last, "--num-epoch", 3, "--base-lr", 1e30]
    done = run_main(*flags, "--max-bad-steps", 2)
    assert done.code == 2
    wanted = r"error: the loss or the gradients of 2 steps in a row, up to step 6, are not finite: .*; " + re.escape(
        f"a lower --base-lr may help; {last} is as it was"
    )
    assert re.fullmatch(wanted, done.err[-1])
    assert last.read_bytes() == before
    done = run_main(*flags)  # by default the steps of this epoch are too few to give up, but its network is of no use
    assert (done.code, done.err) == (
        2,
        ["error: the network's scores of 'val00' are not finite: its weights or the clip are damaged"],
    )
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


RECIPES: dict[str, dict[str, Any]] = {
    "cosine": {"lr_schedule": "cosine", "warm_up_epoch": 1, "label_smoothing": 0.1, "min_lr": 1e-3},
    "frozen": {"freeze": ["data_bn", "sgcn1"], "scale_lr": True, "base_batch_size": 32},
}


@pytest.mark.parametrize("recipe", RECIPES)
def test_every_recipe_that_breaks_off_goes_on(
    recipe: str, tiny: Any, train: Any, run_main: Any, same: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = RECIPES[recipe]
    straight = train("straight", "--num-epoch", 3, **settings)
    config, work_dir = tiny.write(tmp_path / "a.yaml", **settings), tmp_path / "w"
    original = fit.train_one_epoch
    monkeypatch.setattr(fit, "train_one_epoch", _interrupted_at(2, original))
    assert run_main("--config", config, "--work-dir", work_dir, "--num-epoch", 3).code == 130
    monkeypatch.setattr(fit, "train_one_epoch", original)
    done = run_main("--checkpoint", work_dir / "checkpoints" / "last.pt")
    assert (done.code, done.err) == (0, [])
    assert same(straight, work_dir) == []


def _interrupted_at(call: int, function: Any) -> Any:
    calls: list[int] = []

    def interrupted(*args: Any, **kwargs: Any) -> Any:
        calls.append(1)
        if len(calls) == call:
            raise KeyboardInterrupt
        return function(*args, **kwargs)

    return interrupted


def test_frozen_weights_are_those_it_started_with(train: Any, load: Any) -> None:
    first = train("first", "--num-epoch", 1)
    weights = next((first / "weights").iterdir())
    tuned = train("tuned", "--num-epoch", 2, weights=str(weights), freeze=["data_bn", "sgcn", "gcn3d", "tcn"])
    before, after = load(weights), load(tuned / "weights" / "weights-2-6.pt")
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert moved == {"fc.weight", "fc.bias"}
    assert "frozen: " in (tuned / "log.txt").read_text(encoding="utf-8")


def test_going_on_with_other_parameters_frozen_is_refused(train: Any, run_main: Any) -> None:
    run = train("run", "--num-epoch", 1)
    flags = ["--checkpoint", run / "checkpoints" / "last.pt", "--num-epoch", 2, "--freeze", "sgcn1"]
    done = run_main(*flags)
    assert done.code == 2
    assert "was saved by a run with freeze [], this one has ['sgcn1']: start from its weights instead" in done.err[0]


def test_a_damaged_checkpoint_never_takes_the_place_of_the_whole_one_before(
    train: Any, run_main: Any, same: Any, light: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Damage, then an end between the two renamings of the next save: what is whole must still be there."""
    straight, stopped = (train(name, **light, num_epoch=count) for name, count in (("straight", 3), ("stopped", 2)))
    last = stopped / "checkpoints" / "last.pt"
    last.write_bytes(last.read_bytes()[:-100])
    replace, flags = os.replace, ["--config", straight.with_suffix(".yaml"), "--work-dir", stopped, "--resume", "auto"]

    def break_off(source: Any, target: Any) -> None:
        replace(source, target)
        if Path(target).name == "previous.pt":
            raise KeyboardInterrupt

    def break_off_before(source: Any, target: Any) -> None:
        if Path(target).name == "last.pt":
            raise KeyboardInterrupt
        replace(source, target)

    for stop in (break_off, break_off_before):
        with monkeypatch.context() as patch:
            patch.setattr(os, "replace", stop)
            assert run_main(*flags).code == 130
    assert run_main(*flags).code == 0
    assert same(straight, stopped) == []
    assert (stopped / "checkpoints" / "damaged.pt").is_file()


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (["--debug"], "go on with debug False, not True"),
        (["--batch-size", 4], "go on with batch_size 8, not 4"),
        (["--seed", 9], "go on with seed 1, not 9"),
        ([], "go on with training clips 24, not 16"),
    ],
)
def test_within_an_epoch_a_run_goes_on_with_the_same_batches_alone(
    flags: list[Any], says: str, tiny: Any, run_main: Any, load: Any, tmp_path: Path
) -> None:
    data, label = (
        Path(shutil.copy(tiny.folder / f"train_{name}", tmp_path)) for name in ("data_joint.npy", "label.pkl")
    )
    feeder = {**tiny.settings["train_feeder_args"], "data_path": str(data), "label_path": str(label)}
    config = tiny.write(tmp_path / "c.yaml", train_feeder_args=feeder, num_epoch=1, keep=9)
    begun = ["--config", config, "--work-dir", tmp_path / "w", "--save-every-steps", 2]
    assert run_main(*begun).code == 0
    last = tmp_path / "w" / "checkpoints" / "last.pt"
    content = load(last)
    content["progress"] |= {"epoch": 0, "step": 2, "step_in_epoch": 2, "to_evaluate": False}
    torch.save(content, last)
    if not flags:
        np.save(data, np.load(data)[:16])
        names, labels = pickle.loads(label.read_bytes())
        label.write_bytes(pickle.dumps((names[:16], labels[:16])))
    done = run_main("--config", config, "--checkpoint", last, "--work-dir", tmp_path / "w", "--resume", "auto", *flags)
    assert (done.code, len(done.err)) == (2, 1)
    assert f"was saved within an epoch: {says}" in done.err[0]


def test_a_longer_cosine_is_another_setting(train: Any, run_main: Any, tmp_path: Path) -> None:
    last = train("w", "--num-epoch", 1, lr_schedule="cosine") / "checkpoints" / "last.pt"
    done = run_main("--checkpoint", last, "--num-epoch", 2)
    assert done.code == 0
    assert any("with other settings: num_epoch 1 -> 2" in line for line in done.out)
