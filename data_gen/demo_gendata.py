"""``python3 -m data_gen.demo_gendata``: recordings that the repository makes itself, as NTU RGB+D ``.skeleton`` files.

Jointed bodies (``demo_body``) of different people (``demo_people``) do sixteen actions (``demo_actions``), two of them
in pairs; three depth cameras see each performance at once, with their errors (``demo_camera``), and write it down as
the sensor of NTU RGB+D does (``demo_record``). Subjects have the numbers by which NTU RGB+D splits its own, so what
prepares that data set prepares this one. A performance is a pure function of (seed, subject, repeat, action).
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from tqdm import tqdm

from clips.files import atomic_write
from command_line import Parser, exit_code
from data_gen.demo_camera import SETUPS, Recording, record, rig
from data_gen.demo_people import NAMES, draw_subject, perform
from data_gen.demo_record import skeleton_text
from errors import InputError

OUT = Path(__file__).resolve().parent.parent / "data" / "demo" / "nturgb+d_skeletons"
TRAIN_SUBJECTS = (1, 2, 4, 5, 8, 9, 13, 14, 15, 16, 17, 18)  # of the 20 that NTU RGB+D trains on
TEST_SUBJECTS = (3, 6, 7, 10, 11, 12, 20, 21)  # of the other 20
MAX_SUBJECT, MAX_REPEAT = 40, 99


def setup_of(subject: int) -> int:
    """The setup in which ``subject`` is recorded."""
    return 1 + subject % len(SETUPS)


def file_name(subject: int, repeat: int, action: int, camera: int) -> str:
    """SsssCcccPpppRrrrAaaa.skeleton; actions count from 1."""
    return f"S{setup_of(subject):03d}C{camera:03d}P{subject:03d}R{repeat:03d}A{action:03d}.skeleton"


def make(seed: int, subject: int, repeat: int, action: int) -> dict[int, Recording]:
    """One performance as each camera records it."""
    rng = np.random.default_rng((seed, subject, repeat, action))
    people = draw_subject(seed, subject), draw_subject(seed, subject, 1)  # a helper, who is nobody's subject
    bodies = perform(NAMES[action - 1], *people, rng)
    return {number: record(bodies, camera, rng) for number, camera in rig(setup_of(subject)).items()}


def write(out: Path, seed: int, subjects: Sequence[int], repeats: int) -> list[Path]:
    """Write every recording of ``subjects``; each file appears whole or not at all. Returns their paths."""
    performances = [
        (subject, repeat, action)
        for subject in subjects
        for repeat in range(1, repeats + 1)
        for action in range(1, len(NAMES) + 1)
    ]
    paths = []
    for performance in tqdm(performances, unit="performance"):
        for camera, recording in make(seed, *performance).items():
            paths.append(out / file_name(*performance, camera))
            with atomic_write(paths[-1]) as file:
                file.write(skeleton_text(recording).encode("ascii"))
    return paths


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """The command line; numbers that name no recordings are refused."""
    parser = Parser("demo_gendata.py", description="Make recordings of NTU RGB+D's form.", allow_abbrev=False)
    parser.add_argument(
        "--out",
        type=Path,
        default=OUT,
        help="folder to write to; made if missing (default: data/demo/nturgb+d_skeletons)",
    )
    parser.add_argument("--seed", type=int, default=1, help="the same seed gives the same bytes (default: 1)")
    parser.add_argument(
        "--subjects",
        type=int,
        nargs="+",
        default=sorted(TRAIN_SUBJECTS + TEST_SUBJECTS),
        help="numbers of the people to record (default: %(default)s)",
    )
    parser.add_argument("--repeats", type=int, default=1, help="how often each does each action (default: 1)")
    args = parser.parse_strictly(argv)
    for key, numbers, least, most in (
        ("seed", [args.seed], 0, None),
        ("subjects", args.subjects, 1, MAX_SUBJECT),
        ("repeats", [args.repeats], 1, MAX_REPEAT),
    ):
        for number in numbers:
            if number < least or (most is not None and number > most):
                wanted = f"{least} or more" if most is None else f"{least} to {most}"
                raise InputError(f"--{key} is {number}, wanted {wanted}")
    args.subjects = sorted(set(args.subjects))
    return args


def run(argv: Sequence[str] | None = None) -> int:
    """Do what the command line says.

    Raises:
        InputError: it is not usable, or the folder cannot be written to.
    """
    args = parse(argv)
    try:
        paths = write(args.out, args.seed, args.subjects, args.repeats)
    except OSError as error:
        raise InputError(f"--out {args.out}: {error}") from error
    size = sum(path.stat().st_size for path in paths) / 1e6
    print(f"{args.out}: {len(paths)} recordings ({size:.1f} MB) of {len(NAMES)} actions by {len(args.subjects)} people")
    others = len(set(args.out.glob("*.skeleton")) - set(paths))
    if others:
        print(f"{args.out}: {others} other .skeleton files were there before and stay")
    return 0


if __name__ == "__main__":
    sys.exit(exit_code(run))
