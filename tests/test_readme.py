"""Every command that the documents print is one that the programs understand."""

from __future__ import annotations

import importlib
import re
import shlex
import subprocess
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch.distributed.run

from command_line import Parser
from engine import flags
from engine.scoring.command import parser as ensemble_parser

ROOT = Path(__file__).parent.parent
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
SETTINGS = r"(?:[A-Z_]+=\S+ )*"  # of the environment, in front of a command
COMMAND = re.compile(rf"^(?:\$ )?{SETTINGS}((?:python3? |make |bash |sh |torchrun |srun ).*)$")


def commands() -> list[tuple[str, str]]:
    """(document, command) for every line of a fenced block that is one, continued lines joined."""
    found = []
    for path in DOCUMENTS:
        for block in re.findall(r"```(?:sh|shell|bash)?\n(.*?)```", path.read_text(encoding="utf-8"), re.DOTALL):
            for line in block.replace("\\\n", " ").splitlines():
                if match := COMMAND.match(line.strip()):
                    found.append((str(path.relative_to(ROOT)), match[1]))
    return found


def rows_from_elsewhere() -> list[tuple[str, str]]:
    """(there, here) for every row of README's table of other repositories' commands; headings between them left out."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    _, found, rest = text.partition("| there | here |\n|---|---|\n")
    assert found
    rows = [tuple(line.strip("| ").split(" | ")) for line in rest.partition("\n\n")[0].splitlines()]
    return [(row[0], row[1]) for row in rows if len(row) == 2]


def counterparts() -> list[tuple[str, str]]:
    """Commands of this repository in the right column, and in the tables of docs/distributed.md."""
    cells = [("README.md", here) for _, here in rows_from_elsewhere()]
    lines = (ROOT / "docs" / "distributed.md").read_text(encoding="utf-8").splitlines()
    cells += [("docs/distributed.md", line) for line in lines if line.startswith("|")]
    spans = [(document, COMMAND.match(span)) for document, cell in cells for span in re.findall(r"`([^`]+)`", cell)]
    return list(dict.fromkeys((document, match[1]) for document, match in spans if match))


class StoppedError(Exception):
    """Raised in place of doing what a command line says."""


def parse_only(module: str, words: Sequence[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Have a preparation read its command line, values included, and stop."""
    parse_strictly = Parser.parse_strictly

    def stop(parser: Parser, argv: Sequence[str] | None) -> Any:
        parse_strictly(parser, argv)
        raise StoppedError

    monkeypatch.setattr(Parser, "parse_strictly", stop)
    with pytest.raises(StoppedError):
        importlib.import_module(module).run(words)


def started(program: str, words: Sequence[str]) -> None:
    """Have the arguments of what starts processes read, and those of main.py behind them."""
    if program == "srun":
        program, words = "torchrun", words[words.index("main.py") :]
    given = torch.distributed.run.get_args_parser().parse_args(words[2:] if words[0] == "-m" else words)
    assert given.training_script == "main.py"
    flags.parse(given.training_script_args)


def wrapped(script: str, words: Sequence[str]) -> None:
    """Have the arguments of a script of this repository read."""
    assert (ROOT / script).is_file()
    if script == "docs/utd_mhad.sh":
        assert len(words) == 2
        return
    if script == "run.sh":
        gpus, count, port, pause = words[:4]
        assert (len(gpus.split(",")), port.isdecimal(), pause.isdecimal()) == (int(count), True, True)
        flags.parse(words[4:])
    elif script == "tools/dist_train.sh":
        assert int(words[1]) > 0
        flags.parse(["--config", words[0], *words[2:]])
    else:
        assert int(words[2]) > 0
        flags.parse(["--config", words[0], "--weights", words[1], "--phase", "test", *words[3:]])


@cache
def help_of(module: str) -> str:
    """What ``python3 -m module --help`` prints."""
    done = subprocess.run(
        [sys.executable, "-m", module, "--help"], cwd=ROOT, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_there_are_commands_to_check() -> None:
    printed = [command for _, command in commands()]
    assert "make demo" in " ".join(printed)
    assert sum(command.startswith("python3 main.py") for command in printed) >= 3


def test_every_row_from_elsewhere_has_a_counterpart_or_says_that_it_has_none() -> None:
    rows = rows_from_elsewhere()
    assert len(rows) >= 30
    with_command = {here for _, here in rows if any(COMMAND.match(span) for span in re.findall(r"`([^`]+)`", here))}
    assert [row for row in rows if row[1] not in with_command and "not needed" not in row[1]] == []


@pytest.mark.parametrize(("document", "command"), [*commands(), *counterparts()])
def test_command_is_understood(document: str, command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    program, *words = shlex.split(command, comments=True)
    if program == "make":
        targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
        assert words[0] in targets
    elif words[0] == "main.py":
        flags.parse(words[1:])
    elif program in ("torchrun", "srun") or words[:2] == ["-m", "torch.distributed.launch"]:
        started(program, words)
    elif words[0] in ("tools/dist_train.sh", "tools/dist_test.sh", "run.sh", "docs/utd_mhad.sh"):
        wrapped(words[0], words[1:])
    elif words[0] == "ensemble.py":
        ensemble_parser().parse_strictly(words[1:])
    elif words[0] == "-m" and words[1].startswith("data_gen."):
        parse_only(words[1], words[2:], monkeypatch)
    elif words[0] == "-m" or words[0] == "eval_pretrained.sh":
        module = "engine.eval_pretrained" if words[0] == "eval_pretrained.sh" else words[1]
        offered = help_of(module)
        for flag in (word for word in words if word.startswith("--")):
            assert flag in re.findall(r"--[a-z-]+", offered), f"{document}: {module} has no {flag}"
    else:
        pytest.fail(f"{document}: nothing here knows how to check {command!r}")
