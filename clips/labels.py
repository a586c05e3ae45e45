"""Labels: whole numbers from 0, one for each class, as far as a file may choose them."""

from __future__ import annotations

import operator
from typing import SupportsIndex

from errors import InputError

LARGEST = 2**31 - 1  # far beyond any data set; stores hold 64 bits


def class_number(label: SupportsIndex, where: str) -> int:
    """The label as an int; one below 0 is for others to judge.

    Raises:
        InputError: it is too large to be one.
    """
    number = operator.index(label)
    if abs(number) > LARGEST:  # not printed: it may have thousands of digits
        raise InputError(f"{where}: a label of {number.bit_length()} bits, wanted a class number up to {LARGEST}")
    return number
