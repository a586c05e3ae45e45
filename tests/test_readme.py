"""Every command that the documents print is one that the programs understand."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from engine import flags, fusion

ROOT = Path(__file__).parent.parent
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
COMMAND = re.compile(r"^(?:\$ )?((?:python3? |make |bash ).*)$")


def commands() -> list[tuple[str, str]]:
    """(document, command) for every line of a fenced block that is one, continued lines joined."""
    found = []
    for path in DOCUMENTS:
        for block in re.findall(r"```(?:sh|shell|bash)?\n(.*?)```", path.read_text(encoding="utf-8"), re.DOTALL):
            for line in block.replace("\\\n", " ").splitlines():
                if match := COMMAND.match(line.strip()):
                    found.append((str(path.relative_to(ROOT)), match[1]))
    return found


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


@pytest.mark.parametrize(("document", "command"), commands())
def test_command_is_understood(document: str, command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    program, *words = shlex.split(command, comments=True)
    if program == "make":
        targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
        assert words[0] in targets
    elif words[0] == "main.py":
        flags.parse(words[1:])
    elif words[0] == "ensemble.py":
        fusion.parser().parse_strictly(words[1:])
    elif words[0] == "-m" or words[0] == "eval_pretrained.sh":
        module = "engine.eval_pretrained" if words[0] == "eval_pretrained.sh" else words[1]
        offered = help_of(module)
        for flag in (word for word in words if word.startswith("--")):
            assert flag in re.findall(r"--[a-z-]+", offered), f"{document}: {module} has no {flag}"
    else:
        pytest.fail(f"{document}: nothing here knows how to check {command!r}")
