"""Tables of runs: what a YAML file says of them, and how they stand, in Markdown."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.config import TYPES, make_config
from engine.results import Result, read_result
from engine.scoring.fusion import fused_scores
from engine.scoring.metrics import top_k_accuracy
from engine.yaml_files import read_yaml
from errors import InputError, did_you_mean

ROOT = Path(__file__).resolve().parent.parent
_NOT_YET = "–"


@dataclass(frozen=True)
class Row:
    """One stream of one network: what trains it, where, and the published top-1 in percent, if there is one."""

    network: str
    stream: str
    command: tuple[str, ...]
    work_dir: Path
    published: float | None

    def result(self) -> Result | None:
        """What the run came to; None while it is not at its end.

        Raises:
            InputError: ``result.json`` is damaged.
        """
        path = self.work_dir / "result.json"
        return read_result(path) if path.is_file() else None


@dataclass(frozen=True)
class Fusion:
    """Streams of one network, fused by name."""

    network: str
    name: str
    rows: Sequence[Row]
    weights: Sequence[float]
    softmax: bool
    published: float | None


@dataclass(frozen=True)
class Table:
    """What ``TABLE.yaml`` says."""

    title: str
    rows: Sequence[Row]
    fusions: Sequence[Fusion]


def read_table(path: str | Path, work_dir: Path) -> Table:
    """A table of runs, of this form.

    ::

        title: UTD-MHAD
        flags: {num_epoch: 30}        # settings of all runs, as on the command line of main.py
        networks:
          - name: MS-G3D
            config: config/utd-mhad/msg3d.yaml
            streams: {joint: 89.4, bone: null}    # the published top-1 in percent, or null
            fusions:
              - {name: two streams, streams: [joint, bone], weights: [1, 1], published: 91.5}

    ``flags`` may stand at a network too; ``softmax: true`` at a fusion fuses probabilities.

    Raises:
        InputError: something is missing, unknown or of another kind; it is named.
    """
    content = read_yaml(path)
    _known(content, ("title", "flags", "networks"), str(path))
    rows: list[Row] = []
    fusions: list[Fusion] = []
    for number, network in enumerate(_list(content, "networks", str(path))):
        where = f"{path}, networks[{number}]"
        _known(network, ("name", "config", "flags", "streams", "fusions"), where)
        name = _text(network, "name", where)
        flags = {**_mapping(content, "flags", str(path)), **_mapping(network, "flags", where)}
        own = {
            stream: Row(
                name,
                stream,
                _command(_text(network, "config", where), stream, flags, place := work_dir / f"{slug(name)}_{stream}"),
                place,
                _percent(published, f"{where}: streams: {stream}"),
            )
            for stream, published in _mapping(network, "streams", where).items()
        }
        if not own:
            raise InputError(f"{where}: streams is missing: name at least one, such as joint")
        rows += own.values()
        fusions += [_fusion(given, name, own, where) for given in _list(network, "fusions", where, ())]
    if len({row.work_dir for row in rows}) < len(rows):
        raise InputError(f"{path}: two networks have the same name")
    return Table(str(content.get("title", Path(path).stem)), rows, fusions)


def _fusion(given: Mapping[str, Any], network: str, rows: Mapping[str, Row], where: str) -> Fusion:
    _known(given, ("name", "streams", "weights", "softmax", "published"), f"{where}: fusions")
    streams = _list(given, "streams", f"{where}: fusions", tuple(rows))
    for stream in streams:
        if stream not in rows:
            raise InputError(
                f"{where}: fusions name stream {stream!r}, which is not trained{did_you_mean(stream, rows)}"
            )
    weights = _list(given, "weights", f"{where}: fusions", [1.0] * len(streams))
    if len(weights) != len(streams) or not all(isinstance(weight, (int, float)) for weight in weights):
        raise InputError(f"{where}: fusions: wanted a number for each of {len(streams)} streams, got {weights!r}")
    name = str(given.get("name", " + ".join(streams)))
    published = _percent(given.get("published"), f"{where}: fusions: published")
    return Fusion(network, name, [rows[s] for s in streams], weights, bool(given.get("softmax")), published)


def _command(config: str, stream: str, flags: Mapping[str, Any], work_dir: Path) -> tuple[str, ...]:
    """The arguments of Python that train a stream, or go on with it."""
    unknown = [key for key in flags if key not in TYPES]
    if unknown:
        raise InputError(f"flags: unknown setting {unknown[0]!r}{did_you_mean(unknown[0], TYPES)}")
    make_config(flags, dict.fromkeys(flags, "flags"))
    if not Path(config).is_file() and (ROOT / config).is_file():
        config = str(ROOT / config)
    words: list[str] = []
    for key, value in flags.items():
        items = value if isinstance(value, list) else [value]
        words += [f"--{key.replace('_', '-')}", *(_word(item) for item in items)]
    main = str(ROOT / "main.py")
    return (main, "--config", config, "--stream", stream, "--work-dir", str(work_dir), "--resume", "auto", *words)


def _word(value: Any) -> str:
    return json.dumps(value) if isinstance(value, (dict, bool)) else str(value)


def markdown(table: Table) -> str:
    """The table as it stands: published and measured in columns of their own, what is not there yet as a dash."""
    lines = [
        f"## {table.title}",
        "",
        "| network | stream | published | last epoch | best (epoch) |",
        "|---|---|---|---|---|",
    ]
    for row in table.rows:
        result = row.result()
        last = best = _NOT_YET
        if result is not None:
            last, best = f"{result.last.top1:.2%}", f"{result.best.top1:.2%} ({result.best.epoch})"
        lines.append(f"| {row.network} | {row.stream} | {_published(row.published)} | {last} | {best} |")
    for fusion in table.fusions:
        words = ":".join(f"{weight:g}" for weight in fusion.weights)
        fused = _fused(fusion)
        measured = _NOT_YET if fused is None else f"{fused:.2%}"
        lines.append(f"| {fusion.network} | {fusion.name}, {words} | {_published(fusion.published)} | {measured} | |")
    lines += ["", '"Last epoch" is the result; "best" is the epoch that happened to be best on the test part.', ""]
    return "\n".join(lines)


def _fused(fusion: Fusion) -> float | None:
    """The accuracy of the fused last epochs; None while a stream is not at its end."""
    files = []
    for row in fusion.rows:
        result = row.result()
        if result is None:
            return None
        files.append(row.work_dir / f"epoch{result.last.epoch}_test_score.pkl")
    scores, truth = fused_scores(files, list(fusion.weights), softmax=fusion.softmax)
    return top_k_accuracy(scores.values, truth, 1)


def slug(name: str) -> str:
    """A name as a part of a path: ``MS-G3D`` is ``ms-g3d``."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


def _published(value: float | None) -> str:
    return "" if value is None else f"{value:g} %"


def _known(content: Any, keys: Sequence[str], where: str) -> None:
    if not isinstance(content, Mapping):
        raise InputError(f"{where}: wanted a mapping of {', '.join(keys)}, got {content!r}")
    for key in content:
        if key not in keys:
            raise InputError(f"{where}: unknown key {key!r}{did_you_mean(str(key), keys)}")


def _text(content: Mapping[str, Any], key: str, where: str) -> str:
    if not isinstance(content.get(key), str):
        raise InputError(f"{where}: {key} is {content.get(key)!r}, wanted text")
    return str(content[key])


def _mapping(content: Mapping[str, Any], key: str, where: str) -> Mapping[str, Any]:
    value = content.get(key) or {}
    if not isinstance(value, Mapping) or not all(isinstance(name, str) for name in value):
        raise InputError(f"{where}: {key} is {value!r}, wanted a mapping of names")
    return value


def _list(content: Mapping[str, Any], key: str, where: str, default: Sequence[Any] | None = None) -> Sequence[Any]:
    value = content.get(key, default)
    if not isinstance(value, (list, tuple)):
        raise InputError(f"{where}: {key} is {value!r}, wanted a list")
    return value


def _percent(value: Any, where: str) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 100:
        raise InputError(f"{where}: published is {value!r}, wanted percent or nothing")
    return float(value)
