"""Feeders and networks by dotted path: built from their arguments, compared with each other, refused in a sentence."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from engine.build import build_feeder, build_model, check_fit, check_forward
from engine.config import Config, make_config
from errors import InputError


@pytest.fixture
def config(tiny: Any) -> Config:
    return make_config(tiny.settings, {})


def model_args(config: Config, **changes: Any) -> Config:
    return replace(config, model_args={**config.model_args, **changes})


def test_a_feeder_and_a_network_that_fit(config: Config) -> None:
    model = build_model(config)
    for part, count, frames in (("train", 24, 8), ("test", 12, 10)):
        feeder = build_feeder(config, part)
        check_fit(config, feeder, part)
        assert len(feeder) == count
        assert feeder[0][0].shape == (3, frames, 5, 2)
    assert model(torch.from_numpy(feeder[0][0])[None]).shape == (1, 6)


def test_the_seed_decides_the_weights(config: Config, differences: Any) -> None:
    first = build_model(config).state_dict()
    torch.rand(3)
    assert differences(dict(first), dict(build_model(config).state_dict())) == []
    assert differences(dict(first), dict(build_model(replace(config, seed=2)).state_dict())) != []


def test_stream_and_debug_reach_the_feeder(config: Config) -> None:
    layout = config.model_args["graph_args"]["layout"]
    config = replace(config, test_feeder_args={**config.test_feeder_args, "layout": layout})
    joint, bone = (build_feeder(replace(config, stream=stream), "test")[0][0] for stream in ("joint", "bone"))
    np.testing.assert_allclose(bone[:, :, 2], joint[:, :, 2] - joint[:, :, 1], rtol=1e-6)
    with pytest.raises(InputError, match="'bones' is not one of joint, bone"):
        build_feeder(replace(config, stream="bones"), "test")
    assert build_feeder(replace(config, debug=True), "test").store is not None  # type: ignore[attr-defined]


def test_classes_of_a_users_own_module(config: Config, own_package: str) -> None:
    config = replace(config, model=f"{own_package}.Model", model_args={"num_class": 6}, feeder=f"{own_package}.Feeder")
    feeder = build_feeder(config, "test")
    check_fit(config, feeder, "test")
    assert type(feeder).__module__ == own_package
    assert build_model(config)(torch.from_numpy(feeder[0][0])[None]).shape == (1, 6)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"model": None}, "model is missing: give the dotted path of a network, such as --model model.msg3d.Model"),
        ({"model": "Model"}, "model: 'Model' is not a dotted path such as 'model.msg3d.Model'"),
        ({"model": "model.msg3.Model"}, "model: there is no module 'model.msg3'.*did you mean 'model.msg3d'?"),
        ({"model": "model.msg3d.Modle"}, "model: module 'model.msg3d' has no class 'Modle'; did you mean 'Model'?"),
        ({"model": "graph.ntu_rgb_d.AdjMatrixGraph"}, "model: graph.ntu_rgb_d.AdjMatrixGraph is not a torch Module"),
        ({"model_args": {"num_class": 6}}, "model_args: model.msg3d.Model needs num_point, num_person"),
    ],
)
def test_networks_that_there_are_not(config: Config, changes: dict[str, Any], says: str) -> None:
    with pytest.raises(InputError, match=says):
        build_model(replace(config, **changes))


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"num_clas": 6}, "model_args: model.msg3d.Model takes no argument 'num_clas'; did you mean 'num_class'?"),
        ({"num_point": 6}, "num_point is 6, but graph graph.custom.AdjMatrixGraph has 5 joints"),
        ({"graph": "graph.ntu_rgb_d.AdjMatrixGraph", "graph_args": {}}, "num_point is 5, but .* has 25 joints"),
        ({"graph": "graph.nut_rgb_d.AdjMatrixGraph"}, "model_args.graph: .*did you mean 'graph.ntu_rgb_d'?"),
        ({"graph_args": {"laiout": "toy"}}, "model_args.graph_args: .*did you mean 'layout'?"),
        ({"widths": [6, 12]}, "model_args: model.msg3d.Model cannot be built: not enough values"),
        ({"num_class": "six"}, "model_args: model.msg3d.Model cannot be built: "),
        ({"num_class": 0}, "^model_args: num_class is 0, wanted at least 1$"),
        ({"num_class": -1}, "^model_args: num_class is -1, wanted at least 1$"),
        ({"num_person": 0}, "^model_args: num_person is 0, wanted at least 1$"),
    ],
)
def test_network_arguments_that_do_not_fit(config: Config, changes: dict[str, Any], says: str) -> None:
    with pytest.raises(InputError, match=says) as caught:
        build_model(model_args(config, **changes))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"data_pth": "a.npy"}, "test_feeder_args: feeders.feeder.Feeder takes no argument 'data_pth'; did you mean"),
        ({"window_size": "eight"}, "test_feeder_args: feeders.feeder.Feeder cannot be built: "),
        ({"transforms": 5}, "test_feeder_args: feeders.feeder.Feeder cannot be built: "),
        ({"data_path": "gone.npy"}, "^gone.npy: no such file"),
        ({"label_path": "gone.pkl"}, "^gone.pkl: no such file"),
    ],
)
def test_feeder_arguments_that_do_not_fit(config: Config, arguments: dict[str, Any], says: str) -> None:
    with pytest.raises(InputError, match=says) as caught:
        build_feeder(replace(config, test_feeder_args={**config.test_feeder_args, **arguments}), "test")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("feeder", "says"),
    [
        ("feeders.feder.Feeder", "feeder: .*did you mean 'feeders.feeder'?"),
        ("model.msg3d.Model", "feeder: model.msg3d.Model is not a torch Dataset"),
        ("torch.utils.data.TensorDataset", "test_feeder_args: .* takes no argument"),
    ],
)
def test_feeders_that_are_none(config: Config, feeder: str, says: str) -> None:
    with pytest.raises(InputError, match=says):
        build_feeder(replace(config, feeder=feeder), "test")


class Clips(torch.utils.data.Dataset[Any]):
    """Clips of any shape and labels."""

    def __init__(self, *shape: int, labels: tuple[int, ...] = (0, 1, 5)) -> None:
        self.shape, self.label = shape, list(labels)
        self.sample_name = [f"clip{index}" for index in range(len(labels))]

    def __len__(self) -> int:
        return len(self.label)

    def __getitem__(self, index: int) -> Any:
        if not self.shape:
            raise KeyError("no clips")
        return np.zeros(self.shape, dtype=np.float32), self.label[index], index


@pytest.mark.parametrize(
    ("feeder", "says"),
    [
        (Clips(3, 8, 5, 2), None),
        (Clips(3, 500, 5, 2), None),
        (Clips(2, 8, 5, 2), "has 2 channels per clip, but the network is built for 3 (model_args: in_channels)"),
        (
            Clips(3, 8, 6, 2),
            "has 6 joints per clip, but the network is built for 5 (model_args: num_point, graph graph.custom.Adj",
        ),
        (Clips(3, 8, 5, 1), "has 1 bodies per clip, but the network is built for 2 (model_args: num_person)"),
        (Clips(3, 8, 5), "wanted clips (C, T, V, M), got shape (3, 8, 5)"),
        (Clips(), "test_feeder_args: feeders.feeder.Feeder gives no clip: 'no clips'"),
        (
            Clips(3, 8, 5, 2, labels=(0, 6)),
            "sample 'clip1' has label 6, but the network tells 6 classes apart, 0 to 5 (model_args: num_class)",
        ),
        (Clips(3, 8, 5, 2, labels=(-1,)), "sample 'clip0' has label -1, but the network tells 6 classes apart"),
    ],
)
def test_clips_and_labels_are_compared_with_the_network(config: Config, feeder: Clips, says: str | None) -> None:
    if says is None:
        check_fit(config, feeder, "test")
    else:
        with pytest.raises(InputError, match=re.escape(says)):
            check_fit(config, feeder, "test")


def test_training_needs_clips_for_one_batch(config: Config) -> None:
    check_fit(replace(config, batch_size=3), Clips(3, 8, 5, 2), "train")
    with pytest.raises(InputError, match=r"has 3 clips, fewer than one batch \(batch_size 4\)"):
        check_fit(replace(config, batch_size=4), Clips(3, 8, 5, 2), "train")
    check_fit(replace(config, batch_size=4), Clips(3, 8, 5, 2), "test")


class Odd(torch.nn.Module):
    """Gives whatever it is told to."""

    def __init__(self, output: object) -> None:
        super().__init__()
        self.output = output

    def forward(self, x: torch.Tensor) -> object:
        return self.output(x) if callable(self.output) else self.output


@pytest.mark.parametrize(
    ("output", "says"),
    [
        (lambda x: x.mean(dim=(1, 2, 3, 4)), r"must give logits \(N, num_class\) .*, got \(1,\)"),
        ((torch.zeros(1, 6), torch.zeros(1, 6)), "got tuple"),
        (torch.zeros(1, 5), "has label 5, but the network tells 5 classes apart"),
        (lambda x: x @ torch.zeros(99, 1), r"cannot take a clip of the test part: .* \(test_build.py, line \d+\)$"),
    ],
)
def test_a_network_that_cannot_run_is_found_before_anything_is_written(
    config: Config, output: object, says: str
) -> None:
    with pytest.raises(InputError, match=says):
        check_forward(config, Odd(output), build_feeder(config, "test"))
    check_forward(config, Odd(torch.zeros(1, 6)), build_feeder(config, "test"))


def test_a_test_part_that_repeats_itself_is_refused(tiny: Any) -> None:
    settings = {**tiny.settings, "test_feeder_args": {**tiny.settings["test_feeder_args"], "repeat": 2}}
    config = make_config(settings, {})
    with pytest.raises(InputError, match="several clips to test have one name; without repeat there is one of each"):
        check_fit(config, build_feeder(config, "test"), "test")
