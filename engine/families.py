"""Weights as other repositories save them, under the names that our networks have: one pure function per family.

A file of unknown origin passes through all of them; each changes only what is unmistakably its own.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor

from errors import InputError

State = dict[str, Tensor]

_WRAPPED_IN = ("model", "state_dict")  # our checkpoints; pyskl's and MSA-GCN's
_MSG3D_GRAPH = re.compile(r"(sgcn\d|gcn3d\d\.gcn3d\.\d)\.")  # where MS-G3D has graph convolutions


def unwrapped(content: Any) -> Any:
    """The weights in what a file holds: itself, or what a checkpoint keeps under one of the usual names."""
    for key in _WRAPPED_IN:
        if isinstance(content, Mapping) and isinstance(content.get(key), Mapping):
            return content[key]
    return content


def without_data_parallel(state: State) -> State:
    """Takes off the prefix ``module.`` that nn.DataParallel and its kin put before every name."""
    if not all(name.startswith("module.") for name in state):
        return state
    return {name.removeprefix("module."): value for name, value in state.items()}


def from_pyskl(state: State) -> State:
    """Recognisers of pyskl: ``backbone.`` goes, ``cls_head.fc_cls.`` is ``fc.``.

    MS-G3D's learned matrices PA (K, V, V) are our A_res (K·V, V), each transposed; so are its fixed graphs A, which
    stay in the state for ``load_weights`` to use. The graph of the whole network is of no further use.
    """
    if not all(any(name.startswith(part) for name in state) for part in ("backbone.", "cls_head.")):
        return state
    found: State = {}
    for name, value in state.items():
        name = name.removeprefix("backbone.").replace("cls_head.fc_cls.", "fc.")
        kind = name.rpartition(".")[2]
        if name == "A":
            continue
        if _MSG3D_GRAPH.match(name) and kind in ("A", "PA") and value.dim() == 3:
            value = value.transpose(1, 2).contiguous()
            if kind == "PA":
                name, value = f"{name.removesuffix('PA')}A_res", value.flatten(0, 1)
        if name in found:
            raise InputError(f"two weights of the file would both be called {name!r}")
        found[name] = value
    return found


def from_older_msagcn(state: State) -> State:
    """MSA-GCN before its modules were renamed (and its parent's names): ``spa_mixf`` and ``tem_mixf``."""
    return {name.replace(".spa_mixf.", ".mscam.").replace(".tem_mixf.", ".tmst."): v for name, v in state.items()}


FAMILIES: tuple[Callable[[State], State], ...] = (without_data_parallel, from_pyskl, from_older_msagcn)


def translated(state: State) -> State:
    """``state`` under the names of our networks.

    Raises:
        InputError: two of its names become one.
    """
    for family in FAMILIES:
        state = family(state)
    return state
