"""``graph: graph.ucla.Graph``: NW-UCLA, 20 Kinect joints (CTR-GCN's and MSA-GCN's name)."""

from __future__ import annotations

from graph.layouts import NW_UCLA
from graph.matrix_graph import PartitionGraph


class Graph(PartitionGraph):
    """NW-UCLA in its spatial partition."""

    def __init__(self, labeling_mode: str = "spatial") -> None:
        super().__init__(NW_UCLA, labeling_mode)
