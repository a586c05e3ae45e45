"""A graph from what a YAML file says: the dotted path of its class, its arguments."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from errors import InputError
from graph.adjacency import binary_adjacency, spatial_partition
from graph.layout import SkeletonLayout
from importing import bind_arguments, import_class


class BuiltGraph:
    """What networks ask of a graph class, ours or a user's, each found when it is asked for.

    A graph class needs only what the network asks: ``A_binary`` (V, V), 1 where two joints are linked; ``A``
    (K, V, V), the subsets of its partition; ``layout``, the skeleton, from which the other two follow.
    """

    def __init__(self, path: str, graph: Any) -> None:
        self.path = path
        self._graph = graph

    @property
    def num_joints(self) -> int:
        """V."""
        for name in ("A_binary", "A"):
            if hasattr(self._graph, name):
                return int(np.shape(getattr(self._graph, name))[-1])
        return self.layout.num_joints

    @property
    def binary(self) -> NDArray[np.float32]:
        """(V, V): 1 where two joints are linked, no self-loops; the class's own, else that of its skeleton."""
        if not hasattr(self._graph, "A_binary"):
            return binary_adjacency(self.layout.num_joints, self.layout.edges)
        return np.asarray(self._graph.A_binary, dtype=np.float32)

    @property
    def partition(self) -> NDArray[np.float64]:
        """(K, V, V): the class's own ``A`` where it has subsets, else the spatial partition of its skeleton."""
        own = np.asarray(getattr(self._graph, "A", 0.0), dtype=np.float64)
        if own.ndim == 3:
            return own
        return spatial_partition(self.layout.num_joints, self.layout.edges)

    @property
    def layout(self) -> SkeletonLayout:
        """The skeleton."""
        layout = getattr(self._graph, "layout", None)
        if not isinstance(layout, SkeletonLayout):
            raise self._lacks("layout, a graph.layout.SkeletonLayout")
        return layout

    def _lacks(self, what: str) -> InputError:
        return InputError(f"model_args.graph: {self.path} lacks {what}, which this network needs")


def build_graph(path: str, arguments: Mapping[str, Any] | None, num_point: int) -> BuiltGraph:
    """The graph that ``path`` names (``graph.ntu_rgb_d.AdjMatrixGraph``), checked to have ``num_point`` joints.

    Raises:
        InputError: the class cannot be imported, takes other arguments, or its graph has another number of joints.
    """
    cls = import_class(path, "model_args.graph")
    bind_arguments(cls, arguments or {}, "model_args.graph_args")
    graph = BuiltGraph(path, cls(**(arguments or {})))
    if graph.num_joints != num_point:
        raise InputError(f"model_args: num_point is {num_point}, but graph {path} has {graph.num_joints} joints")
    return graph
