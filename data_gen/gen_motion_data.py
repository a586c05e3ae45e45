"""Motions of joints and bones: ``python3 -m data_gen.gen_motion_data --dataset ntu``."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from command_line import exit_code
from data_gen.derived import write_derived


def run(argv: Sequence[str] | None = None) -> int:
    """Do what the command line says.

    Raises:
        InputError: it, or a file of joints, is not usable.
    """
    return write_derived(argv, ("joint_motion", "bone_motion"), "Write the motions of joints and of bones.")


if __name__ == "__main__":
    sys.exit(exit_code(run))
