"""Train or test a network: ``python3 main.py --config config/nturgbd-cross-subject/train_joint.yaml``."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from engine.flags import parse
from errors import InputError


def main(argv: Sequence[str] | None = None) -> int:
    """Do what the command line says; the exit code is 2 when it, or a file it names, is not usable."""
    try:
        config, origin = parse(argv)
        from engine.run import run  # only now: it imports torch, which --help and mistyped flags do without

        run(config, origin)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
