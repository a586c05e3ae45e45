"""Work dirs to report on, and a browser to open a page in."""

from __future__ import annotations

import importlib
import os
import shlex
import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from selenium import webdriver
from selenium.webdriver.chrome.service import Service

import main
from command_line import exit_code
from engine.report.__main__ import main as report
from engine.scoring.scores import save_scores

ROOT = Path(__file__).parents[3]
SMALL = {  # what makes a demo of minutes one of seconds: flags that are added to the commands
    "data_gen.demo_gendata": ["--out", "data/demo/nturgb+d_skeletons", "--subjects", "2", "3"],
    "main.py": ["--device", "cpu", "--eval-interval", "8", "--model-args", "widths=[6, 6, 12]", "num_gcn_scales=2",
                "num_g3d_scales=1"],
}  # fmt: skip
CLASSES = [
    "<script>alert(1)</script>",
    "sit & <b>stay</b>",
    "walk",
    "a \"quoted\" 'one'",
    "jump $x$",
    "Ärger ⚠ </script>",
]


@pytest.fixture
def scored(tmp_path: Path) -> Callable[..., Path]:
    """``scored(name, labels, values)``: a folder with scores of clips ``c0``, ``c1``, ... or of the ``names`` given."""

    def make(name: str, labels: Any, values: Any, names: Sequence[str] | None = None) -> Path:
        folder = tmp_path / name
        folder.mkdir(parents=True)
        titles = names or [f"c{number}" for number in range(len(labels))]
        save_scores(folder, 1, titles, np.asarray(labels), np.asarray(values, dtype=np.float32))
        return folder

    return make


@pytest.fixture(scope="session")
def words() -> list[str]:
    """Six names of classes, some of which would like to be more than names."""
    return CLASSES


@pytest.fixture(scope="session")
def class_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of ``words``."""
    path = tmp_path_factory.mktemp("names") / "names.txt"
    path.write_text("\n".join(CLASSES) + "\n", encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def two_runs(tiny: Any, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """A joint and a bone run of two epochs on the made data set. Nobody may write to them."""
    folder = tmp_path_factory.mktemp("runs")
    config = tiny.write(folder / "tiny.yaml", log_interval=1, base_lr=0.01)
    toy = {"layout": tiny.settings["model_args"]["graph_args"]["layout"]}
    for stream in ("joint", "bone"):
        more = [f"--{part}-feeder-args" for part in ("train", "test")]
        flags = [word for flag in more for word in (flag, f"layout={toy['layout']}")]
        arguments = ["--config", config, "--stream", stream, "--work-dir", folder / stream, *flags]
        assert main.main([str(word) for word in arguments]) == 0
    return [folder / "joint", folder / "bone"]


@pytest.fixture(scope="session")
def made_page(two_runs: list[Path], class_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page about both, with the six names."""
    out = tmp_path_factory.mktemp("page")
    assert report([*map(str, two_runs), "--class-names", str(class_file), "--out", str(out)]) == 0
    return out / "index.html"


def demo_commands() -> list[list[str]]:
    """The words of every command that ``make demo`` gives Python."""
    asked = ["make", "--no-print-directory", "-n", "-o", "setup", "demo", "PY=python", "RUN=run"]
    done = subprocess.run(asked, cwd=ROOT, capture_output=True, text=True, check=True)
    lines = [shlex.split(line) for line in done.stdout.replace("\\\n", " ").splitlines()]
    assert {line[0] for line in lines} == {"python"}
    return [line[1:] for line in lines]


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What ``make demo`` leaves below work_dir, by its own commands: of two people, in narrow networks."""
    folder = tmp_path_factory.mktemp("demo")
    (folder / "config").symlink_to(ROOT / "config")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for words in demo_commands():
            program, *rest = words[1:] if words[0] == "-m" else words
            rest = [str(path) for word in rest for path in (sorted(Path().glob(word)) if "*" in word else [word])]
            name = program.removesuffix(".py")
            if (ROOT / name.replace(".", "/")).is_dir():
                name += ".__main__"
            module = importlib.import_module(name)
            rest += SMALL.get(program, [])
            code = module.main(rest) if hasattr(module, "main") else exit_code(module.run, rest)
            assert code == 0, words
    return folder / "work_dir/demo/run"


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Debian's Chromium, headless. Where there is none, its tests are skipped on a desk and fail in CI."""
    program, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if program is None or driver is None:
        missing = "no browser: apt-get install chromium chromium-driver"
        if os.environ.get("CI"):
            pytest.fail(missing)
        pytest.skip(missing)
    options = webdriver.ChromeOptions()
    options.binary_location = program
    for flag in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--window-size=1200,900"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    window = webdriver.Chrome(options=options, service=Service(driver))
    window.execute_cdp_cmd("Network.enable", {})
    window.execute_cdp_cmd("Network.setBlockedURLs", {"urls": ["http://*", "https://*", "ws://*", "wss://*"]})
    yield window
    window.quit()
