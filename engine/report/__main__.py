"""The command: ``python3 -m engine.report WORK_DIR... --out report/``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from command_line import Parser, exit_code, whole_number
from engine.device import choose_device
from engine.report.animation import clips_of_pairs, standing
from engine.report.bodies import Bodies, classes_of, joint_names, open_bodies
from engine.report.gather import WorkFolder, gather, thinned
from engine.report.network import CLIPS_PER_CLASS, MOST_BYTES, joint_saliency, open_network, packed_graphs
from engine.report.ordering import orders
from engine.report.packed import packed
from engine.report.page import plotting_library, write_page
from engine.report.results import Pair, Results, confused_pairs, judge_runs
from engine.report.sections import DRAWN, headline, note_list, results_table, run_facts
from errors import InputError

KINDS = ("loss", "top1", "lr")  # of a point of the curves


def main(argv: Sequence[str] | None = None) -> int:
    """Write the page that the command line asks for; the exit code is 2 when it, or a file it names, is not usable."""
    return exit_code(_report, argv)


def _report(argv: Sequence[str] | None) -> int:
    given = _parser().parse_strictly(argv)
    path = Path(given.out) if given.out.endswith((".html", ".htm")) else Path(given.out) / "index.html"
    plotting_library()  # before the work
    folders = gather(given.work_dirs)
    results = judge_runs(folders)
    classes = classes_of(given.class_names, folders, results.probabilities.shape[1])
    pairs = confused_pairs(results, given.pairs)
    notes = [note for folder in folders for note in folder.notes]
    data = _scores(results, classes) | {"curves": _curves(folders)}
    data |= _seen(folders, results, pairs, given, notes)
    drawn = {
        "confusion": True,
        "pairs": data["pairs"],
        "classes": True,
        "curves": data["curves"],
        "graphs": data["graphs"],
        "saliency": data["saliency"],
    }
    sections = [("results", "Results", results_table(results.rows))]
    for name, (title, html) in DRAWN.items():
        if drawn[name]:
            sections.append((name, title, html.replace("{clips}", str(CLIPS_PER_CLASS))))
    sections.append(("runs", "Runs", "\n".join(map(run_facts, folders))))
    head = headline(results, classes, pairs, _tested_on(folders)) + note_list(notes)
    size = write_page(path, _title(folders), sections, head, data)
    for note in notes:
        print(f"note: {note}")
    print(f"{path}: {len(results.labels)} clips, {len(folders)} runs, {size / 1e6:.1f} MB")
    return 0


def _parser() -> Parser:
    about = "Write one self-contained page about one or several runs on the same test clips; several are fused."
    parser = Parser("engine.report", description=about, allow_abbrev=False)
    parser.add_argument("work_dirs", nargs="+", metavar="WORK_DIR", help="of a training or a test, with its scores")
    parser.add_argument(
        "--out", required=True, metavar="DIR", help="where index.html goes, or a file that ends in .html"
    )
    parser.add_flag(
        "--class-names", metavar="SET", help="a data set, or a file with one name a line (default: the data's)"
    )
    parser.add_argument(
        "--pairs", type=whole_number(0), default=6, metavar="N", help="confused pairs with clips (default: 6)"
    )
    parser.add_flag("--no-saliency", action="store_true", help="leave out which joints count, which takes longest")
    return parser


def _title(folders: Sequence[WorkFolder]) -> str:
    """The networks, where the runs say so, and the runs."""
    models = [
        folder.config.model.removeprefix("model.").removesuffix(".Model")
        for folder in folders
        if folder.config and folder.config.model
    ]
    return f"{', '.join(dict.fromkeys(models)) or 'Report'}: {', '.join(folder.name for folder in folders)}"


def _tested_on(folders: Sequence[WorkFolder]) -> str:
    """The data of the first run that names them, and its split."""
    for folder in folders:
        arguments = folder.config.test_feeder_args if folder.config else {}
        if "data_path" in arguments:
            split = f" ({arguments['split']})" if arguments.get("split") else ""
            return f"{arguments['data_path']}{split}"
    return ""


def _scores(results: Results, classes: Sequence[str]) -> dict[str, Any]:
    confusion = results.confusion
    held = np.argwhere(confusion)
    return {
        "classes": list(classes),
        "cells": np.column_stack([held, confusion[tuple(held.T)]]).ravel().tolist(),  # truth, guess, times, truth, ...
        "orders": orders(confusion, classes),
    }


def _curves(folders: Sequence[WorkFolder]) -> list[dict[str, Any]]:
    found = []
    for folder in folders:
        parts: dict[str, Any] = {}
        for part in ("train", "test"):
            points = thinned([point for point in folder.curves if point["part"] == part])
            columns = {kind: [_number(point.get(kind)) for point in points] for kind in ("step", "epoch", *KINDS)}
            parts[part] = columns
        if folder.curves:
            found.append({"run": folder.name, **parts})
    return found


def _number(value: Any) -> float | int | None:
    return value if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def _seen(
    folders: Sequence[WorkFolder],
    results: Results,
    pairs: Sequence[Pair],
    given: argparse.Namespace,
    notes: list[str],
) -> dict[str, Any]:
    """What the clips and the networks have to show: clips of the confused pairs, graphs, saliency."""
    clips: dict[str, Any] = {}
    figure: dict[str, Any] = {}
    graphs, saliency = [], []
    for folder in tqdm(folders, desc="runs", unit="run", disable=None, leave=False):
        bodies = open_bodies(folder, notes)
        model = open_network(folder, notes)
        joints = joint_names(bodies.layout, _joints(bodies)) if bodies else []
        if bodies and bodies.store and not figure:
            clips = clips_of_pairs(pairs, results.names, bodies, notes)
            figure = _figure(bodies, joints)
        if model is not None:
            found = packed_graphs(folder.name, model, MOST_BYTES // len(folders), notes)
            graphs += [{"run": folder.name, "joints": joints, "modules": found}] if found else []
        if model is not None and bodies and not given.no_saliency:
            saliency += _saliency(folder, model, bodies, results, joints, notes)
    if pairs and not clips:
        notes.append("the clips of the confused pairs are not shown: no run was tested on positions of joints")
    listed = [
        {
            **{"truth": pair.truth, "guess": pair.guess, "times": pair.times, "back": pair.back},
            "mistaken": results.names[pair.mistaken],
            "typical": None if pair.typical is None else results.names[pair.typical],
        }
        for pair in pairs
    ]
    return {"pairs": listed, "clips": clips, "figure": figure, "graphs": graphs, "saliency": saliency}


def _joints(bodies: Bodies) -> int:
    return int(bodies.feeder[0][0].shape[-2])


def _figure(bodies: Bodies, joints: Sequence[str]) -> dict[str, Any]:
    """The skeleton that clips are drawn with, and a body to show joints on."""
    pose = standing(bodies)
    return {
        "joints": list(joints),
        "edges": [list(edge) for edge in bodies.layout.edges] if bodies.layout else [],
        "pose": None if pose is None else pose.tolist(),
    }


def _saliency(
    folder: WorkFolder, model: Any, bodies: Bodies, results: Results, joints: Sequence[str], notes: list[str]
) -> list[dict[str, Any]]:
    assert folder.config is not None
    tell: Any = getattr(bodies.feeder, "set_epoch", None)
    if tell is not None:
        tell(0, folder.config.seed)  # the draws of the test
    try:
        device, _ = choose_device(folder.config.device)
        shares = joint_saliency(model.to(device), bodies.feeder, results.probabilities.shape[1], device, folder.name)
    except InputError as error:
        notes.append(f"{folder.name}: no saliency: {error}")
        return []
    return [{"run": folder.name, "joints": list(joints), "shares": packed(shares)}]


if __name__ == "__main__":
    sys.exit(main())
