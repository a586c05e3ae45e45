"""The sections of the page that are text: the headline, the table of results, the facts of every run."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

import numpy as np

from engine.config import DEFAULTS
from engine.report.gather import WorkFolder
from engine.report.results import Pair, Results, Row

# Sections that page.js fills, by their id: title, what stands above the picture, and the places that are filled.
DRAWN = {
    "confusion": (
        "Confusion",
        """<p>A row is a true class, a column what its clips were taken for; the shade is the share of the row. Point
at a cell, or walk with the arrow keys, for its names and counts; drag to enlarge, double-click to return.</p>
<div class="controls">
<label>Order <select id="matrix-order"><option value="confusion">by confusion</option>
<option value="accuracy">by accuracy</option><option value="number">by number</option>
<option value="name">by name</option></select></label>
<label>Show <select id="matrix-size"></select></label>
<label><input type="checkbox" id="matrix-errors"> errors only</label></div>
<div id="matrix" class="chart" tabindex="0" role="application" aria-roledescription="confusion matrix"
aria-label="Confusion matrix: arrow keys move from cell to cell" aria-describedby="matrix-cell"></div>
<p id="matrix-cell" class="readout" aria-live="polite">&nbsp;</p>""",
    ),
    "pairs": (
        "Most confused pairs",
        """<p>Left the clip of a class that was taken for the other most surely, right the surest clip of that other
class. Drag a figure, or use the arrow keys on it, to turn it; the space bar plays and pauses.</p>
<div id="pair-list"></div>""",
    ),
    "classes": (
        "Accuracy by class",
        """<div class="controls"><label>Order <select id="bars-order"><option value="accuracy">worst first</option>
<option value="best">best first</option><option value="number">by number</option>
<option value="name">by name</option></select></label></div>
<div class="scroll" tabindex="0" role="region" aria-label="Accuracy of every class"><div id="bars" class="chart"></div>
</div>""",
    ),
    "curves": (
        "Training",
        """<p>By optimizer step. Loss and accuracy in training are means of the epoch so far, in the test those of the
whole test part.</p><div id="curve-list"></div>""",
    ),
    "graphs": (
        "Learned adjacency",
        """<p>How strongly the joint of a row feeds that of a column in the graph convolutions, without what depends on
the clip. Shown to one part in 254 of the range of a module. Where a module works on windows of several frames, every
frame of the window has its joints.</p>
<div class="controls"><label>Run <select id="graph-run"></select></label>
<label>Module <select id="graph-module"></select></label><label>Part <select id="graph-part"></select></label>
<label><input type="checkbox" id="graph-others"> without a joint's own</label></div>
<div id="graph" class="chart" role="img" aria-label="Heat map of a learned adjacency"></div>""",
    ),
    "saliency": (
        "Where the network looks",
        """<p>The share of every joint in the score of the true class: gradient times input, summed over channels, its
magnitude summed over frames and people, and divided by its sum over joints; the mean of the first {clips} test clips
of a class. A joint that every clip is centred on has no share; in a stream of bones a joint stands for the bone that
leads to it.</p>
<div class="controls"><label>Run <select id="saliency-run"></select></label>
<label>Class <select id="saliency-class"></select></label></div>
<div class="side"><svg id="saliency-body" role="img" aria-labelledby="saliency-text"></svg>
<div><ol id="saliency-list" aria-live="polite"></ol><p id="saliency-text" class="quiet"></p></div></div>""",
    ),
}


def headline(results: Results, classes: Sequence[str], pairs: Sequence[Pair], data: str) -> str:
    """The accuracy that counts, on which ``data``, how sure it is, and what is confused most."""
    row = results.rows[-1]
    low, high = row.figures["top1_interval_95"]
    what = "Top-1 accuracy" if len(results.rows) == 1 else f"Top-1 accuracy, fused: {row.name} ({row.how})"
    lines = [
        f'<p class="figure"><span id="headline">{_percent(row.figures["top1"])}</span></p>',
        f"<p>{escape(what)}. 95 % interval {_percent(low)} to {_percent(high)}, {len(results.labels):,} test clips of "
        f"{len(np.unique(results.labels))} classes{escape(data and f', {data}')}.</p>",
    ]
    worst = "".join(
        f"<li>{escape(classes[pair.truth])} <span class='quiet'>taken for</span> {escape(classes[pair.guess])} "
        f"<span class='quiet'>{pair.times} of {int((results.labels == pair.truth).sum())} clips</span></li>"
        for pair in pairs[:3]
    )
    if worst:
        lines.append(f'<p class="quiet">Most often confused</p><ol class="worst">{worst}</ol>')
    return "\n".join(lines)


def results_table(rows: Sequence[Row]) -> str:
    """Streams and fusions with their figures; the one that is shown in detail is the last."""
    has_five = any("top5" in row.figures for row in rows)
    fused = any("difference" in row.figures for row in rows)
    header = ["Stream or fusion", "Top-1", "95 % interval", *(["Top-5"] if has_five else []), "Mean class", "ECE"]
    header += ["Gain, 95 % interval"] if fused else []
    lines = []
    for number, row in enumerate(rows):
        low, high = row.figures["top1_interval_95"]
        how = "" if row.how == "stream" else f' <span class="quiet">{escape(row.how)}</span>'
        cells = [f"<strong>{_percent(row.figures['top1'])}</strong>", f"{_percent(low)} – {_percent(high)}"]
        cells += [f"{_percent(row.figures['top5'])}" if "top5" in row.figures else ""] if has_five else []
        cells += [f"{_percent(row.figures['mean_class_accuracy'])}", f"{row.figures['expected_calibration_error']:.3f}"]
        cells += [_gain(row)] if fused else []
        shown = ' class="shown"' if number == len(rows) - 1 and len(rows) > 1 else ""
        body = "".join(f"<td>{cell}</td>" for cell in cells)
        lines.append(f'<tr{shown}><th scope="row">{escape(row.name)}{how}</th>{body}</tr>')
    head = "".join(f'<th scope="col">{text}</th>' for text in header)
    than = next((row.figures["than"] for row in rows if "than" in row.figures), "")
    gain = f" The gain is over {escape(than)}, the best stream, on the same clips." if than else ""
    detail = " The last line is what the rest of this page shows." if len(rows) > 1 else ""
    return (
        f'<div class="scroll-x" tabindex="0" role="region" aria-label="Results"><table class="numbers"><thead><tr>'
        f"{head}</tr></thead><tbody>{''.join(lines)}</tbody></table></div>"
        f'<p class="quiet">Intervals are of the bootstrap over clips. ECE: expected calibration error, 15 bins.'
        f"{gain}{detail}</p>"
    )


def run_facts(folder: WorkFolder) -> str:
    """What one run was: where, with which command, versions and settings, and how it ended."""
    facts = folder.facts
    versions = facts.get("versions")
    rows = [("Work dir", str(folder.path)), ("Scores", folder.scores.name)]
    rows += [("Weights", str(folder.weights))] if folder.weights else []
    if isinstance(facts.get("command"), list):
        rows.append(("Command", shlex.join(map(str, facts["command"]))))
    rows += [("Commit", str(facts["git_commit"]))] if facts.get("git_commit") else []
    if isinstance(versions, dict):
        rows.append(("Versions", ", ".join(f"{name} {value}" for name, value in versions.items())))
    rows += [(key.capitalize(), str(facts[key])) for key in ("device", "precision", "processes") if key in facts]
    rows += _ended(folder.result)
    rows += _seeds(folder.seeds)
    listed = "".join(f"<dt>{escape(key)}</dt><dd>{escape(value)}</dd>" for key, value in rows)
    changed = "".join(
        f"<tr><th scope='row'>{escape(key)}</th><td><code>{escape(value)}</code></td><td>{escape(origin)}</td></tr>"
        for key, value, origin in changed_settings(folder)
    )
    table = (
        f"<details><summary>Settings that differ from the default</summary><div class='scroll-x' tabindex='0' "
        f"role='region' aria-label='Settings of {escape(folder.name)}'><table><thead><tr><th scope='col'>Setting</th>"
        f"<th scope='col'>Value</th><th scope='col'>From</th></tr></thead>"
        f"<tbody>{changed}</tbody></table></div></details>"
    )
    return f"<h3>{escape(folder.name)}</h3><dl>{listed}</dl>{table if changed else ''}"


def changed_settings(folder: WorkFolder) -> list[tuple[str, str, str]]:
    """Key, value and origin of every setting that is not the default; mappings are taken apart."""
    if folder.config is None:
        return []
    origin = folder.facts.get("origin")
    known: dict[str, Any] = origin if isinstance(origin, dict) else {}
    found = []
    for key, default in DEFAULTS.items():
        value = getattr(folder.config, key)
        if value != default:
            for dotted, leaf in _leaves(key, value):
                where = next((known[k] for k in (dotted, key) if k in known), "")
                found.append((dotted, str(leaf), str(where)))
    return found


def note_list(notes: Iterable[str]) -> str:
    """What the reader should know, or nothing."""
    items = "".join(f"<li>{escape(note)}</li>" for note in notes)
    return f'<section class="notes" aria-label="Notes"><ul>{items}</ul></section>' if items else ""


def _percent(share: float) -> str:
    return f"{100 * share:.2f}\N{NO-BREAK SPACE}%"


def _leaves(key: str, value: Any) -> list[tuple[str, Any]]:
    if isinstance(value, dict) and value:
        return [leaf for name, inner in value.items() for leaf in _leaves(f"{key}.{name}", inner)]
    return [(key, value)]


def _gain(row: Row) -> str:
    if "difference" not in row.figures:
        return ""
    low, high = row.figures["difference_interval_95"]
    gain, low, high = (
        f"{100 * value:+.2f}".replace("-", "\N{MINUS SIGN}") for value in (row.figures["difference"], low, high)
    )
    return f"{gain} ({low} to {high})"


def _ended(result: dict[str, Any]) -> list[tuple[str, str]]:
    """The last epoch and the best, as ``result.json`` has them."""
    said = []
    for title, part in (("Last epoch", "last"), ("Best on the test part", "best_on_test_part")):
        figures = result.get(part)
        if isinstance(figures, dict) and isinstance(figures.get("top1"), float):
            said.append((title, f"epoch {figures.get('epoch')}, top-1 {_percent(figures['top1'])}"))
    return said


def _seeds(seeds: dict[str, Any]) -> list[tuple[str, str]]:
    """Mean and deviation over seeds, as ``seeds.json`` has them."""
    last = seeds.get("last")
    if not isinstance(last, dict) or not isinstance(last.get("mean"), float):
        return []
    deviation = f" ± {last['std']:.2f}" if isinstance(last.get("std"), float) else ""
    return [("Seeds", f"{seeds.get('seeds')}: top-1 of the last epoch {last['mean']:.2f}{deviation} %")]
