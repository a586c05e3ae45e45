"""The published weights, tested and fused, beside the published accuracies: ``bash eval_pretrained.sh``."""

from __future__ import annotations

import hashlib
import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from command_line import Parser, exit_code
from engine.flags import parse
from engine.metrics import top_k_accuracy
from engine.run import run
from engine.streams import fused_scores
from engine.yaml_files import read_yaml
from errors import InputError, did_you_mean

TABLE = Path(__file__).parent.parent / "config" / "pretrained.yaml"
TOLERANCE = 0.05  # percent: the published figures have one or two decimals


@dataclass(frozen=True)
class Row:
    """One line of the result; accuracies in percent, ``got`` None when it was skipped."""

    name: str
    stream: str
    expected: float
    got: float | None
    unverified: bool = False

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


def evaluate_table(table: Mapping[str, Any], only: Sequence[str], flags: Sequence[str]) -> list[Row]:
    """Test and fuse every set of ``table`` that is in ``only`` (all when empty); ``flags`` go to every test.

    Raises:
        InputError: an unknown set, or a test that cannot run although its files are there.
    """
    for name in only:
        if name not in table["sets"]:
            raise InputError(f"--only: there is no set {name!r}{did_you_mean(name, table['sets'])}")
    rows: list[Row] = []
    for name, about in table["sets"].items():
        if not only or name in only:
            rows += _evaluate_set(name, about, str(table.get("source", "")), flags)
    return rows


def _evaluate_set(name: str, about: Mapping[str, Any], source: str, flags: Sequence[str]) -> list[Row]:
    rows, scored = [], []
    for stream, facts in about["streams"].items():
        folder = Path(about["work_dir"]) / facts.get("folder", stream)
        got = None
        if _is_there(facts, about, stream, source):
            _check_sum(facts)
            config, origin = parse(
                ["--config", f"{about['config']}/test_{stream}.yaml", "--phase", "test", "--save-score", "True",
                 "--weights", facts["weights"], "--work-dir", str(folder), *flags]
            )  # fmt: skip
            got = 100 * run(config, origin).accuracy()
            scored.append(folder)
        rows.append(Row(name, stream, facts["top1"], got, bool(facts.get("unverified"))))
    complete = len(scored) == len(about["streams"])
    got = 100 * _fused_accuracy(scored) if complete else None
    rows.append(Row(name, "fused", about["fused"]["top1"], got))
    return rows


def _fused_accuracy(folders: Sequence[Path]) -> float:
    scores, truth = fused_scores(folders)
    return top_k_accuracy(scores.values, truth, 1)


def _is_there(facts: Mapping[str, Any], about: Mapping[str, Any], stream: str, source: str) -> bool:
    """Whether weights and data are there; what is missing is said, with where to get it."""
    if not Path(facts["weights"]).is_file():
        print(f"skipped: {facts['weights']} is missing; get it from {source}")
        return False
    config, _ = parse(["--config", f"{about['config']}/test_{stream}.yaml"])
    data = config.test_feeder_args.get("data_path", "")
    if not Path(data).is_file():
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
    lines = [f"{'set':<12} {'stream':<8} {'expected':>9} {'got':>9} {'difference':>11}"]
    for row in rows:
        got = "skipped" if row.got is None else f"{row.got:.2f}"
        difference = "" if row.difference is None else f"{row.difference:+.2f}"
        notes = (" off" if row.off else "") + (" [?]" if row.unverified else "")
        lines.append(f"{row.name:<12} {row.stream:<8} {row.expected:>9.2f} {got:>9} {difference:>11}{notes}")
    if any(row.unverified for row in rows):
        lines.append("[?] the published figure is unverified")
    return "\n".join(lines)


def main(argv: Sequence[str] | None = None) -> int:
    """0 when every number that was measured is as published, 1 when one is off or there is none, 2 on bad input."""
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
    rows = evaluate_table(_read_table(given.table), given.only, flags)
    print(format_rows(rows))
    if all(row.got is None for row in rows):
        print("nothing was measured", file=sys.stderr)
        return 1
    return 1 if any(row.off for row in rows) else 0


def _read_table(path: str) -> Mapping[str, Any]:
    table = read_yaml(path)
    try:
        for about in table["sets"].values():
            rows = [about["fused"], *about["streams"].values()]
            paths = [about["config"], about["work_dir"], *(row["weights"] for row in rows[1:])]
            if len(rows) == 1 or not all(isinstance(path, str) for path in paths):
                raise ValueError("a set has streams, and paths are texts")
            if not all(isinstance(row["top1"], (int, float)) and math.isfinite(row["top1"]) for row in rows):
                raise ValueError("top1 is a number")
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(
            f"{path}: a set needs config, work_dir, streams with weights and top1, fused: {error!r}"
        ) from error
    return table


if __name__ == "__main__":
    sys.exit(main())
