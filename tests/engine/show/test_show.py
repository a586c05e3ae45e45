"""Pictures of clips and confusion matrices."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from data_gen.demo_gendata import make
from data_gen.demo_record import skeleton_text
from engine.clip_sources import fed, find_clip
from engine.scoring.scores import save_scores
from engine.show import pictures
from engine.show.__main__ import main
from graph.layouts import LAYOUTS

TOY = {"name": "toy", "num_joints": 5, "edges": [[1, 0], [2, 1], [3, 1], [4, 1]]}
NTU = LAYOUTS["ntu-rgb+d"]


@pytest.fixture
def clip() -> np.ndarray:
    rng = np.random.default_rng(0)
    clip = np.zeros((3, 12, 25, 2), dtype=np.float32)
    clip[..., 0] = rng.normal(0, 0.3, (3, 1, 25)) + np.linspace(0, 0.5, 12)[None, :, None]
    return clip


def test_strip_draws_every_bone_of_every_body_that_is_there(clip: np.ndarray) -> None:
    figure = pictures.draw_strip({"": clip}, NTU, "title", frames=4)
    assert len(figure.axes) == 4
    first, absent = figure.axes[0].collections
    assert len(first.get_segments()) == len(NTU.edges)
    assert len(absent.get_segments()) == 0


def test_a_lost_joint_takes_its_bones_along_but_the_origin_does_not(clip: np.ndarray) -> None:
    clip[:, 0, 3] = 0  # the head, lost in one frame
    clip[:, :, 1] = 0  # the joint that the clip is centred on
    segments = pictures.draw_strip({"": clip}, NTU, "title", frames=1).axes[0].collections[0].get_segments()
    assert len(segments) == len(NTU.edges) - 1


def test_up_is_the_longer_of_y_and_z() -> None:
    standing = np.zeros((3, 1, 2, 1), dtype=np.float32)
    standing[:, 0, 1, 0] = (0.1, 0.2, 1.7)
    flat, _ = pictures._flatten(standing, NTU)
    assert flat[1, 0, 1, 0] == pytest.approx(1.7)
    flat, _ = pictures._flatten(standing[:2], NTU)
    assert flat[1, 0, 1, 0] == pytest.approx(0.2)


def test_confusion_rows_are_shares_of_the_true_class() -> None:
    figure = pictures.draw_confusion(np.array([0, 0, 0, 1]), np.array([0, 0, 1, 1]), ["sit", "stand", "never"], "title")
    shares = figure.axes[0].images[0].get_array()
    np.testing.assert_allclose(shares, [[2 / 3, 1 / 3, 0], [0, 1, 0], [0, 0, 0]])
    assert [tick.get_text() for tick in figure.axes[0].get_yticklabels()] == ["sit", "stand", "never"]


@pytest.mark.parametrize("suffix", [".png", ".gif"])
def test_command_writes_a_picture(tiny: Any, tmp_path: Path, suffix: str, capsys: pytest.CaptureFixture[str]) -> None:
    layout = tmp_path / "toy.yaml"
    layout.write_text("{num_joints: 5, edges: [[1, 0], [2, 1], [3, 1], [4, 1]]}")
    out = tmp_path / "new" / f"clip{suffix}"
    source = f"{tiny.folder / 'val_data_joint.npy'}:val03"
    assert main([source, "--out", str(out), "--layout", str(layout)]) == 0
    assert "val03, 10 frames" in capsys.readouterr().out
    with Image.open(out) as picture:
        assert getattr(picture, "n_frames", 1) == (10 if suffix == ".gif" else 1)
        assert len(np.unique(np.asarray(picture.convert("L")))) > 2
    assert [path.name for path in out.parent.iterdir()] == [out.name]


@pytest.mark.parametrize(
    ("clip_name", "out", "complaint"),
    [
        ("val_data_joint.npy:val0", "a.png", "there is no clip 'val0'; did you mean 'val"),
        ("val_data_joint.npy", "a.jpg", "must end in .png or .gif"),
        ("val_data_joint.npy", "a.png", "no built-in skeleton has 5 joints"),
        ("absent_data_joint.npy", "a.png", "no such file"),
    ],
)
def test_bad_input_is_one_sentence(
    tiny: Any, tmp_path: Path, clip_name: str, out: str, complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(tiny.folder / clip_name), "--out", str(tmp_path / out)]) == 2
    errors = capsys.readouterr().err.splitlines()
    assert len(errors) == 1
    assert complaint in errors[0]
    assert not list(tmp_path.iterdir())


def write_scores(folder: Path, names: list[str], labels: list[int], logits: np.ndarray) -> str:
    save_scores(folder, 1, names, np.array(labels), logits)
    return str(folder)


def test_a_confusion_matrix_is_drawn_from_fused_scores(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names, labels = ["a", "b", "c"], [0, 1, 1]
    right, wrong = np.eye(2)[labels] * 3, np.eye(2)[[1, 0, 0]]
    folders = [write_scores(tmp_path / "x", names, labels, right), write_scores(tmp_path / "y", names, labels, wrong)]
    words = tmp_path / "names.txt"
    words.write_text("sit\nstand\n")
    out = tmp_path / "confusion.png"
    assert main(["--scores", *folders, "--class-names", str(words), "--out", str(out)]) == 0
    assert "3 clips, top-1 100.00%" in capsys.readouterr().out
    with Image.open(out) as picture:
        assert picture.size[0] > 100


@pytest.mark.parametrize(
    ("argv", "complaint"),
    [
        (["--out", "a.png"], "name a clip to draw, or the --scores"),
        (["clip.npy", "--scores", "x", "--out", "a.png"], "name a clip to draw, or the --scores"),
        (["--scores", "x", "--out", "a.gif"], "must end in .png"),
        (["--scores", "x", "--class-names", "ntu60", "--out", "a.png"], "ntu60 has 60 names for 2 classes"),
    ],
)
def test_what_cannot_be_drawn_is_said(
    argv: list[str], complaint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    write_scores(tmp_path / "x", ["a", "b"], [0, 1], np.eye(2))
    assert main(argv) == 2
    assert complaint in capsys.readouterr().err
    assert not (tmp_path / "a.png").exists()


def test_a_recording_is_drawn_as_it_was_recorded(tmp_path: Path) -> None:
    path = tmp_path / "S001C001P001R001A001.skeleton"
    path.write_text(skeleton_text(make(1, 1, 1, 1)[1]))
    clip, layout, name = find_clip(str(path))
    assert (clip.shape[0], clip.shape[2:], layout.num_joints, name) == (3, (25, 2), 25, path.stem)
    assert 1.5 < clip[2, :, 0, 0].max() < 5  # metres from the sensor


def test_a_score_is_no_height_and_pixels_count_downwards() -> None:
    clip = np.zeros((3, 1, 18, 1), dtype=np.float32)
    clip[0], clip[2] = 0.1, np.linspace(0.1, 1, 18)[None, :, None]
    clip[1, 0, :, 0] = np.linspace(0.4, -0.4, 18)  # the nose first, ankles at the end
    flat, _ = pictures._flatten(clip, LAYOUTS["openpose"])
    np.testing.assert_allclose(flat[1, 0, :, 0], clip[1, 0, :, 0])
    flat, _ = pictures._flatten(
        clip * np.array([300, -300, 1], dtype=np.float32)[:, None, None, None], LAYOUTS["openpose"]
    )
    assert flat[1, 0, 0, 0] > flat[1, 0, -1, 0]


def test_a_file_may_have_a_colon_in_its_name(tmp_path: Path) -> None:
    np.save(tmp_path / "12:30.npy", np.ones((4, 17, 2)))
    clip, _, name = find_clip(str(tmp_path / "12:30.npy"), layout="coco")
    assert (clip.shape[1], name) == (4, "12:30")


def test_a_recording_needs_its_own_skeleton(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "S001C001P001R001A001.skeleton"
    path.write_text(skeleton_text(make(1, 1, 1, 1)[1]))
    assert main([str(path), "--layout", "nw-ucla", "--out", str(tmp_path / "a.png")]) == 2
    assert "has 25 joints, but layout 'nw-ucla' 20" in capsys.readouterr().err


def test_before_and_after_preparation_are_drawn_together(
    tmp_path: Path, tiny: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "S001C001P001R001A001.skeleton"
    path.write_text(skeleton_text(make(1, 1, 1, 1)[1]))
    recorded, layout, _ = find_clip(str(path))
    prepared = find_clip(str(path), lineage="agcn")[0]
    np.testing.assert_allclose(prepared[:, :, 1], 0, atol=1e-6)  # the middle of the spine is the origin
    assert prepared.shape == recorded.shape
    figure = pictures.draw_strip({"recorded": recorded, "prepared": prepared[:, :5]}, layout, "title", frames=8)
    assert len(figure.axes) == 16
    assert [axes.get_title() for axes in figure.axes[8:10]] == ["prepared  0", "1"]
    assert main([str(path), "--lineage", "pyskl", "--out", str(tmp_path / "a.png")]) == 0
    frames = recorded.shape[1]
    assert f"{frames} frames recorded, {frames} frames prepared" in capsys.readouterr().out


def test_what_a_configuration_feeds_is_drawn_too(tmp_path: Path, tiny: Any, capsys: pytest.CaptureFixture[str]) -> None:
    config = tiny.write(
        tmp_path / "a.yaml", test_feeder_args={**tiny.settings["test_feeder_args"], "window_size": 25, "layout": TOY}
    )
    clip = f"{tiny.folder / 'val_data_joint.npy'}:val03"
    toy = tmp_path / "toy.yaml"
    toy.write_text("joints: [a, b, c, d, e]\nedges: [[1, 0], [2, 1], [3, 1], [4, 1]]\n")
    given = [clip, "--config", str(config), "--layout", str(toy), "--out", str(tmp_path / "a.gif")]
    assert main([*given, "--stream", "bone"]) == 0
    assert "val03, 10 frames recorded, 25 frames fed" in capsys.readouterr().out
    held, layout, name = find_clip(clip, layout=str(toy))
    item = fed(held, layout, name, str(config), "bone")
    np.testing.assert_array_equal(item[:, :10, 2], held[:, :, 2] - held[:, :, 1])
    assert not item[:, 10:].any()
    config = tiny.write(tmp_path / "b.yaml", test_feeder_args={"data_path": "x", "normalization": True})
    assert main([clip, "--config", str(config), "--layout", str(toy), "--out", str(tmp_path / "b.png")]) == 2
    assert "normalization needs the whole data set" in capsys.readouterr().err
