"""The feeder: clips of one stream, augmented, as a torch data set."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
from torch.utils.data import Dataset

from clips.prompt_bones import PROMPT_STREAMS, prompt_pairs
from clips.store import Store, compact_behind, open_store
from clips.streams import ancestor_pairs, check_stream, hops_of, stream_of_file
from errors import InputError
from feeders.agcn import AutoPad, RandomChoose, RandomMove, RandomShift
from feeders.prenormalize import PreNormalize2D
from feeders.transforms import DeriveStream, Normalize, Transform, build_transforms
from feeders.uniform import taken_apart
from graph.layout import turned_towards
from graph.layouts import KHOP_ROOTS, find_layout, layout_for_joints

DEBUG_CLIPS = 100


class Feeder(Dataset[tuple[np.ndarray, int, int]]):
    """Clips as (float32 array (C, T, V, M), label, index); every argument of MS-G3D's feeder, and a few more.

    Where a transform samples K > 1 clips of one recording (``num_clips``), an item is (K, C, T, V, M) instead.

    The random draws of an item come from ``default_rng((seed, epoch, index))``: the number of workers and of
    processes changes nothing. ``set_epoch`` is called before each pass.
    """

    def __init__(
        self,
        data_path: str | os.PathLike[str] | Store,
        label_path: str | os.PathLike[str] | None = None,
        random_choose: bool = False,
        random_shift: bool = False,
        random_move: bool = False,
        window_size: int = -1,
        normalization: bool = False,
        debug: bool = False,
        use_mmap: bool = True,
        stream: str | None = None,
        layout: Any = None,
        split: str | None = None,
        transforms: Sequence[Any] = (),
        repeat: int = 1,
        balance: int = 0,
    ) -> None:
        """Open the clips and set up the pipeline.

        Args:
            data_path: the folder of a compact store, MS-G3D's ``.npy`` (or the compact store that stands for it), a
                pickle in pyskl's layout, CTR-GCN's ``.npz`` or NW-UCLA's folder; or a store that is open already.
            label_path: pickle of names and labels, beside a ``.npy``.
            random_choose: a random stretch of ``window_size`` frames.
            random_shift: the occupied frames moved in time.
            random_move: a random planar motion of the camera.
            window_size: frames of a clip; without ``random_choose`` a shorter clip is padded and a longer one stays.
            normalization: each channel of each joint to mean 0, deviation 1 over the data set.
            debug: the first 100 clips only.
            use_mmap: read a clip from disk when it is asked for, instead of the whole file at once.
            stream: joint, bone, joint_motion, bone_motion, bone_p2 or bone_p5, derived from joint data; None takes the
                file as it is.
            layout: skeleton whose bones the streams use (built-in name, YAML file or mapping); left out, the one
                that the data describes, or the built-in one with this number of joints.
            split: which split of a store or pickle; train or test of an ``.npz``; train or val of NW-UCLA.
            transforms: further steps by name, before those above (``feeders.transforms``).
            repeat: how many times one epoch goes through the set, each time with other draws.
            balance: of a class with n clips, fewer than ``balance``, each comes round(balance / n) times (UNIK, with
                1000, across views); 0 leaves classes as they are.

        Raises:
            InputError: whatever is wrong with a file or an argument, in a sentence.
        """
        if isinstance(data_path, (str, os.PathLike)):
            behind = compact_behind(data_path)
            if behind is not None:  # the compact store in place of a file that was never written
                data_path, split, held = behind
                label_path, stream = None, self._one_stream(str(data_path), held, stream)
            data_path = open_store(data_path, label_path, split=split, mmap=use_mmap)
        elif not hasattr(data_path, "clip"):
            raise InputError(f"data_path is {data_path!r}, not a file or folder; YAML has words such as no in quotes")
        self.store: Store = data_path
        count = min(len(self.store.names), DEBUG_CLIPS) if debug else len(self.store.names)
        if count == 0:
            raise InputError(f"{self.store.source}: there are no clips")
        if type(repeat) is not int or repeat < 1:
            raise InputError(f"repeat is a number of times, not {repeat!r}")
        if type(balance) is not int or balance < 0:
            raise InputError(f"balance is a number of clips, not {balance!r}")
        self.recordings = count
        self._recording_of = _balanced(self.store.labels[:count], balance) * repeat
        self.sample_name = [self.store.names[recording] for recording in self._recording_of]
        self.label = [self.store.labels[recording] for recording in self._recording_of]
        self.seed = self.epoch = 0

        to_derive = self._stream_to_derive(stream)
        derive = DeriveStream(to_derive, self._bone_pairs(to_derive, layout))
        self.pipeline: list[Transform] = build_transforms(transforms, derive, "transforms")
        if random_choose and window_size <= 0:
            raise InputError(f"random_choose needs window_size, the number of frames to choose; got {window_size}")
        if normalization:
            self.pipeline.append(self._normalize())
        if random_shift:
            self.pipeline.append(RandomShift())
        if window_size > 0:
            self.pipeline.append(RandomChoose(window_size) if random_choose else AutoPad(window_size))
        if random_move:
            self.pipeline.append(RandomMove())
        self.num_clips = _num_clips(self.pipeline)

    def __len__(self) -> int:
        return len(self.sample_name)

    def __getitem__(self, index: int) -> tuple[np.ndarray, int, int]:
        rng = np.random.default_rng((self.seed, self.epoch, index))
        clip = self._through_pipeline(self._recording_of[index], rng)
        if self.num_clips > 1:
            clip = taken_apart(clip, self.num_clips)
        return np.ascontiguousarray(clip, dtype=np.float32), self.label[index], index

    def set_epoch(self, epoch: int, seed: int) -> None:
        """Fix what the draws of the coming pass depend on, besides the index."""
        self.epoch, self.seed = epoch, seed

    def pipeline_of(self, recording: int) -> list[Transform]:
        """The steps for one recording: those that depend on the size of its picture are told it."""
        shapes = self.store.image_shapes
        if shapes is None:
            return self.pipeline
        try:
            return [
                transform.of_picture(shapes[recording]) if isinstance(transform, PreNormalize2D) else transform
                for transform in self.pipeline
            ]
        except InputError as error:
            raise InputError(f"{self.store.source}: {self.sample_name[recording]}: {error}") from error

    def _stream_to_derive(self, stream: str | None) -> str:
        """What is left to derive: nothing ("joint") when no stream is asked for, or the file holds it already."""
        if stream is None:
            return "joint"
        held = stream_of_file(self.store.source)
        if check_stream(stream, "stream") == held:
            return "joint"
        return self._one_stream(self.store.source, held, stream) or "joint"

    @staticmethod
    def _one_stream(source: str, held: str | None, stream: str | None) -> str | None:
        """``stream``, or else the one that ``source`` is named after; they may not be two that are derived."""
        if stream is None or stream == held:
            return held
        if held not in (None, "joint"):
            raise InputError(
                f"{source} holds the {held} stream, and {stream!r} is derived from joints: "
                "name the joint file, or leave out stream"
            )
        return stream

    def _bone_pairs(self, stream: str, layout: Any) -> tuple[tuple[int, int], ...]:
        """The bones that ``stream`` needs; none when it needs none."""
        k = hops_of(stream)
        if "bone" not in stream and not k:
            return ()
        joints = self.store.clip(0).shape[2]
        if layout is not None:
            skeleton = find_layout(layout)
        else:
            skeleton = self.store.layout or layout_for_joints(joints, f"{self.store.source}: stream {stream}")
        if skeleton.num_joints != joints:
            raise InputError(
                f"{self.store.source} has {joints} joints, but layout {skeleton.name!r} {skeleton.num_joints}"
            )
        if k:
            root = KHOP_ROOTS.get(skeleton.name, skeleton.center)
            return ancestor_pairs(turned_towards(root, joints, skeleton.edges), k)
        return prompt_pairs(skeleton, stream) if stream in PROMPT_STREAMS else skeleton.bone_pairs

    def _normalize(self) -> Normalize:
        """Mean and deviation of each channel of each joint over all frames and bodies, one clip in memory at a time."""
        clips = (self._through_pipeline(index, np.random.default_rng(0)) for index in range(self.recordings))
        first = next(clips)
        total = first.sum(axis=(1, 3), dtype=np.float64)
        squares = np.square(first, dtype=np.float64).sum(axis=(1, 3))
        values = first.shape[1] * first.shape[3]
        for clip in clips:
            total += clip.sum(axis=(1, 3), dtype=np.float64)
            squares += np.square(clip, dtype=np.float64).sum(axis=(1, 3))
            values += clip.shape[1] * clip.shape[3]
        mean = total / values
        std = np.sqrt(np.maximum(squares / values - mean**2, 0))
        std[std < 1e-12] = 1.0  # a joint that never moves (the centre) stays what it is
        shape = (len(mean), 1, mean.shape[1], 1)
        return Normalize(mean.reshape(shape).astype(np.float32), std.reshape(shape).astype(np.float32))

    def _through_pipeline(self, index: int, rng: np.random.Generator) -> np.ndarray:
        clip = self.store.clip(index)
        for transform in self.pipeline_of(index):
            try:
                clip = transform.apply(clip, transform.draw(rng, clip))
            except (ArithmeticError, LookupError, MemoryError, TypeError, ValueError) as error:
                raise InputError(
                    f"{self.store.source}: {type(transform).__name__} does not fit {self.sample_name[index]}, "
                    f"(C, T, V, M) = {clip.shape}: {error}"
                ) from error
        return clip


def _balanced(labels: Sequence[int], balance: int) -> list[int]:
    """The numbers of the recordings with these labels, those of small classes several times."""
    clips = Counter(labels)
    times = {label: round(balance / count) if count < balance else 1 for label, count in clips.items()}
    return [recording for recording, label in enumerate(labels) for _ in range(times[label])]


def _num_clips(pipeline: Sequence[Transform]) -> int:
    """How many clips of one recording a pipeline samples."""
    counts = [count for count in (getattr(transform, "num_clips", 1) for transform in pipeline) if count > 1]
    if len(counts) > 1:
        raise InputError(f"transforms: several sample more than one clip of a recording, {counts}; one may")
    return counts[0] if counts else 1
