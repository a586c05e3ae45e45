"""A graph from what a YAML file says: the dotted path of its class, its arguments."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from errors import InputError
from importing import bind_arguments, import_class


class Graph(Protocol):
    """What a network needs of a graph class, ours or a user's."""

    A_binary: NDArray[np.float32]
    """(V, V): 1 where two joints are linked, no self-loops."""


def build_graph(path: str, arguments: Mapping[str, Any], num_point: int) -> Graph:
    """The graph object that ``path`` names (``graph.ntu_rgb_d.AdjMatrixGraph``), checked to have ``num_point`` joints.

    Raises:
        InputError: the class cannot be imported, takes other arguments, or its graph has another number of joints.
    """
    cls = import_class(path, "model_args.graph")
    bind_arguments(cls, arguments, "model_args.graph_args")
    graph: Graph = cls(**arguments)
    joints = len(graph.A_binary)
    if joints != num_point:
        raise InputError(f"model_args: num_point is {num_point}, but graph {path} has {joints} joints")
    return graph
