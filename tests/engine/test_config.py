"""The settings of a run: every value is checked and brought to its type, wrong ones are refused in a sentence."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.config import DEFAULTS, HELP, TYPES, Config, make_config
from errors import InputError

# What MS-G3D's command line assumes; seed (random there) and num_worker (all cores there) are ours.
MSG3D_DEFAULTS: dict[str, Any] = {
    "phase": "train",
    "log_interval": 100,
    "save_interval": 1,
    "eval_interval": 1,
    "eval_start": 1,
    "print_log": True,
    "show_topk": [1, 5],
    "train_feeder_args": {},
    "test_feeder_args": {},
    "model": None,
    "model_args": {},
    "weights": None,
    "ignore_weights": [],
    "half": False,
    "amp_opt_level": 1,
    "base_lr": 0.01,
    "step": [20, 40, 60],
    "device": ["0"],
    "optimizer": "SGD",
    "nesterov": False,
    "batch_size": 32,
    "test_batch_size": 256,
    "forward_batch_size": 16,
    "start_epoch": 0,
    "num_epoch": 80,
    "weight_decay": 0.0005,
    "optimizer_states": None,
    "checkpoint": None,
    "debug": False,
    "assume_yes": False,
}


def test_defaults_are_those_of_msg3d() -> None:
    assert {key: DEFAULTS[key] for key in MSG3D_DEFAULTS} == MSG3D_DEFAULTS


def test_no_settings_are_all_defaults() -> None:
    assert dataclasses.asdict(make_config({}, {})) == DEFAULTS


@pytest.mark.parametrize(
    ("key", "given_", "wanted"),
    [
        ("base_lr", "1e-3", 1e-3),  # YAML 1.1 reads it as a text
        ("base_lr", 1, 1.0),
        ("weight_decay", "5e-4", 5e-4),
        ("num_epoch", "50", 50),
        ("num_epoch", 50.0, 50),
        ("batch_size", "1e2", 100),
        ("nesterov", True, True),
        ("nesterov", "False", False),
        ("nesterov", "yes", True),
        ("debug", 0, False),
        ("save_score", None, None),
        ("save_score", "True", True),
        ("step", 30, [30]),
        ("step", ["30", 40.0], [30, 40]),
        ("step", [], []),
        ("device", [0, 1], ["0", "1"]),
        ("device", 0, ["0"]),
        ("device", "cpu", ["cpu"]),
        ("ignore_weights", "fc", ["fc"]),
        ("work_dir", None, None),
        ("weights", 5, "5"),
        ("amp_dtype", None, None),
        ("amp_opt_level", "3", 3),
        ("model_args", {"widths": [6, 12, 12]}, {"widths": [6, 12, 12]}),
    ],
)
def test_values_come_to_their_types(key: str, given_: Any, wanted: Any) -> None:
    value = getattr(make_config({key: given_}, {}), key)
    assert value == wanted
    assert type(value) is type(wanted)


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        ("base_lr", "fast", "base_lr is 'fast', wanted a number"),
        ("base_lr", True, "base_lr is True, wanted a number"),
        ("base_lr", None, "base_lr is None, wanted a number"),
        ("base_lr", -0.1, "base_lr is -0.1, wanted at least 0"),
        ("base_lr", "nan", "base_lr is 'nan', wanted at least 0"),
        ("weight_decay", -1, "weight_decay is -1, wanted at least 0"),
        ("num_epoch", 2.5, "num_epoch is 2.5, wanted a whole number"),
        ("num_epoch", True, "num_epoch is True, wanted a whole number"),
        ("num_epoch", float("inf"), "num_epoch is inf, wanted a whole number"),
        ("num_epoch", [3], r"num_epoch is \[3\], wanted a whole number"),
        ("num_epoch", 0, "num_epoch is 0, wanted at least 1"),
        ("forward_batch_size", 0, "wanted at least 1"),
        ("log_interval", 0, "wanted at least 1"),
        ("num_worker", -1, "num_worker is -1, wanted at least 0"),
        ("seed", -1, "seed is -1, wanted at least 0"),
        ("start_epoch", -1, "wanted at least 0"),
        ("show_topk", [1, 0], r"show_topk is \[1, 0\], wanted at least 1"),  # the best 0 of a row would be all of it
        ("step", ["a"], "step is 'a', wanted a whole number"),
        ("nesterov", "maybe", "nesterov is 'maybe', wanted True or False"),
        ("half", None, "half is None, wanted True or False"),
        ("model_args", [1], r"model_args is \[1\], wanted a mapping"),
        ("model_args", None, "model_args is None, wanted a mapping"),
        ("model_args", {1: 2}, "model_args is {1: 2}, wanted a mapping of names"),
        ("work_dir", ["a"], r"work_dir is \['a'\], wanted text"),
        ("work_dir", True, "work_dir is True, wanted text"),
        ("device", [None], "device is None, wanted text"),
        ("phase", "trian", "phase is 'trian', wanted one of train, test"),
        ("optimizer", "sgd", "optimizer is 'sgd', wanted one of SGD, Adam"),
        ("amp_opt_level", 4, "amp_opt_level is 4, wanted one of 0, 1, 2, 3"),
        ("amp_dtype", "float64", "wanted one of float16, bfloat16"),
    ],
)
def test_wrong_values_are_refused_with_their_origin(key: str, value: Any, says: str) -> None:
    with pytest.raises(InputError, match=f"^mine.yaml: .*{says}"):
        make_config({key: value}, {key: "mine.yaml"})


def test_an_unknown_key_is_refused_and_the_nearest_named() -> None:
    with pytest.raises(InputError, match=r"^mine.yaml: unknown key 'bath_size'; did you mean 'batch_size'\?$"):
        make_config({"bath_size": 3}, {"bath_size": "mine.yaml"})


@pytest.mark.parametrize("key", [key for key, kind in TYPES.items() if "str" in str(kind)])
@pytest.mark.parametrize("empty", ["", "  "])
def test_no_setting_is_an_empty_text(key: str, empty: str) -> None:
    with pytest.raises(InputError, match=f"^--x: {key} is '{empty}', wanted "):
        make_config({key: empty}, {key: "--x"})
    if "list" in str(TYPES[key]):
        with pytest.raises(InputError, match=f"^--x: {key} is '{empty}', wanted "):
            make_config({key: ["a", empty]}, {key: "--x"})


@given(st.floats(min_value=0, allow_infinity=False, allow_nan=False), st.integers(0, 2**32))
def test_numbers_written_as_text_are_the_same_numbers(rate: float, seed: int) -> None:
    config = make_config({"base_lr": repr(rate), "seed": str(seed)}, {})
    assert (config.base_lr, config.seed) == (rate, seed)


def test_no_two_configurations_share_a_list() -> None:
    one, other = Config(), Config()
    one.step.append(70)
    one.model_args["num_class"] = 1
    assert (other.step, other.model_args) == ([20, 40, 60], {})


def test_a_configuration_stays_as_it_is() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Config().seed = 2  # type: ignore[misc]


def test_every_setting_is_explained() -> None:
    assert [key for key, about in HELP.items() if not about.get("help")] == []


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"model_saved_name": "../elsewhere"}, "wanted a name without folders"),
        ({"model_saved_name": "/tmp/elsewhere"}, "wanted a name without folders"),
        ({"seed": 10**23}, "seed is .*, wanted at most"),
        ({"num_worker": 100_000}, "wanted at most 1024"),
    ],
)
def test_settings_that_reach_too_far_are_refused(values: dict[str, object], says: str) -> None:
    with pytest.raises(InputError, match=says):
        make_config(values, {})
