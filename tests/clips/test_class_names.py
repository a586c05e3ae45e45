from __future__ import annotations

import hashlib

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
        ("aist", 10, "Break", "Ballet Jazz"),
        ("babel-60", 60, "walk", "martial art"),
        ("babel-120", 120, "walk", "sudden movement"),
        ("smarthome-cs", 31, "Cook.Cleandishes", "WatchTV"),
        ("smarthome-cv", 19, "Cutbread", "Walk"),
    ],
)
def test_every_class_has_a_name(dataset: str, count: int, first: str, last: str) -> None:
    names = class_names(dataset)
    assert (len(names), len(set(names)), names[0], names[-1]) == (count, count, first, last)


@pytest.mark.parametrize(
    ("dataset", "digest"),
    [
        ("aist", "7d509742e845d0ee"),
        ("babel-120", "e9dd3de49e9dd3bc"),
        ("smarthome-cs", "e29d48741cd61b72"),
        ("smarthome-cv", "8309181872d31dbd"),
    ],
)
def test_names_and_order_are_the_published_ones(dataset: str, digest: str) -> None:
    """By a hash of the lists as their authors, or UNIK, number them."""
    assert hashlib.sha256("\n".join(class_names(dataset)).encode()).hexdigest()[:16] == digest


@pytest.mark.parametrize(
    ("dataset", "numbers"),
    [
        ("babel-60", {"walk": 0, "t pose": 6, "jump": 16, "kick": 31, "dance": 43, "perform": 58}),
        ("babel-120", {"balance": 60, "shoulder movements": 76, "golf": 116}),
        ("smarthome-cs", {"Usetelephone": 27, "Usetablet": 28, "Pour.Fromkettle": 22}),
        ("smarthome-cv", {"Usetablet": 16, "Usetelephone": 17, "Readbook": 12}),
    ],
)
def test_names_that_could_be_confused(dataset: str, numbers: dict[str, int]) -> None:
    assert {name: class_names(dataset).index(name) for name in numbers} == numbers


def test_the_names_of_the_demo_are_those_of_its_actions() -> None:
    assert class_names("demo") == NAMES


def test_another_data_set_is_refused_with_the_nearest() -> None:
    with pytest.raises(InputError, match="did you mean 'ntu120'"):
        class_names("ntu-120")
