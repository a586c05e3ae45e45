"""Train or test a network: ``python3 main.py --config config/nturgbd-cross-subject/train_joint.yaml``."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from command_line import exit_code
from engine.flags import parse


def main(argv: Sequence[str] | None = None) -> int:
    """Do what the command line says; the exit code is 2 when it, or a file it names, is not usable."""
    return exit_code(_train_or_test, argv)


def _train_or_test(argv: Sequence[str] | None) -> int:
    config, origin = parse(argv)
    if config.describe:
        from engine.describe import describe

        print(describe(config))
        return 0
    from engine.run import run  # only now: it imports torch, which --help and mistyped flags do without

    run(config, origin)
    return 0


if __name__ == "__main__":
    sys.exit(main())
