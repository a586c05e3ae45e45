"""The graph object that a network is given: a skeleton's adjacency matrices, as attributes."""

from __future__ import annotations

import numpy as np

from graph.adjacency import binary_adjacency, normalize_symmetric
from graph.layout import SkeletonLayout


class MatrixGraph:
    """Adjacency matrices of one skeleton, under the names that MS-G3D's graphs have.

    Attributes:
        layout: the skeleton.
        num_nodes: V.
        edges: every edge in both directions.
        A_binary: (V, V) float32, 1 where linked, no self-loops.
        A_binary_with_I: the same with self-loops.
        A: ``A_binary``, normalised symmetrically.
    """

    def __init__(self, layout: SkeletonLayout) -> None:
        self.layout = layout
        self.num_nodes = layout.num_joints
        self.edges = [*layout.edges, *((parent, child) for child, parent in layout.edges)]
        self.A_binary = binary_adjacency(layout.num_joints, layout.edges)
        self.A_binary_with_I = self.A_binary + np.eye(layout.num_joints, dtype=np.float32)
        self.A = normalize_symmetric(self.A_binary)
