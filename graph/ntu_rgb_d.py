"""Graphs of NTU RGB+D 60 and 120, 25 joints.

``graph.ntu_rgb_d.AdjMatrixGraph`` is MS-G3D's name, ``graph.ntu_rgb_d.Graph`` the
name in the 2s-AGCN lineage (MST-GCN, MSA-GCN).
"""

from __future__ import annotations

from graph.layouts import NTU
from graph.matrix_graph import MatrixGraph, PartitionGraph


class AdjMatrixGraph(MatrixGraph):
    """NTU RGB+D with MS-G3D's edges."""

    def __init__(self) -> None:
        super().__init__(NTU)


class Graph(PartitionGraph):
    """NTU RGB+D, the same edges, in its spatial partition."""

    def __init__(self, labeling_mode: str = "spatial") -> None:
        super().__init__(NTU, labeling_mode)
