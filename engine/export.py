"""Networks for other programs: ``python3 -m engine.export --weights checkpoints/best.pt --out model.onnx``.

``.onnx``, ``.pt2`` (torch.export) or ``.safetensors``; checked before the file takes its name.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from clips.files import atomic_path
from command_line import Parser, exit_code, whole_number
from engine.export_checks import Parity, ParityError, check
from engine.export_files import programme, write_onnx, write_pt2, write_safetensors
from engine.export_plan import Plan, Prepared, make_plan
from engine.predict import named_clips
from engine.predictor import Predictor
from engine.provenance import prepared, skeleton_of
from errors import InputError

KINDS = (".onnx", ".pt2", ".safetensors")


def run(argv: Sequence[str] | None = None) -> int:
    """Do what the command line says; 1 when the file would not have said what the networks say.

    Raises:
        InputError: the command line, weights, a clip, or a package that is missing.
    """
    given = _parser().parse_strictly(argv)
    out = Path(given.out)
    if out.suffix not in KINDS:
        raise InputError(f"--out {out}: wanted a name that ends in {', '.join(KINDS)}")
    predictor = Predictor.load(given.weights, weights=given.fusion_weights, allow_import=given.allow_import)
    plan = make_plan(predictor, [_as_prepared(predictor, *one) for source in given.clip for one in named_clips(source)],
                     given.one_input)  # fmt: skip
    try:
        said = export(plan, out, given.batch, given.frames)
    except ParityError as error:
        print(f"error: {out} was not written: {error}", file=sys.stderr)
        return 1
    print(f"{out}: {out.stat().st_size / 1e6:.1f} MB, {len(predictor.names)} classes, {said}")
    return 0


def _parser() -> Parser:
    parser = Parser("engine.export", description="Export trained networks, checked.", allow_abbrev=False)
    about = "checkpoints of this program (checkpoints/best.pt); those of several streams become one graph"
    parser.add_flag("--weights", nargs="+", required=True, metavar="FILE", help=about)
    parser.add_flag("--fusion-weights", nargs="+", type=float, metavar="W", help="of each file (default: 1)")
    parser.add_flag("--out", required=True, metavar="FILE", help="the file to write: .onnx, .pt2 or .safetensors")
    about = "clips, as engine.predict takes them, to check the file on, besides made ones"
    parser.add_flag("--clip", nargs="+", default=[], metavar="CLIP", help=about)
    about = "clips of a batch, or dynamic: any number (default)"
    parser.add_flag("--batch", type=_size, default="dynamic", metavar="N", help=about)
    about = "frames of a clip, or dynamic: any number, if the network can (default: as its test feeder gives them)"
    parser.add_flag("--frames", type=_size, default=None, metavar="N", help=about)
    about = "several streams: the graph takes prepared joints and makes bones and motions itself"
    parser.add_flag("--one-input", action="store_true", help=about)
    parser.add_flag("--allow-import", nargs="+", default=[], metavar="PACKAGE", help="whose classes a file may name")
    return parser


def _size(text: str) -> int | str:
    """A number of at least 1, or ``dynamic``."""
    return text if text == "dynamic" else whole_number(1)(text)


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


def _as_prepared(predictor: Predictor, name: str, clip: Any) -> list[Prepared]:
    """A clip of the command line, as each stream's recordings are prepared."""
    row: list[Prepared] = []
    for stream in predictor.streams:
        if callable(clip):
            row.append((clip(), skeleton_of(stream.facts), name))
        else:
            row.append((*prepared(Path(clip), stream.facts), name))
    return row


if __name__ == "__main__":
    sys.exit(exit_code(run))
