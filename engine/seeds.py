"""The same training with several seeds: mean and deviation of what comes out."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from statistics import fmean, stdev
from typing import Any

from engine.config import Config
from engine.distributed import World
from engine.results import read_result
from engine.run import run
from engine.stopping import NothingLeft
from engine.workdir import WorkDir, write_result
from errors import InputError


def run_seeds(config: Config, origin: Mapping[str, str]) -> dict[str, Any]:
    """Train once with each of ``seeds``, in ``<work dir>/seed<S>``; figures of all go to ``<work dir>/seeds.json``.

    Raises:
        InputError: something the user gave does not work.
        Stopped: the run was told to stop; with ``--resume auto`` it goes on with the seed that it was at.
    """
    if config.phase != "train" or config.checkpoint or len(set(config.seeds)) < len(config.seeds):
        raise InputError("seeds: different seeds to train with, each from the beginning or with --resume auto")
    folder = WorkDir(config).path
    results = []
    for seed in config.seeds:
        one = replace(config, seed=seed, seeds=[], work_dir=str(folder / f"seed{seed}"))
        with suppress(NothingLeft):
            run(one, origin)
        results.append(read_result(folder / f"seed{seed}" / "result.json"))
    last, best = [100 * each.last.top1 for each in results], [100 * each.best.top1 for each in results]
    summary = {"seeds": config.seeds, "last": _figures(last), "best_on_test_part": _figures(best)}
    if World.of_environment().main:
        write_result(folder / "seeds.json", summary)
        print(f"{len(results)} seeds, last epoch: top-1 {_words(last)} (best on the test part: {_words(best)})")
        print(f"figures of each: {folder / 'seeds.json'}")
    return summary


def _figures(values: list[float]) -> dict[str, Any]:
    return {"top1": values, "mean": fmean(values), "std": stdev(values) if len(values) > 1 else None}


def _words(values: list[float]) -> str:
    deviation = f" ± {stdev(values):.2f}" if len(values) > 1 else ""
    return f"{fmean(values):.2f}{deviation} %"
