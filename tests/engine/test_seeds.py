"""The same training with several seeds."""

from __future__ import annotations

import json
from statistics import fmean, stdev
from typing import Any

import pytest


def test_each_seed_is_a_run_and_all_have_a_mean(
    tiny: Any, run_main: Any, train: Any, light: Any, same: Any, tmp_path: Any
) -> None:
    config = tiny.write(tmp_path / "c.yaml", **light)
    flags = ["--config", config, "--work-dir", tmp_path / "w", "--seeds", 3, 5]
    done = run_main(*flags)
    assert (done.code, done.err) == (0, [])
    for seed in (3, 5):
        assert same(tmp_path / "w" / f"seed{seed}", train(f"alone{seed}", "--seed", seed, **light)) == []
    summary = json.loads((tmp_path / "w" / "seeds.json").read_text())
    top1 = [100 * json.loads((tmp_path / "w" / f"seed{s}" / "result.json").read_text())["last"]["top1"] for s in (3, 5)]
    assert summary["seeds"] == [3, 5]
    assert summary["last"] == {"top1": top1, "mean": fmean(top1), "std": stdev(top1)}
    assert f"2 seeds, last epoch: top-1 {fmean(top1):.2f} ± {stdev(top1):.2f} %" in done.out[-2]
    again = run_main(*flags, "--resume", "auto")
    assert (again.code, again.err) == (0, [])
    assert json.loads((tmp_path / "w" / "seeds.json").read_text()) == summary


def test_one_seed_has_no_deviation(tiny: Any, run_main: Any, light: Any, tmp_path: Any) -> None:
    config = tiny.write(tmp_path / "c.yaml", **light, num_epoch=1)
    done = run_main("--config", config, "--work-dir", tmp_path / "w", "--seeds", 3)
    assert done.code == 0
    assert json.loads((tmp_path / "w" / "seeds.json").read_text())["last"]["std"] is None
    assert "±" not in done.out[-2]


def test_a_damaged_result_of_a_seed_is_one_sentence(tiny: Any, run_main: Any, light: Any, tmp_path: Any) -> None:
    config = tiny.write(tmp_path / "c.yaml", **light, num_epoch=1)
    flags = ["--config", config, "--work-dir", tmp_path / "w", "--seeds", 3]
    assert run_main(*flags).code == 0
    result = tmp_path / "w" / "seed3" / "result.json"
    result.write_text('{"last": ')
    done = run_main(*flags, "--resume", "auto")
    assert (done.code, len(done.err)) == (2, 1)
    assert done.err[0].startswith(f"error: {result}: not readable as JSON")


@pytest.mark.parametrize("flags", [["--seeds", 1, 1], ["--seeds", 1, "--phase", "test", "--weights", "a.pt"]])
def test_what_no_seeds_can_be_trained_with_is_refused(
    tiny: Any, run_main: Any, light: Any, tmp_path: Any, flags: list[Any]
) -> None:
    done = run_main("--config", tiny.write(tmp_path / "c.yaml", **light), "--work-dir", tmp_path / "w", *flags)
    assert (done.code, len(done.err)) == (2, 1)
    assert "seeds: different seeds to train with" in done.err[0]
    assert not (tmp_path / "w").exists()
