"""Bodies without noise, step 2 of 3: ``python3 -m data_gen.get_raw_denoised_data --dataset ntu``."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from command_line import exit_code
from data_gen.sgn import announce


def run(argv: Sequence[str] | None = None) -> int:
    """Do what the command line says.

    Raises:
        InputError: it, or a folder it names, is not usable.
    """
    return announce("get_raw_denoised_data", argv)


if __name__ == "__main__":
    sys.exit(exit_code(run))
