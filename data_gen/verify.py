"""What clips there are, and whether they can be trusted: ``python3 -m data_gen.verify data/ntu_sgn``."""

from __future__ import annotations

import hashlib
import json
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from clips.streams import Clip
from clips.whole import Place, Whole, open_whole
from command_line import Parser, exit_code
from data_gen.known_counts import COUNTS, EMPTY_CLIPS_ARE_KNOWN, EXPLAINED, NUM_CLASSES, data_sets, split_of

_BINS = 10  # of the histogram of lengths
_BAR = 40  # characters
_NAMED = 5  # of the clips that something is wrong with
_PER_LINE = 20  # classes


@dataclass(frozen=True)
class Look:
    """What is seen of a clip: ``frames`` up to the last that holds somebody, ``bodies`` likewise."""

    frames: int
    bodies: int
    slots: int
    not_finite: int
    digest: bytes


def look(clip: Clip) -> Look:
    """Look at a clip (C, T, V, M); empty frames at its end and empty bodies behind the others do not change the digest.

    So one recording has one digest in every layout, filled up with zeros or not.
    """
    held = np.ascontiguousarray(clip, np.float32).view(np.int32) != 0  # bits: -0.0 is something
    frames, bodies = (int(np.flatnonzero(there)[-1]) + 1 if there.any() else 0 for there in _there(held))
    kept = np.ascontiguousarray(clip[:, :frames, :, :bodies], "<f4")
    digest = hashlib.sha256(repr(kept.shape).encode())
    digest.update(kept.data if kept.size else b"")
    filled = frames if np.any(clip) else 0
    return Look(filled, bodies, clip.shape[3], int((~np.isfinite(kept)).sum()), digest.digest())


def _there(held: NDArray[np.bool_]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which frames and which bodies hold anything: (C, T, V, M) -> (T,), (M,)."""
    return np.logical_or.reduce(held, axis=(0, 2, 3)), np.logical_or.reduce(held, axis=(0, 1, 2))


def verify(whole: Whole, data_set: str | None) -> dict[str, Any]:
    """All that is known of the clips, as ``--json`` prints it; ``problems`` and ``notes`` are sentences."""
    seen = {place: look(whole.clip(place)) for place in tqdm(list(whole.places()), unit="clip", disable=None)}
    known = data_set if data_set in data_sets() else None
    splits = {split: _split(whole, places, seen) for split, places in whole.splits.items()}
    notes: list[str] = []
    problems = [
        *_wrong_clips(whole, seen, known),
        *_wrong_names(whole),
        *_wrong_labels(whole, known),
        *(_wrong_counts(splits, known, notes) if known else []),
    ]
    if known is None:
        notes.append("counts are not compared with published ones: name the data set with --dataset")
    together = hashlib.sha256("\n".join(f"{name} {splits[name]['sha256']}" for name in sorted(splits)).encode())
    return {
        "source": whole.source,
        "dataset": known,
        "about": dict(whole.about),
        "clips": len(seen),
        "splits": splits,
        "sha256": together.hexdigest(),
        "notes": notes,
        "problems": problems,
    }


def _split(whole: Whole, places: Sequence[Place], seen: Mapping[Place, Look]) -> dict[str, Any]:
    digest = hashlib.sha256()
    for place in places:
        digest.update(f"{whole.name(place)}\0{whole.label(place)}\0".encode() + seen[place].digest)
    looks = [seen[place] for place in places]
    classes = Counter(whole.label(place) for place in places)
    lone = [found.bodies < 2 for found in looks if found.slots > 1]
    return {
        "clips": len(places),
        "classes": {str(label): classes[label] for label in sorted(classes)},
        "frames": _lengths([found.frames for found in looks]),
        "empty_second_bodies": round(sum(lone) / len(lone), 4) if lone else None,
        "sha256": digest.hexdigest(),
    }


def _lengths(frames: Sequence[int]) -> dict[str, Any]:
    if not frames:
        return {}
    width = max(1, -(-max(frames) // _BINS))
    counts = Counter(max(0, length - 1) // width for length in frames)
    bins = {f"{at * width + 1}-{(at + 1) * width}": counts[at] for at in range(max(counts) + 1)}
    return {
        "least": min(frames),
        "mean": round(sum(frames) / len(frames), 2),
        "median": float(np.median(frames)),
        "most": max(frames),
        "histogram": bins,
    }


def _wrong_clips(whole: Whole, seen: Mapping[Place, Look], known: str | None) -> list[str]:
    not_finite = [place for place, found in seen.items() if found.not_finite]
    empty = [place for place, found in seen.items() if not found.frames]
    numbers = sum(seen[place].not_finite for place in not_finite)
    wrong = []
    if not_finite:
        wrong.append(f"{numbers} numbers in {len(not_finite)} clips are NaN or infinite: {_named(whole, not_finite)}")
    if empty and known not in EMPTY_CLIPS_ARE_KNOWN:
        wrong.append(f"{len(empty)} clips are empty: {_named(whole, empty)}")
    if not seen:
        wrong.append("there is no clip")
    return wrong


def _wrong_names(whole: Whole) -> list[str]:
    wrong = []
    for split, places in whole.splits.items():
        counts = Counter(whole.name(place) for place in places)
        repeated = [place for place in dict.fromkeys(places) if counts[whole.name(place)] > 1]
        if repeated:
            count = sum(times > 1 for times in counts.values())
            wrong.append(f"{split}: {count} names occur more than once: {_named(whole, repeated)}")
        stem, _, part = split.rpartition("train")
        for other in (f"{stem}val", f"{stem}test") if part == "" and split.endswith("train") else ():
            shared = [place for place in whole.splits.get(other, ()) if whole.name(place) in counts]
            if shared:
                wrong.append(f"{len(shared)} clips of {other} are in {split} too: {_named(whole, shared)}")
    return wrong


def _wrong_labels(whole: Whole, known: str | None) -> list[str]:
    classes = NUM_CLASSES[split_of(known, "train")[0]] if known else None
    wrong = [p for p in whole.places() if whole.label(p) < 0 or (classes is not None and whole.label(p) >= classes)]
    if not wrong:
        return []
    wanted = "0 or more" if classes is None else f"from 0 to {classes - 1}"
    return [f"{len(wrong)} labels are not {wanted}: {_named(whole, wrong)}"]


def _wrong_counts(splits: Mapping[str, Any], known: str, notes: list[str]) -> list[str]:
    wrong = []
    for split, found in splits.items():
        name, table_split = split_of(known, split)
        wanted, count = COUNTS[name].get(table_split), found["clips"]
        found["published"] = wanted
        if wanted is None:
            notes.append(f"{split}: no number of clips is known of this split of {known}")
        elif count != wanted:
            why = EXPLAINED.get((name, table_split, count))
            sentence = f"{split}: {count} clips, but {known} has {wanted}"
            wrong.append(f"{sentence}; {why}" if why else sentence)
    return wrong


def _named(whole: Whole, places: Sequence[Place]) -> str:
    names = list(dict.fromkeys(whole.name(place) for place in places))
    return ", ".join(names[:_NAMED]) + (", ..." if len(names) > _NAMED else "")


def text_of(report: Mapping[str, Any]) -> str:
    """The report for people."""
    about = ", ".join(f"{key} {value}" for key, value in report["about"].items() if isinstance(value, str))
    lines = [f"{report['source']}: {report['clips']} clips{f' ({about})' if about else ''}"]
    for name, split in report["splits"].items():
        published = split.get("published")
        same = f", as published for {report['dataset']}" if published == split["clips"] else ""
        lines += ["", f"{name}: {split['clips']} clips{same}", *_class_lines(split["classes"])]
        if split["frames"]:
            lines += _length_lines(split["frames"])
        if split["empty_second_bodies"] is not None:
            lines.append(f"  without a second body: {split['empty_second_bodies']:.2%}")
        lines.append(f"  sha256 {split['sha256']}")
    lines += ["", f"sha256 of all splits: {report['sha256']}"]
    lines += [f"note: {note}" for note in report["notes"]]
    lines += [f"problem: {problem}" for problem in report["problems"]] or ["no problem was found"]
    return "\n".join(lines)


def _class_lines(classes: Mapping[str, int]) -> list[str]:
    if not classes:
        return []
    least, most = min(classes.values()), max(classes.values())
    lines = [f"  clips of each class: {len(classes)} classes, {least} to {most} clips"]
    for row in sorted({int(label) // _PER_LINE for label in classes}):
        labels = range(row * _PER_LINE, (row + 1) * _PER_LINE)
        counts = " ".join(f"{classes.get(str(label), 0):{len(str(most))}}" for label in labels)
        lines.append(f"  {labels[0]:4}: {counts}")
    return lines


def _length_lines(frames: Mapping[str, Any]) -> list[str]:
    bins = frames["histogram"]
    most = max(bins.values())
    lines = [f"  frames: {frames['least']} to {frames['most']}, mean {frames['mean']}, median {frames['median']:g}"]
    for span, count in bins.items():
        lines.append(f"  {span:>9} {'#' * round(count / most * _BAR):<{_BAR}} {count}")
    return lines


def run(argv: Sequence[str] | None = None) -> int:
    """Do what the command line says; 1 when something is wrong with the clips.

    Raises:
        InputError: the command line is not usable, or there are no clips to be read.
    """
    parser = Parser(
        "verify.py", description="Count clips, look at every one, and add up a checksum.", allow_abbrev=False
    )
    about = "a folder of clips (compact, dense or NW-UCLA's), or a .npy, .npz or .pkl file"
    parser.add_argument("source", metavar="DIR_OR_FILE", help=about)
    parser.add_flag("--label-path", metavar="FILE", help="of a .npy file (default: {train,val}_label.pkl beside it)")
    parser.add_flag(
        "--dataset",
        choices=(*data_sets(), "none"),
        metavar="NAME",
        help="compare with its published counts; ntu60-xsub and the like for files of one protocol, none for no "
        f"comparison (default: what a compact store says of itself); one of {', '.join(data_sets())}",
    )
    parser.add_flag("--json", action="store_true", help="print the report as JSON")
    given = parser.parse_strictly(argv)
    whole = open_whole(given.source, given.label_path)
    report = verify(whole, given.dataset or whole.about.get("dataset"))
    print(json.dumps(report, indent=2) if given.json else text_of(report))
    return 1 if report["problems"] else 0


if __name__ == "__main__":
    sys.exit(exit_code(run))
