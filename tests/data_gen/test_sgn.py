"""The SGN lineage from made recordings to the store and the .npz files: faults, workers, kills."""

from __future__ import annotations

import hashlib
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from benchmarks.skeleton_tree import ON_MISSING_LIST, make_tree
from clips.bodies import sgn_actors, sgn_clip
from clips.compact import CompactStore
from clips.read.ntu import read_ntu
from clips.store import open_store
from clips.write.npz import npz_row
from command_line import exit_code
from data_gen import get_raw_denoised_data, get_raw_skes_data, seq_transformation
from data_gen.sgn import npz_order

ROOT = Path(__file__).parents[2]
RAW = ROOT / "tests" / "golden" / "nturgbd_raw"


def digests(folder: Path) -> dict[str, str]:
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def command(raw: Path, out: Path, *more: str) -> list[str]:
    call = [sys.executable, "-m", "data_gen.seq_transformation", "--data-path", str(raw), "--out-folder", str(out)]
    return [*call, "--npz", str(out / "npz"), "--allow-missing", *more]


def test_the_three_commands_in_a_row(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    argv = ["--data_path", str(RAW), "--out_folder", str(tmp_path / "out"), "--npz", str(tmp_path / "npz")]
    for step in (get_raw_skes_data, get_raw_denoised_data):
        assert step.run(argv) == 0
        assert "6 are there to be read; nothing is written yet" in capsys.readouterr().out
        assert not list(tmp_path.iterdir())
    assert seq_transformation.run(argv) == 0
    whole = CompactStore(tmp_path / "out")
    assert whole.names == sorted(path.stem for path in RAW.glob("*.skeleton"))
    assert whole.labels == [int(name[17:20]) - 1 for name in whole.names]
    for index, name in enumerate(whole.names):
        want = sgn_clip(sgn_actors(read_ntu(RAW / f"{name}.skeleton")), copy_single=False)
        assert np.array_equal(whole.clip(index), want)
    for protocol, file in (("xsub", "NTU60_CS.npz"), ("xview", "NTU60_CV.npz")):
        for part, split in (("train", "train"), ("test", "val")):
            clips = CompactStore(tmp_path / "out", f"{protocol}_{split}")
            rows = npz_order(clips.names, protocol)
            with np.load(tmp_path / "npz" / file) as arrays:
                x, y = arrays[f"x_{part}"], arrays[f"y_{part}"]
            assert (x.dtype, x.shape, y.dtype, y.shape) == ("f4", (len(rows), 300, 150), "f8", (len(rows), 60))
            assert y.argmax(axis=1).tolist() == [clips.labels[row] for row in rows]
            assert all(np.array_equal(found, npz_row(clips.clip(row), 300)) for found, row in zip(x, rows, strict=True))
    capsys.readouterr()
    before = digests(tmp_path)
    assert seq_transformation.run(argv) == 0
    assert "made from these recordings before" in capsys.readouterr().out
    assert digests(tmp_path) == before


def test_rows_are_grouped_as_published() -> None:
    names = ["S001C001P002R001A001", "S001C002P001R001A002", "S001C003P001R002A001", "S002C002P001R001A001"]
    assert npz_order(names, "xsub") == [1, 2, 3, 0]
    assert npz_order(names, "xview") == [0, 1, 3, 2]
    assert npz_order(names[::-1], "xset") == [3, 2, 1, 0]


@pytest.mark.parametrize(("dataset", "flag"), [("ntu", None), ("ntu120", None), ("ntu", "copied"), ("ntu120", "alone")])
def test_an_only_body_is_copied_in_ntu120(dataset: str, flag: str | None, tmp_path: Path) -> None:
    argv = ["--dataset", dataset, "--data-path", str(RAW), "--out-folder", str(tmp_path)]
    assert seq_transformation.run([*argv, *(["--single-body", flag] if flag else [])]) == 0
    store = CompactStore(tmp_path, "xsub_train")
    copied = flag == "copied" if flag else dataset == "ntu120"
    single = [store.clip(i) for i, name in enumerate(store.names) if "A001" in name]
    assert single
    for clip in single:
        assert np.array_equal(clip[..., 1], clip[..., 0] if copied else np.zeros_like(clip[..., 0]))


def test_dense_files_are_filled_up_with_empty_frames(tmp_path: Path) -> None:
    argv = ["--data-path", str(RAW), "--out-folder"]
    assert seq_transformation.run([*argv, str(tmp_path / "d"), "--layout", "dense"]) == 0
    assert seq_transformation.run([*argv, str(tmp_path / "c")]) == 0
    dense = open_store(tmp_path / "d" / "xsub" / "val_data_joint.npy", tmp_path / "d" / "xsub" / "val_label.pkl")
    compact = CompactStore(tmp_path / "c", "xsub_val")
    assert (dense.names, dense.labels) == (compact.names, compact.labels)
    for index in range(len(dense.names)):
        clip = compact.clip(index)
        assert clip.shape[1] < 300
        assert np.array_equal(dense.clip(index)[:, : clip.shape[1]], clip)
        assert not dense.clip(index)[:, clip.shape[1] :].any()


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--dataset", "ntu61"], "invalid choice: 'ntu61'"),
        (["--data-path", "{tmp}/none"], "{tmp}/none: No such file or directory; the .skeleton files"),
        (["--layout", "dense", "--npz"], "--npz: these files are made from the compact store"),
        (["--npzz"], "unknown argument '--npzz'; did you mean '--npz'?"),
    ],
)
def test_bad_arguments_are_one_sentence(
    argv: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert exit_code(seq_transformation.run, [word.format(tmp=tmp_path) for word in argv]) == 2
    error = capsys.readouterr().err
    assert message.format(tmp=tmp_path) in error
    assert error.count("\n") == 1


@pytest.mark.parametrize("step", ["get_raw_skes_data", "get_raw_denoised_data", "seq_transformation"])
def test_the_commands_work_from_inside_data_gen(step: str) -> None:
    done = subprocess.run(
        [sys.executable, f"{step}.py", "--help"],
        cwd=ROOT / "data_gen",
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "--dataset {ntu,ntu60,ntu120}" in done.stdout


# ---- damage, workers, kills


def check_damage(raw: Path, out: Path, count: int, damaged: dict[str, str]) -> None:
    refused = subprocess.run(command(raw, out)[:-1], cwd=ROOT, capture_output=True, text=True)
    assert refused.returncode == 1
    assert f"{len(damaged)} of {count} recordings are damaged" in refused.stderr
    assert all(refused.stderr.count(f"{name}.skeleton") == 1 for name in damaged)
    assert not (out / "store.json").exists()
    allowed = subprocess.run(command(raw, out), cwd=ROOT, capture_output=True, text=True)
    assert allowed.returncode == 0, allowed.stderr
    assert f"{count} of {count} recordings are done from before" in allowed.stderr
    names = CompactStore(out).names
    assert len(names) == count - len(damaged)
    assert not {*damaged, ON_MISSING_LIST} & set(names)


def check_kills(raw: Path, out: Path, want: dict[str, str], *, kills: int, seconds: float, seed: int) -> None:
    moments = random.Random(seed)
    for _ in range(kills):
        running = subprocess.Popen(
            command(raw, out, "--n-cores", "2"), cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        time.sleep(moments.uniform(0.2, 1) * seconds)
        running.send_signal(signal.SIGKILL)
        running.wait()
    subprocess.run(command(raw, out), cwd=ROOT, check=True, capture_output=True)
    assert digests(out) == want


def test_damage_is_named_and_neither_workers_nor_kills_change_a_byte(tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    damaged = make_tree(raw, 80, mean_frames=12, damaged_each=1)
    check_damage(raw, tmp_path / "one", 80, damaged)
    want = digests(tmp_path / "one")
    assert len(want) == 6
    check_kills(raw, tmp_path / "killed", want, kills=1, seconds=1.5, seed=os.getpid())


@pytest.mark.slow
def test_two_thousand_recordings(tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    damaged = make_tree(raw, 2000, mean_frames=84, damaged_each=5)
    start = time.monotonic()
    check_damage(raw, tmp_path / "one", 2000, damaged)
    seconds = time.monotonic() - start
    want = digests(tmp_path / "one")
    subprocess.run(command(raw, tmp_path / "two", "--n-cores", "2"), cwd=ROOT, check=True, capture_output=True)
    assert digests(tmp_path / "two") == want
    check_kills(raw, tmp_path / "killed", want, kills=3, seconds=seconds, seed=1)
