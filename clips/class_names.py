"""The names of the classes of the field's data sets, in the order of their numbers."""

from __future__ import annotations

from pathlib import Path

from errors import InputError, did_you_mean

# Data set: the file of its names, and how many of them are its own. NTU RGB+D 60 is the first half of 120, and so is
# BABEL-60.
_FILES = {
    "ntu60": ("ntu120.txt", 60),
    "ntu120": ("ntu120.txt", 120),
    "kinetics": ("kinetics400.txt", 400),
    "nw-ucla": ("nw-ucla.txt", 10),
    "utd-mhad": ("utd-mhad.txt", 27),
    "aist": ("aist.txt", 10),
    "babel-60": ("babel.txt", 60),
    "babel-120": ("babel.txt", 120),
    "smarthome-cs": ("smarthome-cs.txt", 31),
    "smarthome-cv": ("smarthome-cv.txt", 19),
    "demo": ("demo.txt", 16),
}


def class_names(dataset: str) -> tuple[str, ...]:
    """The names of the classes of ``ntu60``, ``ntu120``, ``kinetics`` and the other keys of the table above.

    Label 0 is the first.

    Raises:
        InputError: another data set.
    """
    if dataset not in _FILES:
        raise InputError(
            f"class names are known of {', '.join(_FILES)}, not of {dataset!r}{did_you_mean(dataset, _FILES)}"
        )
    file, count = _FILES[dataset]
    text = (Path(__file__).parent / "class_names" / file).read_text(encoding="utf-8")
    return tuple(text.splitlines()[:count])
