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
from model import dgstgcn, msagcn

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
