"""Decimals in text, thousands at once: what ``float`` gives for each, without a Python object for each."""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

# A number of at most 3 + 12 digits is a whole number below 2^53 over 10^12. Both are exact in float64, so that the one
# division rounds correctly. Every other form is left to `float`.
_BEFORE, _AFTER = 3, 12
_WIDTH = _BEFORE + 1 + _AFTER
_WEIGHTS = np.array(
    [10.0 ** (_AFTER + 2 - k) for k in range(_BEFORE)] + [0.0] + [10.0 ** (11 - k) for k in range(_AFTER)]
)
_COLUMNS = np.arange(_WIDTH, dtype=np.int8)

MARGIN = _WIDTH  # bytes that `decimals` may look at, to the left and right of a number


def decimals(text: bytes, begins: NDArray[np.intp], ends: NDArray[np.intp]) -> NDArray[np.float64]:
    """The numbers ``text[begin:end]``, NaN where there is none; around each the text goes on for ``MARGIN`` bytes.

    Shapes: begins and ends (K,) -> (K,).
    """
    buffer = np.frombuffer(text, np.uint8)
    negative = buffer[begins] == ord("-")
    first = begins + negative
    # Up to three digits, the point, the rest: three places where the point may be.
    point = first + 1 + (buffer[first + 1] != ord(".")) * (1 + (buffer[first + 2] != ord(".")))
    plain = (buffer[point] == ord(".")) & (ends - point <= _AFTER + 1) & (ends > point)
    digits = sliding_window_view(buffer, _WIDTH)[point - _BEFORE] - np.uint8(ord("0"))
    starts = (first - point + _BEFORE).astype(np.int8)
    stops = np.minimum(ends - point + _BEFORE, _WIDTH).astype(np.int8)
    inside = (starts[:, None] <= _COLUMNS) & (stops[:, None] > _COLUMNS)
    inside[:, _BEFORE] = False
    digits *= inside
    if digits.max(initial=0) > 9:
        plain &= (digits <= 9).all(axis=1)
    numbers: NDArray[np.float64] = digits.astype(np.float64) @ _WEIGHTS / _WEIGHTS[_BEFORE - 1]
    np.negative(numbers, out=numbers, where=negative)
    for at in np.flatnonzero(~plain):
        numbers[at] = _float(text[begins[at] : ends[at]])
    return numbers


def _float(text: bytes) -> float:
    try:
        return float(text)
    except ValueError:
        return float("nan")
