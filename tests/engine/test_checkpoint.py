"""Checkpoints: all of a run's state in a file, what of it is trusted, and whom its optimizer's state fits."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from engine.checkpoint import (
    Progress,
    load_optimizer,
    read_checkpoint,
    restore,
    save_checkpoint,
    settings_in,
)
from engine.config import Config
from engine.precision import Precision
from errors import InputError

CONFIG = Config(
    work_dir="w",
    model="model.msg3d.Model",
    model_args={"num_class": 6, "graph": "graph.ntu_rgb_d.AdjMatrixGraph"},
    weights="a.pt",
    checkpoint="b.pt",
    start_epoch=3,
    optimizer_states="c.pt",
    allow_import=["mine"],
    ignore_weights=["fc"],
    base_lr=0.5,
)


def trained(kind: type[torch.optim.Optimizer] = torch.optim.SGD, width: int = 3, **options: Any) -> Any:
    """A network after one step, and its optimizer."""
    torch.manual_seed(5)
    model = nn.Linear(width, 2)
    if kind is torch.optim.SGD:
        options = {"momentum": 0.9, **options}
    optimizer = kind(model.parameters(), lr=0.1, **options)
    model(torch.rand(4, width)).sum().backward()
    optimizer.step()
    return model, optimizer


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    model, optimizer = trained()
    save_checkpoint(tmp_path / "last.pt", CONFIG, Progress(2, 6, 1, 0.5), model, optimizer, Precision())
    return tmp_path / "last.pt"


@pytest.mark.parametrize("kind", [torch.optim.SGD, torch.optim.Adam])
def test_all_of_the_state_comes_back(tmp_path: Path, kind: Any, differences: Any) -> None:
    model, optimizer = trained(kind)
    save_checkpoint(tmp_path / "a.pt", CONFIG, Progress(2, 6, 1, 0.5), model, optimizer, Precision())
    content = read_checkpoint(tmp_path / "a.pt")
    twin = nn.Linear(3, 2)
    fresh = kind(twin.parameters(), lr=0.1, **({"momentum": 0.9} if kind is torch.optim.SGD else {}))
    twin.load_state_dict(content["model"])
    assert restore(content, "a.pt", fresh, Precision()) == Progress(2, 6, 1, 0.5)
    assert differences(fresh.state_dict(), optimizer.state_dict()) == []


def test_settings_come_without_what_the_saved_run_came_from(saved: Path) -> None:
    settings = settings_in(saved)
    assert settings["base_lr"] == 0.5
    assert settings["model_args"] == CONFIG.model_args
    came_from = {"checkpoint", "resume", "weights", "start_epoch", "optimizer_states", "allow_import", "ignore_weights"}
    came_from |= {"seeds", "out"}
    assert not came_from & settings.keys()


@pytest.mark.parametrize(
    "changes",
    [
        {"model": "os.system"},
        {"model": "posix.system"},
        {"model": "torch.nn.Linear"},
        {"model": "models.msg3d.Model"},
        {"model": "engine.run.run"},
        {"model": ".model.msg3d.Model"},
        {"model": "model:os.system"},
        {"model": ["os.system"]},
        {"feeder": "feeder.Feeder"},
        {"feeder": "subprocess.Popen"},
        {"model_args": {"graph": "builtins.exec"}},
    ],
)
def test_a_checkpoint_names_classes_of_this_repository_only(
    tmp_path: Path, saved: Path, load: Any, changes: dict[str, Any]
) -> None:
    content = load(saved)
    content["config"].update(changes)
    torch.save(content, tmp_path / "evil.pt")
    with pytest.raises(
        InputError, match=r"evil.pt: (model|feeder|graph): a checkpoint may only name classes of model,"
    ):
        settings_in(tmp_path / "evil.pt")


def test_further_packages_are_allowed_by_name(tmp_path: Path) -> None:
    model, optimizer = trained()
    config = replace(CONFIG, model="mine.Net", feeder="yours.data.Feeder")
    save_checkpoint(tmp_path / "a.pt", config, Progress(), model, optimizer, Precision())
    assert settings_in(tmp_path / "a.pt", ["mine", "yours"])["model"] == "mine.Net"
    with pytest.raises(InputError, match=r"not 'yours.data.Feeder'; name its package with --allow-import"):
        settings_in(tmp_path / "a.pt", "mine")


def test_settings_need_our_own_checkpoint(tmp_path: Path) -> None:
    torch.save({"epoch": 2, "optimizer_states": {}, "lr_scheduler_states": {}}, tmp_path / "a.pt")
    with pytest.raises(InputError, match=r"a.pt: holds no settings; give --config as well"):
        settings_in(tmp_path / "a.pt")


@pytest.mark.parametrize(
    "content",
    [
        {},
        [1],
        {"weight": torch.zeros(2)},
        {"format": 1, "model": {}},
        {"format": 1, **{key: [] for key in ("config", "progress", "model", "optimizer", "precision")}},
        {"format": 2, **{key: {} for key in ("config", "progress", "model", "optimizer", "precision")}},
        {"epoch": 1, "optimizer_states": [1]},
    ],
)
def test_other_files_are_no_checkpoints(tmp_path: Path, content: Any) -> None:
    torch.save(content, tmp_path / "a.pt")
    with pytest.raises(InputError, match=r"a.pt: not a checkpoint of this program or of MS-G3D"):
        read_checkpoint(tmp_path / "a.pt")


@pytest.mark.parametrize("path", [".", "/", "/proc/self/last.pt"])
def test_what_is_no_file_is_no_checkpoint(path: str) -> None:
    with pytest.raises(InputError):
        settings_in(path)


def test_a_checkpoint_of_msg3d_is_read(tmp_path: Path) -> None:
    _, optimizer = trained()
    schedule = {"milestones": Counter({30: 1, 40: 1}), "gamma": 0.1, "last_epoch": 2}
    content = {"epoch": 2, "optimizer_states": optimizer.state_dict(), "lr_scheduler_states": schedule}
    torch.save(content, tmp_path / "a.pt")
    assert read_checkpoint(tmp_path / "a.pt")["lr_scheduler_states"] == schedule


@pytest.mark.parametrize(
    "change",
    [
        lambda content: content["progress"].update(step_in_epoch=-1),
        lambda content: content["progress"].update(epochs=3),
        lambda content: content["progress"].update(epoch="many"),
        lambda content: content["progress"].update(epoch=None),
    ],
)
def test_a_checkpoint_that_lacks_something_is_refused(saved: Path, change: Any) -> None:
    content = read_checkpoint(saved)
    change(content)
    _, optimizer = trained()
    with pytest.raises(InputError, match=r"last.pt: damaged"):
        restore(content, "last.pt", optimizer, Precision())


def test_the_settings_of_the_optimizer_are_the_runs_own(differences: Any) -> None:
    _, saved = trained(weight_decay=0.1)
    _, optimizer = trained(weight_decay=0.2, nesterov=True)
    load_optimizer(optimizer, saved.state_dict(), "a.pt")
    assert differences(optimizer.state_dict()["state"], saved.state_dict()["state"]) == []
    (group,) = optimizer.param_groups
    assert (group["weight_decay"], group["nesterov"], group["momentum"]) == (0.2, True, 0.9)


def test_the_optimizer_of_an_old_torch_is_taken() -> None:
    _, saved = trained()
    state = saved.state_dict()
    old = ("lr", "momentum", "dampening", "weight_decay", "nesterov", "params")
    state["param_groups"] = [{key: group[key] for key in old} | {"initial_lr": 0.1} for group in state["param_groups"]]
    model, optimizer = trained()
    load_optimizer(optimizer, state, "a.pt")
    model(torch.rand(4, 3)).sum().backward()
    optimizer.step()


@pytest.mark.parametrize(
    ("state", "says"),
    [
        (trained(torch.optim.Adam)[1].state_dict(), "it is of another kind of optimizer"),
        (trained(width=4)[1].state_dict(), r"momentum_buffer is \(2, 4\) for a weight \(2, 3\)"),
        ({"state": {}, "param_groups": []}, "zip"),
        ({}, "param_groups"),
        ({"param_groups": trained()[1].state_dict()["param_groups"]}, "state"),
        ({"param_groups": [{"params": [0]}], "state": {}}, "doesn't match the size"),
        ({"param_groups": [[]], "state": {}}, ""),
        ({"param_groups": 5, "state": {}}, ""),
    ],
)
def test_states_of_other_optimizers_and_networks_are_refused(state: dict[str, Any], says: str) -> None:
    _, optimizer = trained()
    with pytest.raises(InputError, match=f"^a.pt: its optimizer state does not fit this network: .*{says}"):
        load_optimizer(optimizer, state, "a.pt")


def test_a_write_that_breaks_off_leaves_the_old_checkpoint(
    saved: Path, monkeypatch: pytest.MonkeyPatch, tree: Any
) -> None:
    before = tree(saved.parent)
    model, optimizer = trained()
    original = torch.save

    def half(content: Any, file: Any) -> None:
        original(content["model"], file)
        raise KeyboardInterrupt

    monkeypatch.setattr(torch, "save", half)
    with pytest.raises(KeyboardInterrupt):
        save_checkpoint(saved, CONFIG, Progress(3, 9), model, optimizer, Precision())
    assert tree(saved.parent) == before


def test_the_work_dir_is_where_the_checkpoint_lies_whatever_it_says(
    saved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = torch.load(saved, weights_only=True)
    content["config"]["work_dir"] = "/somewhere/else"
    kept = saved.parent / "run" / "checkpoints" / "last.pt"
    kept.parent.mkdir(parents=True)
    torch.save(content, kept)
    assert settings_in(kept)["work_dir"] == str(saved.parent / "run")
    torch.save(content, saved)
    assert settings_in(saved)["work_dir"] is None
    with monkeypatch.context() as inside:
        inside.chdir(kept.parent)
        assert settings_in("last.pt")["work_dir"] == str(saved.parent / "run")
