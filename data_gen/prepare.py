"""Recordings to dense clips: in parallel, in bounded memory, and going on where a killed run stopped."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from clips.dense import row_writer
from clips.files import sync
from clips.streams import Clip
from command_line import Parser, whole_number
from data_gen.workers import in_order
from data_gen.workshop import Damage, Sample, Workshop, state_of
from errors import InputError

ROOT = Path(__file__).resolve().parent.parent  # of the repository: default paths do not depend on the current folder

_CHUNK = 64  # recordings that are read, written and marked as done together


@dataclass(frozen=True)
class _Chunk:
    number: int
    samples: Sequence[Sample]
    rows: Sequence[tuple[int, ...]]  # of each sample, one for each of its parts
    arrays: dict[str, Path]  # of the parts
    convert: Callable[[Sample], Clip]


def add_preparation_flags(parser: Parser, out: str) -> None:
    """The flags of every preparation; clips go to ``out``, a path under the repository, unless told otherwise."""
    parser.add_flag("--out-folder", default=str(ROOT / out), metavar="DIR", help=f"default: {out} in the repository")
    parser.add_flag(
        "--n-cores", default=1, type=whole_number(1), metavar="N", help="processes (default: 1); the files are the same"
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
) -> int:
    """Write ``{part}_data_joint.npy`` and ``{part}_label.pkl`` for every part; the exit code of the command.

    Files appear under their names only when all of them are whole. Every recording is read once, whatever the number
    of parts that hold it. A damaged one (``convert`` raises ``InputError``) is named at the end: the code is then 1,
    and nothing is written unless the flags allow it. The same call goes on where a killed or refused one stopped.

    Raises:
        InputError: the disk does not take the clips.
    """
    out = Path(given.out_folder)
    workshop = Workshop(out, samples, parts, clip_shape)
    try:
        workshop.open()
        if workshop.settled is None:
            damage = _fill(workshop, convert, given.n_cores)
            if damage and not given.allow_missing:
                _report(damage, len(samples))
                print(
                    "no clips were written: mend these files, or leave them out with --allow-missing", file=sys.stderr
                )
                return 1
            workshop.settle(damage)
        damage = workshop.settled or {}
        for part, count in workshop.deliver().items():
            print(f"{out / part}_data_joint.npy: {count} clips")
    except OSError as error:
        raise InputError(f"{error.filename or out}: {error.strerror or error}") from error
    _report(damage, len(samples))
    return 0 if given.allow_missing or not damage else 1


def _fill(workshop: Workshop, convert: Callable[[Sample], Clip], cores: int) -> Damage:
    """Do every chunk that is not done yet; the damaged samples of all."""
    damage: Damage = {}
    pending = []
    bar = tqdm(total=len(workshop.samples), unit="clip", disable=None)
    for chunk in _chunks(workshop, convert):
        known = workshop.damage_of(chunk.number, _state(chunk))
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


def _fill_chunk(chunk: _Chunk) -> tuple[str, Damage]:
    """Write the clips of a chunk to their rows; the state of its files before, and which are damaged."""
    state = _state(chunk)
    damage = {}
    with ExitStack() as stack:
        write = {part: stack.enter_context(row_writer(path)) for part, path in chunk.arrays.items()}
        for sample, rows in zip(chunk.samples, chunk.rows, strict=True):
            try:
                clip = chunk.convert(sample)
            except InputError as error:
                damage[sample.source] = str(error)
                continue
            for part, row in zip(sample.parts, rows, strict=True):
                write[part](row, clip)
    for path in chunk.arrays.values():
        sync(path)  # before the chunk is marked as done
    return state, damage


def _chunks(workshop: Workshop, convert: Callable[[Sample], Clip]) -> list[_Chunk]:
    next_row = dict.fromkeys(workshop.parts, 0)
    chunks = []
    for number, start in enumerate(range(0, len(workshop.samples), _CHUNK)):
        samples = workshop.samples[start : start + _CHUNK]
        rows = []
        for sample in samples:
            rows.append(tuple(next_row[part] for part in sample.parts))
            for part in sample.parts:
                next_row[part] += 1
        held = {part: workshop.array(part) for sample in samples for part in sample.parts}
        chunks.append(_Chunk(number, samples, rows, held, convert))
    return chunks


def _state(chunk: _Chunk) -> str:
    return state_of([sample.source for sample in chunk.samples])


def _report(damage: Damage, of: int) -> None:
    for problem in damage.values():
        print(f"damaged: {problem}", file=sys.stderr)
    if damage:
        print(f"{len(damage)} of {of} recordings are damaged", file=sys.stderr)
