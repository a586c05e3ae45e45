"""Files of scores: every published form is read, by name where it has names, and none of them runs code."""

from __future__ import annotations

import io
import os
import pickle
import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.scoring.files import read_scores, write_result
from errors import InputError

ROWS = np.array([[0.5, 0.25, 0.25], [0.0, 1.0, 0.0]], dtype=np.float32)


def results(tensors: bool) -> list[dict[str, Any]]:
    """What mmaction2 writes, with its tensors or as arrays."""
    kind: Callable[[Any], Any] = torch.tensor if tensors else np.array
    return [{"gt_label": kind([label]), "pred_score": kind(row)} for row, label in zip(ROWS, (0, 2), strict=True)]


FORMS: dict[str, tuple[Any, list[str], list[int] | None]] = {
    "msg3d": (dict(zip(["b", "a"], ROWS, strict=True)), ["b", "a"], None),
    "half": (dict(zip(["b", "a"], ROWS.astype(np.float16), strict=True)), ["b", "a"], None),
    "tensors by name": (dict(zip(["b", "a"], map(torch.tensor, ROWS), strict=True)), ["b", "a"], None),
    "lists by name": (dict(zip(["b", "a"], ROWS.tolist(), strict=True)), ["b", "a"], None),
    "pyskl": (list(ROWS), ["0", "1"], None),
    "mmaction2": (results(tensors=True), ["0", "1"], [0, 2]),
    "mmaction2, arrays": (results(tensors=False), ["0", "1"], [0, 2]),
    "label as a number": ([item | {"gt_label": 1} for item in results(tensors=False)], ["0", "1"], [1, 1]),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_is_read(form: str, tmp_path: Path) -> None:
    content, names, labels = FORMS[form]
    path = tmp_path / "a.pkl"
    path.write_bytes(pickle.dumps(content))
    found = read_scores(path)
    assert (found.source, list(found.names), found.by_position) == (str(path), names, names[0] == "0")
    assert found.values.dtype == np.float32
    np.testing.assert_array_equal(found.values, ROWS)
    assert found.labels == (None if labels is None else dict(zip(names, labels, strict=True)))


@pytest.mark.parametrize("form", ["pyskl", "mmaction2"])
def test_a_list_takes_the_names_that_it_is_given(form: str, tmp_path: Path) -> None:
    content, _, labels = FORMS[form]
    (tmp_path / "a.pkl").write_bytes(pickle.dumps(content))
    found = read_scores(tmp_path / "a.pkl", ["x", "y"])
    assert (found.names, found.by_position) == (["x", "y"], False)
    assert found.labels == (None if labels is None else dict(zip(["x", "y"], labels, strict=True)))
    with pytest.raises(InputError, match="2 results, but the split has 3 annotations"):
        read_scores(tmp_path / "a.pkl", ["x", "y", "z"])


@pytest.mark.parametrize("compressed", [True, False])
@pytest.mark.parametrize("with_labels", [True, False])
def test_npz_is_read(with_labels: bool, compressed: bool, tmp_path: Path) -> None:
    labels = {"labels": np.array([2, 0])} if with_labels else {}
    save = np.savez_compressed if compressed else np.savez
    save(tmp_path / "a.npz", names=np.array(["b", "ä"]), scores=ROWS.astype(np.float64), **labels)
    found = read_scores(tmp_path / "a.npz")
    assert (found.names, found.labels) == (["b", "ä"], {"b": 2, "ä": 0} if with_labels else None)
    assert found.values.dtype == np.float32
    np.testing.assert_array_equal(found.values, ROWS)


def test_a_result_is_what_pyskl_writes(tmp_path: Path) -> None:
    write_result(tmp_path / "result.pkl", ROWS.astype(np.float64))
    content = pickle.loads((tmp_path / "result.pkl").read_bytes())
    assert [type(row) for row in content] == [np.ndarray] * 2
    assert [(row.dtype, row.shape) for row in content] == [(np.dtype(np.float32), (3,))] * 2
    np.testing.assert_array_equal(read_scores(tmp_path / "result.pkl").values, ROWS)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("text", "wanted scores by sample name, got str"),
        ({}, "wanted scores by sample name, got dict"),
        ({"a": np.zeros(3), "b": np.zeros(4)}, "the scores of 'b' are not 3 finite numbers"),
        ({"a": np.array([0, np.nan])}, "the scores of 'a' are not 2 finite numbers"),
        ({"a": np.array([0.0]), "b": np.array([np.inf])}, "the scores of 'b' are not 1 finite numbers"),
        ({"a": np.array([1e300])}, "the scores of 'a' are not 1 finite numbers"),
        ({"a": np.zeros((2, 2))}, "the scores of 'a' are not 4 finite numbers"),
        ({"a": np.zeros(0)}, "the scores of 'a' are not 0 finite numbers"),
        ({"a": ["x", "y"]}, "the scores of 'a' are not 2 finite numbers"),
        ({"a": 3.5}, "the scores of 'a' are not 1 finite numbers"),
        ({"a": None}, "the scores of 'a' are not"),
        ({"a": [[1], [1, 2]]}, "wanted a vector of scores for every sample"),
        ({1: np.zeros(2), "1": np.zeros(2)}, "1 sample names occur more than once"),
        ([], "the list of results is empty"),
        ([1, 2], "the scores of '0' are not 1 finite numbers"),
        ([{"gt_label": 1}], "the result of '0' has no pred_score"),
        ([{"pred_score": ROWS[0]}, ROWS[1]], "the result of '1' has no pred_score"),
        ([{"pred_score": ROWS[0], "gt_label": "sit"}], "gt_label of '0' is not one class number"),
        ([{"pred_score": ROWS[0], "gt_label": [1, 2]}], "gt_label of '0' is not one class number"),
        ([{"pred_score": ROWS[0], "gt_label": 1}, {"pred_score": ROWS[0]}], "1 of 2 results have no gt_label"),
    ],
)
def test_pickles_that_hold_no_scores(tmp_path: Path, content: Any, says: str) -> None:
    (tmp_path / "a.pkl").write_bytes(pickle.dumps(content))
    with pytest.raises(InputError, match=re.escape(says)) as caught:
        read_scores(tmp_path / "a.pkl")
    assert "a.pkl: " in str(caught.value)


@pytest.mark.parametrize(
    ("arrays", "says"),
    [
        ({"scores": ROWS}, "wanted arrays 'names' (N,) of text"),
        ({"names": np.array(["a", "b"])}, "wanted arrays 'names' (N,) of text"),
        ({"names": np.array([1, 2]), "scores": ROWS}, "wanted arrays 'names' (N,) of text"),
        ({"names": np.array(["a", "b"]), "scores": ROWS[0]}, "wanted 'scores' as numbers (2, num_class), got (3,)"),
        ({"names": np.array(["a"]), "scores": ROWS}, "wanted 'scores' as numbers (1, num_class), got (2, 3)"),
        ({"names": np.array(["a", "a"]), "scores": ROWS}, "1 sample names occur more than once"),
        ({"names": np.array(["a", "b"]), "scores": ROWS * np.nan}, "the scores of 'a' are not 3 finite numbers"),
        ({"names": np.array(["a", "b"]), "scores": ROWS, "labels": np.array([1.0, 2])}, "as 2 class numbers"),
        ({"names": np.array(["a", "b"], object), "scores": ROWS}, "not a readable .npz file"),
    ],
)
def test_npz_files_that_hold_no_scores(tmp_path: Path, arrays: dict[str, np.ndarray], says: str) -> None:
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(InputError, match=re.escape(says)):
        read_scores(tmp_path / "a.npz")


def test_an_npz_that_claims_to_be_huge_is_refused(tmp_path: Path) -> None:
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f4", "fortran_order": False, "shape": (2**40, 60)})
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("names.npy", b"")
        archive.writestr("scores.npy", header.getvalue() + b"\0" * 64)
    with pytest.raises(InputError, match="not a readable"):
        read_scores(tmp_path / "a.npz")


@pytest.mark.parametrize("wrap", [lambda x: {"a": x}, lambda x: [x], lambda x: [{"pred_score": x, "gt_label": 0}]])
def test_a_score_file_cannot_run_code(tmp_path: Path, wrap: Callable[[Any], Any]) -> None:
    marker = tmp_path / "marker"

    class Touch:
        def __reduce__(self) -> Any:
            return os.system, (f"touch {marker}",)

    (tmp_path / "a.pkl").write_bytes(pickle.dumps(wrap(Touch())))
    with pytest.raises(InputError, match=r"a.pkl: not a readable pickle"):
        read_scores(tmp_path / "a.pkl")
    assert not marker.exists()


@pytest.mark.parametrize("name", ["a.pkl", "a.npz"])
def test_a_file_that_is_not_there(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match=f"{name}: no such file"):
        read_scores(tmp_path / name)


def test_damage_to_an_npz_gives_scores_or_an_input_error(tmp_path: Path) -> None:
    sound = io.BytesIO()
    np.savez_compressed(sound, names=np.array(["a", "b"]), scores=ROWS, labels=np.array([1, 2]))
    path, outcomes = tmp_path / "x.npz", []

    @given(st.lists(st.tuples(st.integers(0, 2**31), st.integers(0, 255)), min_size=1, max_size=4))
    @settings(max_examples=200, deadline=None)
    def check(spots: list[tuple[int, int]]) -> None:
        content = bytearray(sound.getvalue())
        for place, value in spots:
            content[place % len(content)] = value
        path.write_bytes(content)
        try:
            outcomes.append(read_scores(path))
        except InputError as error:
            outcomes.append(error)

    check()
    assert any(isinstance(outcome, InputError) for outcome in outcomes)
    assert not all(isinstance(outcome, InputError) for outcome in outcomes)
