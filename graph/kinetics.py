"""``graph: graph.kinetics.AdjMatrixGraph``: Kinetics-Skeleton, 18 OpenPose joints."""

from __future__ import annotations

from graph.layouts import OPENPOSE
from graph.matrix_graph import MatrixGraph


class AdjMatrixGraph(MatrixGraph):
    """Kinetics-Skeleton with MS-G3D's edges."""

    def __init__(self) -> None:
        super().__init__(OPENPOSE)
