"""Train or test a network: ``python3 main.py --config config/nturgbd-cross-subject/train_joint.yaml``."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence

from command_line import exit_code
from engine.config import Config
from engine.flags import parse
from engine.stopping import EXIT_CODE, NothingLeft, Stopped, nothing_to_save


def main(argv: Sequence[str] | None = None) -> int:
    """Do what the command line says.

    The exit code is 2 when it, or a file it names, is not usable, and 75 when the run was told to stop and can go on.
    """
    return exit_code(_train_or_test, argv)


def _train_or_test(argv: Sequence[str] | None) -> int:
    config, origin = parse(argv)
    if config.describe:
        from engine.describe import describe

        print(describe(config))
        return 0
    with nothing_to_save():
        return _run(config, origin, argv)


def _run(config: Config, origin: Mapping[str, str], argv: Sequence[str] | None) -> int:
    # Only now: they import torch, which --help and mistyped flags do without.
    from engine.device import processes_wanted
    from engine.distributed import ProcessLost, StoppedTogether, World
    from engine.launch import end_with_parent, launch, launched
    from engine.run import run
    from engine.seeds import run_seeds

    world = World.of_environment()
    if world.size == 1 and processes_wanted(config.device) > 1:
        return launch(len(config.device), [__file__, *(sys.argv[1:] if argv is None else argv)])
    end_with_parent()
    try:
        run_seeds(config, origin) if config.seeds else run(config, origin)
    except NothingLeft as nothing:
        if world.main:
            print(nothing)
    except Stopped as stopped:
        if world.main:
            print(stopped, file=sys.stderr)
        return EXIT_CODE
    except StoppedTogether:
        if world.main:
            raise
        return 2
    except ProcessLost:
        if not launched():  # else launch says which, or it has said itself what is wrong
            raise
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
