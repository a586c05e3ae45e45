"""Predictions: those of ``--phase test``, from a checkpoint alone; what does not fit is a sentence."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from data_gen.demo_gendata import make
from data_gen.demo_record import skeleton_text
from data_gen.ntu import ntu_clip
from data_gen.workshop import Sample
from engine import predict
from engine.export import __main__ as export_command
from engine.predictor import Predictor
from engine.provenance import as_mapping, data_facts, prepared
from errors import InputError
from feeders.feeder import Feeder
from graph.layouts import BUILT_IN, find_layout


@pytest.fixture(scope="module")
def trained(tiny: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The work dir of a joint and a bone stream."""
    import main

    folder = tmp_path_factory.mktemp("trained")
    toy = tiny.settings["model_args"]["graph_args"]["layout"]
    feeders = {part: {**tiny.settings[part], "layout": toy} for part in ("train_feeder_args", "test_feeder_args")}
    config = tiny.write(folder / "run.yaml", num_epoch=1, test_batch_size=1, **feeders)
    for stream in ("joint", "bone"):
        assert main.main(["--config", str(config), "--stream", stream, "--work-dir", str(folder / stream)]) == 0
    return folder


def scores_of(work_dir: Path) -> dict[str, np.ndarray]:
    found: dict[str, np.ndarray] = pickle.loads((work_dir / "epoch1_test_score.pkl").read_bytes())
    return found


def last(trained: Path, stream: str = "joint") -> str:
    return str(trained / stream / "checkpoints" / "last.pt")


def test_scores_are_those_of_the_test(trained: Path, tiny: Any) -> None:
    clips = np.load(tiny.folder / "val_data_joint.npy")
    predictor = Predictor.load([last(trained), last(trained, "bone")], weights=[1, 3])
    for number, clip in enumerate(clips):
        found = predictor(clip)
        wanted = [scores_of(trained / stream)[f"val{number:02}"] for stream in ("joint", "bone")]
        np.testing.assert_array_equal(found.scores, wanted)  # one clip at a time, as they were tested
        each = torch.tensor(np.array(wanted)).softmax(dim=1).numpy()
        np.testing.assert_allclose(found.probabilities, (each[0] + 3 * each[1]) / 4, rtol=1e-5)
        assert found.probabilities.sum() == pytest.approx(1)
        assert [name for name, _ in found.top(6)] == [str(i) for i in np.argsort(-found.probabilities)]


def test_the_command_says_what_a_store_holds(trained: Path, tiny: Any, capsys: pytest.CaptureFixture[str]) -> None:
    store = str(tiny.folder / "val_data_joint.npy")
    assert predict.run([f"{store}:val03", "--weights", last(trained), "--top", "2"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "val03"
    assert len(lines) == 3
    assert predict.run([store, "--weights", last(trained), "--json"]) == 0
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["clip"] for row in found] == [f"val{i:02}" for i in range(12)]
    best = scores_of(trained / "joint")["val03"].argmax()
    assert found[3]["predictions"][0]["class"] == str(best) == lines[1].split()[1]


def test_class_names_are_a_data_set_or_a_file(
    trained: Path, tiny: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = [f"{tiny.folder / 'val_data_joint.npy'}:val03", "--weights", last(trained), "--top", "6", "--class-names"]
    words = tmp_path / "words.txt"
    words.write_text("sit\nstand\nwalk\nrun\njump\nwave\n", encoding="utf-8")
    assert predict.run([*given, str(words)]) == 0
    assert {line.split()[1] for line in capsys.readouterr().out.splitlines()[1:]} == set(words.read_text().split())
    with pytest.raises(InputError, match=r"--class-names: ntu60 has 60 names for 6 classes"):
        predict.run([*given, "ntu60"])
    with pytest.raises(InputError, match=r"class names are known of .*, not of 'nowhere.txt'"):
        predict.run([*given, "nowhere.txt"])


def test_a_checkpoint_needs_no_other_file(trained: Path, tiny: Any, tmp_path: Path, load: Any) -> None:
    content = load(Path(last(trained)))
    for part in ("train_feeder_args", "test_feeder_args"):
        content["config"][part] |= {"data_path": "gone.npy", "label_path": "gone.pkl", "layout": "gone.yaml"}
    content["config"]["model_args"]["graph_args"] = {"layout": "gone.yaml"}
    content["data"]["class_names"] = ["a", "b", "c", "d", "e", "f"]
    torch.save(content, tmp_path / "moved.pt")
    clip = np.load(tiny.folder / "val_data_joint.npy")[0]
    found = Predictor.load([tmp_path / "moved.pt"])(clip)
    np.testing.assert_array_equal(found.scores[0], scores_of(trained / "joint")["val00"])
    assert found.names == list("abcdef")


@pytest.mark.parametrize(
    ("shape", "says"),
    [
        ((3, 8, 4, 2), "4 for num_point, .* is for 5"),
        ((2, 8, 5, 2), "2 for in_channels, .* is for 3"),
        ((3, 8, 5, 1), "1 for num_person, .* is for 2"),
        ((3, 8, 5), r"wanted finite numbers \(C, T, V, M\), got an array of shape \(3, 8, 5\)"),
    ],
)
def test_clips_of_another_shape_are_refused(trained: Path, shape: tuple[int, ...], says: str) -> None:
    with pytest.raises(InputError, match=says):
        Predictor.load([last(trained)])(np.ones(shape, np.float32))


@pytest.mark.parametrize("weights", [["nan", "1"], ["1", "inf"], ["1e308", "1e308"], ["0", "0"]])
def test_weights_without_a_mean_are_refused_by_predictions_and_exports(
    trained: Path, tiny: Any, tmp_path: Path, weights: list[str]
) -> None:
    given = ["--weights", last(trained), last(trained, "bone"), "--fusion-weights", *weights]
    with pytest.raises(InputError, match=r"fusion weights \[.*\]: wanted numbers of at least 0 with a finite sum"):
        predict.run([str(tiny.folder / "val_data_joint.npy"), *given])
    with pytest.raises(InputError, match=r"fusion weights \[.*\]: wanted numbers of at least 0 with a finite sum"):
        export_command.run([*given, "--out", str(tmp_path / "a.safetensors")])
    with pytest.raises(InputError, match="1 fusion weights for 2 files"):
        predict.run(["a.npy", *given[:-1]])
    assert list(tmp_path.iterdir()) == []


def test_short_and_long_clips_and_nans(trained: Path) -> None:
    predictor = Predictor.load([last(trained)])
    clip = np.random.default_rng(0).normal(size=(3, 1, 5, 2)).astype(np.float32)
    for frames in (1, 2, 10_000):
        found = predictor(np.repeat(clip, frames, axis=1))
        assert np.isfinite(found.probabilities).all()
    clip[0, 0, 0, 0] = np.nan
    with pytest.raises(InputError, match="wanted finite numbers"):
        predictor(clip)


def test_a_gpu_that_is_not_there_is_a_sentence(trained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(InputError, match="--device cuda: there is no GPU"):
        predict.run(["x.npy", "--weights", last(trained), "--device", "cuda"])


def test_files_that_name_other_code_are_refused(trained: Path, tmp_path: Path, load: Any) -> None:
    (tmp_path / "evil.py").write_text("raise SystemExit('ran')")
    for name, says in (("os.system", "not 'os.system'"), ("evil.Model", "not 'evil.Model'")):
        content = load(Path(last(trained)))
        content["config"]["model"] = name
        torch.save(content, tmp_path / "a.pt")
        with pytest.raises(InputError, match=f"a checkpoint may only name classes of .*, {says}"):
            Predictor.load([tmp_path / "a.pt"])


def test_damaged_clips_are_named_and_the_rest_goes_on(
    trained: Path, tmp_path: Path, load: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    toy = tmp_path / "poses"
    toy.mkdir()
    poses = np.random.default_rng(0).normal(size=(6, 2, 5, 3))
    np.save(toy / "b_good.npy", poses)
    np.save(toy / "a_bad.npy", poses[:, :, :4])
    content = load(Path(last(trained)))
    content["data"] |= {"lineage": "own", "bodies": 2, "dims": 3}
    torch.save(content, tmp_path / "own.pt")
    assert predict.run([str(toy), "--weights", str(tmp_path / "own.pt"), "--json"]) == 1
    out, err = capsys.readouterr()
    assert [json.loads(line)["clip"] for line in out.splitlines()] == ["b_good"]
    assert "a_bad.npy" in err
    assert "1 of 2 clips could not be read" in err
    for argv, says in (
        (["nothing.npy"], "nothing.npy: no such file or folder"),
        ([str(tmp_path / "elsewhere")], "elsewhere: no such file"),
    ):
        with pytest.raises(InputError, match=says):
            predict.run([*argv, "--weights", last(trained)])


def test_every_entry_of_a_folder_is_predicted_damaged_or_counted(
    trained: Path, tmp_path: Path, load: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "poses"
    (folder / "open").mkdir(parents=True)
    poses = np.random.default_rng(0).normal(size=(6, 5, 3))
    np.save(folder / "good.npy", poses)
    (folder / "good.npy").rename(folder / "CAPITALS.NPY")
    (folder / "fine.json").write_text(json.dumps(poses.tolist()))
    (folder / "damaged.npy").write_bytes(b"no array")
    (folder / "z.pkl").write_bytes(b"no pickle")
    (folder / "open" / "frame_000.json").write_text("{no")
    (folder / "notes.txt").write_text("squats")
    np.save(folder / "train_data_joint.npy", np.zeros((2, 3, 6, 5, 1)))
    content = load(Path(last(trained)))
    content["data"] |= {"lineage": "own", "bodies": 2, "dims": 3}
    torch.save(content, tmp_path / "own.pt")
    assert predict.run([str(folder), "--weights", str(tmp_path / "own.pt"), "--json"]) == 1
    out, err = capsys.readouterr()
    assert [json.loads(line)["clip"] for line in out.splitlines()] == ["CAPITALS", "fine"]
    assert err.count("error: ") == 3
    assert all(f"{name}: not " in err for name in ("damaged.npy", "z.pkl", "frame_000.json"))
    assert "3 of 5 clips could not be read" in err
    assert f"{folder}: 2 entries are no recordings: notes.txt, train_data_joint.npy" in err


def test_a_recording_is_prepared_as_the_data_set_was(tmp_path: Path) -> None:
    path = tmp_path / "S001C001P001R001A001.skeleton"
    path.write_text(skeleton_text(make(1, 1, 1, 1)[1]))
    clip, layout = prepared(path, {"lineage": "agcn", "frames": 300, "joints": 25})
    np.testing.assert_array_equal(clip, ntu_clip(Sample(str(path), path.name, 0, ("train",))))
    assert layout.name == "ntu-rgb+d"
    for single_body, dataset, copied in (("copied", "ntu60", True), ("alone", "ntu120", False), (None, "ntu120", True)):
        facts = {"lineage": "sgn", "dataset": dataset, **({"single_body": single_body} if single_body else {})}
        assert prepared(path, facts)[0][..., 1].any() == copied
    with pytest.raises(InputError, match="did not learn from recordings of NTU"):
        prepared(path, {"lineage": "own"})
    with pytest.raises(InputError, match="has 25 joints, the network learned from clips of 20"):
        prepared(path, {"lineage": "pyskl", "joints": 20})


def test_a_prediction_imports_nothing_that_it_does_not_need(trained: Path, tiny: Any) -> None:
    code = "import sys; from engine import predict; predict.run(sys.argv[1:]); print(*sys.modules)"
    words = [sys.executable, "-c", code, f"{tiny.folder}/val_data_joint.npy:val03", "--weights", last(trained)]
    done = subprocess.run(words, cwd=Path(__file__).parents[2], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.splitlines()[-1].split())
    assert "torch" in loaded
    assert loaded & {"scipy", "matplotlib", "tensorboardX", "onnx", "onnxruntime", "plotly", "torch._dynamo"} == set()


@pytest.mark.parametrize("bodies", [1, 2])
def test_poses_get_as_many_bodies_as_the_network_knows(tmp_path: Path, bodies: int) -> None:
    """Of a network, say, that learned from a pickle in which everybody is alone."""
    poses = np.random.default_rng(0).normal(size=(6, 17, 3)).astype(np.float32)
    np.save(tmp_path / "a.npy", poses)
    clip, _ = prepared(tmp_path / "a.npy", {"joints": 17, "bodies": bodies, "skeleton": "coco-17"})
    assert clip.shape == (3, 6, 17, bodies)
    np.testing.assert_array_equal(clip[..., 0], poses.transpose(2, 0, 1))


def test_what_is_known_of_clips_is_plain(tiny: Any, differences: Any) -> None:
    toy = tiny.settings["model_args"]["graph_args"]["layout"]
    facts = data_facts(Feeder(tiny.folder / "val_data_joint.npy", tiny.folder / "val_label.pkl"), toy)
    assert (facts["frames"], facts["joints"], facts["bodies"]) == (10, 5, 2)
    assert find_layout(facts["skeleton"]).edges == find_layout(toy).edges
    assert data_facts(object()) == {}
    for layout in BUILT_IN.values():
        assert find_layout(as_mapping(layout)) == layout
