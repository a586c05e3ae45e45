"""The published weights, tested and fused, beside the published accuracies: ``bash eval_pretrained.sh``."""

from __future__ import annotations

import hashlib
import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clips.store import compact_behind
from command_line import Parser, exit_code
from engine.flags import parse
from engine.run import run
from engine.scoring.fusion import fused_scores
from engine.scoring.metrics import top_k_accuracy
from engine.table_values import fused_streams, known, mapping, number, text, truth
from engine.yaml_files import read_yaml
from errors import InputError, did_you_mean

TABLE = Path(__file__).parent.parent / "config" / "pretrained.yaml"
TOLERANCE = 0.05  # percent: the published figures have one or two decimals


@dataclass(frozen=True)
class Row:
    """One line of the result; accuracies in percent, ``got`` None when it was skipped or has ``failed``."""

    name: str
    stream: str
    expected: float
    got: float | None
    unverified: bool = False
    failed: bool = False

    @property
    def difference(self) -> float | None:
        """Measured minus published."""
        return None if self.got is None else self.got - self.expected

    @property
    def off(self) -> bool:
        """Whether the measured figure, rounded as the published one is, differs by more than the tolerance."""
        if self.got is None:
            return False
        decimals = len(f"{self.expected:g}".partition(".")[2]) or 1
        return abs(round(self.got, decimals) - self.expected) > TOLERANCE + 1e-9


def evaluate_table(path: str, only: Sequence[str], flags: Sequence[str]) -> list[Row]:
    """Test and fuse every set of the table in ``path`` that is in ``only`` (all if empty); ``flags`` go to every test.

    What is wrong with a set is said before anything is tested, and the others go on; so they do when a test goes wrong.

    Raises:
        InputError: no table, or an unknown set.
    """
    table = _read_table(path)
    for name in only:
        if name not in table["sets"]:
            raise InputError(f"--only: there is no set {name!r}{did_you_mean(name, table['sets'])}")
    chosen = {name: about for name, about in table["sets"].items() if not only or name in only}
    wrong = {name for name, about in chosen.items() if not _is_usable(about, f"{path}, set {name}")}
    rows: list[Row] = []
    for name, about in chosen.items():
        if name in wrong:
            rows.append(Row(name, "all", math.nan, None, failed=True))
        else:
            rows += _evaluate_set(name, about, str(about.get("source", table.get("source", ""))), flags)
    return rows


def _evaluate_set(name: str, about: Mapping[str, Any], source: str, flags: Sequence[str]) -> list[Row]:
    rows: list[Row] = []
    scored: dict[str, Path] = {}
    for stream, facts in about["streams"].items():
        folder = Path(about["work_dir"]) / facts.get("folder", stream)
        got, failed = None, False
        try:
            if _is_there(facts, about, stream, source):
                _check_sum(facts)
                config, origin = parse(
                    [*_config(about, stream), "--phase", "test", "--save-score", "True",
                     "--weights", facts["weights"], "--work-dir", str(folder), *flags]
                )  # fmt: skip
                got = 100 * run(config, origin).accuracy()
                scored[stream] = folder
        except InputError as error:
            _say(error)
            failed = True
        rows.append(Row(name, stream, facts["top1"], got, bool(facts.get("unverified")), failed))
    for fusion in _fusions(about):
        got, failed = None, False
        members, weights = fused_streams(fusion, about["streams"], name)
        try:
            if all(stream in scored for stream in members):
                folders = [scored[stream] for stream in members]
                scores, labels = fused_scores(folders, weights, softmax=truth(about, "softmax", name))
                got = 100 * top_k_accuracy(scores.values, labels, 1)
        except InputError as error:
            _say(error)
            failed = True
        rows.append(Row(name, fusion.get("name", "fused"), fusion["top1"], got, bool(fusion.get("unverified")), failed))
    return rows


def _say(error: InputError) -> None:
    print(f"error: {error}", file=sys.stderr)


def _fusions(about: Mapping[str, Any]) -> list[Any]:
    """What ``fused`` says: one fusion of all streams with weights of 1, or a list of them."""
    fused = about.get("fused")
    return list(fused) if isinstance(fused, list) else [fused]


def _config(about: Mapping[str, Any], stream: str) -> list[str]:
    """The flags for a stream: of a folder, its ``test_<stream>.yaml``; of a file, the file and the stream."""
    config = about["config"]
    if config.endswith(".yaml"):
        return ["--config", config, "--stream", stream]
    return ["--config", f"{config}/test_{stream}.yaml"]


def _is_there(facts: Mapping[str, Any], about: Mapping[str, Any], stream: str, source: str) -> bool:
    """Whether weights and data are there; what is missing is said, with where to get it."""
    if not Path(facts["weights"]).is_file():
        print(f"skipped: {facts['weights']} is missing; get it from {facts.get('url', source)}")
        return False
    config, _ = parse(_config(about, stream))
    data = config.test_feeder_args.get("data_path", "")
    if not Path(data).exists() and compact_behind(data) is None:
        print(f"skipped: {data} is missing; prepare it as the README says")
        return False
    return True


def _check_sum(facts: Mapping[str, Any]) -> None:
    wanted = facts.get("sha256")
    if wanted is None:
        return
    with open(facts["weights"], "rb") as file:
        digest = hashlib.sha256()
        while block := file.read(1 << 20):
            digest.update(block)
    if digest.hexdigest() != wanted:
        raise InputError(f"{facts['weights']}: its sha256 is {digest.hexdigest()}, wanted {wanted}; download it again")


def format_rows(rows: Sequence[Row]) -> str:
    """The table as text."""
    lines = [f"{'set':<20} {'stream':<12} {'expected':>9} {'got':>9} {'difference':>11}"]
    for row in rows:
        got = ("failed" if row.failed else "skipped") if row.got is None else f"{row.got:.2f}"
        expected = "" if math.isnan(row.expected) else f"{row.expected:.2f}"
        difference = "" if row.difference is None else f"{row.difference:+.2f}"
        notes = (" off" if row.off else "") + (" [?]" if row.unverified else "")
        lines.append(f"{row.name:<20} {row.stream:<12} {expected:>9} {got:>9} {difference:>11}{notes}")
    if any(row.unverified for row in rows):
        lines.append("[?] the published figure is unverified")
    return "\n".join(lines)


def main(argv: Sequence[str] | None = None) -> int:
    """0 when every number that was measured is as published, 1 when one is off or there is none, 2 on bad input.

    Bad input of one set does not keep the others from being measured.
    """
    return exit_code(_check, argv)


def _check(argv: Sequence[str] | None) -> int:
    parser = Parser("eval_pretrained.sh", description="Test the published weights and compare.", allow_abbrev=False)
    parser.add_argument("--only", nargs="+", default=[], metavar="SET", help="these sets only, such as ntu60-xsub")
    parser.add_argument("--table", default=str(TABLE), metavar="FILE", help="another table of weights and figures")
    parser.add_argument("--device", default="0", metavar="N", help="GPU, or cpu")
    parser.add_argument("--test-batch-size", metavar="N", help="clips per forward pass")
    given = parser.parse_strictly(argv)
    flags = ["--device", given.device]
    flags += ["--test-batch-size", given.test_batch_size] if given.test_batch_size else []
    rows = evaluate_table(given.table, given.only, flags)
    print(format_rows(rows))
    if any(row.failed for row in rows):
        return 2
    if all(row.got is None for row in rows):
        print("nothing was measured", file=sys.stderr)
        return 1
    return 1 if any(row.off for row in rows) else 0


def _read_table(path: str) -> Mapping[str, Any]:
    table = read_yaml(path)
    known(table, ("source", "sets"), path)
    if not mapping(table, "sets", path):
        raise InputError(f"{path}: wanted 'sets', each with config, work_dir, streams with weights and top1, fused")
    text(table, "source", path, "unknown")
    return table


def _is_usable(about: Any, where: str) -> bool:
    try:
        _check_set(about, where)
    except InputError as error:
        _say(error)
        return False
    return True


def _check_set(about: Any, where: str) -> None:
    """Refuse a set that is not as ``config/pretrained.yaml`` says.

    Raises:
        InputError: a key is missing, unknown or of another kind.
    """
    known(about, ("config", "work_dir", "source", "softmax", "streams", "fused"), where)
    _check_texts(about, where, ("config", "work_dir"), ("source",))
    truth(about, "softmax", where)
    streams = mapping(about, "streams", where)
    if not streams:
        raise InputError(f"{where}: streams is missing: name at least one, such as joint")
    for stream, facts in streams.items():
        here = f"{where}: streams: {stream}"
        known(facts, ("weights", "folder", "top1", "unverified", "url", "sha256"), here)
        _check_texts(facts, here, ("weights",), ("folder", "url", "sha256"))
        _check_figure(facts, here)
    fusions = _fusions(about)
    if not fusions:
        raise InputError(f"{where}: fused is {fusions!r}, wanted a fusion with its top1, or a list of them")
    for at, fusion in enumerate(fusions):
        here = f"{where}: fused" + (f"[{at}]" if isinstance(about.get("fused"), list) else "")
        known(fusion, ("name", "streams", "weights", "top1", "unverified"), here)
        _check_texts(fusion, here, (), ("name",))
        _check_figure(fusion, here)
        fused_streams(fusion, streams, here)


def _check_texts(content: Mapping[str, Any], where: str, needed: Sequence[str], allowed: Sequence[str]) -> None:
    for key in (*needed, *(key for key in allowed if key in content)):
        text(content, key, where)


def _check_figure(content: Mapping[str, Any], where: str) -> None:
    number(content, "top1", where)
    truth(content, "unverified", where)


if __name__ == "__main__":
    sys.exit(main())
