"""Tables of runs: what a YAML file says of them, and how they stand, in Markdown."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from engine.config import TYPES, make_config
from engine.results import Result, read_result
from engine.scoring.fusion import fused_scores
from engine.scoring.metrics import top_k_accuracy
from engine.table_values import entries, fused_streams, known, mapping, text, truth
from engine.yaml_files import Loader, read_yaml
from errors import InputError, did_you_mean

ROOT = Path(__file__).resolve().parent.parent
_NOT_YET = "–"
_OF_THE_TABLE = ("phase", "stream", "work_dir", "resume", "seeds", "checkpoint", "start_epoch", "describe")


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

    ``flags`` may stand at a network too, but none that make another run of it (``stream``, ``work_dir`` and the like);
    ``softmax: true`` at a fusion fuses probabilities.

    Raises:
        InputError: something is missing, unknown or of another kind; it is named.
    """
    content = read_yaml(path)
    known(content, ("title", "flags", "networks"), str(path))
    rows: list[Row] = []
    fusions: list[Fusion] = []
    of_all = _flags(content, str(path))
    for number, network in enumerate(entries(content, "networks", str(path))):
        where = f"{path}, networks[{number}]"
        known(network, ("name", "config", "flags", "streams", "fusions"), where)
        name, config = text(network, "name", where), text(network, "config", where)
        flags = {**of_all, **_flags(network, where)}
        own = {
            stream: Row(
                name,
                stream,
                _command(config, stream, flags, place := work_dir / f"{slug(name)}_{stream}"),
                place,
                _percent(published, f"{where}: streams: {stream}"),
            )
            for stream, published in mapping(network, "streams", where).items()
        }
        if not own:
            raise InputError(f"{where}: streams is missing: name at least one, such as joint")
        rows += own.values()
        given = entries(network, "fusions", where, ())
        fusions += [_fusion(one, name, own, f"{where}, fusions[{at}]") for at, one in enumerate(given)]
    if len({row.work_dir for row in rows}) < len(rows):
        raise InputError(f"{path}: two networks have the same name")
    return Table(str(content.get("title", Path(path).stem)), rows, fusions)


def _fusion(given: Any, network: str, rows: Mapping[str, Row], where: str) -> Fusion:
    known(given, ("name", "streams", "weights", "softmax", "published"), where)
    streams, weights = fused_streams(given, rows, where)
    name = text(given, "name", where, " + ".join(streams))
    published = _percent(given.get("published"), where)
    return Fusion(network, name, [rows[s] for s in streams], weights, truth(given, "softmax", where), published)


def _flags(content: Mapping[str, Any], where: str) -> Mapping[str, Any]:
    """The settings in ``flags``, found to be such as every run may have.

    Raises:
        InputError: one is unknown, of another kind, the table's own affair, or nothing that a command line can say.
    """
    flags = mapping(content, "flags", where)
    for key, value in flags.items():
        if key not in TYPES:
            raise InputError(f"{where}: flags: unknown setting {key!r}{did_you_mean(key, TYPES)}")
        if key in _OF_THE_TABLE:
            raise InputError(
                f"{where}: flags: {key} cannot be set: a row trains one stream from the beginning in its own folder"
            )
        if not _can_be_said(value):
            raise InputError(f"{where}: flags: {key} is {value!r}, which no command line can say: leave it out")
    make_config(flags, dict.fromkeys(flags, f"{where}: flags"))
    return flags


def _command(config: str, stream: str, flags: Mapping[str, Any], work_dir: Path) -> tuple[str, ...]:
    """The arguments of Python that train a stream, or go on with it."""
    if not Path(config).is_file() and (ROOT / config).is_file():
        config = str(ROOT / config)
    words: list[str] = []
    for key, value in flags.items():
        items = value if isinstance(value, list) else [value]
        words += [f"--{key.replace('_', '-')}", *(_word(item) for item in items)]
    main = str(ROOT / "main.py")
    return (main, "--config", config, "--stream", stream, "--work-dir", str(work_dir), "--resume", "auto", *words)


def _word(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, (dict, bool)) else str(value)


def _can_be_said(value: Any) -> bool:
    """Whether ``value`` comes out of ``_word`` as it went in: there is none for null, an empty list, or a date."""
    if not isinstance(value, dict):
        return value is not None and value != []
    try:
        return bool(yaml.load(_word(value), Loader=Loader) == value)
    except (TypeError, ValueError, yaml.YAMLError):
        return False


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


def _percent(value: Any, where: str) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 100:
        raise InputError(f"{where}: published is {value!r}, wanted percent or nothing")
    return float(value)
