"""YAML files composed from others: ``base`` names the files below, ``with`` fills their ``{placeholders}``."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from errors import InputError

_PLACEHOLDER = re.compile(r"\{([a-z_]+)\}")


class Loader(yaml.SafeLoader):
    """Plain data only, no key twice, nothing within itself, and ``1e-3`` is a number (YAML 1.1 wants a point in it)."""

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        if node in self.recursive_objects:
            raise yaml.constructor.ConstructorError(None, None, "an alias stands for what holds it", node.start_mark)
        return super().construct_object(node, deep=True)  # so that what is still open is what holds this

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        plain = [key for key, _ in node.value if key.tag != "tag:yaml.org,2002:merge"]
        keys = [self.construct_object(key, deep=True) for key in plain]
        for key in keys:
            if keys.count(key) > 1:
                raise yaml.constructor.ConstructorError(None, None, f"key {key!r} occurs twice", node.start_mark)
        return super().construct_mapping(node, deep)


Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"[-+]?[0-9]+[eE][-+]?[0-9]+$"), list("-+0123456789")
)


def read_yaml(path: str | os.PathLike[str]) -> dict[str, Any]:
    """The mapping in a YAML file.

    Raises:
        InputError: missing, not YAML, a key twice, an alias within what it stands for, or not a mapping.
    """
    try:
        content = yaml.load(Path(path).read_text(encoding="utf-8"), Loader=Loader)
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file") from error
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read: {error}") from error
    except (yaml.YAMLError, ValueError, LookupError, AttributeError, RecursionError) as error:  # 2020-13-01, !!int ""
        raise InputError(f"{path}: not valid YAML: {' '.join(str(error).split())}") from error
    if content is None:
        return {}
    if not isinstance(content, dict) or not all(isinstance(key, str) for key in content):
        raise InputError(f"{path}: wanted 'key: value' lines, got {type(content).__name__}")
    return content


def compose(path: str | os.PathLike[str]) -> tuple[dict[str, Any], dict[str, str]]:
    """The settings of a file on top of those of its bases, and for each dotted key the file it came from.

    ``base`` (a path or a list, relative to the file) is read first: mappings merge deep, everything else replaces.
    ``with: {name: value}`` replaces ``{name}`` in the texts of the file and its bases.

    Raises:
        InputError: a file is missing or broken, names itself as a base, or leaves a placeholder unfilled.
    """
    values, origin = _compose(Path(path), {}, ())
    for key, text in _texts(values, ""):
        unfilled = [name for name in _PLACEHOLDER.findall(text) if (key, name) != ("work_dir", "stream")]
        if unfilled:
            raise InputError(
                f"{path}: {key} is {text!r}, but nothing says what {{{unfilled[0]}}} is; give it in 'with'"
            )
    return values, origin


def merge(
    values: dict[str, Any], origin: dict[str, str], more: Mapping[str, Any], source: str, prefix: str = ""
) -> None:
    """Lay ``more`` over ``values`` in place, mappings deep, and note in ``origin`` that it came from ``source``."""
    for key, value in more.items():
        dotted = f"{prefix}{key}"
        if isinstance(value, Mapping) and isinstance(values.get(key), dict):
            merge(values[key], origin, value, source, f"{dotted}.")
        elif isinstance(value, Mapping):
            values[key] = {}
            merge(values[key], origin, value, source, f"{dotted}.")
        else:
            values[key] = value
        origin[dotted] = source


def _compose(path: Path, fill: Mapping[str, Any], above: tuple[Path, ...]) -> tuple[dict[str, Any], dict[str, str]]:
    if path.resolve() in above:
        raise InputError(f"{path}: is its own base")
    content = read_yaml(path)
    given = content.pop("with", {})
    if not isinstance(given, dict):
        raise InputError(f"{path}: 'with' must be a mapping of placeholder to value, got {given!r}")
    fill = {**_filled(given, fill), **fill}  # the file above has the last word
    content = _filled(content, fill)
    bases = content.pop("base", [])
    bases = [bases] if isinstance(bases, str) else bases
    if not isinstance(bases, list) or not all(isinstance(base, str) for base in bases):
        raise InputError(f"{path}: 'base' must be a file name or a list of them, got {bases!r}")
    values: dict[str, Any] = {}
    origin: dict[str, str] = {}
    for base in bases:
        below, below_origin = _compose(path.parent / base, fill, (*above, path.resolve()))
        _lay(values, origin, below, below_origin)
    merge(values, origin, content, str(path))
    return values, origin


def _lay(values: dict[str, Any], origin: dict[str, str], more: dict[str, Any], more_origin: dict[str, str]) -> None:
    merge(values, origin, more, "")
    origin.update(more_origin)


def _filled(content: Any, fill: Mapping[str, Any]) -> Any:
    """``content`` with every known ``{placeholder}`` replaced; a text that is nothing else takes the value's type."""
    if isinstance(content, dict):
        return {key: _filled(value, fill) for key, value in content.items()}
    if isinstance(content, list):
        return [_filled(value, fill) for value in content]
    if not isinstance(content, str) or not fill:
        return content
    whole = _PLACEHOLDER.fullmatch(content)
    if whole and whole[1] in fill:
        return fill[whole[1]]
    return _PLACEHOLDER.sub(lambda match: str(fill.get(match[1], match[0])), content)


def _texts(value: Any, key: str) -> list[tuple[str, str]]:
    """Every text within ``value``, which is what ``key`` holds, with its own dotted key."""
    if isinstance(value, str):
        return [(key, value)]
    if isinstance(value, list):
        value = dict(enumerate(value))
    if not isinstance(value, Mapping):
        return []
    return [text for name, item in value.items() for text in _texts(item, f"{key}.{name}" if key else str(name))]
