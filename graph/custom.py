"""``graph: graph.custom.AdjMatrixGraph``: any skeleton, named by ``graph_args: {layout: ...}``."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from graph.layout import SkeletonLayout
from graph.layouts import find_layout
from graph.matrix_graph import MatrixGraph


class AdjMatrixGraph(MatrixGraph):
    """The graph of a built-in skeleton (``nw-ucla``), a YAML file (``config/skeletons/mine.yaml``) or a mapping.

    Raises:
        InputError: ``layout`` is none of these (see ``graph.layouts.find_layout``).
    """

    def __init__(self, layout: str | os.PathLike[str] | Mapping[str, Any] | SkeletonLayout) -> None:
        super().__init__(find_layout(layout))
