"""The page itself: text, data, styles and scripts in one file that needs nothing else and asks nothing of anybody."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from html import escape
from importlib import resources
from importlib.util import find_spec
from pathlib import Path
from string import Template
from typing import Any

from clips.files import write_text
from errors import InputError

SCRIPTS = ("core.js", "charts.js", "matrix.js", "player.js", "body.js", "start.js")
MOST_BYTES = 15_000_000


def plotting_library() -> str:
    """The text of plotly.js, which the Python package plotly carries.

    Raises:
        InputError: it is not installed.
    """
    found = find_spec("plotly")
    places = [
        Path(place) / "package_data" / "plotly.min.js" for place in (found and found.submodule_search_locations) or ()
    ]
    for path in places:
        if path.is_file():
            return path.read_text(encoding="utf-8")
    raise InputError("a report draws with plotly, which is not installed: pip install 'skeleton-action[report]'")


def as_json(content: Any) -> str:
    """JSON that may stand in a ``<script>``: nothing in it can end the element, and what is no number is null."""
    text = json.dumps(_finite(content), ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def as_script(text: str) -> str:
    """A script that may stand in a ``<script>``."""
    return text.replace("</script", "<\\/script").replace("<!--", "<\\!--")


def write_page(
    path: Path, title: str, sections: Sequence[tuple[str, str, str]], head: str, data: Mapping[str, Any]
) -> int:
    """Write the page, whole or not at all, and return its size in bytes.

    Args:
        path: the file.
        title: of the page, plain text.
        sections: id, title (plain text) and HTML of every section.
        head: HTML above them.
        data: what the scripts draw from.

    Raises:
        InputError: plotly is missing, or the page is larger than ``MOST_BYTES``.
    """
    plotly = plotting_library()
    own = resources.files("engine.report")
    text = Template((own / "page.html").read_text(encoding="utf-8")).substitute(
        title=escape(title),
        style=(own / "page.css").read_text(encoding="utf-8"),
        contents="".join(f'<li><a href="#{name}">{escape(words)}</a></li>' for name, words, _ in sections),
        head=head,
        sections="\n".join(
            f'<section id="{name}" aria-labelledby="{name}-title"><h2 id="{name}-title">{escape(words)}</h2>\n'
            f"{html}\n</section>"
            for name, words, html in sections
        ),
        data=as_json(data),
        plotly=as_script(plotly),
        script=as_script("\n".join((own / name).read_text(encoding="utf-8") for name in SCRIPTS)),
    )
    size = len(text.encode())
    if size > MOST_BYTES:
        raise InputError(f"{path}: the page would take {size / 1e6:.0f} MB, more than 15: name fewer runs or --pairs")
    write_text(path, text)
    return size


def _finite(content: Any) -> Any:
    """``content`` with None for every NaN and infinity, which JSON does not have."""
    if isinstance(content, float):
        return content if math.isfinite(content) else None
    if isinstance(content, Mapping):
        return {str(key): _finite(value) for key, value in content.items()}
    if isinstance(content, (list, tuple)):
        return [_finite(value) for value in content]
    return content
