"""What every command shares: a strict parser, and one sentence with exit code 2 on bad input."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from errors import InputError, did_you_mean


class Parser(argparse.ArgumentParser):
    """An argument parser whose complaints are one sentence, with the nearest flag where one is unknown."""

    def error(self, message: str) -> NoReturn:
        raise InputError(message)

    def add_flag(self, flag: str, **options: Any) -> None:
        """Add ``--some-flag``, which may also be written ``--some_flag``."""
        underscored = "--" + flag.removeprefix("--").replace("-", "_")
        self.add_argument(flag, *([underscored] if underscored != flag else []), **options)

    def parse_strictly(self, argv: Sequence[str] | None) -> argparse.Namespace:
        """Like ``parse_args``.

        Raises:
            InputError: an unknown flag, or a flag whose value is missing or wrong.
        """
        found, unknown = self.parse_known_args(argv)
        if unknown:
            flags = [flag for action in self._actions for flag in action.option_strings]
            raise InputError(f"unknown argument {unknown[0]!r}{did_you_mean(unknown[0].partition('=')[0], flags)}")
        return found


def whole_number(least: int) -> Callable[[str], int]:
    """The type of a flag that takes a whole number of at least ``least``."""

    def convert(text: str) -> int:
        if not text.isdecimal() or int(text) < least:
            raise argparse.ArgumentTypeError(f"wanted a whole number of at least {least}, got {text!r}")
        return int(text)

    return convert


def exit_code(command: Callable[[Sequence[str] | None], int], argv: Sequence[str] | None = None) -> int:
    """What ``command`` returns; 2, and one sentence, when its command line or a file it names is not usable."""
    try:
        return command(argv)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except OSError as error:  # a folder in the way, no right to write, a full disk
        if isinstance(error, BrokenPipeError) and not error.filename:
            sys.stdout = open(os.devnull, "w")  # noqa: SIM115 - whoever read the output has gone, as `head` does
            return 141
        print(f"error: {error.filename or 'a file'}: {error.strerror or error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
