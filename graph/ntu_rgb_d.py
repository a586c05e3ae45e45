"""``graph: graph.ntu_rgb_d.AdjMatrixGraph``: NTU RGB+D 60 and 120, 25 joints."""

from __future__ import annotations

from graph.layouts import NTU
from graph.matrix_graph import MatrixGraph


class AdjMatrixGraph(MatrixGraph):
    """NTU RGB+D with MS-G3D's edges."""

    def __init__(self) -> None:
        super().__init__(NTU)
