"""A stream of a recording ends with what the recording as a whole is taken for, in every lineage that networks know."""

from __future__ import annotations

import io
import json
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from clips.read.ntu import read_ntu
from clips.read.pyskl import PysklStore
from data_gen.demo_gendata import make
from data_gen.demo_record import skeleton_text
from engine import predict
from engine.live.stream import Live
from engine.predictor import Prediction, Predictor
from engine.provenance import as_mapping, prepared
from graph.layouts import find_layout

ROOT = Path(__file__).parents[3]
NETWORKS = {  # by lineage, the networks that learn from it and what their test feeders do
    "agcn": [("msg3d", ["stream"]), ("mstgcn", ["stream"])],
    "sgn": [("msagcn", [{"crop_resize": {"window": 12}}, "stream"])],
    "pyskl": [("dgstgcn", [{"uniform_sample": {"clip_len": 12, "seed": 1}}, "stream"])],
}
RECORDINGS = {  # of the demo: subject, action, camera
    "one person": (2, 10, 1),
    "nobody in the first frame": (2, 11, 3),
    "nobody in between": (2, 6, 2),
    "a second one comes and goes": (2, 12, 2),
    "the second one moves more": (2, 15, 2),
    "three people": (3, 16, 3),
}


def frames_in(path: Path) -> Iterator[dict[str, Any]]:
    """What the sensor saw, frame by frame."""
    seen = read_ntu(path)
    for number in range(seen.num_frames):
        rows = np.flatnonzero(seen.frame == number)
        yield {"t": number, "bodies": [{"id": seen.body_id[row], "joints": seen.xyz[row].tolist()} for row in rows]}


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder, written = tmp_path_factory.mktemp("recordings"), {}
    for name, (subject, action, camera) in RECORDINGS.items():
        written[name] = folder / f"{name.replace(' ', '_')}.skeleton"
        written[name].write_text(skeleton_text(make(1, subject, 1, action)[camera]))
    return written


@pytest.mark.parametrize(
    ("lineage", "single_body"), [("agcn", "alone"), ("sgn", "alone"), ("sgn", "copied"), ("pyskl", "alone")]
)
def test_ntu(
    lineage: str, single_body: str, saved: Any, load: Any, tmp_path: Path, recordings: dict[str, Path]
) -> None:
    for network, steps in NETWORKS[lineage]:
        weights = saved(tmp_path, network, "ntu-rgb+d", 2, steps=steps)
        content = load(weights)
        content["data"] |= {"lineage": lineage, "frames": 300, "values": "float16", "single_body": single_body}
        torch.save(content, weights)
        predictor = Predictor.load([weights])
        for name, path in recordings.items():
            watching = Live(predictor)
            *_, last = watching.labels(frames_in(path))
            found, wanted = watching.prediction(), predictor(path)
            assert found is not None
            np.testing.assert_allclose(found.scores, wanted.scores, rtol=1e-6, atol=1e-6, err_msg=name)
            assert last["top"][0]["class"] == wanted.top(1)[0][0]
            assert watching.faults == 0


class Seeing:
    """Stands for a predictor: keeps the clip that it is given."""

    names = ("yes", "no")

    def __init__(self, facts: dict[str, Any]) -> None:
        self.streams = [type("Stream", (), {"facts": facts, "takes": {}})()]
        self.clip = np.zeros(0)

    def __call__(self, clip: np.ndarray, name: str) -> Prediction:
        self.clip = clip
        return Prediction(self.names, np.array([0.5, 0.5]), np.zeros((1, 2)))


FRAMES, V = 30, 13
RNG = np.random.default_rng(0)
SWAY = RNG.normal(size=(2, 1, 20, 3)) + 0.1 * np.sin(np.arange(FRAMES)[None, :, None, None] / 5) + [[[[0]]], [[[6]]]]
"""Two people (M, T, V, C), the second aside."""


def kinetics(path: Path) -> Iterator[dict[str, Any]]:
    """The second one comes late and, at times, has the higher scores; a joint of the first is not seen."""
    poses, scores = (SWAY[:, :, :18, :2] % 1).round(3), RNG.uniform(0.1, 1, (2, FRAMES, 18)).round(3)
    poses[:, :, :, 0] = poses[:, :1, :, 0]
    scores[0, 5, 3], poses[0, 5, 3] = 0, 0
    data = []
    for t in range(FRAMES):
        people = [m for m in (0, 1) if m == 0 or t >= 8]
        skeleton = [{"pose": poses[m, t].ravel().tolist(), "score": scores[m, t].tolist()} for m in people]
        data.append({"frame_index": t, "skeleton": skeleton})
        joints = [np.concatenate([poses[m, t], scores[m, t, :, None]], axis=1).tolist() for m in people]
        yield {"t": t, "bodies": [{"id": m, "joints": found} for m, found in zip(people, joints, strict=True)]}
    path.write_text(json.dumps({"data": data, "label_index": 0, "label": "a"}))


def smarthome(path: Path, dims: int) -> Iterator[dict[str, Any]]:
    poses = (100 + 50 * SWAY[:, :, :V, :dims]).round(3)
    frames = [[{f"pose{dims}d": poses[m, t].T.ravel().tolist()} for m in (0, 1)] for t in range(FRAMES)]
    path.write_text(json.dumps({"njts": V, "frames": frames}))
    for t in range(FRAMES):
        yield {"t": t, "bodies": [{"id": m, "joints": poses[m, t].tolist()} for m in (0, 1)]}


def alone(path: Path, V: int) -> Iterator[dict[str, Any]]:
    poses = SWAY[0, :, :V].astype(np.float32)
    if path.suffix == ".pkl":
        path.write_bytes(pickle.dumps({"keypoints3d": poses.astype(np.float64)}))
    else:
        path.write_text(json.dumps({"skeletons": poses.tolist()}))
    for t in range(FRAMES):
        yield {"t": t, "bodies": [{"joints": poses[t].tolist()}]}


@pytest.mark.parametrize(
    ("lineage", "layout", "shape", "frames", "file"),
    [
        ("st-gcn", "openpose", (3, 300, 18, 2), kinetics, "a.json"),
        ("unik", "toyota-unik", (2, FRAMES, 17, 2), lambda path: smarthome(path, 2), "a.json"),
        ("agcn-daily-living", "toyota-agcn", (3, FRAMES, 15, 1), lambda path: smarthome(path, 3), "a.json"),
        ("raw", "nw-ucla", (3, FRAMES, 20, 1), lambda path: alone(path, 20), "a.json"),
        ("pyskl-aist", "coco", (3, FRAMES, 17, 1), lambda path: alone(path, 17), "a.pkl"),
    ],
)
def test_others(lineage: str, layout: str, shape: tuple[int, ...], frames: Any, file: str, tmp_path: Path) -> None:
    channels, length, joints, bodies = shape
    facts = {"lineage": lineage, "channels": channels, "frames": length, "joints": joints, "bodies": bodies}
    facts["skeleton"] = as_mapping(find_layout(layout))
    stream = list(frames(tmp_path / file))
    wanted, _ = prepared(tmp_path / file, facts)
    assert wanted.shape == shape
    told = Seeing(facts)
    watching: Any = Live(told)  # type: ignore[arg-type]
    list(watching.labels(json.dumps(frame) for frame in stream))
    np.testing.assert_array_equal(told.clip, wanted)
    assert watching.faults == 0


def test_kinetics_without_scores(tmp_path: Path) -> None:
    facts = {"lineage": "st-gcn", "channels": 3, "frames": 300, "joints": 18, "bodies": 2}
    told = Seeing(facts)
    joints: list[Any] = [[0.25, 0.75]] * 17 + [None]
    list(Live(told, min_frames=1).labels([{"bodies": [{"joints": joints}]}]))  # type: ignore[arg-type]
    assert told.clip.shape == (3, 300, 18, 2)
    np.testing.assert_array_equal(told.clip[:, 0, 0, 0], [-0.25, -0.25, 1])
    assert not told.clip[:, 0, 17, 0].any()


@pytest.mark.realdata
def test_real_recordings(
    saved: Any, load: Any, skeleton_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    store = PysklStore(skeleton_data / "utd-mhad/utd_mhad.pkl")
    weights = saved(tmp_path, "dgstgcn", str(ROOT / "config/skeletons/utd-mhad.yaml"), 1)
    content = load(weights)
    content["data"] = {key: value for key, value in content["data"].items() if key not in ("lineage", "dims")}
    torch.save(content, weights)
    predictor = Predictor.load([weights])
    for index in range(0, len(store.names), 60):
        clip = store.clip(index)
        lines = [
            json.dumps({"t": t, "bodies": [{"joints": pose.tolist()}]})
            for t, pose in enumerate(clip[..., 0].transpose(1, 2, 0))
        ]
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO("\n".join(lines).encode())))
        assert predict.run(["--weights", str(weights), "--stream"]) == 0
        out, err = capsys.readouterr()
        last = json.loads(out.splitlines()[-1])
        assert last["frame"] == clip.shape[1] - 1
        wanted = predictor(clip).top(5)
        assert [row["class"] for row in last["top"]] == [name for name, _ in wanted]
        np.testing.assert_allclose([row["probability"] for row in last["top"]], [p for _, p in wanted], atol=1.1e-6)
        assert err.splitlines()[-1].startswith(f"{clip.shape[1]} frames, ")
