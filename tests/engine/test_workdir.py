"""The folder of a run: whose it is, and the account of how the run came about."""

from __future__ import annotations

import json
import platform
import re
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from engine.config import Config, make_config
from engine.workdir import WorkDir
from engine.yaml_files import compose
from errors import InputError


def config(path: Path | str, **settings: object) -> Config:
    return make_config({"work_dir": str(path), **settings}, {})


def test_a_run_needs_a_work_dir() -> None:
    with pytest.raises(InputError, match="work_dir is missing: where to put weights and scores is said by"):
        WorkDir(Config())


@pytest.mark.parametrize(("stream", "name"), [(None, "msg3d_joint"), ("bone_motion", "msg3d_bone_motion")])
def test_the_stream_is_part_of_the_name(tmp_path: Path, stream: str | None, name: str) -> None:
    assert WorkDir(config(tmp_path / "msg3d_{stream}", stream=stream)).path == tmp_path / name


def test_weights_are_called_as_msg3d_calls_them(tmp_path: Path) -> None:
    assert WorkDir(config(tmp_path)).weights(3, 120) == tmp_path / "weights" / "weights-3-120.pt"
    named = WorkDir(config(tmp_path, model_saved_name="joint"))
    assert named.weights(3, 120) == tmp_path / "weights" / "joint-3-120.pt"


@pytest.mark.parametrize("left", ["weights", "checkpoints"])
def test_a_new_training_run_gets_a_folder_of_its_own(tmp_path: Path, left: str) -> None:
    (tmp_path / left).mkdir()
    WorkDir(config(tmp_path)).claim(config(tmp_path))  # a run that saved nothing leaves the folder free
    (tmp_path / left / "a.pt").touch()
    work_dir = WorkDir(config(tmp_path))
    with pytest.raises(InputError, match=r"already holds a training run: choose another --work-dir$"):
        work_dir.claim(config(tmp_path))
    work_dir.claim(config(tmp_path, phase="test"))


def test_a_run_goes_on_where_its_checkpoint_lies_and_nowhere_else(tmp_path: Path) -> None:
    mine, other = tmp_path / "mine", tmp_path / "other"
    for folder in (mine, other):
        (folder / "checkpoints").mkdir(parents=True)
        (folder / "checkpoints" / "last.pt").touch()
    last = str(mine / "checkpoints" / "last.pt")
    WorkDir(config(mine)).claim(config(mine, checkpoint=last))
    WorkDir(config(tmp_path / "new")).claim(config(tmp_path / "new", checkpoint=last))
    with pytest.raises(InputError, match="already holds a training run"):
        WorkDir(config(other)).claim(config(other, checkpoint=last))


def test_the_refusal_says_how_to_go_on(tmp_path: Path) -> None:
    work_dir = WorkDir(config(tmp_path))
    work_dir.last.parent.mkdir()
    work_dir.last.touch()
    with pytest.raises(InputError, match="go on with it with --resume auto, or choose another"):
        work_dir.claim(config(tmp_path))


def test_a_folder_with_a_test_may_be_trained_into(tmp_path: Path) -> None:
    (tmp_path / "epoch1_test_score.pkl").touch()
    WorkDir(config(tmp_path)).claim(config(tmp_path))


def test_a_work_dir_is_made_with_the_folders_above_it(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b"
    WorkDir(config(path)).claim(config(path))
    assert path.is_dir()
    (tmp_path / "file").touch()
    for taken in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(InputError, match=f"{taken}: cannot be made a work dir: "):
            WorkDir(config(taken)).claim(config(taken))


def test_the_account_of_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["main.py", "--seed", "5"])
    settings = config(tmp_path, seed=5, model_args={"widths": [6, 12]})
    origin = {"seed": "--seed", "model_args.widths": "a.yaml"}
    WorkDir(settings).describe(settings, origin)
    account = json.loads((tmp_path / "run.json").read_text(encoding="utf-8"))
    assert account["command"] == ["main.py", "--seed", "5"]
    assert account["config"] == asdict(settings)
    assert account["origin"] == origin
    assert account["versions"] == {
        "python": platform.python_version(),
        "torch": str(torch.__version__),
        "numpy": np.__version__,
        "platform": platform.platform(),
    }
    assert account["git_commit"] is None or re.fullmatch(r"[0-9a-f]{40}\+?", account["git_commit"])


def test_the_written_configuration_describes_the_same_run(tmp_path: Path) -> None:
    settings = config(tmp_path / "w_{stream}", base_lr="1e-5", step=[3], device=[0], model_args={"a": {"b": [1, 2.5]}})
    WorkDir(settings).describe(settings, {})
    values, origin = compose(tmp_path / "w_joint" / "config.yaml")
    assert make_config(values, origin) == settings


def test_a_test_leaves_the_account_of_the_training_alone(tmp_path: Path) -> None:
    training, testing = config(tmp_path), config(tmp_path, phase="test")
    WorkDir(training).describe(training, {})
    before = (tmp_path / "run.json").read_bytes()
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "weights-1-1.pt").touch()
    WorkDir(testing).describe(testing, {})
    assert (tmp_path / "run.json").read_bytes() == before
    assert json.loads((tmp_path / "test-run.json").read_text())["config"]["phase"] == "test"
    assert (tmp_path / "test-config.yaml").is_file()


def test_without_git_there_is_no_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    WorkDir(config(tmp_path)).describe(config(tmp_path), {})
    assert json.loads((tmp_path / "run.json").read_text())["git_commit"] is None


def test_a_work_dir_named_after_another_stream_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is named after another stream than bone"):
        WorkDir(config(tmp_path / "msg3d_joint", stream="bone"))
    WorkDir(config(tmp_path / "msg3d_bone", stream="bone"))
    WorkDir(config(tmp_path / "mine", stream="bone"))


@pytest.mark.parametrize("part", ["weights", "checkpoints"])
def test_the_halves_that_a_killed_run_left_are_no_training_run_and_go(tmp_path: Path, part: str) -> None:
    half, scores = tmp_path / part / ".123.partial.last.pt", tmp_path / ".124.partial.epoch1_test_score.pkl"
    half.parent.mkdir()
    for file in (half, scores):
        file.touch()
    WorkDir(config(tmp_path)).claim(config(tmp_path, phase="test"))
    assert half.exists()
    WorkDir(config(tmp_path)).claim(config(tmp_path))
    assert not half.exists()
    assert scores.exists()  # a test that goes on just now may be writing it


def test_two_trainings_do_not_share_a_folder(tiny: Any, run_main: Any, light: Any, tree: Any, tmp_path: Path) -> None:
    """The second is refused while the first is there, even one that would go on, and nothing is changed."""
    config = make_config({**tiny.settings, "work_dir": str(tmp_path / "w")}, {})
    first = WorkDir(config)
    first.claim(config)
    path, before = tiny.write(tmp_path / "c.yaml", **light), tree(tmp_path / "w")
    flags = ["--config", path, "--work-dir", tmp_path / "w", "--num-epoch", 1, "--resume", "auto"]
    done = run_main(*flags)
    assert (done.code, done.err) == (2, [f"error: {tmp_path / 'w'}: another run is training there just now"])
    assert tree(tmp_path / "w") == before
    first.release()
    assert run_main(*flags).code == 0
