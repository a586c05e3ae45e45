"""Orders of classes."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from engine.report.ordering import by_confusion, orders

MATRICES = st.integers(1, 8).flatmap(lambda n: arrays(np.int64, (n, n), elements=st.integers(0, 5)))


@given(MATRICES)
def test_every_order_has_every_class_once(confusion: np.ndarray) -> None:
    names = [f"c{label % 3}" for label in range(len(confusion))]
    for order in orders(confusion, names).values():
        assert sorted(order) == list(range(len(confusion)))


def test_orders_by_name_and_accuracy() -> None:
    confusion = np.array([[1, 1, 0], [0, 4, 0], [0, 0, 0]])
    found = orders(confusion, ["walk", "Ask", "sit"])
    assert found["number"] == [0, 1, 2]
    assert found["name"] == [1, 2, 0]
    assert found["accuracy"] == [0, 1, 2], "a class without clips comes last"


def test_what_is_confused_stands_together() -> None:
    rng = np.random.default_rng(0)
    groups = rng.permutation(12).reshape(4, 3)
    confusion = 5 * np.eye(12, dtype=np.int64)
    for group in groups:
        confusion[np.ix_(group, group)] += 3
    order = by_confusion(confusion)
    found = {frozenset(order[begin : begin + 3]) for begin in range(0, 12, 3)}
    assert found == {frozenset(group.tolist()) for group in groups}


def test_nearest_ends_meet() -> None:
    chain = np.array([[9, 0, 4, 0], [0, 9, 3, 3], [4, 3, 9, 0], [0, 3, 0, 9]])  # 0 - 2 - 1 - 3
    assert by_confusion(chain) in ([0, 2, 1, 3], [3, 1, 2, 0])


def test_nothing_confused_is_by_number() -> None:
    assert by_confusion(np.eye(5, dtype=np.int64)) == [0, 1, 2, 3, 4]
