"""The command: ``python3 -m engine.export --weights checkpoints/best.pt --out model.onnx``.

``.onnx``, ``.pt2`` (torch.export) or ``.safetensors``; checked before the file takes its name.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from command_line import Parser, exit_code, whole_number
from engine.export.checks import ParityError
from engine.export.plan import Prepared, make_plan
from engine.export.write import KINDS, export
from engine.predict import named_clips
from engine.predictor import Predictor
from engine.provenance import prepared, skeleton_of
from errors import InputError


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
