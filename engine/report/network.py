"""What the network of a run learnt: its adjacencies, and which joints its decisions hang on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from tqdm import tqdm

from engine.build import LabelledClips, build_model, refusing
from engine.report.gather import WorkFolder
from engine.report.packed import packed, weight_of
from engine.weights import load_weights, read_weights
from errors import InputError
from model import msg3d

CLIPS_PER_CLASS = 3
AT_ONCE = 16  # clips whose gradients are held at a time
MOST_BYTES = 3_500_000  # of all graphs of a page


def open_network(folder: WorkFolder, notes: list[str]) -> nn.Module | None:
    """The network with the weights that gave the scores; None, and a line in ``notes``, where that does not work."""
    if folder.config is None or folder.weights is None:
        return None
    try:
        model = build_model(folder.config)
        load_weights(model, read_weights(folder.weights), str(folder.weights))
    except InputError as error:
        notes.append(f"{folder.name}: its network cannot be opened: {error}")
        return None
    return model.eval().requires_grad_(False)


def packed_graphs(name: str, model: nn.Module, most: int, notes: list[str]) -> list[dict[str, Any]]:
    """The adjacencies that ``model.graphs()`` gives, each packed (K, V, V), in their order, within ``most`` bytes.

    In the page the joint of a row feeds that of a column, x[w] = sum of x[v] A[v, w]. MS-G3D alone multiplies from the
    left, and its matrices are transposed.
    """
    learned: Any = getattr(model, "graphs", dict)
    graphs: Mapping[str, Tensor] = learned()
    found: list[dict[str, Any]] = []
    size = 0
    for module, matrices in graphs.items():
        values = matrices.detach().float().cpu().numpy()
        values = values.reshape(-1, *values.shape[-2:])
        content = packed(values.swapaxes(1, 2) if isinstance(model, msg3d.Model) else values, bits=8)
        size += weight_of(content)
        if size > most:
            notes.append(f"{name}: {len(found)} of its {len(graphs)} graphs are shown, so that the page stays small")
            break
        found.append({"name": module, "matrices": content})
    return found


def joint_saliency(
    model: nn.Module, feeder: LabelledClips, num_class: int, device: torch.device, title: str
) -> NDArray[np.float64]:
    """How much the score of every class hangs on every joint: (C, V), rows that sum to 1; NaN without clips.

    Gradient times input: for a clip (C, T, V, M) of class y, |sum over channels of x * d logit_y / d x| is summed over
    frames and bodies, and divided by its sum over joints; a row is the mean over the first ``CLIPS_PER_CLASS`` clips
    of the class. (Shrikumar et al. 2016, arXiv:1605.01713, for the product.)

    Raises:
        InputError: the network or the feeder fails.
    """
    chosen = _first_of_each(feeder.label)
    sums: NDArray[np.float64] | None = None
    count = np.zeros(num_class)
    bar = tqdm(range(0, len(chosen), AT_ONCE), desc=title, unit="batch", disable=None, leave=False)
    for begin in bar:
        with refusing(f"saliency of {title}"):
            items = [feeder[index] for index in chosen[begin : begin + AT_ONCE]]
            labels = np.array([item[1] for item in items])
            shares = _shares(model, [item[0] for item in items], labels, device)
        sums = np.zeros((num_class, shares.shape[1])) if sums is None else sums
        told = np.isfinite(shares).all(axis=1)  # where nothing changes the score, nothing can be said
        np.add.at(sums, labels[told], shares[told])
        np.add.at(count, labels[told], 1)
    assert sums is not None
    with np.errstate(invalid="ignore"):
        return sums / count[:, None]


def _shares(model: nn.Module, clips: Iterable[Any], labels: NDArray[np.int64], device: torch.device) -> NDArray[Any]:
    """(N, V) for N clips (C, T, V, M); of a recording given as several clips, the first."""
    arrays = [np.asarray(clip) for clip in clips]
    batch = torch.from_numpy(np.stack([clip[0] if clip.ndim == 5 else clip for clip in arrays]))
    batch = batch.to(device).requires_grad_(True)
    logits = model(batch)
    (gradient,) = torch.autograd.grad(logits.gather(1, torch.from_numpy(labels)[:, None].to(device)).sum(), batch)
    joints = (gradient * batch).sum(dim=1).abs().sum(dim=(1, 3)).double()  # (N, C, T, V, M) -> (N, V)
    found: NDArray[Any] = (joints / joints.sum(dim=1, keepdim=True)).detach().cpu().numpy()
    return found


def _first_of_each(labels: Iterable[int]) -> list[int]:
    """The numbers of the first clips of every class, class by class."""
    by_class: dict[int, list[int]] = {}
    for index, label in enumerate(labels):
        by_class.setdefault(label, []).append(index)
    return [index for label in sorted(by_class) for index in by_class[label][:CLIPS_PER_CLASS]]
