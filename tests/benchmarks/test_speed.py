"""The measurements of networks, with this repository's own plain MS-G3D in the place of a peer's."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import speed
from data_gen.prepare import ROOT
from errors import InputError

CASE = {"peer": "msg3d", "folder": "plain", "clips": 2, "frames": 12, "absent": 0.5, "allocator": False, "pairs": 1}


def test_equality_time_and_memory() -> None:
    order = CASE | {"phase": "training"}
    apart = speed._child(order | {"measure": "equality"})
    assert set(apart) == {"logits", "gradients", "statistics"}
    assert 0 < max(max(pair) for pair in apart.values()) < 1e-11
    ((theirs, ours),) = speed._child(order | {"measure": "time", "phase": "evaluation", "allocator": True})["seconds"]
    assert min(theirs, ours) > 0
    theirs, ours = (speed._child(order | {"measure": side})["saved"] for side in ("peer", "ours"))
    assert 0 < ours < theirs / 2


def test_a_folder_that_is_no_checkout_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"wanted a checkout with model/msg3d\.py in it, or the word plain"):
        speed.run(["--peer", f"msg3d={tmp_path}"])
    with pytest.raises(InputError, match=r"--clips has 2 values and --frames 1"):
        speed.run(["--peer", f"msg3d={ROOT}", "--frames", "10", "--clips", "1", "2"])
