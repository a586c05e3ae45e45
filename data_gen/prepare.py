"""Recordings to clips: in parallel, in bounded memory, and going on where a killed run stopped."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from tqdm import tqdm

from clips.compact import tracks_of
from clips.streams import Clip
from command_line import Parser, whole_number
from data_gen.compact_workshop import CompactWorkshop
from data_gen.dense_workshop import DenseWorkshop
from data_gen.workers import in_order
from data_gen.workshop import Chunk, Damage, Sample, Workshop
from errors import InputError

ROOT = Path(__file__).resolve().parent.parent  # of the repository: default paths do not depend on the current folder

_LOOKED_AT = 16  # recordings, to tell how large the compact store would be

LAYOUTS: dict[str, type[Workshop]] = {"dense": DenseWorkshop, "compact": CompactWorkshop}


def add_preparation_flags(parser: Parser, out: str, layout: str = "compact") -> None:
    """The flags of every preparation; clips go to ``out``, a path under the repository, unless told otherwise."""
    parser.add_flag("--out-folder", default=str(ROOT / out), metavar="DIR", help=f"default: {out} in the repository")
    parser.add_flag(
        "--n-cores", default=1, type=whole_number(1), metavar="N", help="processes (default: 1); the files are the same"
    )
    parser.add_flag(
        "--layout",
        default=layout,
        choices=tuple(LAYOUTS),
        help=f"files of MS-G3D, or one compact store for all protocols and streams (default: {layout})",
    )
    parser.add_flag(
        "--allow-missing", action="store_true", help="leave damaged recordings out, instead of writing no clips at all"
    )


def prepare(
    samples: Sequence[Sample],
    parts: tuple[str, ...],
    convert: Callable[[Sample], Clip],
    clip_shape: tuple[int, ...],
    given: argparse.Namespace,
    about: Mapping[str, Any],
) -> int:
    """Write the clips of all parts in the layout that the flags name; the exit code of the command.

    ``about`` says of a store what people should know: its ``lineage`` and the ``layout`` of its skeleton.

    Files appear under their names only when all of them are whole. Every recording is read once, whatever the number
    of parts that hold it. A damaged one (``convert`` raises ``InputError``) is named at the end: the code is then 1,
    and nothing is written unless the flags allow it. The same call goes on where a killed or refused one stopped.

    Raises:
        InputError: the disk does not take the clips.
    """
    out = Path(given.out_folder)
    workshop = LAYOUTS[given.layout](out, samples, parts, clip_shape, about)
    try:
        workshop.open()
        if workshop.settled is None:
            if isinstance(workshop, DenseWorkshop):
                _recommend_compact(workshop, convert)
            damage = _fill(workshop, convert, given.n_cores)
            if damage and not given.allow_missing:
                _report(damage, len(samples))
                print(
                    "no clips were written: mend these files, or leave them out with --allow-missing", file=sys.stderr
                )
                return 1
            workshop.settle(damage)
        damage = workshop.settled or {}
        for place, count in workshop.deliver().items():
            print(f"{place}: {count} clips")
    except OSError as error:
        raise InputError(f"{error.filename or out}: {error.strerror or error}") from error
    _report(damage, len(samples))
    return 0 if given.allow_missing or not damage else 1


def _recommend_compact(workshop: DenseWorkshop, convert: Callable[[Sample], Clip]) -> None:
    """Say what the dense files take, and about what the compact store would, going by the first recordings."""
    sizes = []
    for sample in workshop.samples[:_LOOKED_AT]:
        with suppress(InputError):
            sizes.append(sum(track.values.nbytes for track in tracks_of(convert(sample))))
    if sizes:
        compact = len(workshop.samples) * sum(sizes) / len(sizes)
        print(
            f"these files take {_size(workshop.needed_bytes)}, and as much again for every further stream; "
            f"--layout compact holds all streams in about {_size(compact)}"
        )


def _size(count: float) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e8 else f"{count / 1e6:.1f} MB"


def _fill(workshop: Workshop, convert: Callable[[Sample], Clip], cores: int) -> Damage:
    """Do every chunk that is not done yet; the damaged samples of all."""
    damage: Damage = {}
    pending = []
    bar = tqdm(total=len(workshop.samples), unit="clip", disable=None)
    for chunk in workshop.chunks(convert):
        known = workshop.damage_of(chunk.number, chunk.state())
        if known is None:
            pending.append(chunk)
        else:
            damage |= known
            bar.update(len(chunk.samples))
    done = len(workshop.samples) - sum(len(chunk.samples) for chunk in pending)
    if done:
        print(f"{done} of {len(workshop.samples)} recordings are done from before", file=sys.stderr)
    for chunk, (state, found) in zip(pending, in_order(_fill_chunk, pending, cores), strict=True):
        workshop.mark(chunk.number, state, found)
        damage |= found
        bar.update(len(chunk.samples))
    bar.close()
    return damage


def _fill_chunk(chunk: Chunk) -> tuple[str, Damage]:
    return chunk.fill()


def _report(damage: Damage, of: int) -> None:
    for problem in damage.values():
        print(f"damaged: {problem}", file=sys.stderr)
    if damage:
        print(f"{len(damage)} of {of} recordings are damaged", file=sys.stderr)
