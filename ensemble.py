"""Fuse streams: ``python3 ensemble.py --dataset ntu120/xsub --joint-dir DIR --bone-dir DIR`` or ``--scores A B``."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from command_line import exit_code
from engine.scoring.command import fuse_from_command_line


def main(argv: Sequence[str] | None = None) -> int:
    """Do what the command line says; the exit code is 2 when it, or a file it names, is not usable."""
    return exit_code(fuse_from_command_line, argv)


if __name__ == "__main__":
    sys.exit(main())
