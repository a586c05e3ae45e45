from __future__ import annotations

import hashlib
import os
import pickle
import random
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from benchmarks.skeleton_tree import ON_MISSING_LIST, make_tree
from clips.dense import read_labels
from command_line import exit_code
from data_gen import ntu120_gendata, ntu_gendata
from data_gen.ntu import MISSING_LIST, read_missing_list
from errors import InputError

ROOT = Path(__file__).parents[2]
GOLDEN = ROOT / "tests" / "golden"
RAW = GOLDEN / "nturgbd_raw"
IGNORED = str(RAW / "ignored.txt")


def digests(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): digest(path) for path in sorted(folder.rglob("*")) if path.is_file()}


def digest(path: Path) -> str:
    """In pieces: a child's peak memory counts that of this process when it starts."""
    found = hashlib.sha256()
    with open(path, "rb") as file:
        while piece := file.read(1 << 20):
            found.update(piece)
    return found.hexdigest()


def command(raw: Path, out: Path, *more: str) -> list[str]:
    return [sys.executable, "-m", "data_gen.ntu_gendata", "--data_path", str(raw), "--out_folder", str(out), *more]


# ---- what MS-G3D writes


@pytest.mark.parametrize(
    ("dataset", "protocol", "part"),
    [
        (dataset, protocol, part)
        for dataset, protocols in (("ntu60", ("xsub", "xview")), ("ntu120", ("xsub", "xset")))
        for protocol in protocols
        for part in ("train", "val")
    ],
)
def test_the_files_are_the_published_ones(tmp_path: Path, dataset: str, protocol: str, part: str) -> None:
    if dataset == "ntu60":
        argv = ["--data_path", str(RAW), "--ignored_sample_path", IGNORED, "--out_folder", str(tmp_path)]
        assert ntu_gendata.run(argv) == 0
    else:
        argv = ["--part1-path", str(RAW), "--part2-path", str(RAW), "--ignored-sample-path", IGNORED]
        assert ntu120_gendata.run([*argv, "--out-folder", str(tmp_path)]) == 0
    golden = np.load(GOLDEN / "data_ntu_read.npz")
    keys = ("names", "labels", "shape", "data_first24", "abs_sum")
    want = {key: golden[f"{dataset}_{protocol}_{part}/out/{key}"] for key in keys}
    clips = np.load(tmp_path / protocol / f"{part}_data_joint.npy")
    with open(tmp_path / protocol / f"{part}_label.pkl", "rb") as file:
        names, labels = pickle.load(file)
    assert (clips.dtype, clips.shape) == (np.float32, tuple(want["shape"]))
    assert np.array_equal(clips[:, :, :24], want["data_first24"])
    prefix = "" if dataset == "ntu60" else f"{RAW}/"  # NTU RGB+D 120 is named by path, as MS-G3D has it
    assert names == [prefix + name for name in want["names"].tolist()]
    assert labels == want["labels"].tolist()
    abs_sum = np.abs(clips).sum(axis=(1, 2, 3, 4), dtype=np.float64)
    np.testing.assert_allclose(abs_sum, want["abs_sum"], rtol=1e-6)


def test_the_missing_list_ships_and_a_copy_with_its_header_works(tmp_path: Path) -> None:
    shipped = read_missing_list(MISSING_LIST)
    assert len(shipped) == 535
    assert sum(name < "S018" for name in shipped) == 302
    copy = tmp_path / "NTU_RGBD120_samples_with_missing_skeletons.txt"
    header = (
        '535 of the captured samples in the "NTU RGB+D 120" dataset have missing skeleton data.\r\nIgnore them.\r\n\r\n'
    )
    copy.write_bytes((header + "".join(f"{name}\r\n" for name in sorted(shipped))).encode())
    assert read_missing_list(copy) == shipped


def test_recordings_of_ntu120_stay_out_of_ntu60(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_tree(tmp_path / "raw", 4, mean_frames=5)
    (tmp_path / "raw" / "S018C001P008R001A061.skeleton").write_text("")
    (tmp_path / "raw" / "notes.txt").write_text("")
    assert ntu_gendata.run(["--data-path", str(tmp_path / "raw"), "--out-folder", str(tmp_path / "out")]) == 0
    assert "1 recordings are of NTU RGB+D 120 only and stay out" in capsys.readouterr().out


# ---- how it is called


@pytest.mark.parametrize("form", ["module", "script", "inside"])
def test_three_ways_to_call_it_find_the_same_defaults(tmp_path: Path, form: str) -> None:
    script = ROOT / "data_gen" / "ntu_gendata.py"
    arguments, folder = {
        "module": (["-m", "data_gen.ntu_gendata"], ROOT),
        "script": (["data_gen/ntu_gendata.py"], ROOT),
        "inside": ([script.name], script.parent),
    }[form]
    done = subprocess.run(
        [sys.executable, *arguments, "--help"],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT)},  # an editable install does the same
        capture_output=True,
        text=True,
        check=True,
    )
    assert "data/nturgbd_raw/nturgb+d_skeletons in the repository" in " ".join(done.stdout.split())


def test_default_paths_do_not_depend_on_the_current_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    if (ROOT / "data" / "nturgbd_raw").exists():
        pytest.skip("the real recordings are there")
    with pytest.raises(InputError, match=str(ROOT / "data" / "nturgbd_raw")):
        ntu_gendata.run([])
    with pytest.raises(InputError, match=r"data_gen/\.\./data/nturgbd_raw"):
        ntu120_gendata.run([])


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--data-pth", "x"], "unknown argument '--data-pth'; did you mean '--data-path'?"),
        (["--n_cores", "0"], "argument --n-cores/--n_cores: wanted a whole number of at least 1, got '0'"),
        (
            ["--data_path", "{tmp}/none"],
            "{tmp}/none: No such file or directory; the .skeleton files of NTU RGB+D belong",
        ),
        (["--data_path", "{tmp}"], "{tmp}: no recording in it is called like S001C001P001R001A001.skeleton"),
        (
            ["--data_path", str(RAW), "--ignored_sample_path", "{tmp}/none"],
            "{tmp}/none: No such file or directory; it lists",
        ),
        (["--data_path", str(RAW), "--out_folder", str(RAW / "ignored.txt")], "ignored.txt"),
    ],
)
def test_bad_arguments_are_one_sentence(
    argv: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert exit_code(ntu_gendata.run, [word.format(tmp=tmp_path) for word in argv]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert message.format(tmp=tmp_path) in error
    assert error.count("\n") == 1


# ---- damage, workers, kills


def check_damage(raw: Path, out: Path, count: int, damaged: dict[str, str]) -> None:
    """Refused and named without --allow-missing; left out with it, everything else being there."""
    refused = subprocess.run(command(raw, out), cwd=ROOT, capture_output=True, text=True)
    assert refused.returncode == 1
    assert f"{count + 1} recordings, 1 of them on the list" in refused.stdout
    assert f"{len(damaged)} of {count} recordings are damaged" in refused.stderr
    assert all(refused.stderr.count(f"{name}.skeleton") == 1 for name in damaged)
    assert not list(out.glob("*/*.npy"))
    allowed = subprocess.run(command(raw, out, "--allow-missing"), cwd=ROOT, capture_output=True, text=True)
    assert allowed.returncode == 0, allowed.stderr
    assert f"{count} of {count} recordings are done from before" in allowed.stderr
    for protocol in ("xsub", "xview"):
        names = []
        for part in ("train", "val"):
            mine, labels = read_labels(out / protocol / f"{part}_label.pkl")
            clips = np.load(out / protocol / f"{part}_data_joint.npy", mmap_mode="r")
            assert len(clips) == len(mine)
            assert labels == [int(name[17:20]) - 1 for name in mine]
            assert all(clip.any() for clip in clips)
            names += mine
        assert len(names) == count - len(damaged)
        assert not {f"{name}.skeleton" for name in (*damaged, ON_MISSING_LIST)} & set(names)


def check_kills(raw: Path, out: Path, want: dict[str, str], *, kills: int, seconds: float, seed: int) -> None:
    """Killed at random moments, with two workers, and run once more: the same bytes as undisturbed."""
    moments = random.Random(seed)
    for _ in range(kills):
        running = subprocess.Popen(
            command(raw, out, "--allow-missing", "--n-cores", "2"),
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        time.sleep(moments.uniform(0.2, 1) * seconds)
        running.send_signal(signal.SIGKILL)
        running.wait()
    subprocess.run(command(raw, out, "--allow-missing"), cwd=ROOT, check=True, capture_output=True)
    assert digests(out) == want


def test_damaged_recordings_are_named_and_two_workers_write_the_same(tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    damaged = make_tree(raw, 150, mean_frames=12, damaged_each=2)
    check_damage(raw, tmp_path / "one", 150, damaged)
    subprocess.run(
        command(raw, tmp_path / "two", "--allow-missing", "--n_cores", "2"), cwd=ROOT, check=True, capture_output=True
    )
    want = digests(tmp_path / "one")
    assert len(want) == 8
    assert digests(tmp_path / "two") == want
    check_kills(raw, tmp_path / "killed", want, kills=2, seconds=1.0, seed=os.getpid())


def test_a_mended_file_is_read_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    raw, good = tmp_path / "raw", tmp_path / "good"
    make_tree(good, 70, mean_frames=5)
    make_tree(raw, 70, mean_frames=5, damaged_each=1)
    argv = ["--data-path", str(raw), "--out-folder", str(tmp_path / "out")]
    assert ntu_gendata.run(argv) == 1
    for path in good.iterdir():
        if path.read_bytes() != (raw / path.name).read_bytes():
            (raw / path.name).write_bytes(path.read_bytes())
    capsys.readouterr()
    assert ntu_gendata.run(argv) == 0
    assert not capsys.readouterr().err.count("damaged")
    assert ntu_gendata.run(["--data-path", str(raw), "--out-folder", str(tmp_path / "anew")]) == 0
    assert digests(tmp_path / "out") == digests(tmp_path / "anew")


@pytest.mark.parametrize("kept", [True, False])
def test_a_kill_while_the_files_are_moved_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kept: bool
) -> None:
    raw = tmp_path / "raw"
    make_tree(raw, 12, mean_frames=5, damaged_each=0 if kept else 1)
    whole = ["--data-path", str(raw), "--allow-missing", "--out-folder"]
    assert ntu_gendata.run([*whole, str(tmp_path / "whole")]) == 0
    want = digests(tmp_path / "whole")
    replace = os.replace
    for stop_at in range(1, 10):
        out = tmp_path / f"out{stop_at}"
        calls = 0

        def replace_or_die(source: object, target: object, stop_at: int = stop_at) -> None:
            nonlocal calls
            calls += "_data_joint" in str(source) or "_label" in str(source)
            if calls == stop_at:
                raise KeyboardInterrupt
            replace(source, target)  # type: ignore[arg-type]

        with monkeypatch.context() as patch:
            patch.setattr(os, "replace", replace_or_die)
            with suppress(KeyboardInterrupt):
                ntu_gendata.run([*whole, str(out)])
        assert ntu_gendata.run([*whole, str(out)]) == 0
        assert digests(out) == want, stop_at


@pytest.mark.slow
def test_two_thousand_recordings(tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    damaged = make_tree(raw, 2000, mean_frames=84, damaged_each=5)
    start = time.monotonic()
    check_damage(raw, tmp_path / "one", 2000, damaged)
    seconds = time.monotonic() - start
    want = digests(tmp_path / "one")
    subprocess.run(
        command(raw, tmp_path / "two", "--allow-missing", "--n_cores", "2"), cwd=ROOT, check=True, capture_output=True
    )
    assert digests(tmp_path / "two") == want
    check_kills(raw, tmp_path / "killed", want, kills=3, seconds=seconds, seed=1)
    (tmp_path / "as").mkdir()
    (tmp_path / "as" / "ntu").symlink_to(tmp_path / "one")
    assert peak_gigabytes("ntu_gendata", *command(raw, tmp_path / "three", "--allow-missing")[3:]) < 1
    assert peak_gigabytes("merge_joint_bone_data", "--dataset", "ntu", "--data-path", str(tmp_path / "as")) < 1


def peak_gigabytes(module: str, *arguments: str) -> float:
    program = (
        f"import sys; from data_gen.{module} import run; assert run(sys.argv[1:]) == 0;"
        "print([line.split()[1] for line in open('/proc/self/status') if line.startswith('VmHWM')][0])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments], cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True
    )
    peak = int(done.stdout.split()[-1]) / 1e6
    print(f"{module}: {peak:.3f} GB at most")
    return peak
