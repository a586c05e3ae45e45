"""The page in a browser: nothing complains, nothing is asked for, what can be pointed at, pressed or read works."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from selenium.common.exceptions import NoAlertPresentException
from selenium.webdriver import ActionChains, Keys
from selenium.webdriver.common.actions.action_builder import ActionBuilder
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import Select, WebDriverWait

import main
from data_gen.demo_people import NAMES
from engine.report.__main__ import main as report
from engine.report.gather import gather
from engine.report.results import judge_runs

pytestmark = pytest.mark.browser

SCROLL = "arguments[0].scrollIntoView({behavior: 'instant', block: 'center'})"
CELL = """
const matrix = document.getElementById('matrix'), {xaxis, yaxis} = matrix._fullLayout;
const y = yaxis._offset + yaxis.l2p(arguments[1]);
scrollBy({top: matrix.getBoundingClientRect().top + y - innerHeight / 2, behavior: 'instant'});
const {left, top} = matrix.getBoundingClientRect();
return [left + xaxis._offset + xaxis.l2p(arguments[0]), top + y];
"""


@pytest.fixture
def opened(browser: Any, made_page: Path) -> Any:
    """The made page, just opened, its matrix drawn; the logs are empty."""
    return _open(browser, made_page)


def test_a_page_is_complained_about_by_nobody_and_asks_for_nothing(opened: Any) -> None:
    _is_seen_whole(opened, ("matrix", "bars", "curve-loss", "curve-top1", "graph"))
    _stands_alone(opened)


def test_the_page_may_not_ask_even_if_it_wanted_to(opened: Any) -> None:
    asked = "const done = arguments[0]; fetch('https://example.org/').then(() => done('sent'), () => done('refused'))"
    assert opened.execute_async_script(asked) == "refused"
    assert any("Content Security Policy" in entry["message"] for entry in opened.get_log("browser"))


def test_a_cell_tells_its_names_and_counts(opened: Any, two_runs: list[Path], words: list[str]) -> None:
    confusion = judge_runs(gather([str(run) for run in two_runs])).confusion
    Select(opened.find_element(By.ID, "matrix-order")).select_by_value("number")
    for truth, guess in ((0, 0), (2, 0), (5, 3)):
        _cell_tells(opened, confusion, words, truth, guess)


def test_arrow_keys_walk_over_the_cells(opened: Any, words: list[str]) -> None:
    Select(opened.find_element(By.ID, "matrix-order")).select_by_value("number")
    matrix, cell = opened.find_element(By.ID, "matrix"), opened.find_element(By.ID, "matrix-cell")
    matrix.send_keys(Keys.ARROW_DOWN)
    assert cell.text.startswith(words[0])
    matrix.send_keys(Keys.ARROW_DOWN, Keys.ARROW_DOWN, Keys.ARROW_RIGHT)
    assert cell.text.startswith(f"{words[2]}, taken for {words[1]}: ")


@pytest.mark.parametrize("order", ["number", "name", "accuracy"])
def test_the_matrix_is_sorted(opened: Any, two_runs: list[Path], words: list[str], order: str) -> None:
    _is_sorted(opened, judge_runs(gather([str(run) for run in two_runs])).confusion, words, order)


def test_an_animation_plays_and_stops(opened: Any) -> None:
    _plays_and_stops(opened)


def test_keys_turn_and_play_an_animation(opened: Any) -> None:
    canvas = opened.find_element(By.CSS_SELECTOR, ".pair canvas")
    opened.execute_script(SCROLL, canvas)
    before = _first_picture(opened, canvas)
    canvas.send_keys(Keys.ARROW_RIGHT)
    turned = _picture(opened, canvas)
    assert turned != before
    opened.find_element(By.XPATH, "//button[text()='Front view']").click()
    assert _picture(opened, canvas) == before
    canvas.send_keys(Keys.SPACE)
    _until(opened, lambda: _picture(opened, canvas) != before)
    canvas.send_keys(Keys.SPACE)


def test_a_name_is_a_name(opened: Any, words: list[str]) -> None:
    with pytest.raises(NoAlertPresentException):
        _ = opened.switch_to.alert.text
    assert opened.find_elements(By.CSS_SELECTOR, "main script, main b, nav script") == []
    assert len(opened.find_elements(By.TAG_NAME, "script")) == 3
    opened.execute_script(SCROLL, opened.find_element(By.ID, "bars"))
    _until(opened, lambda: opened.find_elements(By.CSS_SELECTOR, "#bars .ytick text"))
    shown = [text.text for text in opened.find_elements(By.CSS_SELECTOR, "#bars .ytick text")]
    assert sorted(shown) == sorted(words)


def test_tab_reaches_every_control_and_shows_where_it_is(opened: Any) -> None:
    opened.execute_script("document.querySelectorAll('details').forEach((part) => (part.open = true))")
    wanted = set(opened.execute_script(
        "return [...document.querySelectorAll('a[href], button, select, input, canvas, summary, [tabindex=\"0\"]')]"
        ".map((control, number) => (control.dataset.number = number, String(number)))"
    ))  # fmt: skip
    reached = set()
    here = "const at = document.activeElement; return [at.dataset.number ?? null, getComputedStyle(at).outlineStyle]"
    for _ in range(len(wanted) + 5):
        ActionChains(opened, 0).send_keys(Keys.TAB).perform()
        number, outline = opened.execute_script(here)
        if number is not None:
            reached.add(number)
            assert outline != "none", number
    assert wanted - reached == set()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_page_is_as_light_as_the_reader_likes(browser: Any, made_page: Path, theme: str) -> None:
    opened = _open(browser, made_page, theme)
    other = {"light": "dark", "dark": "light"}[theme]
    first = _look(opened)
    assert first[0] == theme and (_brightness(first[1]) > 0.5) is (theme == "light")
    opened.find_element(By.ID, "theme").click()
    second = _look(opened)
    assert second[0] == other and (_brightness(second[1]) > 0.5) is (theme == "dark")
    assert first[2] != second[2], "the charts change too"
    opened.refresh()
    assert _look(opened)[0] == other, "and it is remembered"


def test_paper_is_light(browser: Any, made_page: Path) -> None:
    opened = _open(browser, made_page, "dark")
    look = "document.documentElement.dataset.theme"
    opened.execute_script(f"addEventListener('beforeprint', () => (window.printed = {look}))")
    opened.execute_cdp_cmd("Page.printToPDF", {"printBackground": True})
    assert opened.execute_script(f"return [window.printed, {look}]") == ["light", "dark"]
    assert opened.find_elements(By.CSS_SELECTOR, "#bars .main-svg"), "what is further down is drawn for it too"


def test_a_narrow_screen_is_wide_enough(browser: Any, made_page: Path) -> None:
    phone = {"width": 360, "height": 800, "deviceScaleFactor": 1, "mobile": True}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", phone)
    try:
        opened = _open(browser, made_page)
        assert opened.execute_script("return document.documentElement.scrollWidth") <= 360
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


@pytest.mark.realdata
def test_a_page_about_recordings(browser: Any, skeleton_data: Path, tmp_path: Path) -> None:
    data = skeleton_data / "utd-mhad" / "utd_mhad.pkl"
    settings = [
        "--config",
        "config/utd-mhad/mstgcn.yaml",
        "--model-args",
        "widths=[8,16,16]",
        "--num-epoch",
        "1",
        "--debug",
    ]
    paths = [word for part in ("train", "test") for word in (f"--{part}-feeder-args", f"data_path={data}")]
    assert main.main([*settings, *paths, "--work-dir", str(tmp_path / "run"), "--device", "cpu"]) == 0
    page = tmp_path / "page.html"
    assert report([str(tmp_path / "run"), "--class-names", "utd-mhad", "--out", str(page)]) == 0
    assert page.stat().st_size < 15e6
    opened = _open(browser, page)
    _plays_and_stops(opened)
    opened.execute_script(SCROLL, opened.find_element(By.ID, "saliency-body"))
    circles = _until(opened, lambda: opened.find_elements(By.CSS_SELECTOR, "#saliency-body circle"))
    assert len(circles) == 20
    _stands_alone(opened)


def test_the_page_that_the_demo_ends_with(browser: Any, demo: Path) -> None:
    page = demo / "msg3d_report/index.html"
    assert page.stat().st_size < 15e6
    confusion = judge_runs(gather([str(demo / f"msg3d_{stream}/test") for stream in ("joint", "bone")])).confusion
    opened = _open(browser, page)
    for order in ("name", "accuracy", "number"):
        _is_sorted(opened, confusion, NAMES, order)
    _cell_tells(opened, confusion, NAMES, *np.unravel_index(confusion.argmax(), confusion.shape))
    _plays_and_stops(opened)
    _is_seen_whole(opened, ("matrix", "bars", "graph"))
    _stands_alone(opened)


def _open(browser: Any, page: Path, theme: str = "light") -> Any:
    scheme = [{"name": "prefers-color-scheme", "value": theme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": scheme})
    browser.get(page.as_uri())
    browser.execute_script("localStorage.clear()")
    for log in ("browser", "performance"):
        browser.get_log(log)
    browser.refresh()
    _until(browser, lambda: browser.find_elements(By.CSS_SELECTOR, "#matrix .ytick text"))
    return browser


def _is_seen_whole(opened: Any, charts: Sequence[str]) -> None:
    for section in opened.find_elements(By.TAG_NAME, "section"):
        opened.execute_script(SCROLL, section)
        time.sleep(0.1)
    _until(opened, lambda: opened.find_elements(By.CSS_SELECTOR, "#saliency-body circle"))
    for place in charts:
        _until(opened, lambda place=place: opened.find_elements(By.CSS_SELECTOR, f"#{place} .main-svg"))


def _stands_alone(opened: Any) -> None:
    assert [entry for entry in opened.get_log("browser") if entry["level"] == "SEVERE"] == []
    assert _outside(opened) == []


def _cell_tells(opened: Any, confusion: np.ndarray, names: Sequence[str], truth: int, guess: int) -> None:
    """The pointer over a cell, while classes are in the order of their numbers."""
    pointer = ActionBuilder(opened, duration=50)
    pointer.pointer_action.move_to_location(*map(round, opened.execute_script(CELL, int(guess), int(truth))))
    pointer.perform()
    verb = ", recognised: " if truth == guess else f", taken for {names[guess]}: "
    wanted = f"{names[truth]}{verb}{confusion[truth, guess]} of {confusion[truth].sum()} clips"
    _until(opened, lambda: wanted in opened.find_element(By.ID, "tip").text)
    assert opened.find_element(By.ID, "matrix-cell").text == opened.find_element(By.ID, "tip").text


def _is_sorted(opened: Any, confusion: np.ndarray, names: Sequence[str], order: str) -> None:
    labels = range(len(names))
    rows = {
        "number": list(labels),
        "name": sorted(labels, key=lambda label: names[label].casefold()),
        "accuracy": sorted(labels, key=lambda label: confusion[label, label] / confusion[label].sum()),
    }[order]
    Select(opened.find_element(By.ID, "matrix-order")).select_by_value(order)
    shown = [text.text for text in opened.find_elements(By.CSS_SELECTOR, "#matrix .ytick text")]
    assert sorted(shown) == sorted(_short(name) for name in names)
    heights = [text.location["y"] for text in opened.find_elements(By.CSS_SELECTOR, "#matrix .ytick text")]
    assert [name for _, name in sorted(zip(heights, shown, strict=True))] == [_short(names[row]) for row in rows]


def _plays_and_stops(opened: Any) -> None:
    card = opened.find_element(By.CSS_SELECTOR, ".pair")
    opened.execute_script(SCROLL, card)
    canvas, button = card.find_element(By.TAG_NAME, "canvas"), card.find_element(By.TAG_NAME, "button")
    still = _first_picture(opened, canvas)
    assert still == _picture(opened, canvas)
    button.click()
    assert button.text == "Pause"
    _until(opened, lambda: _picture(opened, canvas) != still)
    button.click()
    assert button.text == "Play"
    stopped = _picture(opened, canvas)
    time.sleep(0.3)
    assert _picture(opened, canvas) == stopped


def _until(browser: Any, found: Callable[[], Any]) -> Any:
    return WebDriverWait(browser, 8, poll_frequency=0.05).until(lambda _: found())


def _picture(opened: Any, canvas: Any) -> str:
    return str(opened.execute_script("return arguments[0].toDataURL()", canvas))


def _first_picture(opened: Any, canvas: Any) -> str:
    """The canvas once a figure stands on it, which is when it has come near."""
    marked = "return arguments[0].getContext('2d').getImageData(0, 0, 2000, 2000).data.some((value) => value > 0)"
    _until(opened, lambda: opened.execute_script(marked, canvas))
    return _picture(opened, canvas)


def _look(opened: Any) -> list[str]:
    """Theme, colour of the page, colour of the words of a chart."""
    _until(opened, lambda: opened.find_elements(By.CSS_SELECTOR, "#matrix .ytick text"))
    found: list[str] = opened.execute_script(
        "return [document.documentElement.dataset.theme, getComputedStyle(document.body).backgroundColor,"
        "getComputedStyle(document.querySelector('#matrix .ytick text')).fill]"
    )
    return found


def _brightness(color: str) -> float:
    return sum(map(int, color.removeprefix("rgb(").removesuffix(")").split(","))) / (3 * 255)


def _outside(opened: Any) -> list[str]:
    """What was asked for that is neither the page nor in it."""
    messages = [json.loads(entry["message"])["message"] for entry in opened.get_log("performance")]
    asked = [m["params"]["request"]["url"] for m in messages if m["method"] == "Network.requestWillBeSent"]
    assert any(url.startswith("file:") for url in asked)
    return [url for url in asked if not url.startswith(("file:", "data:", "blob:"))]


def _short(name: str, most: int = 24) -> str:
    return name if len(name) <= most else name[: most - 1] + "…"
