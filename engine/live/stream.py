"""Labels of a live stream: frames in, what the last of them are taken for out.

>>> live = Live(Predictor.load(["work_dir/gym/msg3d_joint/checkpoints/best.pt"]))
>>> for label in live.labels(frames):  # dictionaries {"t": 0, "bodies": [{"joints": [[x, y], ...]}]}, or lines of JSON
...     print(label["label"])
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from engine.live.frames import lines_of, read_frame
from engine.live.window import Window
from engine.live.window_clip import RAW, window_clip
from engine.predictor import Prediction, Predictor
from engine.provenance import skeleton_of
from errors import InputError

_SHOWN = 10  # damaged frames that are named; all are counted


@dataclass
class Live:
    """A predictor that watches.

    Attributes:
        predictor: what says what a clip is taken for; its test feeder samples the window as it samples a clip.
        hop: frames from one label to the next.
        window: the most frames that are looked at, the last ones.
        min_frames: with somebody in fewer frames there is no label.
        keep: how much likelier another class must be than the present one to take its place at once.
        patience: hops in a row that another class must be the likeliest to take its place otherwise.
        fps: frames a second, where times are in seconds; None where they are numbers of frames.
        top: how many classes a label names.
    """

    predictor: Predictor
    hop: int = 15
    window: int = 300
    min_frames: int = 15
    keep: float = 0.1
    patience: int = 3
    fps: float | None = None
    top: int = 5
    faults: int = 0
    labels_given: int = 0
    _label: int | None = None
    _rival: tuple[int | None, int] = (None, 0)
    _frames: Window = field(init=False)

    def __post_init__(self) -> None:
        if self.fps is not None and not 0 < self.fps < 1e6:
            raise InputError(f"--fps {self.fps}: wanted frames a second")
        if self.min_frames > self.window:
            raise InputError(
                f"--min-frames {self.min_frames} is more than --window {self.window} ever holds: "
                f"there would be no label"
            )
        facts = [stream.facts for stream in self.predictor.streams]
        for key in ("lineage", "dims", "scores", "image_size", "bodies", "values", "single_body"):
            if any(other.get(key) != facts[0].get(key) for other in facts[1:]):
                raise InputError(f"the streams learned from clips of different {key}: one window cannot be all of them")
        self.facts = facts[0]
        takes = self.predictor.streams[0].takes
        skeleton = skeleton_of(self.facts)
        joints = self.facts.get("joints") or takes.get("num_point") or (skeleton and skeleton.num_joints)
        if not joints:
            raise InputError("the checkpoint does not say how many joints a body has")
        self.joints = int(joints)
        self.bodies = int(self.facts.get("bodies") or takes.get("num_person") or 1)
        flat = self.facts.get("scores") or self.facts.get("image_size") or self.facts.get("channels") == 2
        self.dims: int | None = self.facts.get("dims") or (2 if flat else None)
        if raw := RAW.get(str(self.facts.get("lineage"))):
            self.joints, self.dims = raw.joints, raw.dims
        self._frames = Window(self.window)

    def labels(self, frames: Iterable[str | Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
        """A label after every ``hop`` frames, and one at the end; damaged frames are named on stderr and left out.

        A label is {"frame", "label" (None: nobody, or too little seen), "probability", "top", "bodies"}.
        """
        since = 0
        for place, given in enumerate(frames, 1):
            try:
                frame = read_frame(given, self.joints, self.dims, self.fps)
                if frame.poses and self.dims is None:
                    self.dims = frame.poses[0].shape[1]
                since += self._frames.add(frame)
            except InputError as error:
                self.faults += 1
                if self.faults <= _SHOWN:
                    print(f"error: frame {place} of the stream: {error}", file=sys.stderr)
                continue
            if since >= self.hop:
                since = 0
                yield self.label()
        if since:
            yield self.label()

    def label(self) -> dict[str, Any]:
        """What the window is taken for now; the present class stays until another is clearly ahead, or stays ahead."""
        self.labels_given += 1
        rows = self._frames.rows
        said: dict[str, Any] = {"frame": rows[-1].number if rows else None, "label": None}
        prediction = self.prediction()
        if prediction is None:
            self._label, self._rival = None, (None, 0)
            return said
        shares = prediction.probabilities
        best = int(shares.argmax())
        if self._label is None or best == self._label or shares[best] - shares[self._label] >= self.keep:
            self._label, self._rival = best, (None, 0)
        else:
            self._rival = (best, self._rival[1] + 1 if self._rival[0] == best else 1)
            if self._rival[1] >= self.patience:
                self._label, self._rival = best, (None, 0)
        return {
            **said,
            "label": prediction.names[self._label],
            "probability": round(float(shares[self._label]), 6),
            "top": [{"class": name, "probability": round(share, 6)} for name, share in prediction.top(self.top)],
            "bodies": len(rows[-1].bodies),
        }

    def prediction(self) -> Prediction | None:
        """What the predictor says of the window; None while too little was seen, or what it does not take."""
        if self._frames.seen() < self.min_frames:
            return None
        poses = self._frames.poses()
        if poses is None:
            return None
        try:
            return self.predictor(window_clip(poses, self.facts, self.bodies), "the window")
        except InputError as error:
            self.faults += 1
            if self.faults <= _SHOWN:
                print(f"error: {error}", file=sys.stderr)
            return None

    def summary(self) -> str:
        """What came and what became of it, in a line."""
        counts = self._frames.counts
        parts = [f"{counts['frames']} frames", f"{self.labels_given} labels"]
        named = {"missing": "missing (the pose before held)", "late": "late (put in place)", "cuts": "cuts"}
        named |= {"too late": "too late (left out)", "repeated": "repeated (left out)"}
        parts += [f"{counts[key]} {text}" for key, text in named.items() if counts[key]]
        parts += [f"{self.faults} damaged"] if self.faults else []
        return ", ".join(parts)


def run_stream(live: Live, lines: BinaryIO) -> int:
    """A line of JSON for every label of frames that come in as lines of JSON; 1 when any was damaged."""
    try:
        for label in live.labels(lines_of(lines)):
            print(json.dumps(label, ensure_ascii=False), flush=True)
    finally:
        print(live.summary(), file=sys.stderr)
    return 1 if live.faults else 0
