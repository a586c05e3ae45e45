"""A stream and its motion in one file of 6 channels: ``python3 -m data_gen.merge_joint_motion_data``."""

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
    return write_derived(argv, ("joint_jm", "bone_jm"), "Write joints, and bones, with their motions.")


if __name__ == "__main__":
    sys.exit(exit_code(run))
