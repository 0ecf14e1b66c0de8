"""Rings between two processes: samples and events, each with one writer, addressed by absolute position.

A sample's place in a ring is its number since the stream began, so a late reader drops past samples instead
of playing them later: latency can't drift. Readers do not change the ring; there may be several.
"""

from typing import Any, ClassVar, NamedTuple

import numpy as np

from hearsim.core.units import FloatArray
from hearsim.live.shared import Arrays, Block, whole

CHANNELS = 2


class Ring(Block):
    """The newest `capacity` samples of a stereo stream. One thread of one process writes."""

    start = whole()  # the first sample that is valid; writer
    head = whole()  # one after the newest sample; writer, after the samples themselves
    ended = whole()  # 1: the stream has ended; writer

    def __init__(self, capacity: int) -> None:
        super().__init__({"samples": (np.float32, (CHANNELS, capacity))})

    @property
    def capacity(self) -> int:
        """Samples that the ring keeps."""
        return int(self.row["samples"].shape[1])

    def write(self, block: FloatArray) -> None:
        """Append (2, frames). Writer only."""
        head, samples = self.head, self.row["samples"]
        at, frames = head % samples.shape[1], block.shape[1]
        first = min(frames, samples.shape[1] - at)
        samples[:, at : at + first] = block[:, :first]
        samples[:, : frames - first] = block[:, first:]
        self.head = head + frames

    def skip_to(self, position: int) -> None:
        """Continue at a later position; earlier samples become invalid. Writer only."""
        self.start = position
        self.head = position

    def ready(self, position: int) -> int:
        """Return the number of readable samples from `position` on; 0 where they are overwritten. Any reader."""
        head = self.head
        gone = position < self.start or position < head - self.capacity
        return 0 if gone else max(0, head - position)

    def read(self, position: int, out: FloatArray) -> None:
        """Copy the samples from `position` on into `out` (2, frames), valid or not. Any reader.

        Samples that were never written are silence. `ready` returns the number of valid ones.
        """
        samples = self.row["samples"]
        at, frames = position % samples.shape[1], out.shape[1]
        first = min(frames, samples.shape[1] - at)
        out[:, :first] = samples[:, at : at + first]
        out[:, first:] = samples[:, : frames - first]


class Event(NamedTuple):
    """An event at a sample: see `hearsim.live.log`."""

    kind: int
    at: int
    values: tuple[float, ...]


class EventRing(Block):
    """The newest events of one writer."""

    count = whole()  # events ever posted; writer, after the event itself
    ARRAYS: ClassVar[Arrays] = {
        "kinds": (np.int64, (1024,)),
        "positions": (np.int64, (1024,)),
        "values": (np.float64, (1024, 8)),
    }

    def post(self, kind: int, at: int, *values: float) -> None:
        """Append an event with up to eight values. Writer only."""
        count, row = self.count, self.row
        place = count % len(row["kinds"])
        row["kinds"][place], row["positions"][place] = kind, at
        row["values"][place] = 0.0
        row["values"][place, : len(values)] = values
        self.count = count + 1

    def since(self, seen: int) -> tuple[list[Event], int]:
        """Return the events after the first `seen`, and the number of overwritten ones among them. Any reader."""
        count, row = self.count, self.row
        first = max(seen, count - len(row["kinds"]))
        return [self._event(row, index % len(row["kinds"])) for index in range(first, count)], first - seen

    @staticmethod
    def _event(row: Any, place: int) -> Event:
        values = tuple(row["values"][place].tolist())
        return Event(int(row["kinds"][place]), int(row["positions"][place]), values)
