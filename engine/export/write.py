"""An exported file, written once it is found to say what the networks say."""

from __future__ import annotations

import sys
from pathlib import Path

from torch import Tensor

from clips.files import atomic_path
from engine.export.checks import Parity, check
from engine.export.files import programme, write_onnx, write_pt2, write_safetensors
from engine.export.plan import Plan
from errors import InputError

KINDS = (".onnx", ".pt2", ".safetensors")


def export(plan: Plan, out: Path, batch: int | str = "dynamic", frames: int | str | None = None) -> str:
    """Write ``out``, once it is found to say what the networks say; what there is to say about it.

    Args:
        plan: the networks.
        out: a name that ends in one of ``KINDS``.
        batch: clips of a batch, or ``dynamic``.
        frames: of a clip, ``dynamic``, or None for as many as the test feeder gives.

    Raises:
        InputError: the networks cannot be exported so.
        ParityError: the file says something else; there is none then.
    """
    if out.suffix == ".safetensors":
        with atomic_path(out) as beside:
            write_safetensors(beside, plan)
        return f"{sum(len(model.state_dict()) for model in plan.joined.models)} tensors, read back equal"
    example, clips, length = _sizes(plan, batch, frames)
    print(f"exporting {', '.join(plan.streams)}: this takes a minute or a few", file=sys.stderr)
    program = programme(plan, example, clips, length)
    with atomic_path(out) as beside:
        run = write_onnx(beside, program, plan) if out.suffix == ".onnx" else write_pt2(beside, program, plan)
        found: Parity = check(plan, run, clips, length)
    shape = [clips or "any", example[0].shape[1], length or "any", *example[0].shape[3:]]
    inputs = f"{', '.join(plan.inputs)} {'x'.join(map(str, shape))} (N, C, T, V, M)"
    return f"from {inputs} to {', '.join(plan.outputs)}; {found}"


def _sizes(plan: Plan, batch: int | str, frames: int | str | None) -> tuple[list[Tensor], int | None, int | None]:
    """What to trace the networks on, and the sizes that are fixed: clips of a batch and frames, None where free."""
    lengths = sorted({clips.shape[2] for row in plan.fed for clips in row})
    for model in plan.joined.models:
        window = getattr(model, "window_size", None)
        if window is not None and frames not in (None, window):
            raise InputError(f"--frames {frames}: {type(model).__module__} is for clips of {window} frames alone")
    if frames is None and len(lengths) > 1:
        raise InputError(
            f"the test feeder gives clips of {lengths[0]} to {lengths[-1]} frames: say --frames N or dynamic"
        )
    length = lengths[0] if frames is None else None if frames == "dynamic" else int(frames)
    size = None if batch == "dynamic" else int(batch)
    count = size or 2  # torch takes 1 for a number that is always 1
    rows = [clips[:1].expand(count, -1, -1, -1, -1).clone() for clips in plan.fed[0]]
    return [clips if length is None else _repeated(clips, length) for clips in rows], size, length


def _repeated(clips: Tensor, frames: int) -> Tensor:
    times = -(-frames // clips.shape[2])
    return clips.repeat(1, 1, times, 1, 1)[:, :, :frames].contiguous()
