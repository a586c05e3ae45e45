"""``result.json`` of a work dir: what its training came to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clips.read.json_file import read_json
from errors import InputError


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
    content = read_object(path)
    return Result(_figure(content, "last", path), _figure(content, "best_on_test_part", path))


def read_object(path: Path) -> dict[str, Any]:
    """The object in a JSON file.

    Raises:
        InputError: no such file, not JSON, or not an object.
    """
    content = read_json(path)
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
