"""Being told to stop: once, twice, before there is anything to save, and after everything else is done."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from engine import run, stopping
from engine.stopping import EXIT_CODE, listening

ROOT = Path(__file__).parents[2]


def test_sigterm_may_come_twice_and_ctrl_c_by_two_ways(monkeypatch: pytest.MonkeyPatch) -> None:
    """A cluster sends SIGTERM to all processes, and the one that started them hands it on."""
    with listening() as stop:
        assert not stop.asked
        for number in (signal.SIGTERM, signal.SIGTERM, signal.SIGINT, signal.SIGINT):
            signal.raise_signal(number)
        assert stop.asked
        monkeypatch.setattr(stopping, "_SAME_CTRL_C", 0.0)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)


@pytest.mark.parametrize("module", ["torch", "engine.parts"])
def test_before_training_a_stop_is_a_sentence(tiny: Any, tmp_path: Path, module: str) -> None:
    """While torch is being imported, and after it; nothing is written."""
    program = (
        "import importlib.abc, os, signal, sys, main\n"
        "class Finder(importlib.abc.MetaPathFinder):\n"
        "    def find_spec(self, name, path, target=None):\n"
        f"        if name == {module!r}: os.kill(os.getpid(), signal.SIGTERM)\n"
        "sys.meta_path.insert(0, Finder())\n"
        "sys.exit(main.main(sys.argv[1:]))\n"
    )
    argv = ["--config", str(tiny.write(tmp_path / "a.yaml")), "--work-dir", str(tmp_path / "w")]
    done = subprocess.run([sys.executable, "-c", program, *argv], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (EXIT_CODE, "")
    assert done.stderr == "stopped when there was nothing new to save\n"
    assert not (tmp_path / "w").exists()


def test_a_test_of_the_best_weights_that_breaks_off_is_made_up_for(
    tiny: Any, run_main: Any, train: Any, light: Any, tree: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = {**light, "test_best": True}
    straight = train("straight", **settings)

    def break_off(*args: Any) -> Any:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(run, "_samples", break_off)
        with pytest.raises(AssertionError):
            train("stopped", **settings)
    stopped = straight.with_name("stopped")
    flags = ["--config", stopped.with_suffix(".yaml"), "--work-dir", stopped, "--resume", "auto"]
    assert tree(stopped / "best") != tree(straight / "best")
    assert run_main(*flags).code == 0
    assert tree(stopped / "best") == tree(straight / "best")
    again = run_main(*flags)
    assert (again.code, again.out) == (0, [f"nothing left to train: 2 epochs are done, see {stopped}"])
