"""Exports: they say what the networks say, from any number of clips; what does not is never delivered."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from engine import predict
from engine.export import __main__ as command
from engine.export import files, write
from engine.export.checks import ParityError
from engine.export.joined import Derived
from engine.export.plan import Plan, made_clips, make_plan
from engine.export.write import export
from engine.predictor import Predictor
from errors import InputError
from graph.layouts import find_layout

FRAMES = 12
NETWORKS = ("msg3d", "mstgcn", "dgstgcn", "msagcn")


@pytest.fixture(scope="module")
def two_streams(saved: Any, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = tmp_path_factory.mktemp("streams")
    return [str(saved(folder, "dgstgcn", "coco-17", 2, stream)) for stream in ("joint", "bone_motion")]


@pytest.fixture(scope="module")
def exported(two_streams: list[str]) -> Path:
    """Both streams in one graph, for any number of clips of any length, each stream with an input of its own."""
    out = Path(two_streams[0]).with_name("model.onnx")
    argv = ["--weights", *two_streams, "--fusion-weights", "2", "1", "--frames", "dynamic", "--out", str(out)]
    assert command.run(argv) == 0
    return out


def clip_of(frames: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(3, frames, 17, 2)).astype(np.float32)


def test_predictions_are_those_of_the_checkpoints(exported: Path, two_streams: list[str]) -> None:
    plain, from_onnx = Predictor.load(two_streams, weights=[2, 1]), Predictor.load([exported])
    assert from_onnx.names == plain.names
    for frames in (1, 9, 30):
        wanted, found = plain(clip_of(frames)), from_onnx(clip_of(frames))
        np.testing.assert_allclose(found.scores, wanted.scores, atol=1e-4)
        np.testing.assert_allclose(found.probabilities, wanted.probabilities, atol=1e-5)


def test_the_file_says_what_it_is(exported: Path) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    session = onnxruntime.InferenceSession(str(exported))
    assert [put.name for put in session.get_inputs()] == ["joint", "bone_motion"]
    assert [put.name for put in session.get_outputs()] == ["probabilities", "joint_logits", "bone_motion_logits"]
    assert [put.shape[1:2] + put.shape[3:] for put in session.get_inputs()] == [[3, 17, 2]] * 2
    held = session.get_modelmeta().custom_metadata_map
    assert json.loads(held["class_names"]) == ["run", "jump", "sit", "wave", "größer"]
    for count, frames in ((1, 12), (3, 12), (2, 40)):
        clips = {name: np.random.rand(count, 3, frames, 17, 2).astype(np.float32) for name in ("joint", "bone_motion")}
        shares = session.run(["probabilities"], clips)[0]
        assert shares.shape == (count, 5)
        np.testing.assert_allclose(shares.sum(axis=1), 1, atol=1e-5)


def test_the_command_predicts_from_it(exported: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    np.save(tmp_path / "a.npy", clip_of(15).transpose(1, 3, 2, 0))
    assert predict.run([str(tmp_path / "a.npy"), "--weights", str(exported), "--json"]) == 0
    wanted = Predictor.load([exported])(clip_of(15)).top(1)[0][0]
    assert json.loads(capsys.readouterr().out)["predictions"][0]["class"] == wanted


def test_pt2_is_checked_and_loads(two_streams: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "model.pt2"
    assert command.run(["--weights", two_streams[0], "--out", str(out)]) == 0
    assert "largest difference of logits" in capsys.readouterr().out
    extra = {"skeleton_action.json": ""}
    with files.quiet():
        module = torch.export.load(out, extra_files=extra).module()
    assert json.loads(extra["skeleton_action.json"])["streams"][0]["name"] == "joint"
    for count in (1, 3):
        assert module(torch.randn(count, 3, FRAMES, 17, 2))[0].shape == (count, 5)


def test_safetensors_hold_the_weights_and_the_configuration(two_streams: list[str], tmp_path: Path, load: Any) -> None:
    safetensors = pytest.importorskip("safetensors")
    for weights, prefix in ((two_streams[:1], ""), (two_streams, "joint.")):
        out = tmp_path / "model.safetensors"
        assert command.run(["--weights", *weights, "--out", str(out)]) == 0
        with safetensors.safe_open(out, "pt") as file:
            about = json.loads(file.metadata()["skeleton_action"])
            for key, value in load(Path(two_streams[0]))["model"].items():
                assert torch.equal(file.get_tensor(prefix + key), value)
    assert about["class_names"][0] == "run"
    assert about["streams"][1]["model_args"]["num_point"] == 17


@pytest.mark.parametrize(
    "stream", ["joint", "bone", "joint_motion", "bone_motion", "joint_bone", "bone_jm", "joint_k2"]
)
def test_streams_are_made_in_the_graph_as_the_feeder_makes_them(stream: str) -> None:
    from clips.streams import ancestor_pairs, derive, hops_of

    layout = find_layout("coco-17")
    pairs = ancestor_pairs(layout.edges, 2) if hops_of(stream) else layout.bone_pairs
    found = Derived(stream, pairs, 17)(torch.from_numpy(clip_of(9))[None])[0].numpy()
    np.testing.assert_array_equal(found, derive(clip_of(9), stream, pairs))


def test_one_input_where_the_graph_can_make_the_streams(two_streams: list[str], tmp_path: Path) -> None:
    plan = make_plan(Predictor.load(two_streams), [], one_input=True)
    assert plan.inputs == ["joint"]
    joints = torch.from_numpy(clip_of(FRAMES))[None]
    predictor = Predictor.load(two_streams)
    fed = [torch.from_numpy(clip_of(FRAMES))[None], torch.as_tensor(Derived("bone_motion", BONES, 17)(joints))]
    for found, stream, clips in zip(plan.joined(joints)[1:], predictor.streams, fed, strict=True):
        torch.testing.assert_close(found, stream.logits(clips, "a"))


BONES = find_layout("coco-17").bone_pairs


def test_one_input_is_refused_where_it_would_be_another_thing(
    two_streams: list[str], saved: Any, tmp_path: Path
) -> None:
    sampled = [{"uniform_sample": {"clip_len": FRAMES, "seed": 1}}]
    with_motion = saved(tmp_path, "dgstgcn", "coco-17", 2, "joint_motion", ["stream", *sampled])
    with pytest.raises(InputError, match="what comes after the stream in its feeder changes it"):
        make_plan(Predictor.load([with_motion]), [], one_input=True)
    with pytest.raises(InputError, match="prepares joints in another way"):
        make_plan(Predictor.load([two_streams[0], with_motion]), [], one_input=True)
    bones = saved(tmp_path, "dgstgcn", "coco-17", 2, "bone", ["stream", *sampled])
    make_plan(Predictor.load([bones]), [], one_input=True)  # a bone of a sampled frame is a sampled bone


class Deaf(nn.Module):
    """Says the same whatever it is given; exporters make a single constant of it."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model, self.row = model, nn.Parameter(torch.arange(5.0))

    def forward(self, x: Tensor) -> Tensor:
        return self.row.expand(x.shape[0], 5)


def planned(weights: str, change: Callable[[nn.Module], nn.Module]) -> Plan:
    plan = make_plan(Predictor.load([weights]), [])
    plan.joined.models[0] = change(plan.joined.models[0])
    return plan


@pytest.mark.parametrize("kind", ["onnx", "pt2"])
def test_a_constant_graph_is_refused(two_streams: list[str], tmp_path: Path, kind: str) -> None:
    with pytest.raises(ParityError, match="joint_logits does not depend on the input"):
        export(planned(two_streams[0], Deaf), tmp_path / f"model.{kind}")
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_says_something_else_is_not_delivered(
    two_streams: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "model.pt2"
    out.write_bytes(b"the one before")
    traced = write.programme

    def slightly_off(plan: Plan, *sizes: Any) -> Any:
        program = traced(plan, *sizes)
        head: Any = plan.joined.models[0].fc
        head.bias = nn.Parameter(head.bias + 0.01)  # the program keeps the one that it was traced with
        return program

    monkeypatch.setattr(write, "programme", slightly_off)
    assert command.run(["--weights", two_streams[0], "--out", str(out)]) == 1
    assert "model.pt2 was not written: " in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["model.pt2"]
    assert out.read_bytes() == b"the one before"


@pytest.mark.parametrize("package", ["onnx", "onnxscript", "onnxruntime", "safetensors"])
def test_a_missing_package_is_a_sentence(
    two_streams: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, package: str
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    monkeypatch.setattr(write, "programme", lambda *sizes: None)
    out = tmp_path / f"model.{'safetensors' if package == 'safetensors' else 'onnx'}"
    with pytest.raises(
        InputError, match=rf"needs {package}, which is not installed: pip install 'skeleton-action\[export\]'"
    ):
        command.run(["--weights", two_streams[0], "--out", str(out)])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (["--out", "model.tflite"], "wanted a name that ends in .onnx"),
        (["--out", "model.onnx", "--batch", "many"], "wanted a whole number of at least 1, got 'many'"),
        (["--out", "model.onnx", "--frames", "0"], "wanted a whole number of at least 1, got '0'"),
        (["--out", "model.onnx", "--clip", "nothing.npy"], "nothing.npy: no such file"),
    ],
)
def test_wrong_command_lines(two_streams: list[str], flags: list[str], says: str) -> None:
    with pytest.raises(InputError, match=says):
        command.run(["--weights", two_streams[0], *flags])


def test_files_that_are_no_exports_are_refused(exported: Path, tmp_path: Path, two_streams: list[str]) -> None:
    onnx = pytest.importorskip("onnx")
    (tmp_path / "noise.onnx").write_bytes(b"noise" * 50)
    with pytest.raises(InputError, match=r"not a readable \.onnx file"):
        Predictor.load([tmp_path / "noise.onnx"])
    model = onnx.load(exported)
    about = {prop.key: prop for prop in model.metadata_props}
    kept = json.loads(about["skeleton_action"].value)
    for change, says in (
        (None, "engine.export of this program did not write it"),
        ({**kept, "streams": kept["streams"][:1]}, "what it says about its streams is damaged"),
        ({**kept, "weights": [float("nan"), 1]}, r"its fusion weights are \[nan, 1\]: wanted numbers of at least 0"),
        ({**kept, "weights": ["2", 1]}, r"its fusion weights are \['2', 1\]: wanted numbers of at least 0"),
        ({**kept, "streams": [{**held, "feeder": "os.system"} for held in kept["streams"]]}, "not 'os.system'"),
    ):
        about["skeleton_action"].value = json.dumps(change)
        onnx.save(model, tmp_path / "changed.onnx")
        with pytest.raises(InputError, match=says):
            Predictor.load([tmp_path / "changed.onnx"])
    with pytest.raises(InputError, match=r"an \.onnx file is used alone"):
        Predictor.load([exported, two_streams[0]])


def test_a_network_for_one_length_says_so(saved: Any, tmp_path: Path) -> None:
    plan = make_plan(Predictor.load([saved(tmp_path, "msagcn", "coco-17", 1)]), [])
    with pytest.raises(InputError, match="is for clips of 12 frames alone"):
        export(plan, tmp_path / "model.onnx", frames="dynamic")


def test_made_clips_differ_and_one_is_of_one_body(two_streams: list[str]) -> None:
    first, second, third = (row[0][0] for row in made_clips(Predictor.load(two_streams[:1]).streams))
    assert first.shape == (3, 20, 17, 2)
    assert not second[..., 1].any()
    assert not np.array_equal(first, third)


@pytest.mark.slow
@pytest.mark.parametrize("bodies", [1, 2])
@pytest.mark.parametrize("layout", ["ntu-rgb+d", "coco-17"])
@pytest.mark.parametrize("network", NETWORKS)
def test_every_network_becomes_onnx_and_pt2(saved: Any, tmp_path: Path, network: str, layout: str, bodies: int) -> None:
    predictor = Predictor.load([saved(tmp_path, network, layout, bodies)])
    plan = make_plan(predictor, [])
    for kind in ("onnx", "pt2"):
        free = network != "msagcn" and (kind, network) != ("pt2", "msg3d")
        assert "largest difference" in export(plan, tmp_path / f"model.{kind}", frames="dynamic" if free else None)
    clip = np.random.default_rng(1).normal(size=(3, 20, find_layout(layout).num_joints, bodies)).astype(np.float32)
    found, wanted = Predictor.load([tmp_path / "model.onnx"])(clip), predictor(clip)
    np.testing.assert_allclose(found.scores, wanted.scores, atol=1e-4 * max(1, np.abs(wanted.scores).max()))
