"""What lies in a work dir that a report is about: facts, curves, scores, and the network that gave them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from clips.streams import stream_of_file
from engine.config import Config, make_config
from engine.results import read_object
from engine.scoring.scores import find_scores
from engine.yaml_files import read_yaml
from errors import InputError

MOST_POINTS = 2000  # of a curve; more cannot be told apart on a page


@dataclass(frozen=True)
class WorkFolder:
    """One run, as its work dir tells of it.

    Attributes:
        path: the work dir.
        name: what the page calls it: its stream, or its folder's name where streams do not tell runs apart.
        scores: the file of its scores.
        config: its settings, None where it holds no ``config.yaml``.
        facts: ``run.json``, empty where there is none.
        result: ``result.json``, likewise.
        seeds: ``seeds.json`` of the folder above, where this is one of several trainings with different seeds.
        curves: points as ``metrics.jsonl`` has them, in their order; none where there is none.
        weights: the file of the weights that gave the scores, where it is there.
        notes: what the reader should know about all this.
    """

    path: Path
    name: str
    scores: Path
    config: Config | None
    facts: dict[str, Any]
    result: dict[str, Any]
    seeds: dict[str, Any]
    curves: list[dict[str, Any]]
    weights: Path | None
    notes: list[str] = field(default_factory=list)

    @property
    def stream(self) -> str | None:
        """The stream that it was told to derive, or that its data are named after."""
        if self.config is None:
            return None
        return self.config.stream or stream_of_file(str(self.config.test_feeder_args.get("data_path", "")))


def gather(folders: Sequence[str]) -> list[WorkFolder]:
    """The runs in these work dirs, in their order.

    Raises:
        InputError: one is no work dir, has no scores, or holds a damaged file.
    """
    found = [_look_into(Path(folder)) for folder in folders]
    same = Counter(each.path.resolve() for each in found).most_common(1)[0]
    if same[1] > 1:
        raise InputError(f"{same[0]} was given {same[1]} times")
    return _named(found)


def read_curves(path: Path) -> tuple[list[dict[str, Any]], int]:
    """The points of a ``metrics.jsonl``, by part and step, and how many lines were no points.

    Where a run that was stopped drew a point again, the later line counts. No file, no points.
    """
    if not path.is_file():
        return [], 0
    points: dict[tuple[str, int], dict[str, Any]] = {}
    damaged = 0
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            point = json.loads(line)
            points[str(point["part"]), int(point["step"])] = point
        except (ValueError, TypeError, KeyError):
            damaged += bool(line.strip())
    return [points[key] for key in sorted(points)], damaged


def thinned(points: Sequence[Any], most: int = MOST_POINTS) -> list[Any]:
    """At most ``most`` of the points, evenly spread, the last among them."""
    every = -(-len(points) // most) if points else 1
    return list(points[(len(points) - 1) % every :: every])


def _look_into(path: Path) -> WorkFolder:
    if not path.is_dir():
        raise InputError(f"{path}: wanted a work dir, there is no such folder")
    notes: list[str] = []
    seeds = _json_at(path / "seeds.json")
    if seeds:
        first = next((seed for seed in seeds.get("seeds", ()) if (path / f"seed{seed}").is_dir()), None)
        if first is None:
            raise InputError(f"{path / 'seeds.json'}: the folders of its seeds are not beside it")
        path = path / f"seed{first}"
        notes.append(f"{path.parent} holds several seeds: seed {first} is what is shown in detail")
    scores = find_scores(path)
    prefix = _prefix(path, scores)
    config = _read_config(path / f"{prefix}config.yaml")
    weights = _weights(path, scores, config)
    trained_in = next((above for above in _run_of(weights) if (above / "metrics.jsonl").is_file()), path)
    curves, damaged = read_curves(trained_in / "metrics.jsonl")
    if damaged:
        notes.append(f"{trained_in / 'metrics.jsonl'}: {damaged} damaged lines are left out")
    if config is None:
        notes.append(f"{path}: there is no {prefix}config.yaml, so neither its clips nor its network are known")
    elif weights is None:
        notes.append(f"{path}: the weights that gave the scores are not there, so its network cannot be looked into")
    facts = _json_at(path / f"{prefix}run.json")
    result = _json_at(trained_in / "result.json")
    return WorkFolder(path, path.name, scores, config, facts, result, seeds, curves, weights, notes)


def _prefix(path: Path, scores: Path) -> str:
    """``test-`` where the latest scores are those of a test in the folder of a training run."""
    test = path / "test-config.yaml"
    is_test = scores.name == "epoch1_test_score.pkl" and test.is_file()
    return "test-" if is_test and scores.stat().st_mtime_ns >= test.stat().st_mtime_ns else ""


def _read_config(path: Path) -> Config | None:
    if not path.is_file():
        return None
    values = read_yaml(path)
    return make_config(values, dict.fromkeys(values, str(path)))


def _weights(path: Path, scores: Path, config: Config | None) -> Path | None:
    """The weights that were tested, or those after the epoch that the scores are of."""
    if config is None:
        return None
    if config.phase == "test":
        found = [Path(config.weights)] if config.weights else []
    else:
        epoch = scores.name.removeprefix("epoch").partition("_")[0]
        found = [*path.glob(f"weights/{config.model_saved_name}-{epoch}-*.pt"), path / "checkpoints" / "last.pt"]
    return next((file for file in found if file.is_file()), None)


def _run_of(weights: Path | None) -> Iterable[Path]:
    """The work dir that weights were trained in, if they still lie there."""
    return [weights.parent.parent] if weights and weights.parent.name in ("weights", "checkpoints") else []


def _json_at(path: Path) -> dict[str, Any]:
    return read_object(path) if path.is_file() else {}


def _named(found: Sequence[WorkFolder]) -> list[WorkFolder]:
    """By stream where that tells the runs apart, else by folder, else by path."""
    ways = (
        [each.stream or "" for each in found],
        [each.path.name for each in found],
        [str(each.path) for each in found],
    )
    names = next((way for way in ways if all(way) and len(set(way)) == len(way)), ways[-1])
    return [replace(each, name=title) for each, title in zip(found, names, strict=True)]
