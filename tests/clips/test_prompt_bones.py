"""MSA-GCN's prompt bones."""

from __future__ import annotations

import numpy as np
import pytest

from clips.prompt_bones import PROMPT_STREAMS, prompt_pairs
from clips.streams import STREAMS, derive
from errors import InputError
from graph.layouts import LAYOUTS

KNOWN = ("ntu-rgb+d", "nturgb+d", "infogcn-ntu", "nw-ucla")


@pytest.mark.parametrize("stream", PROMPT_STREAMS)
@pytest.mark.parametrize("name", KNOWN)
def test_every_joint_has_one_other_end(name: str, stream: str) -> None:
    layout = LAYOUTS[name]
    pairs = prompt_pairs(layout, stream)
    assert stream in STREAMS
    assert [joint for joint, _ in pairs] == list(range(layout.num_joints))
    assert all(0 <= other < layout.num_joints for _, other in pairs)
    assert [joint for joint, other in pairs if joint == other] == ([20] if layout.num_joints == 25 else [])


def test_the_bone_of_a_joint_without_a_pair_is_zero() -> None:
    clip = np.random.default_rng(0).normal(size=(3, 4, 25, 2)).astype(np.float32)
    made = derive(clip, "bone_p2", prompt_pairs(LAYOUTS["ntu-rgb+d"], "bone_p2"))
    assert not made[:, :, 20].any()
    assert np.array_equal(made[:, :, 11], clip[:, :, 11] - clip[:, :, 23])


def test_other_skeletons_are_refused() -> None:
    for name in LAYOUTS.keys() - set(KNOWN):
        with pytest.raises(InputError, match=f"stream bone_p5: its bones are known of ntu-rgb.d, .*, not of '{name}'"):
            prompt_pairs(LAYOUTS[name], "bone_p5")
