from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clips.read.decimals import MARGIN, decimals


def read(words: list[bytes]) -> np.ndarray:
    text = b"~" * MARGIN + b" ".join(words) + b"\n" + b"~" * MARGIN
    ends = MARGIN + np.cumsum([len(word) + 1 for word in words]) - 1
    return decimals(text, ends - [len(word) for word in words], ends)


def as_float(word: bytes) -> float:
    try:
        return float(word)
    except ValueError:
        return float("nan")


# fmt: off
WORDS = (
    b"0.2181153", b"-0.1725972", b"3.785547", b"25", b"-7", b"0", b"-0.0", b"12.5", b"123.25", b"1234.5", b"-999.9",
    b"1e-05", b"-4.656613e-10", b"1.5E3", b"0.0001234567", b"0.123456789012", b"0.1234567890123", b".5", b"5.",
    b"-.5", b"+1.5", b"nan", b"-nan", b"inf", b"1.2.3", b"--1.0", b"1-2.0", b"x.y", b"0.1x", b"", b"-", b".", b"1,5",
    b"\xff.1",
)
# fmt: on


@pytest.mark.parametrize("word", WORDS)
def test_a_word_is_what_float_makes_of_it(word: bytes) -> None:
    (number,) = read([word])
    assert np.array_equal(number, as_float(word), equal_nan=True)
    assert np.signbit(number) == np.signbit(as_float(word)) or np.isnan(number)


@settings(deadline=None)
@given(
    st.lists(st.floats(-2000, 2000), min_size=1, max_size=30), st.sampled_from(["%.7g", "%.9g", "%.12f", "%r", "%.3f"])
)
def test_printed_floats_come_back_as_float_reads_them(values: list[float], form: str) -> None:
    words = [(form % value).encode() for value in values]
    assert read(words).tobytes() == np.array([float(word) for word in words]).tobytes()


@settings(deadline=None)
@given(st.lists(st.text("0123456789.-+e~", min_size=1, max_size=20), min_size=1, max_size=20))
def test_any_word_at_all(words: list[str]) -> None:
    raw = [word.encode() for word in words]
    assert np.array_equal(read(raw), [as_float(word) for word in raw], equal_nan=True)
