"""``result.json`` of a work dir: what its training came to."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from errors import InputError, in_a_line


@dataclass(frozen=True)
class Figure:
    """The accuracy ``top1``, from 0 to 1, after an epoch."""

    epoch: int
    top1: float


@dataclass(frozen=True)
class Result:
    """The figure of the last epoch, and of the one that was best on the test part."""

    last: Figure
    best: Figure


def read_result(path: Path) -> Result:
    """What ``result.json`` at ``path`` says.

    Raises:
        InputError: it cannot be read, or a figure is missing or is none.
    """
    content = read_json(path)
    return Result(_figure(content, "last", path), _figure(content, "best_on_test_part", path))


def read_json(path: Path) -> dict[str, Any]:
    """The object in a JSON file.

    Raises:
        InputError: not JSON, or not an object.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:  # UnicodeDecodeError is one
        raise InputError(f"{path}: not readable as JSON: {in_a_line(error)}") from error
    if not isinstance(content, dict):
        raise InputError(f"{path}: wanted a JSON object, got {type(content).__name__}")
    return content


def _figure(content: Mapping[str, Any], key: str, path: Path) -> Figure:
    held = content.get(key)
    figure: Mapping[str, Any] = held if isinstance(held, dict) else {}
    epoch, top1 = figure.get("epoch"), figure.get("top1", -1)
    if type(epoch) is not int or type(top1) not in (int, float) or not 0 <= top1 <= 1:
        raise InputError(f"{path}: {key} is {held!r}, wanted an epoch and its top1 from 0 to 1")
    return Figure(epoch, float(top1))
