"""Whether two runs of the same training left the same: figures, weights, states and scores, in every bit."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

import torch


def points(work_dir: Path) -> list[dict[str, Any]]:
    """The points of the curves; a line that is cut short, which ``check_files`` finds, is left out."""
    path = work_dir / "metrics.jsonl"
    found = []
    for line in path.read_text(encoding="utf-8").splitlines() if path.is_file() else []:
        with contextlib.suppress(ValueError):
            found.append(json.loads(line))
    return found


def differences(one: Path, other: Path) -> list[str]:
    """Where the results of two work dirs differ in any bit."""
    found = []
    for name in ("weights", ".", "files", "best"):
        mine, theirs = (_results(work_dir / name) for work_dir in (one, other))
        found += [f"{name}/{file}: other bytes" for file in mine if mine[file] != theirs.get(file)]
        found += [f"{name}/{file}: there is none in the undisturbed run" for file in theirs.keys() - mine.keys()]
    for file in ("last.pt", "best.pt"):
        path = Path("checkpoints") / file
        if not (other / path).is_file():
            found.append(f"{path} is missing")
            continue
        mine, theirs = (torch.load(work_dir / path, weights_only=True) for work_dir in (one, other))
        for part in ("model", "optimizer", "progress", "precision"):
            found += [f"{file}: other {part}{place}" for place in _unlike(mine[part], theirs[part])]
    straight, drawn = (_curves(work_dir) for work_dir in (one, other))
    found += [f"metrics.jsonl: other figures at {place}" for place in straight if straight[place] != drawn.get(place)]
    return found


def _results(folder: Path) -> dict[str, bytes]:
    """Scores, weights, samples and result of a folder: what has to be the same to the byte."""
    kept = (".pt", ".pkl", ".csv", ".txt")
    files = folder.iterdir() if folder.is_dir() else []
    return {
        path.name: path.read_bytes()
        for path in sorted(files)
        if (path.suffix in kept or path.name == "result.json")
        and path.name != "log.txt"
        and ".partial." not in path.name
    }


def _curves(work_dir: Path) -> dict[tuple[str, int], dict[str, Any]]:
    """The figures by part and step without times; where a point was drawn again, the later."""
    drawn = points(work_dir)
    return {(p["part"], p["step"]): {k: v for k, v in p.items() if k not in ("time", "data_wait")} for p in drawn}


def _unlike(one: Any, other: Any, where: str = "") -> list[str]:
    """Where two nested containers of tensors differ, bit by bit."""
    if isinstance(one, torch.Tensor) and isinstance(other, torch.Tensor):
        same = one.dtype == other.dtype and one.shape == other.shape
        return [] if same and one.numpy().tobytes() == other.numpy().tobytes() else [where]
    if isinstance(one, dict) and isinstance(other, dict) and one.keys() == other.keys():
        return [place for key in one for place in _unlike(one[key], other[key], f"{where}.{key}")]
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        return [
            place for i, pair in enumerate(zip(one, other, strict=True)) for place in _unlike(*pair, f"{where}.{i}")
        ]
    return [] if type(one) is type(other) and one == other else [where]
