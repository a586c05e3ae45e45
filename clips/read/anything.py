"""One recording, whatever its form: what pictures and predictions begin with."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from clips.bodies import plain_clip, pyskl_actors, sgn_actors, sgn_clip
from clips.normalize import prenormalize, strongest_bodies
from clips.poses import Wanted, clip_of
from clips.read.aist import finite_frames, read_keypoints3d, read_smpl_poses
from clips.read.json_file import read_json
from clips.read.kinetics import read_kinetics
from clips.read.ntu import Recording, read_ntu
from clips.read.pickles import read_pickle
from clips.read.poses import read_poses
from clips.read.smarthome import read_smarthome
from clips.read.ucla import read_recording
from clips.smarthome import agcn_clip, unik_clip
from clips.streams import Clip
from errors import InputError, in_a_line
from graph.layout import SkeletonLayout
from graph.layouts import find_layout

BODIES = 2  # of a recording of one's own, where nobody says how many

_LARGE = 64e6  # bytes: a pickle of this size is a set of clips

LINEAGES = ("agcn", "sgn", "pyskl")


def as_prepared(
    recording: Recording, lineage: str, *, frames: int = 0, copy_single: bool = False, slots: int = 4
) -> Clip:
    """A recording of NTU RGB+D as one of ``LINEAGES`` prepares it: (C, T, V, 2).

    Args:
        recording: what the sensor saw.
        lineage: agcn (MS-G3D, MST-GCN), sgn (MSA-GCN) or pyskl (DG-STGCN).
        frames: agcn: up to how many frames bodies are replayed, if it is more than there are.
        copy_single: sgn: whether an only body is copied into the second.
        slots: agcn: how many of the places of a frame are looked at.
    """
    if lineage == "agcn":
        bodies = strongest_bodies(recording, slots=slots).astype(np.float32)
        return prenormalize(bodies, max(frames, recording.num_frames))
    if lineage == "sgn":
        return sgn_clip(sgn_actors(recording), copy_single=copy_single)
    return plain_clip(pyskl_actors(recording))


def is_recording(path: Path) -> bool:
    """Whether this is a file, or a folder of frames, of one recording, and not a set of clips.

    Raises:
        InputError: it is damaged, so that nobody can tell.
    """
    if path.is_dir():
        return not (path / "store.json").is_file() and any("people" in _keys(file) for file in _frames(path)[:1])
    suffix = path.suffix.lower()
    if suffix in (".pkl", ".pickle"):
        return any(key in _keys(path) for key in ("smpl_poses", "keypoints3d", "keypoints3d_optim"))
    return suffix in (".skeleton", ".json", ".csv") or (suffix == ".npy" and _dimensions(path) in (3, 4))


def read_clip(
    path: Path, layout: SkeletonLayout | None = None, lineage: str | None = None, bodies: int = BODIES
) -> tuple[Clip, SkeletonLayout]:
    """The clip (C, T, V, M) of a recording, and its skeleton.

    A ``.skeleton`` of NTU RGB+D, as recorded (its two bodies that move most) or as a ``lineage`` prepares it; a JSON
    file of Kinetics-Skeleton, NW-UCLA or Toyota Smarthome (2-D, or 3-D where ``layout`` is that one's); a pickle of
    AIST++, without the frames that are not finite; or the poses that an estimator left (``clips.read.poses``), for
    which ``layout`` says which joints they are and ``bodies`` how many people are kept.

    Raises:
        InputError: none of these, damaged, or nobody said what its joints are.
    """
    if not path.exists():
        raise InputError(f"{path}: no such file or folder")
    is_skeleton = path.suffix.lower() == ".skeleton"
    if lineage is not None and not is_skeleton:
        raise InputError(f"{path}: lineages differ for .skeleton files of NTU RGB+D alone")
    if is_skeleton:
        recording = read_ntu(path)
        clip = as_prepared(recording, lineage) if lineage else strongest_bodies(recording)
        return clip.astype(np.float32), layout or find_layout("ntu-rgb+d")
    keys = _keys(path)
    if "label_index" in keys:
        return read_kinetics(path)[0], layout or find_layout("openpose")
    if "skeletons" in keys:
        return read_recording(path), layout or find_layout("nw-ucla")
    if "njts" in keys:
        if layout is not None and layout.name == "toyota-agcn":
            return agcn_clip(read_smarthome(path, "pose3d")), layout
        return unik_clip(read_smarthome(path, "pose2d")), layout or find_layout("toyota-unik")
    if "smpl_poses" in keys or "keypoints3d" in keys or "keypoints3d_optim" in keys:
        rotations = "smpl_poses" in keys
        poses = finite_frames(read_smpl_poses(path) if rotations else read_keypoints3d(path))
        if not len(poses):
            raise InputError(f"{path}: no frame of it is finite")
        clip = poses.transpose(2, 0, 1)[..., None].astype(np.float32)
        return clip, layout or find_layout("smpl" if rotations else "coco")
    if layout is None:
        raise InputError(f"{path}: which joints are these? name their skeleton with --layout (coco-17, mine.yaml)")
    joints = layout.joints or tuple(str(joint) for joint in range(layout.num_joints))
    return clip_of(read_poses(path, layout), Wanted(bodies=bodies), joints, str(path)), layout


def _keys(path: Path) -> set[str]:
    """The names in the dictionary that a JSON file or a pickle holds; none where it holds something else."""
    content, suffix = None, path.suffix.lower()
    if suffix == ".json" and path.is_file():
        content = read_json(path)
    elif suffix in (".pkl", ".pickle") and path.is_file() and path.stat().st_size < _LARGE:
        content = read_pickle(path)
    return {str(key) for key in content} if isinstance(content, dict) else set()


def _frames(folder: Path) -> list[Path]:
    return sorted(file for file in folder.glob("*.json") if not file.name.startswith("."))


def _dimensions(path: Path) -> int:
    """How many axes an array file has; 0 where there is no such file."""
    if not path.is_file():
        return 0
    try:
        return int(np.lib.format.open_memmap(path, mode="r").ndim)
    except Exception as error:  # damaged bytes can make NumPy raise nearly anything
        raise InputError(f"{path}: not a readable .npy array: {in_a_line(error)}") from error
