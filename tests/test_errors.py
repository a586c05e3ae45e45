"""Errors that a user sees."""

from __future__ import annotations

import pytest

from errors import InputError, all_different, did_you_mean, in_a_line, one_of


def test_an_input_error_is_a_value_error_with_its_text() -> None:
    with pytest.raises(ValueError, match=r"^the sentence$"):
        raise InputError("the sentence")


@pytest.mark.parametrize(
    ("name", "known", "hint"),
    [
        ("strem", ["stream", "split"], "; did you mean 'stream'?"),
        ("bone", ["bone"], "; did you mean 'bone'?"),
        ("bones", {"bone_motion": 0, "bone": 1}, "; did you mean 'bone'?"),
        ("xyz", ["stream", "split"], ""),
        ("axes", ["stream", "split"], ""),
        ("", ["stream"], ""),
        ("stream", [], ""),
        ("stream", iter(["steam"]), "; did you mean 'steam'?"),
    ],
)
def test_the_nearest_name(name: str, known: list[str], hint: str) -> None:
    assert did_you_mean(name, known) == hint


def test_errors_of_others_in_a_line() -> None:
    assert in_a_line(ValueError("one\n  two\nthree")) == "one two three"
    assert in_a_line(MemoryError()) == "MemoryError"


def test_a_value_that_is_none_of_those_known() -> None:
    one_of("act", "relu", ("relu", "swish"))
    with pytest.raises(InputError, match=r"act is 'rely', wanted one of relu, swish; did you mean 'relu'\?"):
        one_of("act", "rely", ("relu", "swish"))


def test_names_that_occur_more_than_once() -> None:
    all_different("a.pkl", "recordings", ["a", "b"])
    with pytest.raises(InputError, match=r"^a.pkl: 1 recordings occur more than once: 'a'$"):
        all_different("a.pkl", "recordings", ["a", "b", "a", "a"])
    with pytest.raises(InputError, match=r"^a.pkl: 4 recordings occur more than once: 'd', 'c', 'b', \.\.\.$"):
        all_different("a.pkl", "recordings", list("dcbadcba"))
