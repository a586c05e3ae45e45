"""Decimals in text, thousands at once: what ``float`` gives for each, without a Python object for each."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

# A number of at most 3 + 12 digits is a whole number below 2^53 over 10^12. Both are exact in float64, so that the one
# division rounds correctly. Every other form is left to `float`.
_BEFORE, _AFTER = 3, 12
_WIDTH = _BEFORE + 1 + _AFTER
_WEIGHTS = np.array([*(10.0 ** (_AFTER + k) for k in (2, 1, 0)), 0.0, *(10.0**k for k in reversed(range(_AFTER)))])

# Row start * _WIDTH + stop: 1 for the columns of digits when a number fills the columns start ... stop - 1.
_DIGIT = np.array(
    [
        [start <= column < stop and column != _BEFORE for column in range(_WIDTH)]
        for start in range(_BEFORE)
        for stop in range(_WIDTH)
    ],
    np.uint8,
)

MARGIN = _WIDTH + 2  # bytes around a number that `decimals` may look at


def decimals(text: bytes, begins: NDArray[np.intp], ends: NDArray[np.intp]) -> NDArray[np.float64]:
    """The numbers ``text[begin:end]``, NaN where there is none; around each, the text goes on for ``MARGIN`` bytes.

    Shapes: begins and ends (K,) -> (K,).
    """
    buffer = np.frombuffer(text, np.uint8)
    negative = buffer[begins] == ord("-")
    first = begins + negative
    # The point follows the first, second or third digit.
    point = first + 1 + (buffer[first + 1] != ord(".")) * (1 + (buffer[first + 2] != ord(".")))
    stop = ends - point + _BEFORE
    plain = (buffer[point] == ord(".")) & (stop > _BEFORE) & (stop < _WIDTH)
    windows = np.ndarray((len(text) - _WIDTH + 1, _WIDTH), np.uint8, text, strides=(1, 1))
    digits = windows[point - _BEFORE] - np.uint8(ord("0"))
    digits *= _DIGIT.take((first - point + _BEFORE) * _WIDTH + stop * plain, axis=0)
    if digits.max(initial=0) > 9:
        plain &= (digits <= 9).all(axis=1)
    numbers: NDArray[np.float64] = digits.astype(np.float64) @ _WEIGHTS / 10.0**_AFTER
    numbers *= np.where(negative, -1.0, 1.0)
    for at in np.flatnonzero(~plain):
        numbers[at] = _float(text[begins[at] : ends[at]])
    return numbers


def _float(text: bytes) -> float:
    try:
        return float(text)
    except ValueError:
        return float("nan")
