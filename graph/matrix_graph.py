"""The graph objects that a network is given: a skeleton's adjacency matrices, as attributes."""

from __future__ import annotations

import numpy as np

from errors import InputError
from graph.adjacency import binary_adjacency, normalize_symmetric, spatial_partition
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


class PartitionGraph:
    """The spatial partition of one skeleton, under the names that the graphs of the 2s-AGCN lineage have.

    Attributes:
        layout: the skeleton.
        num_node: V.
        A_binary: (V, V) float32, 1 where linked, no self-loops.
        A: (3, V, V) float64: self, inward and outward links, the last two normalised by columns.

    Raises:
        InputError: ``labeling_mode`` is not ``spatial``.
    """

    def __init__(self, layout: SkeletonLayout, labeling_mode: str = "spatial") -> None:
        if labeling_mode != "spatial":
            raise InputError(f"model_args.graph_args: labeling_mode is {labeling_mode!r}; only 'spatial' is known")
        self.layout = layout
        self.num_node = layout.num_joints
        self.A_binary = binary_adjacency(layout.num_joints, layout.edges)
        self.A = spatial_partition(layout.num_joints, layout.edges)
