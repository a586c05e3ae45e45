from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from benchmarks.skeleton_tree import DAMAGES, ON_MISSING_LIST, make_tree
from clips.read.ntu import read_ntu
from errors import InputError


def test_a_tree_has_the_damage_that_it_says_and_everything_else(tmp_path: Path) -> None:
    damaged = make_tree(tmp_path / "one", 100, mean_frames=10, damaged_each=2)
    assert Counter(damaged.values()) == dict.fromkeys(DAMAGES, 2)
    recordings = []
    for path in sorted((tmp_path / "one").iterdir()):
        if path.stem in damaged or path.stem == ON_MISSING_LIST:
            with pytest.raises(InputError):
                read_ntu(path, max_frames=300)
        else:
            recordings.append(read_ntu(path, max_frames=300))
    assert len(recordings) == 100 - len(damaged)
    late = [r for r in recordings if 1 in r.slot and r.frame[r.slot == 1][0] > r.frame[0]]
    empty = [r for r in recordings if len(set(r.frame.tolist())) < r.num_frames]
    lost_joint = [r for r in recordings if (r.xyz == 0).all(axis=(0, 2)).any()]
    assert late
    assert empty
    assert lost_joint


def test_the_same_seed_makes_the_same_tree(tmp_path: Path) -> None:
    for name in ("one", "two"):
        make_tree(tmp_path / name, 5, mean_frames=5)
    one, two = ([path.read_bytes() for path in sorted((tmp_path / name).iterdir())] for name in ("one", "two"))
    assert one == two
