"""Weights under the names of other repositories."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from engine.families import translated, unwrapped
from engine.weights import load_weights, read_weights
from errors import InputError
from model import dgstgcn, msagcn, mstgcn

SMALL: dict[str, Any] = {"num_class": 3, "num_point": 25, "num_person": 1, "graph": "graph.ntu_rgb_d.Graph"}


def dg() -> dgstgcn.Model:
    return dgstgcn.Model(**SMALL, widths=(12, 12, 12), num_filter=2)


def msa(**changes: Any) -> msagcn.Model:
    return msagcn.Model(**SMALL, widths=(40, 40, 40), window_size=4, **changes)


def pyskl_names(state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {("cls_head.fc_cls." + k[3:] if k.startswith("fc.") else "backbone." + k): v for k, v in state.items()}


def older_names(state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {k.replace(".mscam.", ".spa_mixf.").replace(".tmst.", ".tem_mixf."): v for k, v in state.items()}


@pytest.mark.parametrize(
    ("build", "rename"),
    [
        (dg, pyskl_names),
        (dg, lambda state: {f"module.{k}": v for k, v in pyskl_names(state).items()}),
        (msa, older_names),
        (msa, lambda state: {f"module.{k}": v for k, v in older_names(state).items()}),
        (msa, dict),
    ],
)
@pytest.mark.parametrize(
    "wrap",
    [
        dict,
        lambda state: {"meta": {"epoch": 150, "best": np.float64(0.91), "of": np.int64(7)}, "state_dict": state},
        lambda state: {
            "epoch": 3,
            "state_dict": state,
            "best_acc": 0.5,
            "optimizer": {},
        },
    ],
)
def test_files_of_every_family_load(build: Any, rename: Any, wrap: Any, tmp_path: Path) -> None:
    torch.manual_seed(1)
    trained = build()
    torch.save(wrap(rename(trained.state_dict())), tmp_path / "j.pth")
    fresh = build()
    assert load_weights(fresh, read_weights(tmp_path / "j.pth"), "j.pth") == []
    for key, value in trained.state_dict().items():
        assert torch.equal(fresh.state_dict()[key], value), key


@pytest.mark.parametrize(
    "names",
    [
        ["backbone.weight", "backbone.bias", "A", "fc.weight"],
        ["module.weight", "fc.weight"],
        ["cls_head.weight", "fc.weight"],
    ],
)
def test_networks_of_a_users_own_keep_their_names(names: list[str]) -> None:
    state = {name: torch.ones(1) for name in names}
    assert translated(state) == state


def test_two_names_that_become_one_are_refused() -> None:
    state = {"backbone.x": torch.zeros(1), "x": torch.ones(1), "cls_head.fc_cls.weight": torch.ones(1)}
    with pytest.raises(InputError, match="two weights of the file would both be called 'x'"):
        translated(state)


def test_another_table_of_parts_is_refused() -> None:
    arguments: dict[str, Any] = {**SMALL, "widths": (8, 8, 8), "atten": "pa"}
    one = mstgcn.Model(**arguments, parts=[list(range(10)), list(range(10, 25))])
    other = mstgcn.Model(**arguments, parts=[list(range(12)), list(range(12, 25))])
    with pytest.raises(InputError, match=r"w\.pt: layers\.\d+\.att\.att\.joints is another than model_args says"):
        load_weights(other, one.state_dict(), "w.pt")
    assert load_weights(one, one.state_dict(), "w.pt") == []


def test_our_own_names_stay() -> None:
    state = msa().state_dict()
    assert list(translated(dict(state))) == list(state)
    assert unwrapped(state) is state


def test_released_weights_do_not_fit_a_network_that_keeps_a_running_graph() -> None:
    with pytest.raises(InputError, match=r"10 missing \(l1\.mscam\.Channelcorrelation\.G_run"):
        load_weights(msa(global_context="ema"), msa().state_dict(), "released.pt")


def test_a_number_that_is_code_is_not_read(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> Any:
            return print, ("no",)

    torch.save({"state_dict": {"a": torch.ones(1)}, "meta": Evil()}, tmp_path / "evil.pth")
    with pytest.raises(InputError, match=r"evil\.pth: not loaded"):
        read_weights(tmp_path / "evil.pth")
