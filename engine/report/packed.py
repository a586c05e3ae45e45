"""Arrays as text of few bytes: whole numbers between the least and the largest value, in base64."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np
from numpy.typing import NDArray


def packed(values: NDArray[Any], bits: int = 16) -> dict[str, Any]:
    """``values`` as ``shape``, ``bits``, ``low``, ``step`` and ``data``; NaN is kept apart.

    A value is ``low + step * number``; the largest number of so many ``bits`` (8 or 16) stands for NaN. What is read
    back is off by half a ``step`` at most.
    """
    numbers, absent = np.asarray(values, dtype=np.float64), 2**bits - 1
    seen = np.isfinite(numbers)
    low = float(numbers[seen].min()) if seen.any() else 0.0
    step = (float(numbers[seen].max()) - low) / (absent - 1) if seen.any() else 0.0
    whole = np.full(numbers.shape, absent, dtype=f"<u{bits // 8}")
    whole[seen] = np.rint((numbers[seen] - low) / (step or 1.0))
    data = base64.b64encode(np.ascontiguousarray(whole).tobytes()).decode("ascii")
    return {"shape": list(numbers.shape), "bits": bits, "low": low, "step": step, "data": data}


def unpacked(content: dict[str, Any]) -> NDArray[np.float64]:
    """What ``packed`` made of an array; the page's own reader does the same."""
    whole = np.frombuffer(base64.b64decode(content["data"]), dtype=f"<u{content['bits'] // 8}")
    values: NDArray[np.float64] = content["low"] + content["step"] * whole.astype(np.float64)
    values[whole == 2 ** content["bits"] - 1] = np.nan
    return values.reshape(tuple(content["shape"]))


def weight_of(content: dict[str, Any]) -> int:
    """About how many bytes it takes in the page."""
    return len(content["data"]) + 100
