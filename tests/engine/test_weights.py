"""Weights into a network: whatever does not fit is listed, and only what the user names is left out."""

from __future__ import annotations

import pickle
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from engine.weights import load_weights, read_weights
from errors import InputError


def network(classes: int = 4, width: int = 3) -> nn.Module:
    model = nn.Sequential()
    model.add_module("first", nn.Linear(2, width))
    model.add_module("norm", nn.BatchNorm1d(width))
    model.add_module("fc", nn.Linear(width, classes))
    return model


def trained(**sizes: int) -> dict[str, Tensor]:
    """The weights of another network of that size."""
    torch.manual_seed(7)
    return {
        name: torch.rand_like(value.float()).to(value.dtype) for name, value in network(**sizes).state_dict().items()
    }


def as_arrays(state: dict[str, Tensor]) -> dict[str, np.ndarray]:
    return {name: value.numpy() for name, value in state.items()}


@pytest.mark.parametrize(
    ("suffix", "wrap"),
    [
        (".pt", dict),
        (".pt", lambda state: {f"module.{name}": value for name, value in state.items()}),
        (".pt", lambda state: {"format": 1, "model": state, "optimizer": {}}),
        (".pkl", as_arrays),
    ],
)
def test_every_form_of_weights_gives_the_same(tmp_path: Path, suffix: str, wrap: Any, differences: Any) -> None:
    state, path = trained(), tmp_path / f"weights{suffix}"
    if suffix == ".pkl":
        path.write_bytes(pickle.dumps(wrap(state)))
    else:
        torch.save(wrap(state), path)
    found = read_weights(path)
    assert differences(found, state) == []
    model = network()
    assert load_weights(model, found, str(path)) == []
    assert differences(dict(model.state_dict()), state) == []


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ([1, 2], "wanted weights by name, got list"),
        ({}, "wanted weights by name, got dict"),
        (torch.zeros(3), "wanted weights by name, got Tensor"),
        ({"fc.bias": torch.zeros(3), "epoch": 5}, "wanted weights by name, but 'epoch' is int"),
    ],
)
def test_files_that_hold_no_weights(tmp_path: Path, content: Any, says: str) -> None:
    torch.save(content, tmp_path / "a.pt")
    with pytest.raises(InputError, match=says):
        read_weights(tmp_path / "a.pt")


def test_arrays_of_words_are_no_weights(tmp_path: Path) -> None:
    (tmp_path / "a.pkl").write_bytes(pickle.dumps({"fc.bias": np.array(["a", "b"])}))
    with pytest.raises(InputError, match=r"wanted weights by name, but 'fc.bias' is"):
        read_weights(tmp_path / "a.pkl")


def test_all_that_does_not_fit_is_listed_at_once(differences: Any) -> None:
    state = trained()
    state["frist.weight"] = state.pop("first.weight")
    state["extra"] = torch.zeros(1)
    state["first.bias"] = torch.zeros(9)
    model = network()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    with pytest.raises(InputError) as caught:
        load_weights(model, state, "a.pt")
    assert str(caught.value) == (
        "a.pt does not fit the network: 1 missing (first.weight); "
        "2 unexpected (extra, frist.weight; did you mean 'first.weight'?); "
        "1 of another shape (first.bias: (9,) for (3,))"
    )
    assert differences(dict(model.state_dict()), before) == []


def test_long_lists_are_cut_short() -> None:
    with pytest.raises(InputError, match=r"9 missing \((\S+, ){4}\S+ and 4 more\); 1 unexpected \(x\)$"):
        load_weights(network(), {"x": torch.zeros(1)}, "a.pt")


def test_training_from_weights_for_other_classes_makes_the_last_layer_anew(differences: Any) -> None:
    model = network(classes=5)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    state = trained(classes=4)
    assert load_weights(model, state, "a.pt", new_head=True) == ["a.pt: last layer made anew, 4 -> 5 classes"]
    now = dict(model.state_dict())
    head = {name for name in now if name.startswith("fc.")}
    assert differences({n: now[n] for n in head}, {n: before[n] for n in head}) == []
    assert differences({n: now[n] for n in now.keys() - head}, {n: state[n] for n in now.keys() - head}) == []


def test_testing_never_makes_a_last_layer() -> None:
    with pytest.raises(InputError, match=re.escape("2 of another shape (fc.bias: (4,) for (5,), fc.weight: (4, 3)")):
        load_weights(network(classes=5), trained(classes=4), "a.pt")


def test_only_the_last_layer_is_made_anew() -> None:
    with pytest.raises(InputError, match="of another shape"):
        load_weights(network(classes=5, width=4), trained(classes=4, width=3), "a.pt", new_head=True)


def test_ignored_weights_stay_as_they_were(differences: Any) -> None:
    model, state = network(), trained()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    said = load_weights(model, state, "a.pt", ignore=["first", "fc.bias"])
    assert said == ["a.pt: left out 3 weights as told"]
    kept = {"first.weight", "first.bias", "fc.bias"}
    assert differences(dict(model.state_dict()), {n: (before if n in kept else state)[n] for n in before}) == []


def test_ignoring_helps_over_all_that_does_not_fit() -> None:
    state = trained()
    state["old.weight"] = torch.zeros(1)
    state["first.weight"] = torch.zeros(9)
    del state["fc.bias"]
    load_weights(network(), state, "a.pt", ignore=["old", "first.weight", "fc.bias"])


@pytest.mark.parametrize("name", ["fisrt", "firs", "first.weigh", "fc."])
def test_ignoring_what_there_is_not_is_refused(name: str) -> None:
    with pytest.raises(
        InputError, match=re.escape(f"ignore_weights: neither the network nor a.pt has a weight {name!r}")
    ):
        load_weights(network(), trained(), "a.pt", ignore=[name])
