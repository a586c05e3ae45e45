"""What a configuration's network is made of and what it costs: ``python3 main.py --config ... --describe``."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from clips.store import compact_behind
from engine.build import build_feeder, build_model, model_class, refusing
from engine.config import Config
from engine.device import choose_device
from errors import InputError
from importing import bind_arguments

FRAMES = 300  # of a clip, where neither data nor configuration say
TIMES = 5


@dataclass(frozen=True)
class Row:
    """One block: where it stands in the network, what it is, the shape it gives, its size and its cost for one clip."""

    name: str
    kind: str
    shape: tuple[int, ...]
    parameters: int
    multiply_adds: int


@dataclass(frozen=True)
class Description:
    """A network and what it costs for one clip.

    Attributes:
        shape: of the clip, (C, T, V, M).
        rows: its blocks, in the order in which they finish.
        parameters: of the whole network, those that are frozen by design included.
        multiply_adds: of all convolutions and matrix products; other operations are not counted.
        saved_bytes: what training keeps of one clip for the backward pass, in float32.
        milliseconds: of evaluation, alone in its batch; the median of five runs.
    """

    shape: tuple[int, int, int, int]
    rows: list[Row]
    parameters: int
    multiply_adds: int
    saved_bytes: int
    milliseconds: float


def describe(config: Config) -> str:
    """The description of the network in ``config``, as text.

    Raises:
        InputError: the network cannot be built, or does not take such clips.
    """
    shape, where = clip_shape(config)
    device, _ = choose_device(config.device)
    model = build_model(config).to(device)
    with refusing(f"model: {config.model} does not take clips (C, T, V, M) = {shape}, {where}"):
        found = measure(model, shape, device)
    lines = [f"{config.model}, one clip (C, T, V, M) = {shape}, {where}", *getattr(model, "notes", [])]
    lines += _table(found)
    lines += [
        f"parameters      {found.parameters:,}",
        f"multiply-adds   {found.multiply_adds / 1e9:.2f} G (convolutions and matrix products)",
        f"memory          {found.saved_bytes / 2**20:.0f} MiB kept for the backward pass",
        f"time            {found.milliseconds:.1f} ms in evaluation on {device}, {torch.get_num_threads()} threads",
    ]
    return "\n".join(lines)


def clip_shape(config: Config) -> tuple[tuple[int, int, int, int], str]:
    """(C, T, V, M) of a test clip and how it is known: from the data, where they are, else from the configuration."""
    path = config.test_feeder_args.get("data_path")
    if path is not None and (not isinstance(path, str) or Path(path).exists() or compact_behind(path)):
        shape = build_feeder(config, "test")[0][0].shape[-4:]
        return (int(shape[0]), int(shape[1]), int(shape[2]), int(shape[3])), "as the test data have them"
    takes = bind_arguments(model_class(config), config.model_args, "model_args")
    missing = [name for name in ("num_point", "num_person") if name not in takes]
    if missing:
        raise InputError(f"describe: there is no test data, and {config.model} has no {missing[0]}")
    frames = _frames(config, takes)
    return (takes.get("in_channels", 3), frames, takes["num_point"], takes["num_person"]), "without data"


def measure(model: nn.Module, shape: tuple[int, int, int, int], device: torch.device) -> Description:
    """Size and cost of ``model`` for one clip of ``shape`` (C, T, V, M)."""
    clip = torch.rand(1, *shape, device=device)
    shapes: dict[str, tuple[int, ...]] = {}

    def watch(name: str) -> Any:
        def hook(_module: nn.Module, _args: Any, output: Any) -> None:
            if isinstance(output, Tensor):
                shapes[name] = tuple(output.shape)

        return hook

    blocks = dict(_blocks(model))
    hooks = [module.register_forward_hook(watch(name)) for name, module in blocks.items()]
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        logits = model.eval()(clip)
    if not isinstance(logits, Tensor):
        raise TypeError(f"it gives {type(logits).__name__}, not logits")
    for hook in hooks:
        hook.remove()
    counts = {str(name): sum(by.values()) // 2 for name, by in counter.get_flop_counts().items()}
    rows = [
        Row(
            name,
            type(blocks[name]).__name__,
            given,
            sum(p.numel() for p in blocks[name].parameters()),
            counts.get(f"{type(model).__name__}.{name}", 0),
        )
        for name, given in shapes.items()
    ]
    parameters = sum(p.numel() for p in model.parameters())
    return Description(
        shape, rows, parameters, counter.get_total_flops() // 2, _saved_bytes(model, clip), _milliseconds(model, clip)
    )


def _blocks(model: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """The parts that a reader of the network's ``forward`` sees: its children, and the items of lists among them."""
    for name, child in model.named_children():
        if isinstance(child, nn.ModuleList | nn.ModuleDict):
            yield from ((f"{name}.{number}", item) for number, item in child.named_children())
        elif not isinstance(child, nn.Identity | nn.Dropout):
            yield name, child


def _frames(config: Config, takes: dict[str, Any]) -> int:
    """Frames of a clip, as far as the configuration says."""
    arguments = config.test_feeder_args
    candidates = [takes.get("window_size"), arguments.get("window_size")]
    items = arguments.get("transforms")
    for item in items if isinstance(items, list) else []:
        for settings in item.values() if isinstance(item, dict) else ():
            candidates += [settings.get(key) for key in ("window", "clip_len", "frames") if isinstance(settings, dict)]
    return next((value for value in candidates if isinstance(value, int) and value > 0), FRAMES)


def _saved_bytes(model: nn.Module, clip: Tensor) -> int:
    """What autograd keeps of a clip, weights not counted; of two clips, halved, since BatchNorm wants company."""
    weights = {p.untyped_storage().data_ptr() for p in model.parameters()}
    kept: dict[int, int] = {}

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    buffers = {name: value.clone() for name, value in model.named_buffers()}
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        logits = model.train()(clip.repeat(2, 1, 1, 1, 1))
    del logits
    with torch.no_grad():  # a measurement leaves the network as it was
        for name, value in model.named_buffers():
            value.copy_(buffers[name])
    return sum(kept.values()) // 2


def _milliseconds(model: nn.Module, clip: Tensor) -> float:
    model.eval()
    taken = []
    with torch.inference_mode():
        for _ in range(TIMES + 1):
            began = time.perf_counter()
            model(clip).cpu()
            taken.append(1000 * (time.perf_counter() - began))
    return statistics.median(taken[1:])


def _table(found: Description) -> list[str]:
    """The rows, in columns."""
    cells = [("block", "", "shape", "parameters", "multiply-adds")]
    cells += [
        (row.name, row.kind, str(row.shape), f"{row.parameters:,}", f"{row.multiply_adds / 1e6:,.1f} M")
        for row in found.rows
    ]
    widths = [max(len(row[column]) for row in cells) for column in range(len(cells[0]))]
    return [
        "  ".join([*(row[i].ljust(widths[i]) for i in range(3)), *(row[i].rjust(widths[i]) for i in (3, 4))])
        for row in cells
    ]
