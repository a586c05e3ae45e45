"""The graph classes that a configuration names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from errors import InputError
from graph import custom, kinetics, ntu_rgb_d, ucla
from graph.adjacency import spatial_partition, stgcn_partition
from graph.build import build_graph
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


@pytest.mark.parametrize(
    ("case", "graph"),
    [
        ("msg3d_ntu_spatial", ntu_rgb_d.Graph()),
        ("msg3d_kinetics_spatial", kinetics.Graph()),
        ("ctrgcn_ucla", ucla.Graph()),
        ("pyskl_nturgb+d_spatial", custom.Graph("nturgb+d")),
        ("pyskl_coco_spatial", custom.Graph("coco")),
    ],
)
def test_partitions_equal_the_published_ones(case: str, graph: Any, arrays: dict[str, Any]) -> None:
    np.testing.assert_allclose(graph.A, arrays[f"{case}/out/A"], rtol=0, atol=1e-15)


@pytest.mark.parametrize("name", ["nturgb+d", "coco"])
def test_pyskls_other_modes_equal_the_published_ones(name: str, arrays: dict[str, Any]) -> None:
    layout, graph = LAYOUTS[name], custom.Graph(name)
    ours = stgcn_partition(layout.num_joints, layout.edges, layout.center)
    np.testing.assert_allclose(ours, arrays[f"pyskl_{name}_stgcn_spatial/out/A"], rtol=0, atol=1e-15)
    np.testing.assert_array_equal(graph.A_binary, arrays[f"pyskl_{name}_binary_adj/out/A"][0])


def test_only_the_spatial_partition_is_known() -> None:
    with pytest.raises(InputError, match="labeling_mode is 'distance'; only 'spatial' is known"):
        ntu_rgb_d.Graph("distance")


class Subsets:
    """A graph of a user's, as the 2s-AGCN lineage writes them."""

    def __init__(self) -> None:
        self.A = np.stack([np.eye(3), np.ones((3, 3))])


def test_a_built_graph_derives_what_its_class_does_not_say() -> None:
    graph = build_graph("graph.ntu_rgb_d.AdjMatrixGraph", None, 25)
    assert np.array_equal(graph.partition, spatial_partition(25, graph.layout.edges))
    mine = build_graph(f"{__name__}.Subsets", None, 3)
    assert np.array_equal(mine.partition, Subsets().A)
    with pytest.raises(InputError, match=r"Subsets lacks layout, .*, which this network needs"):
        mine.binary  # noqa: B018
    with pytest.raises(InputError, match="Subsets lacks layout"):
        mine.layout  # noqa: B018


def test_a_graph_of_other_joints_is_refused() -> None:
    with pytest.raises(InputError, match=r"num_point is 4, but graph .*Subsets has 3 joints"):
        build_graph(f"{__name__}.Subsets", None, 4)
