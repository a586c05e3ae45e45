"""Prepare NTU RGB+D 60: ``python3 -m data_gen.ntu_gendata``, or ``cd data_gen && python3 ntu_gendata.py``."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from command_line import Parser, exit_code
from data_gen.ntu import CROSS_SUBJECT, CROSS_VIEW, NUM_CLASSES_60, add_ntu_flags, list_recordings, prepare_ntu
from data_gen.prepare import ROOT

_RAW = "data/nturgbd_raw/nturgb+d_skeletons"
_PROTOCOLS = {"xsub": CROSS_SUBJECT, "xview": CROSS_VIEW}


def run(argv: Sequence[str] | None = None) -> int:
    """Do what the command line says.

    Raises:
        InputError: it, or a folder it names, is not usable.
    """
    parser = Parser("ntu_gendata.py", description="Prepare the clips of NTU RGB+D 60.", allow_abbrev=False)
    about = f"its .skeleton files (default: {_RAW} in the repository)"
    parser.add_flag("--data-path", default=str(ROOT / _RAW), metavar="DIR", help=about)
    add_ntu_flags(parser, "data/ntu")
    given = parser.parse_strictly(argv)
    samples = list_recordings(given.data_path, "", _PROTOCOLS)
    mine = [sample for sample in samples if sample.label < NUM_CLASSES_60]
    if len(mine) < len(samples):
        print(f"{len(samples) - len(mine)} recordings are of NTU RGB+D 120 only and stay out")
    return prepare_ntu(mine, _PROTOCOLS, given, "ntu60")


if __name__ == "__main__":
    sys.exit(exit_code(run))
