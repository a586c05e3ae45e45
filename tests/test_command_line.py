from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from command_line import Parser, exit_code, whole_number
from errors import InputError


@pytest.fixture
def parser() -> Parser:
    parser = Parser("x.py", allow_abbrev=False)
    parser.add_flag("--data-path", default="here")
    parser.add_flag("--n-cores", type=whole_number(1), default=1)
    parser.add_flag("--seed", type=int)
    return parser


@pytest.mark.parametrize("flag", ["--data-path", "--data_path"])
def test_a_flag_has_two_spellings(parser: Parser, flag: str) -> None:
    assert parser.parse_strictly([flag, "there"]).data_path == "there"
    assert parser.parse_strictly([f"{flag}=there"]).data_path == "there"


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--data-pth", "x"], "unknown argument '--data-pth'; did you mean '--data-path'"),
        (["--data-path"], "argument --data-path/--data_path: expected one argument"),
        (["--n-cores", "-1"], "argument --n-cores/--n_cores: "),
        (["--n-cores", "two"], "wanted a whole number of at least 1, got 'two'"),
    ],
)
def test_what_is_wrong_is_one_sentence(parser: Parser, argv: list[str], message: str) -> None:
    with pytest.raises(InputError) as caught:
        parser.parse_strictly(argv)
    assert message in str(caught.value)


def test_the_exit_code_of_bad_input_is_2(capsys: pytest.CaptureFixture[str]) -> None:
    def refuse(argv: object) -> int:
        raise InputError("data/x: no such file")

    assert exit_code(refuse) == 2
    assert capsys.readouterr().err == "error: data/x: no such file\n"
    assert exit_code(lambda argv: len(argv or ()), ["a"]) == 1


WRITER = """
import sys
from command_line import exit_code
sys.exit(exit_code(lambda argv: [print(n) for n in range(10**6)][0] or 0))
"""


def test_whoever_reads_the_output_may_go() -> None:
    words = f"{shlex.quote(sys.executable)} -c {shlex.quote(WRITER)} | head -1; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(
        ["bash", "-c", words], cwd=Path(__file__).parents[1], capture_output=True, text=True, check=True, timeout=60
    )
    assert (done.stdout, done.stderr) == ("0\n141\n", "")
