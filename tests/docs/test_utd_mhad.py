"""docs/utd_mhad.sh: from recordings to the prediction of an exported network, which is the checkpoint's."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from engine.predictor import Predictor

ROOT = Path(__file__).resolve().parents[2]


def typed(*words: str | Path, folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """What the script leaves when it is called from ``folder``, ``python3`` being this one."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    environment = {**os.environ, "PATH": path, "OMP_NUM_THREADS": "1", **variables}
    command = ["bash", str(ROOT / "docs/utd_mhad.sh"), *map(str, words)]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def is_whole(done: subprocess.CompletedProcess[str], work: Path) -> None:
    """The report is there, and the graph says of clips what the checkpoint says."""
    assert done.returncode == 0, done.stderr
    assert (work / "report/index.html").is_file()
    plain, exported = Predictor.load([work / "run/checkpoints/best.pt"]), Predictor.load([work / "model.onnx"])
    for clip in sorted((work / "poses").glob("a*_s2_t*.npy"))[::10]:
        wanted, found = plain(clip), exported(clip)
        assert found.top(1)[0][0] == wanted.top(1)[0][0]
        np.testing.assert_allclose(found.scores, wanted.scores, atol=1e-4)
    said = done.stdout.splitlines()[-6:]
    assert said[0] == "a7_s2_t1"
    assert [line.split("%  ")[1] for line in said[1:]] == [name for name, _ in plain(work / "poses/a7_s2_t1.npy").top()]


@pytest.mark.slow
@pytest.mark.realdata
def test_recordings_become_predictions(skeleton_data: Path, tmp_path: Path) -> None:
    done = typed(skeleton_data / "utd-mhad", "work", folder=tmp_path, EPOCHS="1")
    is_whole(done, tmp_path / "work")
    assert "430 clips" in done.stdout


@pytest.mark.slow
def test_so_do_files_as_the_data_set_gives_them(tmp_path: Path) -> None:
    """Matlab's: joints, coordinates, frames."""
    io = pytest.importorskip("scipy.io")
    (tmp_path / "Skeleton").mkdir()
    made = {
        f"a{action}_s{subject}_t{take}": np.random.default_rng(take).normal(action, 0.3, (20, 3, 40 + take))
        for action in (1, 7, 27) for subject in (1, 2, 4, 6, 8) for take in (1, 2)
    }  # fmt: skip
    for name, values in made.items():
        io.savemat(tmp_path / "Skeleton" / f"{name}_skeleton.mat", {"d_skel": values})
    is_whole(typed("Skeleton", "work", folder=tmp_path, EPOCHS="1"), tmp_path / "work")
    for name, values in made.items():
        np.testing.assert_array_equal(
            np.load(tmp_path / f"work/poses/{name}.npy"), values.transpose(2, 0, 1).astype(np.float32)
        )
    assert "a27_s2_t1,squat,2" in (tmp_path / "work/labels.csv").read_text().splitlines()


@pytest.mark.parametrize(
    ("words", "epochs", "says"),
    [
        (["."], "1", "usage: "),
        ([".", "work"], "0", "usage: "),
        ([".", "."], "1", "error: . is there already"),
        ([".", "work"], "1", "error: .: neither a1_s1_t1_skeleton.mat and so on are in it nor utd_mhad.pkl"),
    ],
)
def test_what_cannot_be_done_is_a_sentence(words: list[str], epochs: str, says: str, tmp_path: Path) -> None:
    done = typed(*words, folder=tmp_path, EPOCHS=epochs)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(says)
    assert list(tmp_path.iterdir()) == []
