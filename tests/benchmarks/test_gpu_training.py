"""The benchmark of training on a GPU, tried on a CPU with narrow networks."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.gpu_training import NETWORKS, Trained, compared, made_batches, run
from errors import InputError


def trained(losses: list[float]) -> Trained:
    return Trained(np.array(losses), 0, 1.0, 0.0)


def test_every_network_trains_in_every_format(capsys: pytest.CaptureFixture[str]) -> None:
    run(["--device", "cpu", "--steps", "2", "--frames", "8", "--narrow"])
    lines = capsys.readouterr().out.splitlines()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("|")][2:]
    assert [row[1] for row in rows] == ["float32", "float16", "bfloat16"] * 4
    assert [row[0].partition(",")[0] for row in rows] == [name for name in NETWORKS for _ in range(3)]
    assert all(row[2].startswith("2") for row in rows)
    assert all(float(row[6]) > 0 and np.isfinite([float(loss) for loss in row[3].split()]).all() for row in rows)
    firsts = [float(row[3].split()[0]) for row in rows]
    for group in (firsts[i : i + 3] for i in range(0, 12, 3)):
        assert group == pytest.approx([group[0]] * 3, rel=0.1)  # one start, one batch


def test_without_a_gpu_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(InputError, match="there is no GPU"):
        run([])


def test_batches_are_the_same_each_time_and_learnable() -> None:
    one, other = list(made_batches(20, 2)), list(made_batches(20, 2))
    assert one[0][0].shape == (16, 3, 20, 25, 2)
    assert all(bool((a == b).all()) for a, b in zip(one[1], other[1], strict=True))
    assert not (one[0][0] == one[1][0]).all()


@pytest.mark.parametrize(
    ("losses", "same"),
    [
        ([4, 3, 2, 2.0, 1.0, 1.2, 0.8, 1.0], True),
        ([4, 3, 2, 2.0, 1.0, 1.2, 1.4, 1.8], False),
        ([4, 3, 2, 2.0, 1.0, 1.2, float("nan"), 1], False),
    ],
)
def test_halves_are_judged_by_the_scatter_of_float32(losses: list[float], same: bool) -> None:
    plain = trained([4, 3, 2, 2.1, 1.1, 1.0, 0.8, 1.2])
    found, words = compared(trained(losses), plain)
    assert (found, "**beyond**" not in words) == (same, same)
