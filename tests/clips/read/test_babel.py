from __future__ import annotations

import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clips.read.babel import _told_apart, read_babel_labels
from errors import InputError


def write(path: Path, content: Any) -> Path:
    path.write_bytes(pickle.dumps(content))
    return path


def test_a_name_says_whose_clip_it_is(tmp_path: Path) -> None:
    content = (["x", "x", "x", "y"], ([4, 5, 4, 4], [1, 1, 1, 1], [0, 0, 0, 0], ["a", "a", "a", "a"]))
    names, labels = read_babel_labels(write(tmp_path / "l.pkl", content))
    assert names == ["x_1_0_a_4_1", "x_1_0_a_5", "x_1_0_a_4_2", "y_1_0_a"]
    assert labels == [4, 5, 4, 4]


@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 2)), max_size=12))
def test_no_two_rows_have_one_name(rows: Sequence[tuple[str, int]]) -> None:
    names = _told_apart([name for name, _ in rows], [label for _, label in rows])
    assert len(set(names)) == len(rows)
    assert all(told.startswith(name) for told, (name, _) in zip(names, rows, strict=True))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (["a"], "wanted a pickled pair"),
        ((["a"], [1]), "wanted a pickled pair"),
        ((["a"], ([1], [1], [1])), "columns of one length, got lengths [1]"),
        ((["a"], ([1], [1], [1], ["x", "y"])), "columns of one length, got lengths [1, 2]"),
        ((["a"], (["walk"], [1], [1], ["x"])), "wanted a pickled pair"),
    ],
)
def test_another_form_is_one_sentence(content: Any, message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError) as refused:
        read_babel_labels(write(tmp_path / "l.pkl", content))
    assert message in str(refused.value)
