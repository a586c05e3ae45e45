"""Damaged files, by the hundred: a reader gives a clip or one sentence, and nothing else.

200 changed files for each reader by default, 10,000 in the campaign.
"""

from __future__ import annotations

import json
import pickle
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from clips.poses import Wanted, clip_of
from clips.read.aist import read_keypoints3d, read_smpl_poses, read_smpl_positions
from clips.read.babel import read_babel_labels
from clips.read.kinetics import read_kinetics
from clips.read.ntu import read_ntu
from clips.read.pickles import read_pickle
from clips.read.poses import read_poses
from clips.read.smarthome import read_smarthome
from clips.smarthome import agcn_clip, unik_clip
from clips.store import open_store
from clips.write.compact import Piece, write_store
from data_gen import babel_gendata
from data_gen.own_labels import Division, divide, read_labels
from errors import InputError
from graph.layouts import ESTIMATORS

GOLDEN = Path(__file__).resolve().parents[2] / "golden"
Reader = Callable[[Path], Any]


def first_clips(path: Path, label_path: Path | None = None, split: str | None = None) -> None:
    """Open a store and read what it holds."""
    store = open_store(path, label_path, split=split)
    for index in range(min(len(store.names), 3)):
        clip = store.clip(index)
        assert clip.ndim == 4
        assert clip.dtype == np.float32


def made_clips() -> np.ndarray:
    clips = np.random.default_rng(0).normal(size=(3, 3, 8, 25, 2)).astype(np.float32)
    clips[1, ..., 1] = 0
    return clips


def skeleton(folder: Path) -> tuple[Path, Reader]:
    path = folder / "a.skeleton"
    path.write_bytes((GOLDEN / "nturgbd_raw" / "S002C003P005R001A043.skeleton").read_bytes())
    return path, read_ntu


def kinetics(folder: Path) -> tuple[Path, Reader]:
    path = folder / "a.json"
    path.write_bytes((GOLDEN / "kinetics_raw" / "kinetics_val" / "vidA.json").read_bytes())
    return path, read_kinetics


def ucla(folder: Path) -> tuple[Path, Reader]:
    path = folder / "a01_s01_e00_v03.json"
    path.write_bytes((GOLDEN / "ucla_raw" / path.name).read_bytes())
    return path, lambda path: first_clips(path.parent)


def labels(folder: Path) -> tuple[Path, Reader]:
    path = folder / "train_label.pkl"
    path.write_bytes(pickle.dumps((["a", "b", "c"], [0, 1, 2])))
    np.save(folder / "train_data_joint.npy", made_clips())
    return path, lambda path: first_clips(path.parent / "train_data_joint.npy", path)


def dense(folder: Path) -> tuple[Path, Reader]:
    labels(folder)
    return folder / "train_data_joint.npy", lambda path: first_clips(path, path.parent / "train_label.pkl")


def pyskl(folder: Path) -> tuple[Path, Reader]:
    annotations = [
        {"frame_dir": name, "label": 0, "total_frames": 8, "keypoint": clip.transpose(3, 1, 2, 0).astype(np.float16)}
        for name, clip in zip("abc", made_clips(), strict=True)
    ]
    path = folder / "a.pkl"
    path.write_bytes(pickle.dumps({"split": {"train": ["a", "c"]}, "annotations": annotations}))
    return path, lambda path: first_clips(path, split="train")


def npz(folder: Path) -> tuple[Path, Reader]:
    x = np.random.default_rng(0).normal(size=(3, 12, 150)).astype(np.float32)
    path = folder / "NTU60_CS.npz"
    np.savez(path, x_train=x, y_train=np.eye(3), x_test=x, y_test=np.eye(3))
    return path, lambda path: first_clips(path, split="train")


def compact(name: str) -> Callable[[Path], tuple[Path, Reader]]:
    def make(folder: Path) -> tuple[Path, Reader]:
        piece = Piece()
        for clip in made_clips():
            piece.append(clip)
        piece.save(folder / "p.npz")
        about = {"channels": 3, "joints": 25, "bodies": 2}
        write_store(folder, [folder / "p.npz"], list("abc"), [0, 1, 2], {"train": [0, 2]}, about)
        return folder / name, lambda path: first_clips(path.parent, split="train")

    return make


def scores(folder: Path) -> tuple[Path, Reader]:
    path = folder / "epoch1_test_score.pkl"
    path.write_bytes(pickle.dumps({"a": np.zeros(3, np.float32), "b": np.float64(1), "c": [1, 2]}))
    return path, read_pickle


def aist(folder: Path) -> tuple[Path, Reader]:
    path = folder / "gBR_sBM_cAll_d04_mBR0_ch01.pkl"
    made = np.random.default_rng(0).normal(size=(6, 72))
    path.write_bytes(pickle.dumps({"smpl_poses": made, "smpl_trans": made[:, :3], "smpl_scaling": np.ones(1)}))
    return path, read_smpl_poses


def keypoints3d(folder: Path) -> tuple[Path, Reader]:
    path = folder / "gBR_sBM_cAll_d04_mBR0_ch01.pkl"
    made = np.random.default_rng(0).normal(size=(6, 17, 3))
    path.write_bytes(pickle.dumps({"keypoints3d": made, "keypoints3d_optim": made}))
    return path, read_keypoints3d


def smpl24(folder: Path) -> tuple[Path, Reader]:
    path = folder / "gBR_sBM_cAll_d04_mBR0_ch01.npy"
    np.save(path, np.random.default_rng(0).normal(size=(6, 45, 3)))
    return path, read_smpl_positions


def babel(folder: Path) -> tuple[Path, Reader]:
    path = folder / "train_label_60.pkl"
    path.write_bytes(pickle.dumps((["s", "s", "t"], ([0, 1, 2], [7, 7, 8], [0, 0, 1], ["a", "a", "b"]))))
    return path, read_babel_labels


def babel_features(folder: Path) -> tuple[Path, Reader]:
    np.save(folder / "train_ntu_sk_60.npy", np.ones((3, 3, 150, 25, 1), np.float32))
    babel(folder)

    def read(path: Path) -> None:
        for sample in babel_gendata.list_clips(path.parent, "train", 60):
            babel_gendata.babel_clip(sample)

    return folder / "train_ntu_sk_60.npy", read


def smarthome(folder: Path) -> tuple[Path, Reader]:
    path = folder / "Walk_p02_r00_v01_c02.json"
    rng = np.random.default_rng(0)
    person = {"pose2d": rng.uniform(0, 600, 26).round(2).tolist(), "pose3d": rng.normal(size=39).round(3).tolist()}
    path.write_text(json.dumps({"K": 20, "njts": 13, "frames": [[person], [], [person, person]]}))
    return path, lambda path: (unik_clip(read_smarthome(path, "pose2d")), agcn_clip(read_smarthome(path, "pose3d")))


def pose_values() -> np.ndarray:
    """Of four frames, one body and 18 joints: x, y, score."""
    return np.random.default_rng(0).uniform(0.1, 9, size=(4, 18, 3)).round(3)


def one_pose(path: Path) -> None:
    clip = clip_of(read_poses(path, ESTIMATORS["openpose-18"], 2), Wanted(), (), str(path))
    assert clip.ndim == 4
    assert np.isfinite(clip).all()


def pose_json(content: Any) -> Callable[[Path], tuple[Path, Reader]]:
    def make(folder: Path) -> tuple[Path, Reader]:
        path = folder / "a.json"
        path.write_text(json.dumps(content))
        return path, one_pose

    return make


def pose_csv(folder: Path) -> tuple[Path, Reader]:
    joints = ESTIMATORS["openpose-18"].joints
    header = ["frame", *(f"{joint}_{axis}" for joint in joints for axis in ("x", "y", "score"))]
    rows = [[frame, *values.ravel()] for frame, values in enumerate(pose_values())]
    path = folder / "a.csv"
    path.write_text("\n".join(",".join(map(str, row)) for row in [header, *rows]))
    return path, one_pose


def pose_npy(folder: Path) -> tuple[Path, Reader]:
    np.save(folder / "a.npy", pose_values())
    return folder / "a.npy", one_pose


def openpose(folder: Path) -> tuple[Path, Reader]:
    for frame, values in enumerate(pose_values()):
        person = {"person_id": [-1], "pose_keypoints_2d": values.ravel().tolist()}
        (folder / f"a_{frame}_keypoints.json").write_text(json.dumps({"version": 1.3, "people": [person]}))
    return folder / "a_2_keypoints.json", lambda path: one_pose(path.parent)


def own_labels(folder: Path) -> tuple[Path, Reader]:
    path = folder / "labels.csv"
    rows = [f"clip{n},{('walk', 'run', 'jump')[n % 3]},s{n % 4},{('train', 'test')[n % 2]}" for n in range(12)]
    path.write_text("\n".join(["name,label,subject,split", *rows]))
    return path, lambda path: divide(read_labels(path), Division(), path)


MAKERS: dict[str, Callable[[Path], tuple[Path, Reader]]] = {
    **{"skeleton": skeleton, "kinetics": kinetics, "ucla": ucla, "labels": labels, "dense": dense, "pyskl": pyskl},
    **{"npz": npz, "scores": scores},
    **{"pose_csv": pose_csv, "pose_npy": pose_npy, "openpose": openpose, "own_labels": own_labels},
    "pose_lists": pose_json(pose_values().tolist()),
    "landmarks": pose_json(
        [[dict(zip(("x", "y", "visibility"), j, strict=True)) for j in f] for f in pose_values().tolist()]
    ),
    "alphapose": pose_json(
        [{"image_id": f"{t}.jpg", "keypoints": f.ravel().tolist()} for t, f in enumerate(pose_values())]
    ),
    "mmpose": pose_json(
        [
            {"frame_id": t, "instances": [{"keypoints": f[:, :2].tolist(), "keypoint_scores": f[:, 2].tolist()}]}
            for t, f in enumerate(pose_values())
        ]
    ),
    **{"aist": aist, "keypoints3d": keypoints3d, "smpl24": smpl24, "smarthome": smarthome},
    **{"babel": babel, "babel_features": babel_features},
    **{name: compact(name) for name in ("store.json", "index.npz", "clips.npy")},
}


def mutated(content: bytes, rng: np.random.Generator) -> bytes:
    """Bytes changed, lost, doubled or cut off: one to four such accidents, most of them near the start."""
    data = bytearray(content)
    for _ in range(rng.integers(1, 5)):
        if not data:
            return b""
        limit = len(data) if rng.random() < 0.5 else min(len(data), 400)
        at = int(rng.integers(limit))
        match rng.integers(6):
            case 0:
                data[at] = int(rng.integers(256))
            case 1:
                data[at] ^= 1 << int(rng.integers(8))
            case 2:
                del data[at : at + int(rng.integers(1, 40))]
            case 3:
                data[at:at] = data[at : at + int(rng.integers(1, 40))]
            case 4:
                del data[at:]
            case _:
                data[at:at] = rng.choice([b"-1", b"1e400", b"nan", b"\x00\x00\x00\x00", b"9999999999", b"\xff\xff"])
    return bytes(data)


def survive(kind: str, count: int, folder: Path) -> None:
    path, read = MAKERS[kind](folder)
    content = path.read_bytes()
    read(path)
    refused = 0
    for number in range(count):
        path.write_bytes(mutated(content, np.random.default_rng((zlib.crc32(kind.encode()), number))))
        try:
            read(path)
        except InputError as error:
            refused += 1
            assert str(error).strip()
            assert "\n" not in str(error)
        except Exception as error:
            pytest.fail(f"{kind}, mutation {number}: {type(error).__name__}: {error}")
    assert refused > count // 10


@pytest.mark.parametrize("kind", MAKERS)
def test_two_hundred_mutations(kind: str, tmp_path: Path) -> None:
    survive(kind, 200, tmp_path)


@pytest.mark.campaign
@pytest.mark.parametrize("kind", MAKERS)
def test_ten_thousand_mutations(kind: str, tmp_path: Path) -> None:
    survive(kind, 10_000, tmp_path)
