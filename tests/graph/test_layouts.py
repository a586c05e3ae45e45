"""The built-in skeletons against the data sets' published tables, and how a setting finds one."""

from __future__ import annotations

import json
import pickle
import re
from pathlib import Path
from typing import Any

import pytest

from errors import InputError
from graph.layout import layout_from_metadata, read_layout
from graph.layouts import BUILT_IN, ESTIMATORS, LAYOUTS, find_layout, layout_for_joints

ROOT = Path(__file__).parents[2]
TABLES: dict[str, dict[str, Any]] = json.loads((ROOT / "tests/golden/skeletons.json").read_text())
OWN = {"utd-mhad": "utd-mhad/utd_mhad.pkl", "hdm05": "hdm05-11/hdm05_11.pkl"}
# How names say left and right where not in full.
SIDES = {
    **dict.fromkeys(("openpose", "openpose-18", "openpose-25", "halpe-26"), ("^L", "R")),
    **dict.fromkeys(("smpl", "smpl-24", "hdm05"), ("^l", "r")),
}


def pairs(table: list[list[int]]) -> list[tuple[int, int]]:
    return [(a, b) for a, b in table]


def test_every_skeleton_has_its_table() -> None:
    assert set(TABLES) == set(LAYOUTS)


@pytest.mark.parametrize("name", LAYOUTS)
def test_skeletons_equal_the_published_tables(name: str) -> None:
    layout, table = LAYOUTS[name], TABLES[name]
    assert layout.name == name
    assert layout.num_joints == table["num_joints"]
    assert set(layout.edges) == set(pairs(table["edges"]))
    if "bone_pairs" in table:
        assert set(layout.bone_pairs) == set(pairs(table["bone_pairs"]))
    if "mirror" in table:
        assert set(layout.mirror) == set(pairs(table["mirror"]))
    assert layout.center == table.get("center", layout.center)
    assert len(layout.joints) == layout.num_joints


@pytest.mark.parametrize("name", BUILT_IN)
def test_the_center_is_the_joint_that_all_edges_lead_to(name: str) -> None:
    layout = BUILT_IN[name]
    assert {layout.center} == set(range(layout.num_joints)) - {child for child, _ in layout.edges}


@pytest.mark.parametrize("name", [*BUILT_IN, *OWN])
def test_mirrored_joints_are_the_ones_with_mirrored_names(name: str) -> None:
    layout = BUILT_IN.get(name) or read_layout(ROOT / f"config/skeletons/{name}.yaml")
    left, right = SIDES.get(name, ("left", "right"))
    mirrored = [(joint, re.sub(left, right, joint)) for joint in layout.joints]
    expected = {frozenset(pair) for pair in mirrored if pair[0] != pair[1] and pair[1] in layout.joints}
    assert {frozenset((layout.joints[a], layout.joints[b])) for a, b in layout.mirror} == expected
    assert len(expected) == len(layout.mirror)


@pytest.mark.parametrize("name", [name for name in BUILT_IN if name != "toyota-unik"])
def test_every_joint_has_one_bone(name: str) -> None:
    assert sorted(v1 for v1, _ in BUILT_IN[name].bone_pairs) == list(range(BUILT_IN[name].num_joints))


@pytest.mark.parametrize("name", ESTIMATORS)
def test_an_estimators_name_ends_in_its_number_of_joints(name: str) -> None:
    layout = ESTIMATORS[name]
    assert name.endswith(f"-{layout.num_joints}")
    assert len(layout.joints) == layout.num_joints
    assert find_layout(name) is layout


def reflected(joint: int, mirror: tuple[tuple[int, int], ...]) -> int:
    return {**dict(mirror), **{b: a for a, b in mirror}}.get(joint, joint)


@pytest.mark.parametrize("name", ESTIMATORS)
def test_an_estimators_edges_are_the_same_in_a_mirror(name: str) -> None:
    layout = ESTIMATORS[name]
    assert {(reflected(a, layout.mirror), reflected(b, layout.mirror)) for a, b in layout.edges} == set(layout.edges)


def test_body_25_is_the_18_with_hips_that_hang_from_their_middle_and_feet() -> None:
    old, new = ESTIMATORS["openpose-18"], ESTIMATORS["openpose-25"]
    named = {layout: {(layout.joints[a], layout.joints[b]) for a, b in layout.edges} for layout in (old, new)}
    assert named[old] - named[new] == {("RHip", "RShoulder"), ("LHip", "LShoulder")}
    feet = {joint for joint in new.joints if joint.endswith(("Toe", "Heel"))}
    assert {a for a, _ in named[new] - named[old]} == {"MidHip", "RHip", "LHip", *feet}
    assert len(feet) == 6


def test_halpe_begins_with_cocos_joints() -> None:
    words = [joint.replace("left_", "l").replace("right_", "r") for joint in ESTIMATORS["coco-17"].joints]
    assert [joint.lower() for joint in ESTIMATORS["halpe-26"].joints[:17]] == words


def test_unik_leaves_the_head_without_a_bone() -> None:
    assert sorted(v1 for v1, _ in LAYOUTS["toyota-unik"].bone_pairs) == list(range(1, 17))


def test_bones_that_are_not_edges() -> None:
    assert set(LAYOUTS["openpose"].bone_pairs) - set(LAYOUTS["openpose"].edges) == {(0, 0), (1, 0)}
    assert set(LAYOUTS["coco"].bone_pairs) - set(LAYOUTS["coco"].edges) == {(0, 0), (11, 0), (12, 0)}
    assert {(21, 22), (22, 7), (23, 24), (24, 11), (20, 20)} <= set(LAYOUTS["nturgb+d"].bone_pairs)
    assert LAYOUTS["nturgb+d"].bone_pairs == LAYOUTS["ntu-rgb+d"].bone_pairs


def test_a_skeleton_is_found_by_name_file_mapping_or_itself(tmp_path: Path) -> None:
    path = tmp_path / "mine.yml"
    path.write_text("num_joints: 2\nedges: [[1, 0]]\n")
    assert find_layout("coco") is LAYOUTS["coco"]
    assert find_layout(LAYOUTS["smpl"]) is LAYOUTS["smpl"]
    assert (
        find_layout(path) == find_layout(str(path)) == find_layout({"name": "mine", "num_joints": 2, "edges": [[1, 0]]})
    )


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("ntu-rgbd", "is neither a YAML file (.yaml) nor one of ntu-rgb+d, nturgb+d, infogcn-ntu, "),
        ("ntu-rgbd", "; did you mean 'ntu-rgb+d'?"),
        (Path("mine.json"), "layout: 'mine.json' is neither a YAML file (.yaml) nor one of"),
        ("absent.yaml", "absent.yaml: no such file"),
        (25, "layout: 25 is neither a name, nor a YAML file, nor a mapping"),
        ({"num_joints": 2}, "layout: edges is missing"),
    ],
)
def test_what_names_no_skeleton_is_refused(value: Any, message: str) -> None:
    with pytest.raises(InputError) as caught:
        find_layout(value)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("joints", "name"), [(25, "ntu-rgb+d"), (18, "openpose"), (20, "nw-ucla"), (24, "smpl"), (15, "toyota-agcn")]
)
def test_a_number_of_joints_names_its_skeleton(joints: int, name: str) -> None:
    assert layout_for_joints(joints, "data").name == name


@pytest.mark.parametrize("joints", [26, 33])
def test_no_data_set_is_taken_for_an_estimators(joints: int) -> None:
    with pytest.raises(InputError, match=f"no built-in skeleton has {joints} joints"):
        layout_for_joints(joints, "my.npy")


def test_a_number_of_joints_with_several_skeletons_asks_which() -> None:
    with pytest.raises(InputError, match=r"my.npy: 17 joints may be coco or toyota-unik.*set layout to one"):
        layout_for_joints(17, "my.npy")


def test_an_unknown_number_of_joints_asks_for_edges() -> None:
    with pytest.raises(InputError, match=r"my.npy: no built-in skeleton has 31 joints .*coco \(17\).*set layout"):
        layout_for_joints(31, "my.npy")


@pytest.mark.realdata
@pytest.mark.parametrize("name", OWN)
def test_skeleton_files_equal_what_the_recordings_carry(name: str, skeleton_data: Path) -> None:
    with open(skeleton_data / OWN[name], "rb") as file:
        data = pickle.load(file)
    carried = layout_from_metadata(data["meta"], data["annotations"][0]["keypoint"].shape[2], name)
    ours = read_layout(ROOT / f"config/skeletons/{name}.yaml")
    assert ours.num_joints == carried.num_joints
    assert ours.edges == carried.edges
    assert ours.bone_pairs == carried.bone_pairs
    assert ours.center == carried.center
    for full, short in zip(ours.joints, carried.joints, strict=bool(carried.joints)):
        side = full.split()[0][0].upper() if full.startswith(("left", "right")) else ""  # "left wrist" is "Lwr"
        assert short.startswith(side + full.split()[-1 if side else 0][:2])
