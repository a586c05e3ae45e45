"""Adjacency matrices from edges: pure functions.

Letters: V joints, K scales, w frames of a window.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from errors import InputError

Matrix = NDArray[np.float32]
Number = TypeVar("Number", np.float32, np.float64)


def binary_adjacency(num_joints: int, edges: Iterable[tuple[int, int]]) -> Matrix:
    """1 where two joints are linked, in both directions; no self-loops. Returns (V, V)."""
    adjacency = np.zeros((num_joints, num_joints), dtype=np.float32)
    for a, b in edges:
        adjacency[a, b] = adjacency[b, a] = 1
    return adjacency


def hop_distance(adjacency: NDArray[Any]) -> NDArray[np.int64]:
    """Number of links from each joint to each other; 0 to itself, -1 where no way leads.

    A breadth-first search from all joints at once: entries stay 0 or 1, where powers of the adjacency overflow.

    Shapes: adjacency (V, V), non-zero where linked; returns (V, V).
    """
    linked = (adjacency != 0).astype(np.float32)
    reached = np.eye(len(linked), dtype=bool)
    distance = np.where(reached, 0, -1)
    step = 0
    while True:
        step += 1
        new = (reached.astype(np.float32) @ linked > 0) & ~reached
        if not new.any():
            return distance
        distance[new] = step
        reached |= new


def k_adjacency(adjacency: NDArray[Any], k: int, with_self: bool = True) -> Matrix:
    """Joints at distance exactly k, and for k > 0 self-loops if ``with_self`` (MS-G3D, section 3.2).

    Equal to min((A+I)^k, 1) - min((A+I)^(k-1), 1) + I. The identity for k = 0 and, self-loops given,
    past the diameter.

    Shapes: adjacency (V, V), non-zero where linked; returns (V, V).

    Raises:
        InputError: k < 0.
    """
    if k < 0:
        raise InputError(f"a scale is a hop distance, 0 or more, not {k}")
    return _at_distance(hop_distance(adjacency), k, with_self)


def normalize_symmetric(adjacency: NDArray[Any]) -> Matrix:
    """D^(-1/2) A D^(-1/2), where D are the row sums; a row of zeros stays zero.

    Bit-equal to the published weights' constants: D^(-1/2) is rounded to float32, the product is taken in float64 and
    rounded to float32. (D^(-1/2) comes from float64, because float32 powers differ between machines in the last bit.)

    Shapes: (V, V) -> (V, V).
    """
    wide: NDArray[np.float64] = adjacency.astype(np.float64)
    degree = wide.sum(axis=1)
    scale = np.zeros_like(degree)
    scale[degree > 0] = 1 / np.sqrt(degree[degree > 0])
    scale = scale.astype(np.float32).astype(np.float64)
    normalized: Matrix = (scale[:, None] * wide * scale).astype(np.float32)
    return normalized


def normalize_random_walk(adjacency: NDArray[Any]) -> Matrix:
    """D^(-1) A, where D are the row sums: every row adds up to 1; a row of zeros stays zero.

    Bit-equal to pyskl's constants: 1/D is rounded to float32, the product is taken in float64 and rounded.

    Shapes: (V, V) -> (V, V).
    """
    degree = adjacency.astype(np.float32).sum(axis=1)
    scale = np.zeros_like(degree)
    scale[degree > 0] = 1 / degree[degree > 0]
    normalized: Matrix = (scale.astype(np.float64)[:, None] * adjacency).astype(np.float32)
    return normalized


NORMALIZATIONS: dict[str, Callable[[NDArray[Any]], Matrix]] = {
    "symmetric": normalize_symmetric,
    "random_walk": normalize_random_walk,
}


def normalize_columns(adjacency: NDArray[Number]) -> NDArray[Number]:
    """A D^(-1), where D are the column sums (2s-AGCN, pyskl); a column of zeros stays zero, the dtype stays.

    Shapes: (V, V) -> (V, V).
    """
    degree = adjacency.sum(axis=0)
    scale = np.zeros_like(degree)
    scale[degree > 0] = 1 / degree[degree > 0]
    normalized: NDArray[Number] = adjacency * scale
    return normalized


def disentangled(adjacency: NDArray[Any], num_scales: int, normalization: str = "symmetric") -> Matrix:
    """The normalised k-hop adjacencies for k = 0 .. K-1 (MS-G3D, section 3.2).

    ``normalization`` is ``symmetric`` (MS-G3D) or ``random_walk`` (pyskl's MS-G3D).

    Shapes: adjacency (V, V), non-zero where linked; returns (K, V, V), row v the weights of v's neighbours.

    Raises:
        InputError: num_scales < 1, or an unknown normalisation.
    """
    if num_scales < 1:
        raise InputError(f"the number of scales is at least 1, not {num_scales}")
    if normalization not in NORMALIZATIONS:
        known = ", ".join(NORMALIZATIONS)
        raise InputError(f"normalization is {normalization!r}, wanted one of {known}")
    distance = hop_distance(adjacency)
    normalize = NORMALIZATIONS[normalization]
    return np.stack([normalize(_at_distance(distance, k, True)) for k in range(num_scales)])


def window_adjacency(adjacency: NDArray[Any], window: int) -> Matrix:
    """A + I, tiled w x w: joints linked to themselves and neighbours in a window's frames (MS-G3D, section 3.3).

    Row i·V + v is joint v in frame i. Its own self-loops make no difference to ``disentangled``.

    Shapes: adjacency (V, V); returns (w·V, w·V).

    Raises:
        InputError: window < 1.
    """
    if window < 1:
        raise InputError(f"a window has at least 1 frame, not {window}")
    with_self = adjacency.astype(np.float32) + np.eye(len(adjacency), dtype=np.float32)
    return np.tile(with_self, (window, window))


def spatial_partition(num_joints: int, edges: Iterable[tuple[int, int]]) -> NDArray[np.float64]:
    """Self, inward and outward links, the last two normalised by columns (2s-AGCN, MST-GCN, CTR-GCN).

    The inward matrix has (row parent, column child) for each (child, parent) of ``edges``. Returns (3, V, V).
    """
    inward = np.zeros((num_joints, num_joints))
    for child, parent in edges:
        inward[parent, child] = 1
    return np.stack([np.eye(num_joints), normalize_columns(inward), normalize_columns(inward.T)])


def stgcn_partition(num_joints: int, edges: Iterable[tuple[int, int]], center: int) -> NDArray[np.float64]:
    """ST-GCN's spatial partition as pyskl has it (``stgcn_spatial``): A + I normalised by columns, in three parts.

    Self-loops; links whose row is as far from ``center`` as its column or farther; the others. pyskl measures one
    link far only: all joints beyond ``center``'s neighbours count as equally far. Returns (3, V, V).
    """
    linked = binary_adjacency(num_joints, edges)
    steps = np.minimum(hop_distance(linked)[center], 2)
    normalized = normalize_columns(linked.astype(np.float64) + np.eye(num_joints))
    loops = np.eye(num_joints, dtype=bool)
    farther = steps[:, None] >= steps[None, :]
    return np.stack([np.where(part, normalized, 0) for part in (loops, farther & ~loops, ~farther)])


def khop_relative(num_joints: int, edges: Iterable[tuple[int, int]], k: int) -> NDArray[np.float64]:
    """I - P^k, where P[child, parent] = 1: a joint's position relative to its ancestor k edges up (InfoGCN, MSA-GCN).

    A joint that has no such ancestor keeps its position. Returns (V, V), to be multiplied from the left by joints.

    Raises:
        InputError: k < 1 (k = 0 would make everything zero).
    """
    if k < 1:
        raise InputError(f"k counts the edges up to a joint's ancestor, 1 or more, not {k}")
    parent = np.zeros((num_joints, num_joints))
    for child, above in edges:
        parent[child, above] = 1
    relative: NDArray[np.float64] = np.eye(num_joints) - np.linalg.matrix_power(parent, k)
    return relative


def _at_distance(distance: NDArray[np.int64], k: int, with_self: bool) -> Matrix:
    """1 at distance k, and on the diagonal if k is 0 or ``with_self``: (V, V) -> (V, V)."""
    matrix: Matrix = (distance == k).astype(np.float32)
    if with_self and k > 0:
        np.fill_diagonal(matrix, 1)
    return matrix
