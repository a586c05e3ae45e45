"""Toyota Smarthome from raw files to a trained network: who is in which part, what stays out, lengths."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from clips.normalize import replayed
from clips.read.smarthome import read_smarthome
from clips.smarthome import agcn_clip, unik_clip
from clips.store import open_store
from command_line import exit_code
from data_gen import smarthome_gendata, verify

CONFIG = Path(__file__).resolve().parents[2] / "config"
NAMES = [
    *("Cook.Cut_p03_r00_v01_c06", "Usetelephone_p04_r01_v02_c01", "Usetablet_p25_r00_v01_c04"),
    *("Walk_p02_r00_v01_c02", "Usetablet_p10_r00_v01_c05", "WatchTV_p20_r03_v05_c01"),
    *("Pour.Fromcup_p03_r00_v01_c01", "Walk_p99_r00_v01_c07"),
]


def write(folder: Path, name: str, frames: int) -> Path:
    rng = np.random.default_rng(sum(map(ord, name)))
    at = rng.uniform(100, 300, 26)

    def person() -> dict[str, Any]:
        return {"pose2d": (at + rng.normal(0, 9, 26)).tolist(), "pose3d": rng.normal(size=39).tolist(), "cumscore": 1.0}

    people = [[person() for _ in range(int(rng.integers(0, 3)) if number else 1)] for number in range(frames)]
    path = folder / f"{name}.json"
    path.write_text(json.dumps({"K": 20, "njts": 13, "frames": people}))
    return path


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    folder = tmp_path / "raw"
    folder.mkdir()
    for number, name in enumerate(NAMES):
        write(folder, name, 12 + number)
    (folder / "README.json").write_text("{}")
    return folder


def prepare(raw: Path, out: Path | str, *more: str) -> int:
    return exit_code(smarthome_gendata.run, ["--data-path", str(raw), "--out-folder", str(out), *more])


def split(folder: Path, name: str) -> dict[str, int]:
    store = open_store(folder, split=name)
    return dict(zip(store.names, store.labels, strict=True))


def test_who_is_where_and_the_order_of_classes(raw: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert prepare(raw, tmp_path) == 0
    said = capsys.readouterr().out
    # Usetelephone before Usetablet across subjects, after it across views
    assert split(tmp_path / "cs", "train") == {NAMES[0]: 2, NAMES[1]: 27, NAMES[2]: 28}
    assert split(tmp_path / "cs", "test") == {NAMES[3]: 29, NAMES[4]: 28, NAMES[5]: 30}
    assert split(tmp_path / "cv1", "train") == {NAMES[1]: 17}
    assert split(tmp_path / "cv2", "train") == {NAMES[1]: 17, NAMES[2]: 16, NAMES[7]: 18}
    for protocol in ("cv1", "cv2"):
        assert split(tmp_path / protocol, "val") == {NAMES[4]: 16}
        assert split(tmp_path / protocol, "test") == {NAMES[3]: 18}
    assert "cs: 1 recordings of the class Pour.Fromcup stay out" in said
    assert "cs: 1 recordings of subject 99 stay out" in said
    assert "cv1: 1 recordings of the class WatchTV stay out" in said


def test_recordings_keep_their_length_unless_looped(raw: Path, tmp_path: Path) -> None:
    people = read_smarthome(raw / f"{NAMES[3]}.json", "pose2d")
    plain = unik_clip(people)
    ways: dict[str, tuple[list[str], np.ndarray]] = {
        "recorded": ([], plain),
        "looped": (["--looped"], replayed(plain, 4000)),
        "space": (["--kind", "3d"], agcn_clip(read_smarthome(raw / f"{NAMES[3]}.json", "pose3d"))),
    }
    for way, (flags, wanted) in ways.items():
        assert prepare(raw, tmp_path / way, "--protocol", "cs", *flags) == 0
        store = open_store(tmp_path / way / "cs", split="test")
        assert np.array_equal(store.clip(store.names.index(NAMES[3])), wanted), way
    about = json.loads((tmp_path / "looped" / "cs" / "store.json").read_text())
    assert (about["frames"], about["layout"], about["dataset"]) == ("looped", "toyota-unik", "smarthome-cs")
    # the loop costs nothing
    sizes = [(tmp_path / way / "cs" / "clips.npy").stat().st_size for way in ("recorded", "looped")]
    assert sizes[1] <= sizes[0]


def test_dense_files_have_uniks_shape(raw: Path, tmp_path: Path) -> None:
    assert prepare(raw, tmp_path / "filled", "--protocol", "cv1", "--layout", "dense") == 0
    assert prepare(raw, tmp_path / "looped", "--protocol", "cv1", "--layout", "dense", "--looped") == 0
    filled, looped = (np.load(tmp_path / way / "cv1" / "test_data_joint.npy") for way in ("filled", "looped"))
    assert filled.shape == looped.shape == (1, 2, 4000, 17, 2)
    assert np.array_equal(replayed(filled[0], 4000), looped[0])
    assert not filled[0, :, 15:].any()


def test_a_damaged_recording_is_named_and_work_goes_on(
    raw: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = raw / f"{NAMES[0]}.json"
    path.write_bytes(path.read_bytes()[:-30])
    assert prepare(raw, tmp_path, "--protocol", "cs") == 1
    assert f"damaged: {path}: not readable as JSON" in capsys.readouterr().err
    assert not (tmp_path / "cs" / "store.json").exists()
    assert prepare(raw, tmp_path, "--protocol", "cs", "--allow-missing") == 0
    assert "6 of 6 recordings are done from before" in capsys.readouterr().err
    assert NAMES[0] not in split(tmp_path / "cs", "train")


VIEWS = {"val": 3_539, "test": 1_901}
PUBLISHED = {
    "cs": {"train": 10_682, "test": 5_433},
    "cv1": {"train": 1_877, **VIEWS},
    "cv2": {"train": 7_806, **VIEWS},
}


@pytest.mark.parametrize("protocol", PUBLISHED)
def test_from_raw_files_to_a_trained_network(
    protocol: str, raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run_main: Callable[..., Any], capsys: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    for number, action in enumerate(("Cutbread", "Readbook", "Walk")):
        write(raw, f"{action}_p03_r0{number}_v01_c01", 20)
    assert prepare(raw, "data/smarthome", "--protocol", protocol) == 0
    capsys.readouterr()
    assert exit_code(verify.run, [f"data/smarthome/{protocol}", "--json"]) == 1
    report = json.loads(capsys.readouterr().out)
    assert {name: found["published"] for name, found in report["splits"].items()} == PUBLISHED[protocol]
    assert all("clips, but smarthome" in problem for problem in report["problems"])
    done = run_main(
        *("--config", CONFIG / f"smarthome-{protocol}" / "dgstgcn.yaml", "--num-epoch", "1", "--device", "cpu"),
        *("--model-args", "widths=[12,12,24]", "--stream", "bone", "--train-feeder-args", "balance=4"),
        *("--batch-size", "4", "--forward-batch-size", "4"),
    )
    assert done.code == 0, done.err
    assert any("top-1" in line for line in done.out)


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--data-path", "{tmp}/no"], "{tmp}/no: No such file or directory; the .json files of Toyota Smarthome"),
        (["--data-path", "{tmp}"], "{tmp}: no recording of cs is there, called like Cutbread_p02_r00_v02_c03.json"),
        (["--kind", "3d", "--looped"], "--looped: that is UNIK's way, and its clips are --kind 2d"),
        (["--protocol", "xsub"], "argument --protocol: invalid choice: 'xsub'"),
    ],
)
def test_bad_arguments_are_one_sentence(
    argv: list[str], message: str, raw: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert prepare(raw, tmp_path / "out", *(word.format(tmp=tmp_path) for word in argv)) == 2
    error = capsys.readouterr().err
    assert message.format(tmp=tmp_path) in error
    assert error.count("\n") == 1


def test_two_versions_of_a_recording_in_one_folder(
    raw: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (raw / f"{NAMES[0]}_pose3d.json").write_bytes((raw / f"{NAMES[0]}.json").read_bytes())
    assert prepare(raw, tmp_path / "out") == 2
    assert f"{raw}: {NAMES[0]} is there twice" in capsys.readouterr().err
    (raw / f"{NAMES[0]}.json").unlink()
    assert prepare(raw, tmp_path / "out", "--protocol", "cs") == 0
    assert NAMES[0] in split(tmp_path / "out" / "cs", "train")


def test_a_recording_that_is_too_long(raw: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (raw / f"{NAMES[0]}.json").write_text(json.dumps({"frames": [[]] * 4001}))
    assert prepare(raw, tmp_path / "out", "--protocol", "cs") == 1
    assert "it has 4001 frames, wanted at most 4000" in capsys.readouterr().err
