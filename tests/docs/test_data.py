"""docs/data.md: its counts are those of verify, its files exist, and every preparation and class list is spoken of."""

from __future__ import annotations

import re
from pathlib import Path

from clips import class_names
from data_gen.known_counts import COUNTS, NUM_CLASSES, data_sets, split_of

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs" / "data.md").read_text(encoding="utf-8")


def test_counts_are_those_of_verify() -> None:
    rows = re.findall(r"^\| `([\w-]+)` \| (.*) \|$", TEXT, re.MULTILINE)
    # a set of several protocols is in the table by protocol
    assert {name for name, _ in rows} == {name for name in data_sets() if "train" in parts(name)}
    for name, cells in rows:
        *counts, classes = [cell.strip().replace(",", "") for cell in cells.split("|")]
        known = parts(name)
        assert counts[:2] == [str(known["train"]), said(known, name, "val")]
        assert counts[2] == said(known, name, "test")
        assert int(classes) == NUM_CLASSES[split_of(name, "train")[0]]


def parts(name: str) -> dict[str, int]:
    """Counts by train, val and test."""
    table, split = split_of(name, "train")
    prefix = split.removesuffix("train")
    return {key.removeprefix(prefix): count for key, count in COUNTS[table].items() if key.startswith(prefix)}


def said(known: dict[str, int], name: str, part: str) -> str:
    return "not published" if name.startswith("babel") and part == "val" else str(known.get(part, ""))


def test_every_preparation_and_every_list_of_names_is_there() -> None:
    preparations = {path.stem for path in (ROOT / "data_gen").glob("*_gendata.py")} - {"demo_gendata"}
    assert {name for name in preparations if f"python3 -m data_gen.{name}" not in TEXT} == set()
    names = TEXT.rpartition("Names of classes")[2]
    assert set(re.findall(r"`([\w-]+)`", names)) == set(class_names._FILES) - {"demo"}


def test_files_that_are_named_exist() -> None:
    links = [link for link in re.findall(r"\]\(([^)]+)\)", TEXT) if "://" not in link]
    assert [link for link in links if not (ROOT / "docs" / link).exists()] == []
    configs = set(re.findall(r"config/[\w*/.-]+\.yaml", TEXT))
    assert len(configs) >= 6
    assert [path for path in configs if not list(ROOT.glob(path))] == []
