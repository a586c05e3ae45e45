"""The graph classes that a configuration names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from errors import InputError
from graph import custom, kinetics, ntu_rgb_d
from graph.layouts import LAYOUTS
from graph.matrix_graph import MatrixGraph
from importing import import_class

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def arrays() -> dict[str, np.ndarray[Any, Any]]:
    with np.load(ROOT / "tests/golden/data_graphs.npz") as file:
        return dict(file)


@pytest.mark.parametrize(
    ("case", "graph", "names"),
    [
        ("msg3d_ntu", ntu_rgb_d.AdjMatrixGraph, ("A_binary", "A_binary_with_I", "A")),
        ("msg3d_kinetics", kinetics.AdjMatrixGraph, ("A_binary", "A_binary_with_I")),
    ],
)
def test_matrices_are_bit_equal_to_the_published_ones(
    case: str, graph: type[MatrixGraph], names: tuple[str, ...], arrays: dict[str, Any]
) -> None:
    ours = graph()  # type: ignore[call-arg]
    for name in names:
        assert getattr(ours, name).dtype == np.float32
        assert np.array_equal(getattr(ours, name), arrays[f"{case}/out/{name}"]), name


def test_attributes() -> None:
    graph = ntu_rgb_d.AdjMatrixGraph()
    assert graph.layout is LAYOUTS["ntu-rgb+d"]
    assert graph.num_nodes == 25
    assert len(graph.edges) == 48
    assert all((b, a) in graph.edges for a, b in graph.edges)


@pytest.mark.parametrize("name", LAYOUTS)
def test_every_built_in_skeleton_makes_a_graph(name: str) -> None:
    graph = custom.AdjMatrixGraph(name)
    assert graph.A.shape == (graph.num_nodes, graph.num_nodes)
    assert graph.A_binary.sum() == 2 * (graph.num_nodes - 1)


def test_custom_graph_of_ntu_is_the_ntu_graph() -> None:
    assert np.array_equal(custom.AdjMatrixGraph("ntu-rgb+d").A, ntu_rgb_d.AdjMatrixGraph().A)


@pytest.mark.parametrize(("file", "joints"), [("utd-mhad.yaml", 20), ("hdm05.yaml", 31)])
def test_a_yaml_file_makes_a_graph(file: str, joints: int) -> None:
    cls = import_class("graph.custom.AdjMatrixGraph", "model_args.graph")
    assert cls(layout=str(ROOT / "config/skeletons" / file)).num_nodes == joints


def test_a_mapping_makes_a_graph() -> None:
    graph = custom.AdjMatrixGraph({"joints": ["hip", "head"], "edges": [["head", "hip"]]})
    assert np.array_equal(graph.A_binary, [[0, 1], [1, 0]])


def test_a_wrong_layout_is_an_input_error() -> None:
    with pytest.raises(InputError, match="did you mean 'openpose'"):
        custom.AdjMatrixGraph("open-pose")
