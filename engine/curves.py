"""Curves for TensorBoard, in their file as soon as they are drawn."""

from __future__ import annotations

import itertools
import os
import socket
import struct
import time
from pathlib import Path

from tensorboardX.proto.event_pb2 import Event, SessionLog
from tensorboardX.proto.summary_pb2 import Summary
from tensorboardX.record_writer import masked_crc32c

from clips.files import append

_VERSION = "brain.Event:2"
_number = itertools.count()  # two runs of one process may begin in the same second


class Curves:
    """A file of points in a folder.

    tensorboardX's own writer is a thread that writes up to two minutes later. A run that is killed loses points with
    it, and when the disk is full that thread ends, and the run waits for it for ever.
    """

    def __init__(self, folder: Path, step: int = 0) -> None:
        """``step`` is how many are done: points that other files of the folder have after it count no more."""
        folder.mkdir(parents=True, exist_ok=True)
        name = f"events.out.tfevents.{int(time.time())}.{socket.gethostname()}.{os.getpid()}.{next(_number):03}"
        self._path = folder / name
        self._write(Event(wall_time=time.time(), file_version=_VERSION))
        if step:
            self._write(Event(step=step + 1, session_log=SessionLog(status=SessionLog.START)))

    def point(self, step: int, **values: float) -> None:
        """Add the values of the curves of these names at ``step``.

        Raises:
            OSError: the disk is full.
        """
        points = [Summary.Value(tag=name, simple_value=value) for name, value in values.items()]
        self._write(Event(step=step, wall_time=time.time(), summary=Summary(value=points)))

    def _write(self, event: Event) -> None:
        """A record (TFRecord): the length, its checksum, the event, its checksum."""
        data = event.SerializeToString()
        length = struct.pack("<Q", len(data))
        checks = [struct.pack("<I", masked_crc32c(part)) for part in (length, data)]
        append(self._path, length + checks[0] + data + checks[1])
