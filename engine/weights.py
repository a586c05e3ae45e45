"""Weights into a network: strict, and clear about what does not fit."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from engine.families import translated, unwrapped
from engine.tensor_files import read_tensors
from errors import InputError, did_you_mean

HEAD = "fc."
SHOWN = 5


def read_weights(path: str | os.PathLike[str]) -> dict[str, Tensor]:
    """The state dict in a file, under the names of our networks (``families``).

    MS-G3D's ``.pt`` or ``.pkl``, pyskl's ``.pth``, MST-GCN's and MSA-GCN's ``.pt``, or one of our checkpoints.

    Raises:
        InputError: unreadable, or not a mapping of names to tensors.
    """
    return weights_in(read_tensors(path), str(path))


def weights_in(content: object, source: str) -> dict[str, Tensor]:
    """``read_weights`` of what a file holds; ``source`` is what errors call it."""
    return translated(check_state(unwrapped(content), source))


def check_state(content: object, source: str) -> dict[str, Tensor]:
    """``content`` as weights by name; ``source`` is what errors call it.

    Raises:
        InputError: it is anything but a mapping of names to dense arrays of real numbers.
    """
    if not isinstance(content, Mapping) or not content:
        raise InputError(f"{source}: wanted weights by name, got {type(content).__name__}")
    state = {}
    for name, value in content.items():
        try:
            tensor = torch.as_tensor(value) if isinstance(value, (Tensor, np.ndarray)) else None
        except (TypeError, ValueError):  # an array of words, or of numbers that torch does not have
            tensor = None
        if tensor is None or tensor.layout is not torch.strided or tensor.is_complex():
            raise InputError(f"{source}: wanted weights by name, but {name!r} is {type(value).__name__}")
        state[str(name)] = tensor
    return state


def load_weights(
    model: nn.Module, state: Mapping[str, Tensor], source: str, *, ignore: Sequence[str] = (), new_head: bool = False
) -> list[str]:
    """Load ``state`` into ``model`` and return what there is to say about it.

    Names in ``ignore``, or that begin with one, keep their initial values; with ``new_head`` (training from other
    weights) so does a last layer for another number of classes. Graphs that the network fixed for itself, but the
    file brings along, are taken from the file, and stay with the weights from then on. ``source`` is what errors call
    the file.

    Raises:
        InputError: names are missing, unexpected, or of another shape (all three are listed), or a table of joints is
            another than the network's.
    """
    own = model.state_dict()
    graphs = {name: value for name, value in model.named_buffers() if name not in own and name in state}
    known = {*own, *state}
    ignored = {name for name in known if any(name == i or name.startswith(f"{i}.") for i in ignore)}
    unused = [i for i in ignore if not any(name == i or name.startswith(f"{i}.") for name in known)]
    if unused:
        raise InputError(
            f"ignore_weights: neither the network nor {source} has a weight {unused[0]!r}"
            f"{did_you_mean(unused[0], sorted(known))}"
        )
    own |= graphs
    shapes = {n for n in own.keys() & state.keys() - ignored if own[n].shape != state[n].shape}
    said = [f"{source}: left out {len(ignored)} weights as told"] if ignored else []
    if new_head and shapes and all(name.startswith(HEAD) for name in shapes):
        name = min(shapes)
        said.append(f"{source}: last layer made anew, {_rows(state[name])} -> {_rows(own[name])} classes")
        ignored |= shapes
        shapes = set()
    missing = sorted(own.keys() - state.keys() - ignored)
    unexpected = sorted(state.keys() - own.keys() - ignored)
    if missing or unexpected or shapes:
        raise InputError(f"{source} does not fit the network: {_explain(missing, unexpected, shapes, own, state)}")
    for name in own.keys() & state.keys() - ignored:
        fixed = not own[name].is_floating_point() and not name.endswith("num_batches_tracked")
        if fixed and not torch.equal(state[name].to(own[name]), own[name]):
            raise InputError(f"{source}: {name} is another than model_args says; such tables are not learnt")
    foreign = {n: state[n] for n in graphs.keys() - ignored if not torch.equal(state[n].to(graphs[n]), graphs[n])}
    if foreign:
        said.append(f"{source}: brings {len(foreign)} graphs of its own, used in place of the configured ones")
        _keep(model, foreign)
    model.load_state_dict({n: v for n, v in state.items() if n not in ignored and n not in graphs}, strict=False)
    return said


def _keep(model: nn.Module, graphs: Mapping[str, Tensor]) -> None:
    """Put ``graphs`` in the place of buffers that are no weights, and make weights of them: they go where those go."""
    for name, value in graphs.items():
        owner, _, leaf = name.rpartition(".")
        module = model.get_submodule(owner)
        module.register_buffer(leaf, value.to(module.get_buffer(leaf)), persistent=True)


def _rows(tensor: Tensor) -> int:
    return tensor.shape[0] if tensor.dim() else 1


def _explain(
    missing: Sequence[str],
    unexpected: Sequence[str],
    shapes: set[str],
    own: Mapping[str, Tensor],
    state: Mapping[str, Tensor],
) -> str:
    parts = []
    if missing:
        parts.append(f"{len(missing)} missing ({_some(missing)})")
    if unexpected:
        names = [f"{name}{did_you_mean(name, missing)}" for name in unexpected[:SHOWN]]
        parts.append(f"{len(unexpected)} unexpected ({_some(names, len(unexpected))})")
    if shapes:
        lines = [f"{n}: {tuple(state[n].shape)} for {tuple(own[n].shape)}" for n in sorted(shapes)[:SHOWN]]
        parts.append(f"{len(shapes)} of another shape ({_some(lines, len(shapes))})")
    return "; ".join(parts)


def _some(names: Sequence[str], total: int | None = None) -> str:
    more = (total or len(names)) - SHOWN
    return ", ".join(names[:SHOWN]) + (f" and {more} more" if more > 0 else "")
