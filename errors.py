"""The one kind of error a user sees: a sentence that names what was got and what was wanted."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Iterable, Sequence

_NAMED = 3  # of the names that occur more than once


class InputError(ValueError):
    """Something the user gave (file, key, flag, sample) is not usable.

    Commands print its text as one line and exit with code 2; nothing else may end a command on bad input.
    """


def one_of(key: str, value: object, known: Iterable[object]) -> None:
    """Refuse a ``value`` of the setting ``key`` that is none of ``known``.

    Raises:
        InputError: naming all that are known, and the nearest.
    """
    known = list(known)
    if value not in known:
        names = [str(item) for item in known]
        raise InputError(f"{key} is {value!r}, wanted one of {', '.join(names)}{did_you_mean(str(value), names)}")


def all_different(source: object, what: str, names: Sequence[str]) -> None:
    """Refuse ``names`` of ``source`` of which some occur more than once; ``what`` is what they are names of.

    Raises:
        InputError: counting them, and naming the first.
    """
    repeated = [name for name, times in Counter(names).items() if times > 1]
    if repeated:
        more = ", ..." if len(repeated) > _NAMED else ""
        listed = ", ".join(map(repr, repeated[:_NAMED]))
        raise InputError(f"{source}: {len(repeated)} {what} occur more than once: {listed}{more}")


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """The hint ``"; did you mean 'x'?"`` for the nearest of ``known``, or the empty string when nothing is near."""
    near = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f"; did you mean {near[0]!r}?" if near else ""


def in_a_line(error: BaseException) -> str:
    """What an error says, in one line; its kind where it says nothing."""
    return " ".join(str(error).split()) or type(error).__name__
