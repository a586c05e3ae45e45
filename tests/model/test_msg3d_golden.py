"""MS-G3D against the numbers of the published implementation."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from model.fuse import fuse
from model.msg3d import Model

STEMS = ["msg3d_ntu60", "msg3d_kinetics400"]


@pytest.mark.parametrize("fused", [False, True], ids=["plain", "fused"])
@pytest.mark.parametrize("stem", STEMS)
def test_every_figure_of_the_published_network(stem: str, fused: bool, golden: Any, check_model: Any) -> None:
    model = Model(**golden(stem).meta["constructor"]["args"])
    assert not fused or fuse(model) == 25
    check_model(stem, model)


@pytest.mark.parametrize("stem", STEMS)
def test_graph_constants_have_the_published_bits(stem: str, golden: Any) -> None:
    fixture = golden(stem)
    model = Model(**fixture.meta["constructor"]["args"])
    stacked = [name for name in fixture.want if name.startswith("graph::") and "." in name]
    assert len(stacked) == 3
    for name in stacked:
        module = model.get_submodule(name.removeprefix("graph::").rpartition(".")[0])
        np.testing.assert_array_equal(module.A.flatten(0, 1).numpy(), fixture.want[name], err_msg=name)


def test_the_check_names_what_is_wrong(golden: Any, check_model: Any) -> None:
    arguments = golden("msg3d_ntu60").meta["constructor"]["args"] | {"num_class": 59}
    with pytest.raises(pytest.fail.Exception, match=r"2 of \d+ comparisons are off\n.*fc\.weight: \[59, 384\]"):
        check_model("msg3d_ntu60", Model(**arguments))
