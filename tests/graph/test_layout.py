"""Skeletons as tables and as users write them; every bad one is refused by a sentence that names what is wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from errors import InputError
from graph.layout import (
    SkeletonLayout,
    layout_from_mapping,
    layout_from_metadata,
    read_layout,
    turned_towards,
)

# hip - spine - head, and a hand on the spine
TOY: dict[str, Any] = {
    "name": "toy",
    "joints": ["hip", "spine", "head", "hand"],
    "edges": [["spine", "hip"], ["head", "spine"], ["hand", "spine"]],
}


@st.composite
def rooted_trees(draw: st.DrawFn, most: int = 12) -> tuple[int, list[tuple[int, int]]]:
    """A number of joints and (child, parent) edges that lead to one joint, under random numbers and in random order."""
    num_joints = draw(st.integers(1, most))
    order = draw(st.permutations(range(num_joints)))
    edges = [(order[i], order[draw(st.integers(0, i - 1))]) for i in range(1, num_joints)]
    return num_joints, draw(st.permutations(edges))


def test_default_bones_are_the_edges_and_a_zero_for_the_root() -> None:
    assert SkeletonLayout("toy", 3, ((1, 0), (2, 1))).bone_pairs == ((1, 0), (2, 1), (0, 0))


def test_one_joint_alone_is_a_skeleton() -> None:
    assert SkeletonLayout("point", 1, ()).bone_pairs == ((0, 0),)


def test_bone_pairs_that_are_given_stay_as_they_are() -> None:
    assert SkeletonLayout("toy", 3, ((1, 0), (2, 1)), bone_pairs=((2, 0),)).bone_pairs == ((2, 0),)


def test_names_and_numbers_mean_the_same() -> None:
    by_number = {**TOY, "edges": [[1, 0], [2, 1], [3, 1]], "center": 0, "mirror": [[2, 3]], "bone_pairs": [[1, 2]]}
    by_name = {**TOY, "center": "hip", "mirror": [["head", "hand"]], "bone_pairs": [["spine", "head"]]}
    assert layout_from_mapping(by_number, "a.yaml") == layout_from_mapping(by_name, "b.yaml")


def test_center_is_where_the_edges_lead_and_the_name_is_the_files() -> None:
    layout = layout_from_mapping({"num_joints": 3, "edges": [[0, 2], [1, 2]]}, "skeletons/mine.yaml")
    assert (layout.center, layout.name, layout.joints) == (2, "mine", ())


def test_edges_without_one_direction_are_turned_towards_the_center() -> None:
    layout = layout_from_mapping({**TOY, "edges": [[1, 0], [1, 2], [1, 3]], "center": "spine"}, "toy.yaml")
    assert layout.edges == ((0, 1), (2, 1), (3, 1))
    assert layout.bone_pairs == ((0, 1), (2, 1), (3, 1), (1, 1))


@given(rooted_trees(), st.data())
def test_any_direction_of_the_edges_gives_a_rooted_tree(tree: tuple[int, list[tuple[int, int]]], data: Any) -> None:
    num_joints, edges = tree
    flips = data.draw(st.lists(st.booleans(), min_size=len(edges), max_size=len(edges)))
    written = tuple((b, a) if flip else (a, b) for flip, (a, b) in zip(flips, edges, strict=True))
    layout = SkeletonLayout("tree", num_joints, written, center=data.draw(st.integers(0, num_joints - 1)))
    assert [frozenset(edge) for edge in layout.edges] == [frozenset(edge) for edge in edges]
    assert len({child for child, _ in layout.edges}) == num_joints - 1
    assert sorted(v1 for v1, _ in layout.bone_pairs) == list(range(num_joints))


@given(rooted_trees())
def test_turning_edges_towards_their_root_changes_nothing(tree: tuple[int, list[tuple[int, int]]]) -> None:
    num_joints, edges = tree
    (root,) = set(range(num_joints)) - {child for child, _ in edges}
    assert turned_towards(root, num_joints, edges) == tuple(edges)


@given(rooted_trees())
def test_round_trip_through_yaml_and_through_metadata(tree: tuple[int, list[tuple[int, int]]]) -> None:
    num_joints, edges = tree
    names = [f"joint {i}" for i in range(num_joints)]
    written = {"name": "tree", "joints": names, "edges": [[names[a], names[b]] for a, b in edges]}
    layout = layout_from_mapping(yaml.safe_load(yaml.safe_dump(written)), "tree.yaml")
    assert (layout.num_joints, list(layout.edges), list(layout.joints)) == (num_joints, edges, names)
    meta = {"edges_1based": [(a + 1, b + 1) for a, b in edges], "joints": names}
    assert layout_from_metadata(meta, num_joints, "data/tree.pkl") == layout


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"edges": [[1, 0], [2, 1], [4, 1]]}, "edges: [4, 1] names joint 4, but joints are 0 to 3"),
        ({"edges": [[1, 0], [2, 1], [-1, 1]]}, "edges: [-1, 1] names joint -1, but joints are 0 to 3"),
        ({"edges": [[1, 0], [2, 2], [3, 1]]}, "edges: [2, 2] links joint 2 ('head') to itself"),
        ({"edges": [[1, 0], [2, 1], [1, 2]]}, "edges: [1, 2] is there twice (direction does not matter)"),
        ({"edges": [[1, 0], [2, 1], [0, 2], [3, 1]]}, "edges: [0, 2] closes a cycle; the edges"),
        ({"edges": [[1, 0], [2, 1]]}, "joint 3 ('hand') is not connected to joint 0 ('hip')"),
        ({"edges": [["haed", "hip"]]}, "edges names 'haed', which is none of the joints; did you mean 'head'?"),
        ({"edges": [[1, 0], [2, 1.5]]}, "edges holds 1.5, which is neither a joint's number nor its name"),
        ({"edges": [[1, 0], [2, True]]}, "edges holds True, which is neither a joint's number nor its name"),
        ({"edges": [[1, 0], [2, 1, 0]]}, "edges holds [2, 1, 0], which is not a pair of joints"),
        ({"edges": [[1, 0], 2]}, "edges holds 2, which is not a pair of joints"),
        ({"edges": "1-0"}, "edges is a list of pairs of joints, not '1-0'"),
        ({"edges": None}, "edges is missing"),
        ({"joints": ["a", "b", "head", "head"], "edges": [[1, 0]]}, "joints 2 and 3 have the same name 'head'"),
        ({"joints": "hip, spine"}, "joints is a list of names, not 'hip, spine'"),
        ({"joints": ["hip", "spine", False]}, "joints holds False, which is not a name; put it in quotes"),
        ({"num_joints": 5}, "4 joint names for 5 joints"),
        ({"num_joints": "4"}, "num_joints must be a whole number, not '4'"),
        ({"joints": None}, "give joints (a list of names) or num_joints"),
        ({"joints": None, "num_joints": 4}, "edges names 'spine', which is none of the joints; without joints (names)"),
        ({"joints": None, "num_joints": 0, "edges": []}, "num_joints is 0; a skeleton has at least one joint"),
        ({"center": 4}, "center is 4, but joints are 0 to 3"),
        ({"center": "hips"}, "center names 'hips', which is none of the joints; did you mean 'hip'?"),
        ({"bone_pairs": [[1, 0], [1, 2]]}, "bone_pairs: joint 1 ('spine') is there as the first of two pairs"),
        ({"bone_pairs": [[1, 9]]}, "bone_pairs: [1, 9] names joint 9"),
        ({"mirror": [[2, 3], [3, 1]]}, "mirror: joint 3 ('hand') is there twice"),
        ({"mirror": [[2, 2]]}, "mirror: joint 2 ('head') is there twice"),
        ({"edegs": []}, "unknown key 'edegs'; did you mean 'edges'?"),
        ({7: []}, "unknown key 7; a skeleton has name, joints, num_joints, edges, bone_pairs, center, mirror"),
    ],
)  # fmt: skip
def test_what_is_no_skeleton_is_refused(changes: dict[Any, Any], message: str) -> None:
    with pytest.raises(InputError) as caught:
        layout_from_mapping({**TOY, **changes}, "mine.yaml")
    assert str(caught.value).startswith("mine.yaml: ")
    assert message in str(caught.value)


def test_a_joint_without_a_name_is_called_by_its_number() -> None:
    with pytest.raises(InputError, match="skeleton 'toy': joint 2 is not connected to joint 0"):
        SkeletonLayout("toy", 3, ((1, 0),))


def test_a_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "toy.yaml"
    path.write_text(yaml.safe_dump(TOY))
    assert read_layout(path) == layout_from_mapping(TOY, "anything")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "no such file"),
        (b"edges: [[1, 0", "not readable as YAML"),
        (b"joints: [2020-13-01]", "not readable as YAML: month must be in 1..12"),
        (b"joints: " + b"[" * 3000, "not readable as YAML"),
        (b"num_joints: 2\nedges: [[1, 0]]\ncenter: 0\ncenter: 1", "key 'center' is there twice"),
        (b"num_joints: 100000000\nedges: [[1, 0]]", "num_joints is 100000000, and no skeleton has more than 2000"),
        (b"\xff\xfe\x00\x01", "not readable as YAML"),
        (b"", "a skeleton is a mapping with joints and edges, not NoneType"),
        (b"[1, 2]", "a skeleton is a mapping with joints and edges, not list"),
        (b"joints: [a, b]", "edges is missing"),
    ],
)
def test_a_file_that_is_no_skeleton_is_named(tmp_path: Path, text: bytes | None, message: str) -> None:
    path = tmp_path / "mine.yaml"
    if text is not None:
        path.write_bytes(text)
    with pytest.raises(InputError) as caught:
        read_layout(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_folder_is_no_skeleton(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        read_layout(tmp_path)


@pytest.mark.parametrize("joints", ["hip, spine,head", ["hip", "spine", "head"], ("hip", "spine", "head")])
def test_metadata_counts_from_one(joints: Any) -> None:
    layout = layout_from_metadata({"edges_1based": [(2, 1), (3, 2)], "joints": joints}, 3, "toy.pkl")
    assert layout == SkeletonLayout("toy", 3, ((1, 0), (2, 1)), joints=("hip", "spine", "head"))


def test_metadata_may_be_arrays_and_without_names() -> None:
    layout = layout_from_metadata({"edges_1based": np.array([[2, 1], [3, 2]])}, 3, "toy.pkl")
    assert layout == SkeletonLayout("toy", 3, ((1, 0), (2, 1)))
    assert all(type(joint) is int for edge in layout.edges for joint in edge)


@pytest.mark.parametrize(
    ("meta", "message"),
    [
        ({}, "has no edges_1based"),
        ({"edges_1based": 5}, "edges_1based holds no pairs of joints: 'int' object is not iterable"),
        ({"edges_1based": [(2, 1), (3, 0)]}, "edges_1based holds (3, 0), but joints are 1 to 3"),
        ({"edges_1based": [(2, 1), (4, 1)]}, "edges_1based holds (4, 1), but joints are 1 to 3"),
        ({"edges_1based": [(2, 1), 3]}, "edges_1based holds 3, which is not two joint numbers"),
        ({"edges_1based": [(2, 1), (3, 2, 1)]}, "edges_1based holds (3, 2, 1), which is not two joint numbers"),
        ({"edges_1based": [(2, 1), (3, 1.5)]}, "edges_1based holds (3, 1.5), which is not two joint numbers"),
        ({"edges_1based": [(2, 1)]}, "joints counted from 0: skeleton 'toy': joint 2 is not connected to joint 0"),
        ({"edges_1based": [(2, 1), (3, 2)], "joints": "a,b"}, "2 joint names for 3 joints"),
    ],
)
def test_metadata_that_is_no_skeleton_is_refused(meta: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as caught:
        layout_from_metadata(meta, 3, "toy.pkl")
    assert str(caught.value).startswith("toy.pkl")
    assert message in str(caught.value)
