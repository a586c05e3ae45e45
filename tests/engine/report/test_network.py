"""Saliency against what a linear network must have, and graphs."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from engine.report.gather import gather
from engine.report.network import CLIPS_PER_CLASS, joint_saliency, open_network, packed_graphs
from engine.report.packed import unpacked
from errors import InputError

CPU = torch.device("cpu")


class Linear(nn.Module):
    """logit_c = sum over everything of weights (num_class, C, T, V, M) times the clip."""

    def __init__(self, weights: np.ndarray) -> None:
        super().__init__()
        self.weights = torch.from_numpy(weights)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.einsum("nctvm,kctvm->nk", x, self.weights)


class Clips:
    """A feeder of clips in memory."""

    def __init__(self, clips: np.ndarray, label: list[int]) -> None:
        self.clips, self.label = clips, label
        self.sample_name = [str(number) for number in range(len(label))]

    def __len__(self) -> int:
        return len(self.label)

    def __getitem__(self, index: int) -> tuple[Any, int, int]:
        return self.clips[index], self.label[index], index


@pytest.mark.parametrize("several", [False, True])
def test_saliency_of_a_linear_network(several: bool) -> None:
    rng = np.random.default_rng(0)
    weights = rng.normal(size=(4, 3, 6, 5, 2)).astype(np.float32)
    clips = rng.normal(size=(40, 3, 6, 5, 2)).astype(np.float32)
    label = (rng.permutation(40) % 3).tolist()  # none of the fourth class
    given = clips[:, None].repeat(2, axis=1) if several else clips
    found = joint_saliency(Linear(weights), Clips(given, label), 4, CPU, "x")
    assert found.shape == (4, 5) and np.isnan(found[3]).all()
    for truth in range(3):
        first = [index for index in range(40) if label[index] == truth][:CLIPS_PER_CLASS]
        joints = np.abs((weights[truth] * clips[first]).sum(axis=1)).sum(axis=(1, 3))  # (clips, V)
        np.testing.assert_allclose(found[truth], (joints / joints.sum(1, keepdims=True)).mean(0), rtol=1e-5)
        assert found[truth].sum() == pytest.approx(1)


def test_a_clip_that_changes_nothing_says_nothing() -> None:
    weights = np.ones((2, 3, 4, 5, 1), dtype=np.float32)
    clips = np.ones((3, 3, 4, 5, 1), dtype=np.float32)
    clips[0] = 0
    clips[2] = 0
    found = joint_saliency(Linear(weights), Clips(clips, [0, 0, 1]), 2, CPU, "x")
    np.testing.assert_allclose(found[0], 0.2)
    assert np.isnan(found[1]).all()


def test_a_network_that_fails_is_a_sentence() -> None:
    weights = np.ones((2, 3, 4, 5, 1), dtype=np.float32)
    clips = np.ones((1, 3, 4, 6, 1), dtype=np.float32)
    with pytest.raises(InputError, match="saliency of x: einsum"):
        joint_saliency(Linear(weights), Clips(clips, [0]), 2, CPU, "x")


def test_graphs_are_those_of_the_network(two_runs: list[Path]) -> None:
    (folder,) = gather([str(two_runs[0])])
    notes: list[str] = []
    model: Any = open_network(folder, notes)
    assert model is not None and not model.training and notes == []
    found = packed_graphs("joint", model, 10**6, notes)
    graphs = model.graphs()
    assert [module["name"] for module in found] == list(graphs)
    for module in found:
        wanted = graphs[module["name"]].numpy().swapaxes(1, 2)  # MS-G3D's columns feed its rows
        np.testing.assert_allclose(unpacked(module["matrices"]), wanted, atol=module["matrices"]["step"])
    least = packed_graphs("joint", model, 1, notes)
    assert least == [] and notes == [f"joint: 0 of its {len(graphs)} graphs are shown, so that the page stays small"]


@pytest.mark.parametrize(
    ("module", "learned", "more"),
    [("mstgcn", "PA", {}), ("msg3d", "A_res", {"num_gcn_scales": 2, "num_g3d_scales": 2})],
)
def test_in_the_page_a_row_feeds_a_column(module: str, learned: str, more: dict[str, int]) -> None:
    layout = {"name": "chain", "num_joints": 4, "edges": [[1, 0], [2, 1], [3, 2]]}
    arguments = {"num_class": 3, "num_point": 4, "num_person": 1, "widths": [8, 16, 16], **more}
    graph = {"graph": "graph.custom.AdjMatrixGraph", "graph_args": {"layout": layout}}
    torch.manual_seed(0)
    network = importlib.import_module(f"model.{module}").Model(**arguments, **graph).eval()
    name = next(iter(network.graphs()))
    part, weights = network.get_submodule(name), dict(network.named_parameters())[f"{name}.{learned}"]
    seen: list[torch.Size] = []
    part.register_forward_pre_hook(lambda _, given: seen.append(given[0].shape))
    with torch.no_grad():
        network(torch.zeros(1, 3, 16, 4, 1))
        fixed = part.adjacency() - weights.view(part.adjacency().shape)
        wanted = torch.zeros_like(fixed)
        wanted[0, 1, 3] = 1  # of all that joints could send each other, one thing is left
        weights.copy_((wanted - fixed).view(weights.shape))
        still = torch.randn(seen[0], generator=torch.Generator().manual_seed(0))
        joints = still.shape[-1]  # of a window of frames, where it works on one
        moved = torch.zeros(joints, joints)
        for joint in range(joints):
            other = still.clone()
            other[..., joint] += 1
            moved[joint] = (part(other) - part(still)).abs().sum(dim=(0, 1, 2))
    first = packed_graphs("x", network, 10**6, [])[0]["matrices"]
    felt = moved > 1e-3 * moved.max()  # the rest is rounding
    assert felt.sum() == 1
    assert np.argwhere(unpacked(first).max(axis=0) > 0.5).tolist() == felt.nonzero().tolist()


def test_a_network_without_graphs_has_none() -> None:
    notes: list[str] = []
    assert packed_graphs("x", Linear(np.ones((2, 3, 4, 5, 1), dtype=np.float32)), 10**6, notes) == []
    assert notes == []
