"""MSA-GCN's prompt bones: pairs of joints that a language model found alike, for streams ``bone_p2`` and ``bone_p5``.

They come from LA-GCN. A joint without a pair gets a zero bone there, which here is a pair with itself.
"""

from __future__ import annotations

from errors import InputError
from graph.layout import Pairs, SkeletonLayout

_Table = dict[str, tuple[int, ...]]

# The other end of each joint's bone, in the order of the joints; joint 20 of NTU has no bone.
_NTU: _Table = {
    "bone_p2": (12, 20, 20, 2, 8, 6, 7, 21, 2, 10, 11, 23, 16, 17, 15, 18, 0, 19, 19, 15, 20, 22, 7, 21, 11),
    "bone_p5": (16, 4, 20, 2, 5, 6, 7, 22, 20, 10, 11, 24, 16, 17, 15, 13, 1, 18, 19, 15, 20, 7, 6, 11, 10),
}
_NW_UCLA: _Table = {
    "bone_p2": (12, 0, 0, 4, 8, 6, 7, 5, 16, 10, 11, 9, 16, 17, 15, 13, 0, 19, 19, 14),
    "bone_p5": (12, 0, 3, 8, 8, 9, 7, 11, 9, 10, 11, 8, 16, 17, 15, 13, 0, 19, 19, 14),
}
_TABLES: dict[str, _Table] = {
    "ntu-rgb+d": _NTU,
    "nturgb+d": _NTU,
    "infogcn-ntu": _NTU,
    "nw-ucla": _NW_UCLA,
}
PROMPT_STREAMS = tuple(_NTU)


def prompt_pairs(layout: SkeletonLayout, stream: str) -> Pairs:
    """The pairs (v1, v2) of ``stream``, one of ``PROMPT_STREAMS``: bone[v1] = x[v1] - x[v2].

    Raises:
        InputError: there is no table of them for this skeleton.
    """
    if layout.name not in _TABLES:
        raise InputError(f"stream {stream}: its bones are known of {', '.join(_TABLES)}, not of {layout.name!r}")
    return tuple(enumerate(_TABLES[layout.name][stream]))
