from __future__ import annotations

import pytest

from clips.class_names import class_names
from data_gen.demo_people import NAMES
from errors import InputError


@pytest.mark.parametrize(
    ("dataset", "count", "first", "last"),
    [
        ("ntu60", 60, "drink water", "walking apart from each other"),
        ("ntu120", 120, "drink water", "finger-guessing game (playing rock-paper-scissors)"),
        ("kinetics", 400, "abseiling", "zumba"),
        ("nw-ucla", 10, "pick up with one hand", "carry"),
        ("utd-mhad", 27, "swipe left", "squat"),
    ],
)
def test_every_class_has_a_name(dataset: str, count: int, first: str, last: str) -> None:
    names = class_names(dataset)
    assert (len(names), len(set(names)), names[0], names[-1]) == (count, count, first, last)


def test_the_names_of_the_demo_are_those_of_its_actions() -> None:
    assert class_names("demo") == NAMES


def test_another_data_set_is_refused_with_the_nearest() -> None:
    with pytest.raises(InputError, match="did you mean 'ntu120'"):
        class_names("ntu-120")
