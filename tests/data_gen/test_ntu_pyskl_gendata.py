"""pyskl's lineage from made recordings to the store and the pickle: faults, workers, kills."""

from __future__ import annotations

import hashlib
import os
import pickle
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from benchmarks.skeleton_tree import ON_MISSING_LIST, make_tree
from clips.bodies import plain_clip, pyskl_actors
from clips.compact import CompactStore
from clips.read.ntu import read_ntu
from clips.read.pyskl import PysklStore
from command_line import exit_code
from data_gen import ntu_pyskl_gendata

ROOT = Path(__file__).parents[2]
RAW = ROOT / "tests" / "golden" / "nturgbd_raw"
NAMES = sorted(path.stem for path in RAW.glob("*.skeleton"))


def digests(folder: Path) -> dict[str, str]:
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def command(raw: Path, out: Path, *more: str) -> list[str]:
    call = [sys.executable, "-m", "data_gen.ntu_pyskl_gendata", "--data-path", str(raw), "--out-folder", str(out)]
    return [*call, "--pickle", str(out / "ntu60_3danno.pkl"), "--allow-missing", *more]


@pytest.mark.parametrize("exact", [False, True])
def test_store_and_pickle_hold_what_the_sensor_saw(exact: bool, tmp_path: Path) -> None:
    argv = ["--data_path", str(RAW), "--out_folder", str(tmp_path / "out"), "--pickle", str(tmp_path / "a.pkl")]
    assert ntu_pyskl_gendata.run([*argv, *(["--float32"] if exact else [])]) == 0
    dtype = np.float32 if exact else np.float16
    store = CompactStore(tmp_path / "out")
    content = pickle.loads((tmp_path / "a.pkl").read_bytes())
    assert store.names == NAMES
    assert sorted(content) == ["annotations", "split"]
    assert sorted(content["split"]) == ["xsub_train", "xsub_val", "xview_train", "xview_val"]
    assert content["split"]["xview_val"] == [name for name in NAMES if "C001" in name]
    for index, (name, found) in enumerate(zip(NAMES, content["annotations"], strict=True)):
        actors = pyskl_actors(read_ntu(RAW / f"{name}.skeleton"))
        want = actors.swapaxes(0, 1).astype(dtype)
        assert np.array_equal(store.clip(index), plain_clip(actors).astype(dtype).astype(np.float32))
        assert found["keypoint"].dtype == dtype
        assert np.array_equal(found["keypoint"], want)
        assert (found["frame_dir"], found["total_frames"]) == (name, want.shape[1])
        assert found["label"] == store.labels[index] == int(name[17:20]) - 1
    for split in content["split"]:
        ours, theirs = CompactStore(tmp_path / "out", split), PysklStore(tmp_path / "a.pkl", split)
        assert (ours.names, ours.labels) == (theirs.names, theirs.labels)
        assert theirs.num_person == 1  # nobody in these files has company for long enough
        for index in range(len(ours.names)):
            assert np.array_equal(ours.clip(index)[..., :1], theirs.clip(index))
            assert not ours.clip(index)[..., 1:].any()


def test_two_bodies_come_to_the_pickle(tmp_path: Path) -> None:
    make_tree(tmp_path / "raw", 12, mean_frames=30)
    argv = ["--data-path", str(tmp_path / "raw"), "--out-folder", str(tmp_path / "out")]
    assert ntu_pyskl_gendata.run([*argv, "--pickle", str(tmp_path / "a.pkl")]) == 0
    ours, theirs = CompactStore(tmp_path / "out"), PysklStore(tmp_path / "a.pkl")
    assert theirs.num_person == 2
    assert all(np.array_equal(ours.clip(index), theirs.clip(index)) for index in range(12))


def test_ntu120_has_setups_for_a_split(tmp_path: Path) -> None:
    argv = ["--dataset", "ntu120", "--data-path", str(RAW), "--out-folder", str(tmp_path)]
    assert ntu_pyskl_gendata.run(argv) == 0
    assert CompactStore(tmp_path, "xset_train").names == [name for name in NAMES if name.startswith("S002")]


def test_dense_files_are_filled_up_with_empty_frames(tmp_path: Path) -> None:
    argv = ["--data-path", str(RAW), "--out-folder", str(tmp_path), "--layout", "dense"]
    assert ntu_pyskl_gendata.run(argv) == 0
    assert np.load(tmp_path / "xsub" / "train_data_joint.npy").shape[1:] == (3, 300, 25, 2)


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--pickle", "a.pt"], "--pickle: wanted a file that ends in .pkl or .pickle, got a.pt"),
        (["--pickle", "a.pkl", "--layout", "dense"], "--pickle: it is made from the compact store"),
        (["--data-path", "{tmp}"], "{tmp}: no recording in it is called like"),
    ],
)
def test_bad_arguments_are_one_sentence(
    argv: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert exit_code(ntu_pyskl_gendata.run, [word.format(tmp=tmp_path) for word in argv]) == 2
    error = capsys.readouterr().err
    assert message.format(tmp=tmp_path) in error
    assert error.count("\n") == 1


def test_what_float16_cannot_hold_is_damage(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "raw").mkdir()
    text = (RAW / f"{NAMES[0]}.skeleton").read_text().splitlines()
    text[4] = "70000 " + text[4].split(" ", 1)[1]
    (tmp_path / "raw" / f"{NAMES[0]}.skeleton").write_text("\n".join(text) + "\n")
    argv = ["--data-path", str(tmp_path / "raw"), "--out-folder", str(tmp_path / "out")]
    assert ntu_pyskl_gendata.run(argv) == 1
    assert "a coordinate is too large for float16; --float32 keeps it" in capsys.readouterr().err
    assert ntu_pyskl_gendata.run([*argv, "--float32"]) == 0


def check(raw: Path, folder: Path, count: int, damaged: dict[str, str], *, kills: int, seconds: float) -> None:
    """Damage is named; two workers, and kills at random moments, change no byte."""
    refused = subprocess.run(command(raw, folder / "one")[:-1], cwd=ROOT, capture_output=True, text=True)
    assert refused.returncode == 1
    assert all(refused.stderr.count(f"{name}.skeleton") == 1 for name in damaged)
    assert not (folder / "one" / "store.json").exists()
    allowed = subprocess.run(command(raw, folder / "one"), cwd=ROOT, capture_output=True, text=True)
    assert allowed.returncode == 0, allowed.stderr
    names = CompactStore(folder / "one").names
    assert len(names) == count - len(damaged)
    assert not {*damaged, ON_MISSING_LIST} & set(names)
    want = digests(folder / "one")
    assert len(want) == 5
    moments = random.Random(os.getpid())
    for _ in range(kills):
        running = subprocess.Popen(
            command(raw, folder / "killed", "--n-cores", "2"),
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        time.sleep(moments.uniform(0.2, 1) * seconds)
        running.send_signal(signal.SIGKILL)
        running.wait()
    subprocess.run(command(raw, folder / "killed", "--n-cores", "2"), cwd=ROOT, check=True, capture_output=True)
    assert digests(folder / "killed") == want


def test_damage_is_named_and_neither_workers_nor_kills_change_a_byte(tmp_path: Path) -> None:
    damaged = make_tree(tmp_path / "raw", 80, mean_frames=12, damaged_each=1)
    check(tmp_path / "raw", tmp_path, 80, damaged, kills=1, seconds=1.5)


@pytest.mark.slow
def test_two_thousand_recordings(tmp_path: Path) -> None:
    damaged = make_tree(tmp_path / "raw", 2000, mean_frames=84, damaged_each=5)
    check(tmp_path / "raw", tmp_path, 2000, damaged, kills=3, seconds=8)
