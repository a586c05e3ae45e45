"""Graphs of Kinetics-Skeleton, 18 OpenPose joints.

``graph.kinetics.AdjMatrixGraph`` is MS-G3D's name, ``graph.kinetics.Graph`` the
name in the 2s-AGCN lineage (MST-GCN, MSA-GCN).
"""

from __future__ import annotations

from graph.layouts import OPENPOSE
from graph.matrix_graph import MatrixGraph, PartitionGraph


class AdjMatrixGraph(MatrixGraph):
    """Kinetics-Skeleton with MS-G3D's edges."""

    def __init__(self) -> None:
        super().__init__(OPENPOSE)


class Graph(PartitionGraph):
    """Kinetics-Skeleton, the same edges, in its spatial partition."""

    def __init__(self, labeling_mode: str = "spatial") -> None:
        super().__init__(OPENPOSE, labeling_mode)
