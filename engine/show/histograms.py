"""How many clips of each class and of each length a data set has, split by split, as a picture."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure

COLOR = "#1f6f8b"


def draw_histograms(report: Mapping[str, Any]) -> Figure:
    """Two panels for every split of a report of ``data_gen.verify``: clips by class, clips by number of frames."""
    splits = {name: split for name, split in report["splits"].items() if split["clips"]}
    figure = Figure(figsize=(9, 0.6 + 1.9 * max(len(splits), 1)), layout="constrained")
    panels = figure.subplots(max(len(splits), 1), 2, squeeze=False)
    for (by_class, by_length), (name, split) in zip(panels, splits.items(), strict=False):
        classes = np.array([int(label) for label in split["classes"]])
        by_class.bar(classes, list(split["classes"].values()), width=0.9, color=COLOR)
        by_class.set_title(f"{name}: {split['clips']:,} clips", fontsize=9, loc="left")
        by_class.set_xlabel("class", fontsize=8)
        bins = split["frames"]["histogram"]
        by_length.bar(range(len(bins)), list(bins.values()), width=0.9, color=COLOR)
        by_length.set_xticks(range(len(bins)), list(bins), rotation=45, fontsize=7)
        frames = split["frames"]
        lengths = f"{frames['least']} to {frames['most']} frames, mean {frames['mean']:g}"
        by_length.set_title(lengths, fontsize=9, loc="left")
    for axes in panels.flat:
        axes.tick_params(labelsize=7)
        axes.spines[["top", "right"]].set_visible(False)
    return figure
