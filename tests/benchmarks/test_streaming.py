"""What the benchmarks of live streams and exports measure on is what it says."""

from __future__ import annotations

from benchmarks import streaming
from benchmarks.exporting import CONFIGS, made


def test_a_label_for_every_hop_over_a_full_window() -> None:
    labels, frames = streaming.measure(streaming.predictor(1), hops=22, hop=15, bodies=1)
    assert len(labels) == 2
    assert min(labels) > 0
    assert 0 < max(frames) < max(labels)


def test_published_networks_are_made_for_the_skeleton() -> None:
    stream = made("dgstgcn", "coco-17", 1)
    assert (stream.takes["num_point"], stream.takes["num_person"], stream.takes["num_class"]) == (17, 1, 60)
    assert set(CONFIGS) == {"msg3d", "mstgcn", "dgstgcn", "msagcn"}
