"""Training under faults: ``python3 -m benchmarks.faults`` ends many runs by force and has each go on to its end.

A tiny network with dropout is trained once undisturbed on made clips. Then many runs of the same training are ended at
random, by signals, full disks, lost processes and damaged checkpoints, some of them several times, and go on with
``--resume auto``. All must end with the same bits, complain in sentences only, and lose no step that had been saved.
It needs Linux: it looks for processes in /proc.
"""

from __future__ import annotations

import json
import os
import pickle
import shutil
import signal
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from tqdm import tqdm

from benchmarks.disturbed import Disturbed, Outcome, Training, finish, main_py
from benchmarks.fault_kinds import KINDS
from benchmarks.faulty import OPERATIONS
from clips.files import write_text
from command_line import Parser, exit_code, whole_number

BATCH, STEPS, EPOCHS, SAVE_EVERY = 8, 6, 4, 4


def run(argv: Sequence[str] | None = None) -> int:
    """Disturb ``--runs`` runs and print a table; the exit code is 1 when any did not end as it must.

    Raises:
        InputError: the command line is not usable.
    """
    parser = Parser("benchmarks.faults", description=__doc__.split("\n")[0], allow_abbrev=False)
    parser.add_flag("--runs", type=whole_number(1), default=100, metavar="N", help="runs to disturb (default: 100)")
    parser.add_flag("--seed", type=whole_number(0), default=0, metavar="S", help="of all that is drawn (default: 0)")
    parser.add_flag("--workers", type=whole_number(1), default=2, metavar="N", help="runs at once (default: 2)")
    parser.add_flag("--kinds", nargs="+", choices=list(KINDS), default=list(KINDS), help="of fault (default: all)")
    parser.add_flag("--out", metavar="FILE", help="every run's outcome as JSON")
    given = parser.parse_strictly(argv)
    work = Path(tempfile.mkdtemp(prefix="faults"))
    kinds = [given.kinds[number % len(given.kinds)] for number in range(given.runs)]
    alone = undisturbed(work, ["cpu"])
    together = undisturbed(work, ["cpu", "cpu"]) if any(KINDS[kind].processes == 2 for kind in kinds) else alone
    trainings = [together if KINDS[kind].processes == 2 else alone for kind in kinds]

    def one(number: int) -> Outcome:
        return disturb(kinds[number], trainings[number], number, work, given.seed)

    with ThreadPoolExecutor(given.workers) as pool:
        done = pool.map(one, range(given.runs))
        outcomes = list(tqdm(done, total=given.runs, disable=None))
    if given.out:
        write_text(given.out, json.dumps([vars(outcome) for outcome in outcomes], indent=2) + "\n")
    print(table(outcomes))
    problems = [f"run {o.number}, {o.kind}: {problem}" for o in outcomes for problem in o.problems]
    print(*problems, sep="\n", end="\n" if problems else "")
    if problems:
        print(f"their folders are in {work}")
    else:
        shutil.rmtree(work)
    return 1 if problems else 0


def disturb(kind: str, training: Training, number: int, work: Path, seed: int) -> Outcome:
    """One run, its faults, and how it ended; its folder is kept where something is wrong with it."""
    disturbed = Disturbed(training, work / f"run{number}", np.random.default_rng((seed, number)))
    KINDS[kind].strike(disturbed)
    finish(disturbed)
    if not disturbed.problems:
        shutil.rmtree(disturbed.folder)
    return Outcome(
        number, kind, disturbed.faults, disturbed.lost, disturbed.finished, disturbed.same, disturbed.problems
    )


def undisturbed(work: Path, device: list[str]) -> Training:
    """The training that nothing happens to, and what it takes."""
    folder = work / f"undisturbed{len(device)}"
    folder.mkdir()
    config = write_set(folder / "set", device)
    straight = folder / "straight"
    counts = len(device) == 1
    ended = main_py(config, straight, fault=("count", "write", 1) if counts else None).wait()
    if ended.code or ended.errors:
        raise RuntimeError(f"the undisturbed run failed: {ended}")
    words = ended.output[-1].split()
    operations = {name: int(words[words.index(name) + 1]) for name in OPERATIONS if counts}
    saves = sorted({*range(SAVE_EVERY, STEPS * EPOCHS, SAVE_EVERY), *range(STEPS, STEPS * EPOCHS + 1, STEPS)})
    sizes = [path.stat().st_size for path in straight.rglob("*") if path.is_file()]
    return Training(config, straight, ended.seconds, operations, saves, max(sizes))


def write_set(folder: Path, device: list[str]) -> Path:
    """Clips of five joints and four classes, and the settings that train on them in a blink; the settings' path."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    for part, count in (("train", BATCH * STEPS), ("val", 24)):
        labels = [index % 4 for index in range(count)]
        clips = rng.normal(0, 0.3, (count, 3, 12, 5, 2)).astype(np.float32)
        clips[:, 0] += np.array(labels, dtype=np.float32)[:, None, None, None] - 1.5
        np.save(folder / f"{part}.npy", clips)
        (folder / f"{part}.pkl").write_bytes(pickle.dumps(([f"{part}{index:02}" for index in range(count)], labels)))
    train, val = (
        {"data_path": str(folder / f"{p}.npy"), "label_path": str(folder / f"{p}.pkl")} for p in ("train", "val")
    )
    toy = {"name": "toy", "num_joints": 5, "edges": [[1, 0], [2, 1], [3, 1], [4, 1]]}
    settings = {
        "train_feeder_args": {
            **train,
            "random_choose": True,
            "random_shift": True,
            "random_move": True,
            "window_size": 8,
        },
        "test_feeder_args": {**val, "transforms": [{"uniform_sample": {"clip_len": 8, "num_clips": 2, "seed": 255}}]},
        "model": "model.dgstgcn.Model",
        "model_args": {
            **{"num_class": 4, "num_point": 5, "num_person": 2, "tcn_dropout": 0.2, "dropout": 0.5, "num_filter": 2},
            **{"base_channels": 12, "num_stages": 3, "inflate_stages": [2], "down_stages": [2]},
            **{"graph": "graph.custom.AdjMatrixGraph", "graph_args": {"layout": toy}},
        },
        **{"batch_size": BATCH, "forward_batch_size": 4, "test_batch_size": 16, "num_epoch": EPOCHS, "base_lr": 0.05},
        **{"step": [1, 3], "nesterov": True, "save_every_steps": SAVE_EVERY, "keep": 2, "save_score": True},
        **{"test_best": True, "log_interval": 1, "device": device},
    }
    path = folder / "train.yaml"
    path.write_text(yaml.safe_dump(settings), encoding="utf-8")
    return path


def table(outcomes: Sequence[Outcome]) -> str:
    """The outcomes by kind of fault, as Markdown."""
    rows: list[tuple[str, ...]] = [("fault", "runs", "faults", "resumed", "identical", "steps lost at most")]
    for kind in dict.fromkeys(outcome.kind for outcome in outcomes):
        of = [outcome for outcome in outcomes if outcome.kind == kind]
        rows.append((KINDS[kind].words, *_figures(of)))
    rows.append(("all", *_figures(outcomes)))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |" for row in rows
    ]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines)


def _figures(of: Sequence[Outcome]) -> tuple[str, ...]:
    counts: list[Any] = [len(of), sum(o.faults for o in of), sum(o.finished for o in of), sum(o.same for o in of)]
    return (*map(str, counts), str(max(o.lost for o in of)))


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    os.environ["OMP_NUM_THREADS"] = "1"
    sys.exit(exit_code(run))
