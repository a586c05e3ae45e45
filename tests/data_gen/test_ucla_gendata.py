"""NW-UCLA's folder into one store: the same clips, labels and order; faults and workers."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from clips.compact import CompactStore
from clips.read.ucla import SPLITS, UclaStore, split_names
from command_line import exit_code
from data_gen import ucla_gendata

RAW = Path(__file__).parents[1] / "golden" / "ucla_raw"


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All recordings of both lists, made, and one file more."""
    folder = tmp_path_factory.mktemp("ucla")
    rng = np.random.default_rng(0)
    for name in (*split_names("train", ""), *split_names("val", ""), "a01_s99_e00_v01"):
        skeletons = rng.normal(size=(int(rng.integers(1, 4)), 20, 3)).round(3)
        (folder / f"{name}.json").write_text(json.dumps({"skeletons": skeletons.tolist()}))
    return folder


def run(raw: Path, out: Path, *more: str) -> int:
    return exit_code(ucla_gendata.run, ["--data-path", str(raw), "--out-folder", str(out), *more])


def test_the_store_is_the_folder(raw: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(raw, tmp_path / "one") == 0
    assert "1484 of 1484 recordings are there, and 1 other files" in capsys.readouterr().out
    for split in SPLITS:
        ours, theirs = CompactStore(tmp_path / "one", split), UclaStore(raw, split)
        assert (ours.names, ours.labels, ours.layout) == (theirs.names, theirs.labels, theirs.layout)
        for index in range(len(ours.names)):
            assert np.array_equal(ours.clip(index), theirs.clip(index))
    assert run(raw, tmp_path / "two", "--n-cores", "2") == 0
    for file in ("store.json", "index.npz", "clips.npy"):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()


def test_what_is_missing_or_damaged_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "raw"
    folder.mkdir()
    for path in RAW.glob("a*.json"):
        (folder / path.name).write_bytes(path.read_bytes())
    first, second, third, _ = sorted(folder.iterdir())
    content = json.loads(first.read_text())
    content["skeletons"][0][0][0] = float("nan")
    first.write_text(json.dumps(content))
    second.write_text(second.read_text()[:-40])
    assert run(folder, tmp_path / "out") == 1
    error = capsys.readouterr().err
    assert f"{first}: a coordinate is not finite" in error
    assert f"{second}: not a recording of NW-UCLA" in error
    assert error.count("no such file") == 1480
    assert not (tmp_path / "out" / "store.json").exists()
    assert run(folder, tmp_path / "out", "--allow-missing") == 0
    assert len(CompactStore(tmp_path / "out").names) == 2


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--data-path", "{tmp}"], "{tmp}: there is no recording of NW-UCLA"),
        (["--layout", "dense"], "--layout dense: recordings have no common length"),
        (["--data-pth", "x"], "unknown argument '--data-pth'; did you mean '--data-path'?"),
    ],
)
def test_bad_arguments_are_one_sentence(
    argv: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert exit_code(ucla_gendata.run, [word.format(tmp=tmp_path) for word in argv]) == 2
    error = capsys.readouterr().err
    assert message.format(tmp=tmp_path) in error
    assert error.count("\n") == 1
