"""The cards of the networks: sizes and options are those of the code, files and commands exist."""

from __future__ import annotations

import inspect
import re
import shlex
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from engine.build import build_model
from engine.config import Config
from engine.describe import measure
from engine.flags import parse
from importing import import_class

ROOT = Path(__file__).resolve().parents[2]
CARDS = sorted((ROOT / "docs" / "models").glob("*.md"))
SPOKEN_FOR = {"num_class", "num_point", "num_person", "graph", "graph_args", "in_channels"}
SIZES = ["configuration", "clip (C, T, V, M)", "parameters", "multiply-adds"]
OPTIONS = ["option", "default", "meaning"]


@cache
def text(card: Path) -> str:
    return card.read_text(encoding="utf-8")


def table(card: Path, header: list[str]) -> list[list[str]]:
    """The rows of the one table of ``card`` that has this header."""
    lines = iter(text(card).splitlines())
    rows: list[list[str]] = []
    for line in lines:
        if _cells(line) == header:
            assert set("".join(_cells(next(lines)))) == {"-"}
            while (cells := _cells(next(lines, ""))) != [""]:
                assert len(cells) == len(header), cells
                rows.append(cells)
    return rows


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def sizes() -> list[Any]:
    return [pytest.param(*row, id=f"{card.stem}: {row[0].strip('`')}") for card in CARDS for row in table(card, SIZES)]


def config_of(cell: str) -> Config:
    """The configuration that a cell names, flags behind it included."""
    return parse(["--config", *shlex.split(cell.strip("`"))])[0]


def shape_of(cell: str) -> tuple[int, int, int, int]:
    c, t, v, m = (int(number) for number in cell.split(","))
    return c, t, v, m


def multiply_adds(model: nn.Module, shape: tuple[int, ...]) -> int:
    """Counted without computing: on the meta device tensors have shapes only."""
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        model.to("meta").eval()(torch.empty(1, *shape, device="meta"))
    return counter.get_total_flops() // 2


def test_every_network_has_a_card() -> None:
    assert {card.stem for card in CARDS} == {"msg3d", "mstgcn", "dgstgcn", "msagcn"}
    assert [card.stem for card in CARDS if not table(card, SIZES) or not table(card, OPTIONS)] == []


@pytest.mark.parametrize(("configuration", "clip", "parameters", "cost"), sizes())
def test_size_is_what_the_table_says(
    configuration: str, clip: str, parameters: str, cost: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    config, shape = config_of(configuration), shape_of(clip)
    takes = config.model_args
    assert (shape[0], shape[2], shape[3]) == (takes.get("in_channels", 3), takes["num_point"], takes["num_person"])
    model = build_model(config)
    assert f"{sum(p.numel() for p in model.parameters()):,}" == parameters
    assert f"{multiply_adds(model, shape) / 1e9:.2f} G" == cost


@pytest.mark.parametrize("card", CARDS, ids=lambda card: card.stem)
def test_counting_on_meta_is_what_describe_counts(card: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    config = parse(["--config", f"config/utd-mhad/{card.stem}.yaml"])[0]
    shape = (3, 64, 20, 1)
    found = measure(build_model(config), shape, torch.device("cpu"))
    assert found.multiply_adds == multiply_adds(build_model(config), shape)


@pytest.mark.parametrize("card", CARDS, ids=lambda card: card.stem)
def test_options_are_those_of_the_constructor(card: Path) -> None:
    """All but those that every network has, each with its default; tuples are lists in YAML."""
    said = {name.strip("`"): default for name, default, _ in table(card, OPTIONS)}
    takes = inspect.signature(import_class(f"model.{card.stem}.Model", "model")).parameters
    assert set(said) == set(takes) - SPOKEN_FOR
    for name, default in said.items():
        if default == "required":
            assert takes[name].default is inspect.Parameter.empty
        else:
            assert yaml.safe_load(default.strip("`")) == _as_yaml(takes[name].default), name


def _as_yaml(value: Any) -> Any:
    return [_as_yaml(item) for item in value] if isinstance(value, list | tuple) else value


@pytest.mark.parametrize("card", CARDS, ids=lambda card: card.stem)
def test_files_that_are_named_exist(card: Path) -> None:
    links = [link for link in re.findall(r"\]\(([^)]+)\)", text(card)) if "://" not in link]
    assert links
    assert [link for link in links if not (card.parent / link).exists()] == []
    named = {part for span in re.findall(r"`([^`\n]+)`", text(card)) for part in _expanded(span.split(" ")[0])}
    configs = [path for path in named if path.startswith("config/")]
    assert configs
    assert [path for path in configs if not list(ROOT.glob(path.rstrip("/")))] == []


def _expanded(path: str) -> list[str]:
    """``a/{b,c}`` -> ``a/b``, ``a/c``."""
    match = re.search(r"\{([^}]*)\}", path)
    if match is None:
        return [path]
    return [
        one for word in match[1].split(",") for one in _expanded(path[: match.start()] + word + path[match.end() :])
    ]


@pytest.mark.parametrize("card", CARDS, ids=lambda card: card.stem)
def test_commands_are_understood(card: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    commands = re.findall(r"python3 main\.py ([^`\n]+)", text(card))
    assert len(commands) >= 2
    for command in commands:
        config, _ = parse(shlex.split(command, comments=True))
        assert config.model == f"model.{card.stem}.Model"
