"""How many clips the data sets have, by split, as published or counted from the published lists."""

from __future__ import annotations

COUNTS: dict[str, dict[str, int]] = {
    "ntu60": {"xsub_train": 40_091, "xsub_val": 16_487, "xview_train": 37_646, "xview_val": 18_932},
    "ntu120": {"xsub_train": 63_026, "xsub_val": 50_919, "xset_train": 54_468, "xset_val": 59_477},
    "kinetics": {"train": 240_436, "val": 19_796},
    "nw-ucla": {"train": 1_020, "val": 464},
    "utd-mhad": {"xsub_train": 431, "xsub_val": 430},
    "aist-smpl-60": {"train": 11_683, "val": 965, "test": 5_787},
    "aist-smpl24-60": {"train": 11_683, "val": 965, "test": 5_787},
    "babel-60": {"train": 45_473, "test": 15_647},
    "babel-120": {"train": 48_978, "test": 16_839},
    "smarthome-cs": {"train": 10_682, "test": 5_433},
    "smarthome-cv1": {"train": 1_877, "val": 3_539, "test": 1_901},
    "smarthome-cv2": {"train": 7_806, "val": 3_539, "test": 1_901},
}

NUM_CLASSES = {
    "ntu60": 60,
    "ntu120": 120,
    "kinetics": 400,
    "nw-ucla": 10,
    "utd-mhad": 27,
    "aist-smpl-60": 10,
    "aist-smpl24-60": 10,
    "babel-60": 60,
    "babel-120": 120,
    "smarthome-cs": 31,
    "smarthome-cv1": 19,
    "smarthome-cv2": 19,
}

# Some clips of these hold nobody, and were published so.
EMPTY_CLIPS_ARE_KNOWN = frozenset({"kinetics"})

_ALL_FILES = "that many there are with the recordings on the list of missing skeletons, which hold nobody or half of it"
_OLD_LIST = (
    "that many there are with the list of missing skeletons before July 2019, 532 names long: it lets "
    "S028C001P087R001A061, S028C002P087R001A061 and S028C003P087R001A061 in"
)
_BLANK = (
    "the code that published more lets gHO_sFM_cAll_d20_mHO5_ch13 in, for a blank behind its name in the list of "
    "sequences to leave out: about 1,707 frames, 29 segments"
)
_POUR = "14 clips of both splits are Pour.Fromcup, which is none of the 31 classes"
EXPLAINED: dict[tuple[str, str, int], str] = {
    ("ntu60", "xsub_train", 40_320): _ALL_FILES,
    ("ntu60", "xsub_val", 16_560): _ALL_FILES,
    ("ntu60", "xview_train", 37_920): _ALL_FILES,
    ("ntu60", "xview_val", 18_960): _ALL_FILES,
    ("ntu120", "xsub_train", 63_360): _ALL_FILES,
    ("ntu120", "xsub_val", 51_120): _ALL_FILES,
    ("ntu120", "xset_train", 54_720): _ALL_FILES,
    ("ntu120", "xset_val", 59_760): _ALL_FILES,
    ("ntu120", "xsub_val", 50_922): _OLD_LIST,
    ("ntu120", "xset_train", 54_471): _OLD_LIST,
    **{
        (name, split, count - 29): _BLANK
        for name in ("aist-smpl-60", "aist-smpl24-60")
        for split, count in COUNTS[name].items()
    },
    ("smarthome-cs", "train", 10_685): _POUR,
    ("smarthome-cs", "test", 5_444): _POUR,
}


def data_sets() -> list[str]:
    """All names: ``ntu60`` for a store of all protocols, ``ntu60-xsub`` for files of one."""
    protocols = {
        f"{name}-{split.partition('_')[0]}" for name, known in COUNTS.items() for split in known if "_" in split
    }
    return [*COUNTS, *sorted(protocols)]


def split_of(data_set: str, split: str) -> tuple[str, str]:
    """The data set and split in the tables: those of ``ntu60-xsub`` are called ``train`` and ``val`` or ``test``."""
    if data_set in COUNTS:
        return data_set, split
    name, _, protocol = data_set.rpartition("-")
    return name, f"{protocol}_{'train' if split == 'train' else 'val'}"
