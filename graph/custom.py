"""Graphs of any skeleton: ``graph.custom.AdjMatrixGraph`` or ``graph.custom.Graph``, ``graph_args: {layout: ...}``.

A layout is a built-in skeleton (``nw-ucla``), a YAML file (``config/skeletons/mine.yaml``) or a mapping.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from graph.layout import SkeletonLayout
from graph.layouts import find_layout
from graph.matrix_graph import MatrixGraph, PartitionGraph

Layout = str | os.PathLike[str] | Mapping[str, Any] | SkeletonLayout


class AdjMatrixGraph(MatrixGraph):
    """Adjacency matrices under MS-G3D's names.

    Raises:
        InputError: ``layout`` is none of these (see ``graph.layouts.find_layout``).
    """

    def __init__(self, layout: Layout) -> None:
        super().__init__(find_layout(layout))


class Graph(PartitionGraph):
    """The spatial partition.

    Raises:
        InputError: ``layout`` is none of these (see ``graph.layouts.find_layout``).
    """

    def __init__(self, layout: Layout, labeling_mode: str = "spatial") -> None:
        super().__init__(find_layout(layout), labeling_mode)
