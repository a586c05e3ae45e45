"""Preparations into a compact store: the clips of the dense files, bit for bit, however they were made."""

from __future__ import annotations

import hashlib
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.skeleton_tree import make_tree
from clips.compact import CompactStore
from clips.dense import DenseStore
from data_gen import gen_bone_data, gen_motion_data, kinetics_gendata, ntu_gendata, prepare
from data_gen.workshop import Chunk
from feeders.feeder import Feeder

GOLDEN = Path(__file__).parents[1] / "golden"
SPLITS = [(protocol, part) for protocol in ("xsub", "xview") for part in ("train", "val")]


def digests(folder: Path) -> dict[str, str]:
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def ntu(raw: Path, out: Path, *more: str) -> int:
    return ntu_gendata.run(["--data-path", str(raw), "--out-folder", str(out), *more])


@pytest.fixture(scope="module")
def raw(tmp_path_factory: Any) -> Path:
    """150 made recordings: three chunks."""
    folder: Path = tmp_path_factory.mktemp("made") / "raw"
    make_tree(folder, 150, mean_frames=6)
    return folder


@pytest.fixture(scope="module")
def both(raw: Path, tmp_path_factory: Any) -> tuple[Path, Path]:
    """The dense files, bones and motions too, and the compact store of the same recordings."""
    data = tmp_path_factory.mktemp("data")
    dense, compact = data / "ntu", data / "compact"
    assert ntu(raw, dense) == 0
    for command in (gen_bone_data, gen_motion_data):
        assert command.run(["--data-path", str(data), "--dataset", "ntu"]) == 0
    assert ntu(raw, compact, "--layout", "compact") == 0
    return dense, compact


@pytest.mark.parametrize(("protocol", "part"), SPLITS)
def test_the_store_holds_the_clips_of_the_dense_files(both: Any, protocol: str, part: str) -> None:
    dense_folder, compact_folder = both
    folder = dense_folder / protocol
    dense = DenseStore(folder / f"{part}_data_joint.npy", folder / f"{part}_label.pkl")
    compact = CompactStore(compact_folder, f"{protocol}_{part}")
    assert (compact.names, compact.labels) == (dense.names, dense.labels)
    assert len(compact.names) > 10
    for index in range(len(dense.names)):
        assert compact.clip(index).tobytes() == dense.clip(index).tobytes()


@pytest.mark.parametrize("stream", ["joint", "bone", "joint_motion", "bone_motion"])
def test_configurations_of_msg3d_work_on_either(both: Any, stream: str) -> None:
    """The same paths: with the compact store, the file of a stream need not be there."""
    dense, compact = (
        Feeder(folder / "xsub" / f"val_data_{stream}.npy", folder / "xsub" / "val_label.pkl") for folder in both
    )
    assert dense.sample_name == compact.sample_name
    for index in range(len(dense)):
        assert np.array_equal(dense[index][0], compact[index][0])


def test_a_stream_by_name_from_the_store(both: Any) -> None:
    by_name = Feeder(both[1], split="xsub_val", stream="bone")
    by_path = Feeder(both[1] / "xsub" / "val_data_joint.npy", stream="bone")
    merged = Feeder(both[1], split="xsub_val", stream="joint_bone")
    assert np.array_equal(by_name[3][0], by_path[3][0])
    assert np.array_equal(merged[3][0][3:], by_name[3][0])
    assert merged[3][0].shape[0] == 6


def test_it_is_smaller_by_far(both: Any) -> None:
    dense = sum(path.stat().st_size for path in both[0].rglob("*_data_*.npy"))
    compact = sum(path.stat().st_size for path in both[1].rglob("*") if path.is_file())
    assert compact * 40 < dense


@pytest.mark.parametrize("cores", ["1", "2"])
def test_the_files_do_not_depend_on_the_number_of_processes(raw: Path, both: Any, tmp_path: Path, cores: str) -> None:
    assert ntu(raw, tmp_path, "--layout", "compact", "--n-cores", cores) == 0
    assert digests(tmp_path) == digests(both[1])


def test_a_preparation_that_breaks_off_goes_on(
    raw: Path, both: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    original = Chunk.fill

    def break_off(self: Chunk) -> Any:
        if self.number == 2:
            raise KeyboardInterrupt
        return original(self)

    monkeypatch.setattr(Chunk, "fill", break_off)
    with pytest.raises(KeyboardInterrupt):
        ntu(raw, tmp_path, "--layout", "compact")
    assert not (tmp_path / "store.json").exists()
    monkeypatch.setattr(Chunk, "fill", original)
    assert ntu(raw, tmp_path, "--layout", "compact") == 0
    assert "128 of 150 recordings are done from before" in capsys.readouterr().err
    assert digests(tmp_path) == digests(both[1])


def test_damaged_recordings_stay_out(raw: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mine = tmp_path / "raw"
    mine.mkdir()
    for path in sorted(raw.iterdir())[:70]:
        (mine / path.name).write_bytes(path.read_bytes())
    first, second = sorted(mine.glob("*.skeleton"))[:2]
    first.write_bytes(first.read_bytes()[:100])
    second.write_text("")
    assert ntu(mine, tmp_path / "out", "--layout", "compact") == 1
    assert not (tmp_path / "out" / "store.json").exists()
    assert ntu(mine, tmp_path / "out", "--layout", "compact", "--allow-missing") == 0
    assert "2 of 69 recordings are damaged" in capsys.readouterr().err
    names = CompactStore(tmp_path / "out").names
    assert first.name not in names
    assert second.name not in names
    assert len(names) == len(list(mine.glob("*.skeleton"))) - 3  # and one is on the list of missing skeletons


def test_the_dense_command_says_what_the_compact_one_would_take(
    raw: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ntu(raw, tmp_path) == 0
    assert "these files take 54.0 MB, and as much again for every further stream; " in capsys.readouterr().out


def test_kinetics_keeps_its_bits(tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    raw.mkdir()
    for name in ("kinetics_val", "kinetics_val_label.json"):
        source = GOLDEN / "kinetics_raw" / name
        for path in [source] if source.is_file() else source.iterdir():
            target = raw / path.relative_to(GOLDEN / "kinetics_raw")
            target.parent.mkdir(exist_ok=True)
            target.write_bytes(path.read_bytes())
    for layout in ("dense", "compact"):
        flags = ["--data-path", str(raw), "--out-folder", str(tmp_path / layout), "--layout", layout]
        assert kinetics_gendata.run([*flags, "--allow-missing"]) == 0
    dense = DenseStore(tmp_path / "dense" / "val_data_joint.npy", tmp_path / "dense" / "val_label.pkl")
    compact = CompactStore(tmp_path / "compact", "val")
    assert compact.names == dense.names
    for index in range(len(dense.names)):
        assert compact.clip(index).tobytes() == dense.clip(index).tobytes()
    assert prepare.LAYOUTS.keys() == {"dense", "compact"}
    assert pickle.loads(pickle.dumps(compact)).clip(0).tobytes() == dense.clip(0).tobytes()
