"""The page as text: nothing in it is more than it should be."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.report import page
from engine.report.page import as_json, as_script, plotting_library, write_page
from errors import InputError

TEXTS = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.text()),
    lambda inner: st.one_of(st.lists(inner), st.dictionaries(st.text(), inner)),
)


@given(TEXTS)
def test_json_says_the_same_and_has_no_markup(content: Any) -> None:
    text = as_json(content)
    assert json.loads(text) == content
    assert not re.search("[<>&\u2028\u2029]", text)


def test_what_is_no_number_is_null() -> None:
    assert as_json({"a": [float("nan"), 1.5, float("inf")]}) == '{"a":[null,1.5,null]}'


def test_a_script_cannot_end_its_element() -> None:
    assert "</script" not in as_script("x = '</script>'") and "<!--" not in as_script("'<!--'")


def test_every_name_is_escaped(made_page: Path, words: list[str]) -> None:
    text = made_page.read_text(encoding="utf-8")
    outside = re.sub(r"(?s)<script.*?</script>", "", text)
    assert "alert(1)" in outside, "a name of a class that is confused"
    assert "<script" not in outside and "<b>stay" not in text
    assert text.count("<script") - text.count("'<script") >= 3
    found = re.search(r'(?s)<script type="application/json" id="data">(.*?)</script>', text)
    assert found is not None and json.loads(found[1])["classes"] == words


def test_the_page_is_one_file_that_names_no_other(made_page: Path) -> None:
    text = made_page.read_text(encoding="utf-8")
    outside = re.sub(r"(?s)<script.*?</script>", "", text)
    assert re.findall(r'(?:src|href)="(?!#|data:)[^"]*"', outside) == [] and "@import" not in outside
    assert "default-src 'none'" in outside
    assert made_page.stat().st_size < 15e6
    assert [path.name for path in made_page.parent.iterdir()] == ["index.html"]


def test_without_plotly_a_sentence_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"not installed: pip install 'skeleton-action\[report\]'"):
        plotting_library()


def test_a_page_that_is_too_large_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="the page would take 21 MB, more than 15"):
        write_page(tmp_path / "x.html", "x", [], "", {"much": "x" * 16_000_000})
    assert list(tmp_path.iterdir()) == []
