"""The command line of main.py: every setting is a flag, and flags win over files."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

import yaml

from command_line import Parser
from engine.config import DEFAULTS, HELP, TYPES, Config, make_config
from engine.yaml_files import Loader, compose, merge
from errors import InputError

_DESCRIPTION = "Train or test one network on one stream of one benchmark, as a YAML file and flags describe it."


def parse(argv: Sequence[str] | None = None) -> tuple[Config, dict[str, str]]:
    """The run that a command line describes, and for each dotted key where its value came from.

    Precedence: default, bases of the file, file, flags; with ``--checkpoint`` alone the checkpoint's own settings
    take the file's place.

    Raises:
        InputError: whatever is wrong with a flag or a file, in one sentence.
    """
    flags = vars(_parser().parse_strictly(argv))
    flags.pop("local_rank", None)
    for key in ("config", "checkpoint"):  # read before settings are checked
        if key in flags and not flags[key].strip():
            raise InputError(f"--{key}: {key} is {flags[key]!r}, wanted text that is not empty")
    path = flags.pop("config", None)
    values: dict[str, Any] = {}
    origin = dict.fromkeys(DEFAULTS, "default")
    if path is not None:
        values, origin_of_file = compose(path)
        origin.update(origin_of_file)
    elif "checkpoint" in flags:
        from engine.checkpoint import settings_in  # imports torch, which --help does without

        values = settings_in(flags["checkpoint"], flags.get("allow_import", []))
        origin.update(dict.fromkeys(values, flags["checkpoint"]))
    for key, value in flags.items():
        merge(values, origin, {key: value}, f"--{key.replace('_', '-')}")
    return make_config(values, origin), origin


def _parser() -> Parser:
    parser = Parser("main.py", description=_DESCRIPTION, allow_abbrev=False, argument_default=argparse.SUPPRESS)
    parser.add_argument("--config", metavar="FILE", help="YAML file with any of the settings below")
    about_rank = "accepted from torch.distributed.launch, which says the same in the environment"
    parser.add_flag("--local-rank", metavar="N", help=about_rank)
    for key, about in HELP.items():
        kind = str(TYPES[key])
        text = about["help"] + ("" if DEFAULTS[key] in (None, [], {}) else f" (default: {_words(DEFAULTS[key])})")
        options: dict[str, Any] = {"help": text.replace("%", "%%"), "dest": key}
        if "bool" in kind:
            options |= {"nargs": "?", "const": True, "metavar": "True|False"}
        elif "list" in kind:
            options |= {"nargs": "+", "metavar": about.get("metavar", "X")}
        elif "dict" in kind:
            options |= {"nargs": "+", "metavar": "KEY=VALUE", "action": _Mapping}
        elif "choices" in about:
            options["metavar"] = "|".join(map(str, about["choices"]))
        else:
            options["metavar"] = "N" if kind.startswith(("<class 'int", "<class 'float")) else "TEXT"
        parser.add_flag(f"--{key.replace('_', '-')}", **options)
    return parser


class _Mapping(argparse.Action):
    """``key=value …`` or a YAML mapping in quotes."""

    def __call__(
        self, parser: argparse.ArgumentParser, namespace: argparse.Namespace, values: Any, option: str | None = None
    ) -> None:
        found: dict[str, Any] = dict(getattr(namespace, self.dest, {}))
        for text in values:
            key, equals, value = text.partition("=")
            try:
                found |= {key: _yaml(value)} if equals and key.isidentifier() else _yaml(text)
            except (yaml.YAMLError, TypeError, ValueError, RecursionError):
                raise InputError(f"{option}: wanted key=value or a YAML mapping, got {text!r}") from None
        setattr(namespace, self.dest, found)


def _yaml(text: str) -> Any:
    return yaml.load(text, Loader=Loader)


def _words(value: Any) -> str:
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)
