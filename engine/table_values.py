"""Values of the tables in YAML files: of the kind that is wanted, or refused in a sentence that says where they stand.

``where`` names the file, and the part of it that ``content`` is.
"""

from __future__ import annotations

import sys
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from errors import InputError, did_you_mean


def known(content: Any, keys: Sequence[str], where: str) -> None:
    """Refuse what is no mapping, and keys in it that nobody would read."""
    if not isinstance(content, Mapping):
        raise InputError(f"{where}: wanted a mapping of {', '.join(keys)}, got {content!r}")
    for key in content:
        if key not in keys:
            hint = did_you_mean(str(key), keys) or f", wanted {', '.join(keys)}"
            raise InputError(f"{where}: unknown key {key!r}{hint}")


def text(content: Mapping[str, Any], key: str, where: str, default: str | None = None) -> str:
    """The text at ``key``."""
    value = content.get(key, default)
    if not isinstance(value, str) or not value:
        raise InputError(f"{where}: {key} is {value!r}, wanted text")
    return value


def truth(content: Mapping[str, Any], key: str, where: str) -> bool:
    """Whether ``key`` says so; nothing said is False."""
    value = content.get(key, False)
    if not isinstance(value, bool):
        raise InputError(f"{where}: {key} is {value!r}, wanted true or false")
    return value


def number(content: Mapping[str, Any], key: str, where: str) -> float:
    """The finite number at ``key``."""
    value: Any = content.get(key)
    if not _is_number(value):
        raise InputError(f"{where}: {key} is {value!r}, wanted a finite number")
    return float(value)


def mapping(content: Mapping[str, Any], key: str, where: str) -> Mapping[str, Any]:
    """The mapping of names at ``key``; nothing said is an empty one."""
    value = content.get(key)
    value = {} if value is None else value
    if not isinstance(value, Mapping) or not all(isinstance(name, str) for name in value):
        raise InputError(f"{where}: {key} is {value!r}, wanted a mapping of names")
    return value


def entries(content: Mapping[str, Any], key: str, where: str, default: Sequence[Any] | None = None) -> Sequence[Any]:
    """The list at ``key``."""
    value = content.get(key, default)
    if not isinstance(value, (list, tuple)):
        raise InputError(f"{where}: {key} is {value!r}, wanted a list")
    return value


def fused_streams(given: Mapping[str, Any], there: Collection[str], where: str) -> tuple[list[str], list[float]]:
    """The ``streams`` of a fusion and their ``weights``: all that are ``there``, and 1 each, where it does not say.

    Raises:
        InputError: no streams, others than are there, or anything but a finite number for each.
    """
    streams = list(entries(given, "streams", where, tuple(there)))
    if not streams:
        raise InputError(f"{where}: streams is [], wanted at least one of {', '.join(there)}")
    for stream in streams:
        if not isinstance(stream, str) or stream not in there:
            raise InputError(
                f"{where}: streams has {stream!r}, wanted {', '.join(there)}{did_you_mean(str(stream), there)}"
            )
    weights = list(entries(given, "weights", where, [1.0] * len(streams)))
    if len(weights) != len(streams) or not all(map(_is_number, weights)) or not any(weights):
        raise InputError(
            f"{where}: weights is {weights!r}, wanted a finite number for each of {len(streams)} streams, not all 0"
        )
    return streams, weights


def _is_number(value: Any) -> bool:
    """Whether ``value`` is a number that a float can hold."""
    return type(value) in (int, float) and abs(value) <= sys.float_info.max
