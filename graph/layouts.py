"""The skeletons of the field's data sets, as tables, and how a setting finds one of them or a pose estimator's."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from errors import InputError, did_you_mean
from graph.estimators import H36M_17, HALPE_26, MEDIAPIPE_33, OPENPOSE_25
from graph.layout import Pairs, SkeletonLayout, layout_from_mapping, read_layout

_NTU_JOINTS = (
    *("base of spine", "middle of spine", "neck", "head"),
    *("left shoulder", "left elbow", "left wrist", "left hand"),
    *("right shoulder", "right elbow", "right wrist", "right hand"),
    *("left hip", "left knee", "left ankle", "left foot"),
    *("right hip", "right knee", "right ankle", "right foot"),
    *("spine (shoulder)", "tip of left hand", "left thumb", "tip of right hand", "right thumb"),
)
# fmt: off
_NTU_BODY: Pairs = (
    (0, 1), (1, 20), (2, 20), (3, 2), (4, 20), (5, 4), (6, 5), (7, 6), (8, 20), (9, 8), (10, 9), (11, 10),
    (12, 0), (13, 12), (14, 13), (15, 14), (16, 0), (17, 16), (18, 17), (19, 18),
)
_NTU_MIRROR: Pairs = (
    (4, 8), (5, 9), (6, 10), (7, 11), (12, 16), (13, 17), (14, 18), (15, 19), (21, 23), (22, 24),
)

# 2s-AGCN, MS-G3D, MST-GCN, CTR-GCN: a finger tip hangs from the thumb.
NTU = SkeletonLayout(
    "ntu-rgb+d", 25, (*_NTU_BODY, (21, 22), (22, 7), (23, 24), (24, 11)),
    center=20, joints=_NTU_JOINTS, mirror=_NTU_MIRROR,
)

# pyskl: finger tip and thumb hang from the hand, as in the authors' own drawing; its bones are still those above.
NTU_PYSKL = SkeletonLayout(
    "nturgb+d", 25, (*_NTU_BODY, (21, 7), (22, 7), (23, 11), (24, 11)),
    bone_pairs=NTU.bone_pairs, center=20, joints=_NTU_JOINTS, mirror=_NTU_MIRROR,
)

# InfoGCN, MSA-GCN: the same tree as MS-G3D's, hung from the middle of the spine; bones as above.
NTU_INFOGCN = SkeletonLayout(
    "infogcn-ntu", 25,
    (
        (0, 1), (20, 1), (2, 20), (3, 2), (4, 20), (5, 4), (6, 5), (7, 6), (22, 7), (21, 22), (8, 20), (9, 8),
        (10, 9), (11, 10), (24, 11), (23, 24), (12, 0), (13, 12), (14, 13), (15, 14), (16, 0), (17, 16), (18, 17),
        (19, 18),
    ),
    bone_pairs=NTU.bone_pairs, center=1, joints=_NTU_JOINTS, mirror=_NTU_MIRROR,
)

KHOP_ROOTS = {"ntu-rgb+d": NTU_INFOGCN.center, "nturgb+d": NTU_INFOGCN.center}
"""The joint that a skeleton hangs from in k-hop streams (InfoGCN, MSA-GCN), where it is not its centre."""

# Kinetics-Skeleton (st-gcn). Hips hang from the shoulders; the bones start at the nose, the edges at the neck.
OPENPOSE = SkeletonLayout(
    "openpose", 18,
    (
        (4, 3), (3, 2), (7, 6), (6, 5), (13, 12), (12, 11), (10, 9), (9, 8), (11, 5), (8, 2), (5, 1), (2, 1),
        (0, 1), (15, 0), (14, 0), (17, 15), (16, 14),
    ),
    bone_pairs=(
        (0, 0), (1, 0), (2, 1), (3, 2), (4, 3), (5, 1), (6, 5), (7, 6), (8, 2), (9, 8), (10, 9), (11, 5), (12, 11),
        (13, 12), (14, 0), (15, 0), (16, 14), (17, 15),
    ),
    center=1,
    joints=(
        "Nose", "Neck", "RShoulder", "RElbow", "RWrist", "LShoulder", "LElbow", "LWrist", "RHip", "RKnee", "RAnkle",
        "LHip", "LKnee", "LAnkle", "REye", "LEye", "REar", "LEar",
    ),
    mirror=((2, 5), (3, 6), (4, 7), (8, 11), (9, 12), (10, 13), (14, 15), (16, 17)),
)

# Kinect v1, in NW-UCLA's order.
NW_UCLA = SkeletonLayout(
    "nw-ucla", 20,
    (
        (0, 1), (1, 2), (3, 2), (4, 2), (5, 4), (6, 5), (7, 6), (8, 2), (9, 8), (10, 9), (11, 10), (12, 0), (13, 12),
        (14, 13), (15, 14), (16, 0), (17, 16), (18, 17), (19, 18),
    ),
    center=2,
    joints=("hip center", "spine", "shoulder center", *_NTU_JOINTS[3:20]),
    mirror=((4, 8), (5, 9), (6, 10), (7, 11), (12, 16), (13, 17), (14, 18), (15, 19)),
)

# pyskl. A hip's bone starts at the nose, its edge at the shoulder.
COCO = SkeletonLayout(
    "coco", 17,
    (
        (15, 13), (13, 11), (16, 14), (14, 12), (11, 5), (12, 6), (9, 7), (7, 5), (10, 8), (8, 6), (5, 0), (6, 0),
        (1, 0), (3, 1), (2, 0), (4, 2),
    ),
    bone_pairs=(
        (0, 0), (1, 0), (2, 0), (3, 1), (4, 2), (5, 0), (6, 0), (7, 5), (8, 6), (9, 7), (10, 8), (11, 0), (12, 0),
        (13, 11), (14, 12), (15, 13), (16, 14),
    ),
    joints=(
        "nose", "left_eye", "right_eye", "left_ear", "right_ear", "left_shoulder", "right_shoulder", "left_elbow",
        "right_elbow", "left_wrist", "right_wrist", "left_hip", "right_hip", "left_knee", "right_knee", "left_ankle",
        "right_ankle",
    ),
    mirror=((1, 2), (3, 4), (5, 6), (7, 8), (9, 10), (11, 12), (13, 14), (15, 16)),
)

# pyskl: one hand, as MediaPipe finds it.
HANDMP = SkeletonLayout(
    "handmp", 21,
    (
        (1, 0), (2, 1), (3, 2), (4, 3), (5, 0), (6, 5), (7, 6), (8, 7), (9, 0), (10, 9), (11, 10), (12, 11), (13, 0),
        (14, 13), (15, 14), (16, 15), (17, 0), (18, 17), (19, 18), (20, 19),
    ),
    joints=("wrist", *(f"{f} {j}" for f in ("thumb", "index", "middle", "ring", "little") for j in (1, 2, 3, 4))),
)

# AIST++ in the pyskl forks.
SMPL = SkeletonLayout(
    "smpl", 24,
    (
        (1, 0), (2, 0), (4, 1), (5, 2), (7, 4), (8, 5), (10, 7), (11, 8), (3, 0), (6, 3), (9, 6), (12, 9), (13, 9),
        (14, 9), (15, 12), (16, 13), (18, 16), (20, 18), (22, 20), (17, 14), (19, 17), (21, 19), (23, 21),
    ),
    joints=(
        "root", "lhip", "rhip", "belly", "lknee", "rknee", "spine", "lankle", "rankle", "chest", "ltoes", "rtoes",
        "neck", "linshoulder", "rinshoulder", "head", "lshoulder", "rshoulder", "lelbow", "relbow", "lwrist",
        "rwrist", "lhand", "rhand",
    ),
    mirror=((1, 2), (4, 5), (7, 8), (10, 11), (13, 14), (16, 17), (18, 19), (20, 21), (22, 23)),
)

# Toyota Smarthome, 2D, as UNIK completes it: the head has no bone and keeps its position.
_UNIK_EDGES: Pairs = (
    (4, 3), (3, 2), (2, 1), (1, 0), (5, 2), (7, 5), (9, 7), (6, 2), (8, 6), (10, 8), (11, 4), (13, 11), (15, 13),
    (12, 4), (14, 12), (16, 14),
)
TOYOTA_UNIK = SkeletonLayout(
    "toyota-unik", 17, _UNIK_EDGES, bone_pairs=_UNIK_EDGES,
    joints=(
        "head", "nose", "neck", "chest", "mid hip", "left shoulder", "right shoulder", "left elbow", "right elbow",
        "left wrist", "right wrist", "left hip", "right hip", "left knee", "right knee", "left ankle", "right ankle",
    ),
    mirror=((5, 6), (7, 8), (9, 10), (11, 12), (13, 14), (15, 16)),
)

# Toyota Smarthome, 3D, as 2s-AGCN-For-Daily-Living completes it (LCR-Net's joints from the last to the first).
TOYOTA_AGCN = SkeletonLayout(
    "toyota-agcn", 15,
    (
        (13, 0), (14, 13), (8, 14), (7, 14), (9, 7), (11, 9), (10, 8), (12, 10), (2, 13), (4, 2), (6, 4), (1, 13),
        (3, 1), (5, 3),
    ),
    joints=(
        "head", "left shoulder", "right shoulder", "left elbow", "right elbow", "left wrist", "right wrist",
        "left hip", "right hip", "left knee", "right knee", "left ankle", "right ankle", "neck", "mid hip",
    ),
    mirror=((1, 2), (3, 4), (5, 6), (7, 8), (9, 10), (11, 12)),
)
# fmt: on

LAYOUTS: dict[str, SkeletonLayout] = {
    layout.name: layout
    for layout in (NTU, NTU_PYSKL, NTU_INFOGCN, OPENPOSE, NW_UCLA, COCO, HANDMP, SMPL, TOYOTA_UNIK, TOYOTA_AGCN)
}

# What recordings of one's own come from. No data set is taken for one of these by its number of joints.
ESTIMATORS: dict[str, SkeletonLayout] = {
    **{"openpose-18": OPENPOSE, "openpose-25": OPENPOSE_25, "coco-17": COCO, "halpe-26": HALPE_26},
    **{"mediapipe-33": MEDIAPIPE_33, "h36m-17": H36M_17, "smpl-24": SMPL},
}

BUILT_IN = LAYOUTS | ESTIMATORS


def find_layout(value: str | os.PathLike[str] | Mapping[str, Any] | SkeletonLayout) -> SkeletonLayout:
    """The skeleton that a setting means: a built-in name, a YAML file, a mapping written in place, or a layout.

    Raises:
        InputError: an unknown name (the nearest and all known are named), or a file or mapping that is no skeleton.
    """
    if isinstance(value, SkeletonLayout):
        return value
    if isinstance(value, Mapping):
        return layout_from_mapping(value, "layout")
    if not isinstance(value, str | os.PathLike):
        raise InputError(f"layout: {value!r} is neither a name, nor a YAML file, nor a mapping")
    text = os.fspath(value)
    if text in BUILT_IN:
        return BUILT_IN[text]
    if text.endswith((".yaml", ".yml")):
        return read_layout(value)
    known = ", ".join(BUILT_IN)
    raise InputError(
        f"layout: {text!r} is neither a YAML file (.yaml) nor one of {known}{did_you_mean(text, BUILT_IN)}"
    )


def layout_for_joints(num_joints: int, key: str) -> SkeletonLayout:
    """The built-in skeleton of a data set that names none: the one with its number of joints.

    Where several have that number, they must agree on the bones; the first is returned. ``key`` is what errors call
    the data set.

    Raises:
        InputError: no built-in skeleton has ``num_joints`` joints, or several with other bones have.
    """
    found = [layout for layout in LAYOUTS.values() if layout.num_joints == num_joints]
    if not found:
        known = ", ".join(f"{layout.name} ({layout.num_joints})" for layout in LAYOUTS.values())
        raise InputError(
            f"{key}: no built-in skeleton has {num_joints} joints ({known}); set layout to a YAML file with its edges"
        )
    if len({frozenset(layout.bone_pairs) for layout in found}) > 1:
        names = " or ".join(layout.name for layout in found)
        raise InputError(f"{key}: {num_joints} joints may be {names}, and their bones differ; set layout to one")
    return found[0]
