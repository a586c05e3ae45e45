"""Where a run computes: what --device names, on machines with GPUs and without."""

from __future__ import annotations

import pytest
import torch

from engine.device import choose_device, device_called
from errors import InputError


def with_gpus(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: count > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: count)


@pytest.mark.parametrize(
    ("gpus", "name", "wanted", "note"),
    [
        (0, "cpu", "cpu", None),
        (2, "cpu", "cpu", None),
        (0, "0", "cpu", "there is no GPU: running on the CPU"),
        (0, "7", "cpu", "there is no GPU: running on the CPU"),
        (1, "0", "cuda:0", None),
        (2, "1", "cuda:1", None),
    ],
)
def test_what_a_name_means(monkeypatch: pytest.MonkeyPatch, gpus: int, name: str, wanted: str, note: str) -> None:
    with_gpus(monkeypatch, gpus)
    assert choose_device([name]) == (torch.device(wanted), note)


@pytest.mark.parametrize(
    ("names", "says"),
    [
        ([], "device: no device was given"),
        (["0", "cpu"], "device: 0 cpu mixes CPU and GPUs"),
        (["1", "1"], "device: 1 1 names a GPU twice"),
        (["cuda"], "device: 'cuda' is neither the number of a GPU nor cpu"),
        (["-1"], "device: '-1' is neither"),
        (["2"], r"device: GPU 2 was asked for, there are 2 \(from 0\)"),
    ],
)
def test_what_there_is_not_is_refused(monkeypatch: pytest.MonkeyPatch, names: list[str], says: str) -> None:
    with_gpus(monkeypatch, 2)
    with pytest.raises(InputError, match=says):
        choose_device(names)


@pytest.mark.parametrize(
    ("gpus", "name", "wanted"), [(0, "cpu", "cpu"), (1, "cuda", "cuda"), (2, "cuda:1", "cuda:1"), (2, "cpu", "cpu")]
)
def test_the_device_of_a_prediction(monkeypatch: pytest.MonkeyPatch, gpus: int, name: str, wanted: str) -> None:
    with_gpus(monkeypatch, gpus)
    assert device_called(name) == torch.device(wanted)


@pytest.mark.parametrize(
    ("gpus", "name", "says"),
    [
        (0, "cuda", r"--device cuda: there is no GPU that this PyTorch \(.*\) can use"),
        (2, "cuda:2", r"--device cuda:2: there are 2 GPUs \(from 0\)"),
        (2, "cuda:", r"--device 'cuda:': wanted cpu, cuda or cuda:NUMBER"),
        (2, "cuda:-1", "wanted cpu, cuda or cuda:NUMBER"),
        (2, "0", "wanted cpu, cuda or cuda:NUMBER"),
        (2, "meta", "wanted cpu, cuda or cuda:NUMBER"),
    ],
)
def test_devices_that_no_prediction_has(monkeypatch: pytest.MonkeyPatch, gpus: int, name: str, says: str) -> None:
    with_gpus(monkeypatch, gpus)
    with pytest.raises(InputError, match=says):
        device_called(name)
