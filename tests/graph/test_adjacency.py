"""Adjacency functions against the published code's arrays, and against what they mean on random trees."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from errors import InputError
from graph.adjacency import (
    binary_adjacency,
    disentangled,
    hop_distance,
    k_adjacency,
    normalize_columns,
    normalize_symmetric,
    spatial_partition,
    window_adjacency,
)
from graph.layouts import LAYOUTS

GOLDEN = Path(__file__).parents[1] / "golden"
GRAPHS = {"ntu": "ntu-rgb+d", "kinetics": "openpose"}
Tree = tuple[int, list[tuple[int, int]]]


@pytest.fixture(scope="module")
def arrays() -> dict[str, np.ndarray[Any, Any]]:
    with np.load(GOLDEN / "data_graphs.npz") as file:
        return dict(file)


@st.composite
def trees(draw: st.DrawFn, most: int = 12) -> Tree:
    num_joints = draw(st.integers(1, most))
    return num_joints, [(i, draw(st.integers(0, i - 1))) for i in range(1, num_joints)]


def distances(num_joints: int, edges: list[tuple[int, int]]) -> np.ndarray[Any, Any]:
    """Floyd and Warshall's, the slow way."""
    distance = np.full((num_joints, num_joints), np.inf)
    np.fill_diagonal(distance, 0)
    for a, b in edges:
        distance[a, b] = distance[b, a] = 1
    for via in range(num_joints):
        distance = np.minimum(distance, distance[:, via, None] + distance[via])
    return distance


# ---- against the published code


@pytest.mark.parametrize("k", [0, 1, 2, 5, 12])
@pytest.mark.parametrize("graph", GRAPHS)
def test_k_adjacency_and_its_normalisation_are_bit_equal(graph: str, k: int, arrays: dict[str, Any]) -> None:
    layout = LAYOUTS[GRAPHS[graph]]
    adjacency = k_adjacency(binary_adjacency(layout.num_joints, layout.edges), k, with_self=True)
    want = arrays[f"msg3d_{graph}_k{k}/out/adj"]
    assert adjacency.dtype == want.dtype == np.float32
    assert np.array_equal(adjacency, want)
    assert np.array_equal(normalize_symmetric(adjacency), arrays[f"msg3d_{graph}_k{k}/out/norm"])


@pytest.mark.parametrize(("fixture", "graph"), [("msg3d_ntu60", "ntu"), ("msg3d_kinetics400", "kinetics")])
def test_scales_of_the_published_networks_are_bit_equal(fixture: str, graph: str) -> None:
    layout = LAYOUTS[GRAPHS[graph]]
    adjacency = binary_adjacency(layout.num_joints, layout.edges)
    args = json.loads((GOLDEN / f"{fixture}.json").read_text())["constructor"]["args"]
    with np.load(GOLDEN / f"{fixture}.npz") as golden:
        assert np.array_equal(adjacency, golden["graph::A_binary"])
        scales = disentangled(adjacency, args["num_gcn_scales"])
        assert scales.dtype == np.float32
        assert np.array_equal(np.concatenate(scales), golden["graph::sgcn1.0.A_powers"])
        for i, window in enumerate((3, 5)):
            scales = disentangled(window_adjacency(adjacency, window), args["num_g3d_scales"])
            want = golden[f"graph::gcn3d1.gcn3d.{i}.gcn3d.1.A_scales"]
            assert np.array_equal(np.concatenate(scales), want)


@pytest.mark.parametrize(
    ("case", "name"),
    [
        ("msg3d_ntu_spatial", "ntu-rgb+d"),
        ("msg3d_kinetics_spatial", "openpose"),
        ("pyskl_nturgb+d_spatial", "nturgb+d"),
        ("pyskl_coco_spatial", "coco"),
        ("ctrgcn_ucla", "nw-ucla"),
    ],
)
def test_spatial_partitions_are_bit_equal(case: str, name: str, arrays: dict[str, Any]) -> None:
    partition = spatial_partition(LAYOUTS[name].num_joints, LAYOUTS[name].edges)
    want = arrays[f"{case}/out/A"]
    assert partition.dtype == want.dtype == np.float64
    assert np.array_equal(partition, want)


@pytest.mark.parametrize("name", ["nturgb+d", "coco"])
def test_pyskls_binary_adjacency_is_ours(name: str, arrays: dict[str, Any]) -> None:
    adjacency = binary_adjacency(LAYOUTS[name].num_joints, LAYOUTS[name].edges)
    assert np.array_equal(adjacency[None], arrays[f"pyskl_{name}_binary_adj/out/A"])


# ---- what they mean


@given(trees(), st.integers(0, 14))
def test_k_adjacency_links_what_is_k_steps_apart(tree: Tree, k: int) -> None:
    far = distances(*tree)
    adjacency = binary_adjacency(*tree)
    assert np.array_equal(hop_distance(adjacency), far)
    assert np.array_equal(k_adjacency(adjacency, k, with_self=False), far == k)
    assert np.array_equal(k_adjacency(adjacency, k) - np.eye(tree[0]), (far == k) & (far > 0))


@given(trees(), st.integers(1, 14))
def test_k_adjacency_is_the_difference_of_clipped_powers(tree: Tree, k: int) -> None:
    step = (binary_adjacency(*tree) + np.eye(tree[0])).astype(object)  # whole numbers of any size
    power = np.eye(tree[0]).astype(int).astype(object)
    for _ in range(k):
        before, power = power, power.dot(step)
    formula = np.minimum(power, 1) - np.minimum(before, 1) + np.eye(tree[0])
    assert np.array_equal(k_adjacency(binary_adjacency(*tree), k), formula.astype(np.float32))


@given(trees())
def test_all_distances_together_are_all_pairs(tree: Tree) -> None:
    adjacency = binary_adjacency(*tree)
    total = sum(k_adjacency(adjacency, k, with_self=False) for k in range(tree[0]))
    assert np.array_equal(total, np.ones((tree[0], tree[0])))


@given(trees(), st.integers(1, 5))
def test_normalised_scales_are_symmetric_with_eigenvalue_one(tree: Tree, num_scales: int) -> None:
    adjacency = binary_adjacency(*tree)
    scales = disentangled(adjacency, num_scales)
    assert scales.shape == (num_scales, tree[0], tree[0])
    assert np.array_equal(scales, scales.transpose(0, 2, 1))
    for k, scale in enumerate(scales):
        root_degree = np.sqrt(k_adjacency(adjacency, k).sum(axis=1))
        np.testing.assert_allclose(scale @ root_degree, root_degree, rtol=1e-5)  # D^-1/2 A D^-1/2 D^1/2 1 = D^1/2 1


@given(trees(), st.integers(1, 4), st.integers(1, 3), st.data())
def test_renumbering_the_joints_renumbers_the_matrices(tree: Tree, num_scales: int, window: int, data: Any) -> None:
    num_joints, edges = tree
    order = np.array(data.draw(st.permutations(range(num_joints))))
    renumbered = [(int(order[a]), int(order[b])) for a, b in edges]
    adjacency, other = binary_adjacency(*tree), binary_adjacency(num_joints, renumbered)
    assert np.array_equal(other[np.ix_(order, order)], adjacency)
    partition = spatial_partition(num_joints, renumbered)
    assert np.array_equal(partition[:, order[:, None], order], spatial_partition(*tree))
    nodes = np.concatenate([frame * num_joints + order for frame in range(window)])
    scales = disentangled(window_adjacency(other, window), num_scales)
    assert np.array_equal(
        scales[:, nodes[:, None], nodes], disentangled(window_adjacency(adjacency, window), num_scales)
    )


@given(trees())
def test_columns_sum_to_one_or_zero(tree: Tree) -> None:
    num_joints, edges = tree
    _, inward, outward = spatial_partition(*tree)
    children, parents = {child for child, _ in edges}, {parent for _, parent in edges}
    np.testing.assert_allclose(inward.sum(axis=0), [joint in children for joint in range(num_joints)])
    np.testing.assert_allclose(outward.sum(axis=0), [joint in parents for joint in range(num_joints)])


def test_directed_links_are_followed_one_way() -> None:
    chain = np.array([[0, 1, 0], [0, 0, 1], [0, 0, 0]])
    assert np.array_equal(hop_distance(chain), [[0, 1, 2], [-1, 0, 1], [-1, -1, 0]])


@pytest.mark.filterwarnings("error")
def test_joints_without_links_stay_zero() -> None:
    adjacency = binary_adjacency(3, [(1, 0)])
    assert np.array_equal(normalize_symmetric(adjacency)[2], [0, 0, 0])
    assert np.array_equal(normalize_columns(adjacency), adjacency)
    assert np.array_equal(normalize_symmetric(np.zeros((2, 2))), np.zeros((2, 2)))


@pytest.mark.filterwarnings("error")
def test_a_large_scale_on_a_large_window_does_not_overflow() -> None:
    layout = LAYOUTS["ntu-rgb+d"]
    window = window_adjacency(binary_adjacency(25, layout.edges), 9)
    assert window.shape == (225, 225)
    scales = disentangled(window, 64)
    assert np.array_equal(scales[63], np.eye(225))
    assert np.isfinite(scales).all()


def test_column_normalisation_keeps_the_dtype() -> None:
    assert normalize_columns(np.ones((2, 2), dtype=np.float32)).dtype == np.float32
    assert normalize_columns(np.ones((2, 2))).dtype == np.float64


def test_inputs_stay_as_they_are() -> None:
    adjacency = binary_adjacency(3, [(1, 0), (2, 1)])
    before = adjacency.copy()
    window_adjacency(adjacency, 2), disentangled(adjacency, 3), normalize_columns(adjacency), k_adjacency(adjacency, 1)
    assert np.array_equal(adjacency, before)


def test_numbers_that_make_no_graph_are_refused() -> None:
    adjacency = binary_adjacency(2, [(1, 0)])
    with pytest.raises(InputError, match="number of scales is at least 1, not 0"):
        disentangled(adjacency, 0)
    with pytest.raises(InputError, match="at least 1 frame, not 0"):
        window_adjacency(adjacency, 0)
    with pytest.raises(InputError, match="0 or more, not -1"):
        k_adjacency(adjacency, -1)
