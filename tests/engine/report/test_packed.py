"""Arrays in few bytes come back as they went, to half a step."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from engine.report.packed import packed, unpacked

ARRAYS = arrays(
    np.float32,
    array_shapes(max_dims=4, max_side=5),
    elements=st.one_of(st.floats(-1000, 1000, width=32), st.just(float("nan"))),
)


@given(ARRAYS, st.sampled_from([8, 16]))
def test_what_is_read_back_is_off_by_half_a_step_at_most(values: np.ndarray, bits: int) -> None:
    content = json.loads(json.dumps(packed(values, bits)))
    back = unpacked(content)
    assert back.shape == values.shape
    np.testing.assert_array_equal(np.isnan(back), np.isnan(values))
    np.testing.assert_allclose(back, values, rtol=0, atol=content["step"] * 0.5001 + 1e-9)


def test_the_least_and_the_largest_are_exact() -> None:
    back = unpacked(packed(np.array([-1.0, 0.3, 2.0])))
    assert back[0] == -1 and back[2] == pytest.approx(2.0, abs=1e-12)


@pytest.mark.parametrize("values", [np.full((2, 3), np.nan), np.full((2, 3), 7.0)], ids=["nothing", "one value"])
def test_there_need_be_no_range(values: np.ndarray) -> None:
    np.testing.assert_array_equal(unpacked(packed(values)), values)
