"""From one layout of clips to another: ``python3 -m data_gen.convert data/ntu_sgn --to pyskl --out ntu60.pkl``."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from clips.whole import Place, Whole, open_whole
from command_line import Parser, exit_code, whole_number
from data_gen.targets import TARGETS, Selection
from errors import InputError, did_you_mean
from graph.layouts import LAYOUTS, NTU

_ENDINGS = {"npz": (".npz",), "pyskl": (".pkl", ".pickle")}


def run(argv: Sequence[str] | None = None) -> int:
    """Do what the command line says.

    Raises:
        InputError: it is not usable, the source is damaged, or the target cannot hold what is in it.
    """
    parser = _parser()
    given = parser.parse_strictly(argv)
    out, source = Path(given.out), Path(given.source)
    endings = _ENDINGS.get(given.to, ("",))
    if out.suffix not in endings and given.to in _ENDINGS:
        raise InputError(f"--out: wanted a file that ends in {' or '.join(endings)}, got {out}")
    if out.resolve() == source.resolve() or out.resolve() in source.resolve().parents:
        raise InputError(f"--out: {out} is, or holds, the source itself")
    whole = open_whole(source, given.label_path)
    splits = mapped_splits(whole, given.split_map, given.to)
    chosen = selected(whole, splits, everything=not given.split_map and given.to in ("compact", "pyskl"))
    chosen = Selection(whole, chosen.places, chosen.splits, given.skeleton or _skeleton(whole))
    notes = TARGETS[given.to](chosen, out, given)
    print(f"{out}: {len(chosen.places)} clips")
    for split, places in chosen.splits.items():
        print(f"{out}, split {split}: {len(places)} clips")
    for note in notes:
        print(f"note: {note}")
    return 0


def _parser() -> Parser:
    parser = Parser(
        "convert.py",
        description="Write clips in another layout, every value as it is (float32), and say what that layout lacks.",
        allow_abbrev=False,
    )
    about = "a folder of clips (compact, dense or NW-UCLA's), or a .npy, .npz or .pkl file"
    parser.add_argument("source", metavar="SOURCE", help=about)
    parser.add_flag("--to", required=True, choices=tuple(TARGETS), help="the layout")
    parser.add_flag("--out", required=True, metavar="PATH", help="where to: a folder, or a .npz or .pkl file")
    parser.add_flag("--label-path", metavar="FILE", help="of a .npy file (default: {train,val}_label.pkl beside it)")
    about = "which splits are written, and what they are called then (default: all, as they are; to npz, val is test)"
    parser.add_flag("--split-map", nargs="+", metavar="FROM=TO", help=about)
    about = "the skeleton, for a source that does not say it (to compact)"
    parser.add_flag("--skeleton", choices=tuple(LAYOUTS), help=about)
    about = "for the one-hot labels of a .npz (default: of the data set that the source names, or the highest label's)"
    parser.add_flag("--num-classes", type=whole_number(1), metavar="N", help=about)
    parser.add_flag("--float16", action="store_true", help="to pyskl: numbers as pyskl's own files have them")
    return parser


def mapped_splits(whole: Whole, asked: Sequence[str] | None, to: str) -> dict[str, Sequence[Place]]:
    """The splits under their new names.

    Raises:
        InputError: one is not there, or two have one name.
    """
    if not asked:
        renamed = {"val": "test"} if to == "npz" and "test" not in whole.splits else {}
        return {renamed.get(split, split): places for split, places in whole.splits.items()}
    splits: dict[str, Sequence[Place]] = {}
    for pair in asked:
        old, equals, new = pair.partition("=")
        if not (old and equals and new) or "/" in new:
            raise InputError(f"--split-map: wanted FROM=TO, got {pair!r}")
        if old not in whole.splits:
            known = ", ".join(whole.splits)
            raise InputError(f"--split-map: there is no split {old!r}, only {known}{did_you_mean(old, whole.splits)}")
        if new in splits:
            raise InputError(f"--split-map: two splits become {new!r}")
        splits[new] = whole.splits[old]
    return splits


def selected(whole: Whole, splits: Mapping[str, Sequence[Place]], *, everything: bool) -> Selection:
    """Clips of these splits, or ``everything``, each name once: it must be the same clip wherever it occurs.

    Raises:
        InputError: it is not, or it occurs twice in a split.
    """
    named = {place for places in splits.values() for place in places}
    first: dict[str, Place] = {}
    instead: dict[Place, Place] = {}
    for place in whole.places():
        if not (everything or place in named):
            continue
        known = instead[place] = first.setdefault(whole.name(place), place)
        if known != place:
            _check_same(whole, known, place)
    renamed = {split: [instead[place] for place in places] for split, places in splits.items()}
    for split, places in renamed.items():
        if len(set(places)) < len(places):
            raise InputError(f"{whole.source}: a clip occurs twice in split {split!r}")
    return Selection(whole, list(first.values()), renamed, None)


def _check_same(whole: Whole, one: Place, other: Place) -> None:
    same = one.store != other.store and whole.label(one) == whole.label(other)
    if not (same and np.array_equal(whole.clip(one), whole.clip(other), equal_nan=True)):
        raise InputError(f"{whole.source}: there are two different clips called {whole.name(one)}")


def _skeleton(whole: Whole) -> str | None:
    """The built-in skeleton that the source says or always has."""
    layouts = [store.layout for store in whole.stores if store.layout is not None]
    names = [layout.name for layout in layouts if LAYOUTS.get(layout.name) is layout]
    said = whole.about.get("layout")
    if names or said in LAYOUTS:
        return names[0] if names else str(said)
    return NTU.name if whole.source.endswith(".npz") else None


if __name__ == "__main__":
    sys.exit(exit_code(run))
