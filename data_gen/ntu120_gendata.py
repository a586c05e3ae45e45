"""Prepare NTU RGB+D 120: ``python3 -m data_gen.ntu120_gendata``, or ``cd data_gen && python3 ntu120_gendata.py``."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from command_line import Parser, exit_code
from data_gen.ntu import CROSS_SETUP, CROSS_SUBJECT, add_ntu_flags, list_recordings, prepare_ntu
from data_gen.prepare import ROOT

# The published label files name samples by path: these texts, seen from data_gen/, are part of the names.
_RAW = ("../data/nturgbd_raw/nturgb+d_skeletons/", "../data/nturgbd_raw/nturgb+d_skeletons120/")
_PROTOCOLS = {"xsub": CROSS_SUBJECT, "xset": CROSS_SETUP}


def run(argv: Sequence[str] | None = None) -> int:
    """Do what the command line says.

    Raises:
        InputError: it, or a folder it names, is not usable.
    """
    parser = Parser("ntu120_gendata.py", description="Prepare the clips of NTU RGB+D 120.", allow_abbrev=False)
    for part, default in enumerate(_RAW, 1):
        about = f"its .skeleton files, part {part} (default: {default.removeprefix('../')} in the repository)"
        parser.add_flag(f"--part{part}-path", metavar="DIR", help=about)
    add_ntu_flags(parser, "data/ntu120")
    given = parser.parse_strictly(argv)
    samples = []
    for text in sorted({given.part1_path or _RAW[0], given.part2_path or _RAW[1]}):  # one folder may hold both parts
        folder = ROOT / "data_gen" / text if text in _RAW else Path(text)
        samples += list_recordings(folder, os.path.join(text, ""), _PROTOCOLS)
    return prepare_ntu(samples, _PROTOCOLS, given, "ntu120")


if __name__ == "__main__":
    sys.exit(exit_code(run))
