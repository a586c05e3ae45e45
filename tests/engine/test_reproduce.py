"""Tables of runs: read strictly, trained run by run, going on where they were stopped, written down."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from engine import reproduce
from engine.flags import parse
from engine.run_tables import markdown, read_table
from engine.scoring.scores import save_scores
from errors import InputError

ROOT = Path(__file__).resolve().parents[2]
NETWORK = {"name": "MS-G3D", "config": "config/utd-mhad/msg3d.yaml", "streams": {"joint": 89.4, "bone": None}}


def written(folder: Path, *networks: dict[str, Any], **more: Any) -> Path:
    path = folder / "table.yaml"
    path.write_text(
        yaml.safe_dump({"title": "Tried", "networks": list(networks), **more}, sort_keys=False), encoding="utf-8"
    )
    return path


def finish(work_dir: Path, logits: np.ndarray, labels: list[int]) -> None:
    """What a run at its end leaves."""
    names = [f"clip{i}" for i in range(len(labels))]
    save_scores(work_dir, 3, names, np.array(labels), logits)
    top1 = float((logits.argmax(axis=1) == labels).mean())
    result = {"last": {"epoch": 3, "top1": top1}, "best_on_test_part": {"epoch": 2, "top1": 0.75}}
    (work_dir / "result.json").write_text(json.dumps(result))


def test_published_and_measured_stand_in_columns_of_their_own(tmp_path: Path) -> None:
    fusion = {"name": "two streams", "streams": ["joint", "bone"], "weights": [1, 3], "published": 91.5}
    table = read_table(written(tmp_path, {**NETWORK, "fusions": [fusion]}), tmp_path / "w")
    text = markdown(table)
    assert "| MS-G3D | joint | 89.4 % | – | – |" in text
    assert "| MS-G3D | two streams, 1:3 | 91.5 % | – | |" in text
    finish(tmp_path / "w" / "ms-g3d_joint", np.array([[1.0, 0], [1, 0], [0, 1], [0, 1]]), [0, 1, 0, 1])
    assert "| MS-G3D | joint | 89.4 % | 50.00% | 75.00% (2) |" in markdown(table)
    assert "| MS-G3D | two streams, 1:3 | 91.5 % | – | |" in markdown(table)  # half of it is not there yet
    finish(tmp_path / "w" / "ms-g3d_bone", np.array([[0.5, 0], [0, 0.2], [0.5, 0], [0, 0.1]]), [0, 1, 0, 1])
    text = markdown(table)
    assert "| MS-G3D | bone |  | 100.00% | 75.00% (2) |" in text
    assert "| MS-G3D | two streams, 1:3 | 91.5 % | 75.00% | |" in text


@pytest.mark.parametrize("text", ['{"last": ', '{"last": {"epoch": 3, "top1": 0.5}}'])
def test_a_damaged_result_is_said_before_anything_is_trained(
    tmp_path: Path, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reproduce, "_call", lambda command: pytest.fail("it was trained"))
    path = tmp_path / "w" / "ms-g3d_bone" / "result.json"
    path.parent.mkdir(parents=True)
    path.write_text(text)
    with pytest.raises(InputError, match=f"^{path}: "):
        reproduce.run([str(written(tmp_path, NETWORK)), "--work-dir", str(tmp_path / "w")])


def test_a_run_is_a_command_that_goes_on(tmp_path: Path) -> None:
    flags: dict[str, Any] = {
        "num_epoch": 2,
        "model_args": {"widths": [6, 12, 12]},
        "nesterov": True,
        "step": [1, 2],
        "train_feeder_args": {"mixed": [None, 1e-7, "ü 😀", "5", "2020-01-02"]},
    }
    table = read_table(written(tmp_path, {**NETWORK, "flags": {"num_epoch": 5}}, flags=flags), tmp_path / "w")
    joint, bone = table.rows
    assert joint.command[1:9] == (
        *("--config", NETWORK["config"], "--stream", "joint"),
        *("--work-dir", str(tmp_path / "w" / "ms-g3d_joint"), "--resume", "auto"),
    )
    assert '--num-epoch 5 --model-args {"widths": [6, 12, 12]} --nesterov true --step 1 2' in " ".join(bone.command)
    assert parse(bone.command[1:])[0].train_feeder_args["mixed"] == flags["train_feeder_args"]["mixed"]


@pytest.mark.parametrize(
    ("network", "more", "says"),
    [
        ({**NETWORK, "stream": {}}, {}, r"networks\[0\]: unknown key 'stream'; did you mean 'streams'\?"),
        ({**NETWORK, "streams": {}}, {}, "streams is missing"),
        ({**NETWORK, "streams": {"joint": "89 %"}}, {}, "published is '89 %', wanted percent"),
        ({"config": "x", "streams": {"joint": 1}}, {}, "name is None, wanted text"),
        (NETWORK, {"flags": {"num_epochs": 3}}, "flags: unknown setting 'num_epochs'; did you mean 'num_epoch'"),
        (NETWORK, {"flags": {"num_epoch": 0}}, "flags: num_epoch is 0, wanted at least 1"),
        (NETWORK, {"flags": "fast"}, "flags is 'fast', wanted a mapping of names"),
        (NETWORK, {"flags": {"weights": None}}, "flags: weights is None, which no command line can say: leave it out"),
        (
            {**NETWORK, "flags": {"freeze": []}},
            {},
            r"networks\[0\]: flags: freeze is \[\], which no command line can say",
        ),
        (NETWORK, {"flags": {"model_args": {"a": date(2020, 1, 2)}}}, "flags: model_args is .*, which no command line"),
        (NETWORK, {"flags": {"model_args": {"a": float("nan")}}}, "flags: model_args is .*, which no command line"),
        (NETWORK, {"flags": {"model_args": {"a": {1: 2}}}}, "flags: model_args is .*, which no command line"),
        ({**NETWORK, "fusions": [{"streams": ["joints"]}]}, {}, "streams has 'joints', .*; did you mean 'joint'"),
        ({**NETWORK, "fusions": [{"streams": [["joint"]]}]}, {}, r"streams has \['joint'\], wanted joint, bone"),
        (
            {**NETWORK, "fusions": [{"streams": []}]},
            {},
            r"fusions\[0\]: streams is \[\], wanted at least one of joint, b",
        ),
        ({**NETWORK, "fusions": [{"weights": [1]}]}, {}, r"weights is \[1\], wanted a finite number for each of 2 st"),
        (
            {**NETWORK, "fusions": [{"weights": [1, float("nan")]}]},
            {},
            r"weights is \[1, nan\], wanted a finite number",
        ),
        (
            {**NETWORK, "fusions": [{"weights": [1, float("inf")]}]},
            {},
            r"weights is \[1, inf\], wanted a finite number",
        ),
        ({**NETWORK, "fusions": [{"weights": [1, 10**400]}]}, {}, r"weights is .*, wanted a finite number"),
        ({**NETWORK, "fusions": [{"weights": [True, 1]}]}, {}, r"weights is .*, wanted a finite number"),
        ({**NETWORK, "fusions": [{"weights": [0, 0.0]}]}, {}, "streams, not all 0"),
        ({**NETWORK, "fusions": [{"softmax": "no"}]}, {}, "softmax is 'no', wanted true or false"),
        ({**NETWORK, "fusions": [{"name": 4}]}, {}, "name is 4, wanted text"),
        ({**NETWORK, "fusions": ["all"]}, {}, r"fusions\[0\]: wanted a mapping of name, .*, got 'all'"),
        ({**NETWORK, "fusions": "all"}, {}, "fusions is 'all', wanted a list"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, network: dict[str, Any], more: dict[str, Any], says: str) -> None:
    with pytest.raises(InputError, match=f"^{tmp_path / 'table.yaml'}.*{says}"):
        read_table(written(tmp_path, network, **more), tmp_path)
    with pytest.raises(InputError, match="two networks have the same name"):
        read_table(written(tmp_path, NETWORK, {**NETWORK, "name": "ms g3d"}), tmp_path)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        *(("stream", "bone"), ("work_dir", "w"), ("resume", "auto"), ("phase", "test"), ("seeds", [1, 2])),
        *(("checkpoint", "w/checkpoints/last.pt"), ("start_epoch", 3), ("describe", True)),
    ],
)
def test_flags_do_not_make_another_run_of_a_row(tmp_path: Path, key: str, value: Any) -> None:
    path = tmp_path / "table.yaml"
    with pytest.raises(InputError, match=f"^{path}: flags: {key} cannot be set"):
        read_table(written(tmp_path, NETWORK, flags={key: value}), tmp_path)
    with pytest.raises(InputError, match=rf"^{path}, networks\[0\]: flags: {key} cannot be set"):
        read_table(written(tmp_path, {**NETWORK, "flags": {key: value}}), tmp_path)


@pytest.mark.parametrize("path", sorted((ROOT / "config" / "tables").glob("*.yaml")), ids=lambda path: path.stem)
def test_the_tables_that_come_along_are_whole(path: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert reproduce.run([str(path), "--dry-run", "--work-dir", str(tmp_path)]) == 0
    table = read_table(path, tmp_path)
    assert all((ROOT / row.command[2]).is_file() or Path(row.command[2]).is_file() for row in table.rows)
    assert len(capsys.readouterr().out.splitlines()) > len(table.rows)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_a_table_that_was_killed_goes_on_with_the_same_command(tmp_path: Path, tiny: Any, own_package: str) -> None:
    """Two networks of two streams; stopped by SIGTERM in the middle, which the run at work turns into a checkpoint."""
    toy = tiny.settings["model_args"]["graph_args"]["layout"]
    feeders = {part: {**tiny.settings[part], "layout": toy} for part in ("train_feeder_args", "test_feeder_args")}
    config = tiny.write(tmp_path / "run.yaml", model=f"{own_package}.Model", model_args={"num_class": 6}, **feeders)
    networks = [
        {
            **{"name": name, "config": str(config), "streams": {"joint": None, "bone": None}},
            **{"flags": {"num_epoch": epochs, "eval_interval": 50}, "fusions": [{"name": "two streams"}]},
        }
        for name, epochs in (("A", 2), ("B", 40))
    ]
    table, work_dir = written(tmp_path, *networks), tmp_path / "w"
    command = [sys.executable, "-m", "engine.reproduce", str(table), "--work-dir", str(work_dir)]
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}:{tmp_path / 'elsewhere'}"}
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    until = time.monotonic() + 120
    while not (work_dir / "b_joint" / "checkpoints" / "last.pt").exists() and time.monotonic() < until:
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    _, complaints = process.communicate(timeout=60)
    assert process.returncode == 75, complaints.decode()
    text = (work_dir / "table.md").read_text()
    assert text.count("–") == 5  # both streams of B, last and best, and their fusion
    first = (work_dir / "a_joint" / "result.json").stat().st_mtime_ns
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "going on from" in done.stdout
    assert (work_dir / "a_joint" / "result.json").stat().st_mtime_ns == first
    assert "–" not in (work_dir / "table.md").read_text()
