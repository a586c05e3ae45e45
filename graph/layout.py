"""What a skeleton is: its joints, the edges between them, and the pairs whose difference is a bone."""

from __future__ import annotations

import operator
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from errors import InputError, did_you_mean

Pair = tuple[int, int]
Pairs = tuple[Pair, ...]

MOST_JOINTS = 2000  # more is a damaged number

_KEYS = ("name", "joints", "num_joints", "edges", "bone_pairs", "center", "mirror")


@dataclass(frozen=True)
class SkeletonLayout:
    """A skeleton as a table; all numbers are joints counted from 0.

    The edges are a tree over all joints. Edges that do not all lead, child to parent, to one joint are turned
    towards ``center``, so that every later reader may rely on their direction.

    Attributes:
        name: what errors and lists call it.
        num_joints: V.
        edges: (child, parent), V - 1 of them.
        bone_pairs: (v1, v2), where bone[v1] = x[v1] - x[v2]. A joint paired with itself has a zero bone; a joint that
            is left out keeps its position. Default: the edges, and the joint without a parent paired with itself.
        center: the joint that the body hangs from.
        joints: V names, or none.
        mirror: pairs (left and right) that change places in a mirror image; joints in no pair stay.

    Raises:
        InputError: the first thing found that makes this no skeleton.
    """

    name: str
    num_joints: int
    edges: Pairs
    bone_pairs: Pairs = ()
    center: int = 0
    joints: tuple[str, ...] = ()
    mirror: Pairs = ()

    def __post_init__(self) -> None:
        problem = next(_problems(self), None)
        if problem:
            raise InputError(f"skeleton {self.name!r}: {problem}")
        if len({child for child, _ in self.edges}) < len(self.edges):
            object.__setattr__(self, "edges", turned_towards(self.center, self.num_joints, self.edges))
        if not self.bone_pairs:
            root = _root(self.num_joints, self.edges)
            object.__setattr__(self, "bone_pairs", (*self.edges, (root, root)))

    def describe(self, joint: int) -> str:
        """The joint in an error: ``joint 7 ('left hand')``, without a name ``joint 7``."""
        return f"joint {joint} ({self.joints[joint]!r})" if self.joints else f"joint {joint}"


def turned_towards(center: int, num_joints: int, edges: Iterable[Pair]) -> Pairs:
    """The edges of a tree, in their order, each turned into (child, parent) where the parent is nearer ``center``."""
    steps = _steps_from(center, num_joints, edges)
    return tuple((a, b) if steps[a] > steps[b] else (b, a) for a, b in edges)


def layout_from_mapping(mapping: Mapping[str, Any], source: str) -> SkeletonLayout:
    """A skeleton as a user writes it in YAML.

    Keys: ``edges`` ([[child, parent], ...] by index from 0 or by joint name), ``joints`` (names) or ``num_joints``;
    optional ``name`` (default: after ``source``), ``bone_pairs``, ``center`` (default: the joint that the edges lead
    to) and ``mirror``. ``source`` is what errors call it.

    Raises:
        InputError: an unknown, missing or malformed key, an unknown joint, or anything ``SkeletonLayout`` refuses.
    """
    for key in mapping:
        if key not in _KEYS:
            hint = did_you_mean(str(key), _KEYS) or f"; a skeleton has {', '.join(_KEYS)}"
            raise InputError(f"{source}: unknown key {key!r}{hint}")
    joints = _names(mapping.get("joints") or (), source)
    num_joints = mapping.get("num_joints", len(joints))
    if not joints and "num_joints" not in mapping:
        raise InputError(f"{source}: give joints (a list of names) or num_joints")
    if not _is_index(num_joints):
        raise InputError(f"{source}: num_joints must be a whole number, not {num_joints!r}")
    if num_joints > MOST_JOINTS:
        raise InputError(f"{source}: num_joints is {num_joints}, and no skeleton has more than {MOST_JOINTS}")
    if mapping.get("edges") is None:
        raise InputError(f"{source}: edges is missing; it is a list of [child, parent]")
    edges = _pairs(mapping, "edges", joints, source)
    center = mapping.get("center")
    return _checked(
        source,
        name=str(mapping.get("name", Path(source).stem)),
        num_joints=num_joints,
        edges=edges,
        bone_pairs=_pairs(mapping, "bone_pairs", joints, source),
        center=_root(num_joints, edges) if center is None else _joint(center, "center", joints, source),
        joints=joints,
        mirror=_pairs(mapping, "mirror", joints, source),
    )


def read_layout(path: str | os.PathLike[str]) -> SkeletonLayout:
    """The skeleton in a YAML file (see ``layout_from_mapping``); its name defaults to the file's.

    Raises:
        InputError: no such file, not YAML, a key twice, or no skeleton.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
        node, mapping = yaml.compose(text, yaml.SafeLoader), yaml.safe_load(text)
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file") from error
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # ValueError: not text, or a date as 2020-13-01
        raise InputError(f"{path}: not readable as YAML: {' '.join(str(error).split())}") from error
    _check_keys(node, str(path))
    if not isinstance(mapping, Mapping):
        raise InputError(f"{path}: a skeleton is a mapping with joints and edges, not {type(mapping).__name__}")
    return layout_from_mapping(mapping, str(path))


def layout_from_metadata(meta: Mapping[str, Any], num_joints: int, source: str) -> SkeletonLayout:
    """The skeleton that a data set carries with it.

    ``meta['edges_1based']`` lists (child, parent) counted from 1; ``meta['joints']``, if there, names the joints in a
    list or in one string with commas. ``source`` names the data set in errors.

    Raises:
        InputError: no or malformed edges, names of another number, or anything ``SkeletonLayout`` refuses.
    """
    if meta.get("edges_1based") is None:
        raise InputError(f"{source}: its metadata has no edges_1based, so its skeleton is unknown")
    try:
        pairs = list(meta["edges_1based"])
    except TypeError as error:
        raise InputError(f"{source}: edges_1based holds no pairs of joints: {error}") from error
    edges = []
    for pair in pairs:
        try:
            child, parent = (operator.index(joint) for joint in pair)
        except (TypeError, ValueError) as error:
            raise InputError(f"{source}: edges_1based holds {pair!r}, which is not two joint numbers") from error
        if not (1 <= child <= num_joints and 1 <= parent <= num_joints):
            raise InputError(f"{source}: edges_1based holds {(child, parent)}, but joints are 1 to {num_joints}")
        edges.append((child - 1, parent - 1))
    joints = meta.get("joints")
    names = [name.strip() for name in joints.split(",")] if isinstance(joints, str) else joints
    return _checked(
        f"{source}, joints counted from 0",
        name=Path(source).stem,
        num_joints=num_joints,
        edges=tuple(edges),
        center=_root(num_joints, edges),
        joints=() if names is None else _names(names, source),
    )


def _problems(layout: SkeletonLayout) -> Iterator[str]:
    """What is wrong with the table, worst first: each check may rely on those before it."""
    num_joints, names = layout.num_joints, layout.joints
    if num_joints < 1:
        yield f"num_joints is {num_joints}; a skeleton has at least one joint"
    if names and len(names) != num_joints:
        yield f"{len(names)} joint names for {num_joints} joints"
    for index, name in enumerate(names):
        if name in names[:index]:
            yield f"joints {names.index(name)} and {index} have the same name {name!r}"
    for key, pairs in (("edges", layout.edges), ("bone_pairs", layout.bone_pairs), ("mirror", layout.mirror)):
        for pair in pairs:
            for joint in pair:
                if not 0 <= joint < num_joints:
                    yield f"{key}: {list(pair)} names joint {joint}, but joints are 0 to {num_joints - 1}"
    if not 0 <= layout.center < num_joints:
        yield f"center is {layout.center}, but joints are 0 to {num_joints - 1}"
    yield from _edge_problems(layout)
    yield from _repeats("bone_pairs", [v1 for v1, _ in layout.bone_pairs], "as the first of two pairs", layout)
    yield from _repeats("mirror", [joint for pair in layout.mirror for joint in pair], "twice", layout)


def _edge_problems(layout: SkeletonLayout) -> Iterator[str]:
    """Why the edges are not a tree over all joints."""
    tree = list(range(layout.num_joints))  # tree[v]: the smallest-numbered tree that v has been joined to so far
    seen: set[frozenset[int]] = set()
    for a, b in layout.edges:
        if a == b:
            yield f"edges: [{a}, {b}] links {layout.describe(a)} to itself"
        if frozenset((a, b)) in seen:
            yield f"edges: [{a}, {b}] is there twice (direction does not matter)"
        if tree[a] == tree[b]:
            yield f"edges: [{a}, {b}] closes a cycle; the edges of a skeleton are a tree"
        seen.add(frozenset((a, b)))
        low, high = sorted((tree[a], tree[b]))
        tree = [low if t == high else t for t in tree]
    for joint, root in enumerate(tree):
        if root != 0:
            yield f"{layout.describe(joint)} is not connected to {layout.describe(0)}"


def _repeats(key: str, joints: Sequence[int], how: str, layout: SkeletonLayout) -> Iterator[str]:
    for index, joint in enumerate(joints):
        if joint in joints[:index]:
            yield f"{key}: {layout.describe(joint)} is there {how}"


def _steps_from(start: int, num_joints: int, edges: Iterable[Pair]) -> list[int]:
    """Number of edges from ``start`` to every joint of a tree."""
    neighbours: list[list[int]] = [[] for _ in range(num_joints)]
    for a, b in edges:
        neighbours[a].append(b)
        neighbours[b].append(a)
    steps = [-1] * num_joints
    steps[start] = 0
    queue = [start]
    for joint in queue:
        for other in neighbours[joint]:
            if steps[other] < 0:
                steps[other] = steps[joint] + 1
                queue.append(other)
    return steps


def _root(num_joints: int, edges: Iterable[Pair]) -> int:
    """The one joint that is no edge's child; 0 where there is not exactly one."""
    roots = set(range(num_joints)) - {child for child, _ in edges}
    return roots.pop() if len(roots) == 1 else 0


def _checked(source: str, **fields: Any) -> SkeletonLayout:
    """The layout, with ``source`` in front of what is wrong with it."""
    try:
        return SkeletonLayout(**fields)
    except InputError as error:
        raise InputError(f"{source}: {error}") from error


def _check_keys(node: yaml.Node | None, source: str) -> None:
    """Refuse a key that is there twice, of which YAML would take the last."""
    seen: set[str] = set()
    for key, _ in node.value if isinstance(node, yaml.MappingNode) else ():
        if str(key.value) in seen:
            raise InputError(f"{source}: key {key.value!r} is there twice")
        seen.add(str(key.value))


def _is_index(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_list(value: object) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str)


def _names(names: Any, source: str) -> tuple[str, ...]:
    if not _is_list(names):
        raise InputError(f"{source}: joints is a list of names, not {names!r}")
    for name in names:
        if not isinstance(name, str):
            raise InputError(f"{source}: joints holds {name!r}, which is not a name; put it in quotes")
    return tuple(names)


def _pairs(mapping: Mapping[str, Any], key: str, joints: tuple[str, ...], source: str) -> Pairs:
    pairs = mapping.get(key) or ()
    if not _is_list(pairs):
        raise InputError(f"{source}: {key} is a list of pairs of joints, not {pairs!r}")
    for pair in pairs:
        if not _is_list(pair) or len(pair) != 2:
            raise InputError(f"{source}: {key} holds {pair!r}, which is not a pair of joints")
    return tuple((_joint(a, key, joints, source), _joint(b, key, joints, source)) for a, b in pairs)


def _joint(value: Any, key: str, joints: tuple[str, ...], source: str) -> int:
    """The index of a joint that is given by its index or its name."""
    if isinstance(value, str):
        if value not in joints:
            hint = did_you_mean(value, joints) if joints else "; without joints (names), joints are numbers from 0"
            raise InputError(f"{source}: {key} names {value!r}, which is none of the joints{hint}")
        return joints.index(value)
    if not _is_index(value):
        raise InputError(f"{source}: {key} holds {value!r}, which is neither a joint's number nor its name")
    return int(value)
