from __future__ import annotations

import json
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest

from command_line import exit_code
from data_gen import kinetics_gendata

GOLDEN = Path(__file__).parents[1] / "golden"


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    """The golden's raw files, as both parts."""
    folder = tmp_path / "raw"
    for part in ("train", "val"):
        shutil.copytree(GOLDEN / "kinetics_raw" / "kinetics_val", folder / f"kinetics_{part}")
        shutil.copy(GOLDEN / "kinetics_raw" / "kinetics_val_label.json", folder / f"kinetics_{part}_label.json")
    return folder


@pytest.mark.parametrize("cores", ["1", "2"])
def test_the_files_are_the_published_ones(raw: Path, tmp_path: Path, cores: str) -> None:
    argv = ["--data_path", str(raw), "--out_folder", str(tmp_path / "out"), "--n-cores", cores]
    assert kinetics_gendata.run(argv) == 0
    golden = np.load(GOLDEN / "data_kinetics.npz")
    for part in ("train", "val"):
        clips = np.load(tmp_path / "out" / f"{part}_data_joint.npy")
        with open(tmp_path / "out" / f"{part}_label.pkl", "rb") as file:
            names, labels = pickle.load(file)
        assert (clips.dtype, clips.shape) == (np.float32, tuple(golden["gendata/out/shape"]))
        assert names == golden["gendata/out/names"].tolist()
        assert labels == golden["gendata/out/labels"].tolist()
        assert np.array_equal(clips[:, :, :12], golden["gendata/out/data_first12"])
        assert np.array_equal(clips[:, :, -12:], golden["gendata/out/data_tail12"])
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        *("train_data_joint.npy", "train_label.pkl", "val_data_joint.npy", "val_label.pkl"),
    ]


def test_a_clip_with_another_label_than_the_list_is_damaged(
    raw: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clip = raw / "kinetics_val" / "vidA.json"
    content = json.loads(clip.read_text())
    clip.write_text(json.dumps(content | {"label_index": content["label_index"] + 1}))
    argv = ["--data-path", str(raw), "--out-folder", str(tmp_path / "out")]
    assert kinetics_gendata.run(argv) == 1
    assert f"{clip}: its label_index is" in capsys.readouterr().err
    assert kinetics_gendata.run([*argv, "--allow-missing"]) == 0
    assert len(np.load(tmp_path / "out" / "val_data_joint.npy")) == 3
    assert len(np.load(tmp_path / "out" / "train_data_joint.npy")) == 4


def test_one_part_is_enough_when_that_is_said(raw: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.rmtree(raw / "kinetics_train")
    argv = ["--data-path", str(raw), "--out-folder", str(tmp_path / "out")]
    assert exit_code(kinetics_gendata.run, argv) == 2
    assert "kinetics_train: No such file or directory" in capsys.readouterr().err
    assert kinetics_gendata.run([*argv, "--allow-missing"]) == 0
    assert not (tmp_path / "out" / "train_data_joint.npy").exists()


def test_a_clip_that_the_list_does_not_know(raw: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (raw / "kinetics_val" / "other.json").write_text("{}")
    assert exit_code(kinetics_gendata.run, ["--data-path", str(raw), "--out-folder", str(tmp_path / "out")]) == 2
    assert "no label_index and has_skeleton for other.json" in capsys.readouterr().err
