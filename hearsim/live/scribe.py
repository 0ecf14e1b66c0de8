"""Who feeds the file, writes the log and records, turn by turn; each used by one thread at a time.

Log and recording are written whole or not at all: they take their names when closed, and vanish on any error.
"""

import hashlib
import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from hearsim.audio_files import Source, WaveWriter, open_wave
from hearsim.errors import HearsimError
from hearsim.live.events import to_table
from hearsim.live.log import Recording
from hearsim.live.player import Rings
from hearsim.live.rings import Ring
from hearsim.paths import write_atomically, writes
from hearsim.units import FloatArray

PIECE = 4096


def check_new(path: Path) -> None:
    """Raise `HearsimError` where a file is there already, or can't be made."""
    if path.exists():
        raise HearsimError(f"{path} is already there: choose another name")
    if not path.parent.is_dir():
        raise HearsimError(f"{path.parent} is no folder: make it first, or choose another")


def endless(song: Source, size: int) -> Iterator[FloatArray]:
    """Yield a song again and again, in blocks of `size`, a divisor of `PIECE`; each time fills up whole pieces."""
    while True:
        for piece in song.blocks(PIECE):
            for start in range(0, PIECE, size):
                yield piece[:, start : start + size]


class Feeder:
    """Feeds sound, in blocks of at most `PIECE`, ahead of what plays."""

    def __init__(self, blocks: Iterator[FloatArray], feed: Ring) -> None:
        self._blocks, self._feed = blocks, feed

    def turn(self, position: int) -> None:
        """Fill the feed up as far as there is room ahead of what plays now."""
        while not self._feed.ended and self._feed.head - position < self._feed.capacity - PIECE:
            block = next(self._blocks, None)
            if block is None:
                self._feed.ended = 1
            else:
                self._feed.write(block)


class Recorder:
    """Writes what goes through a ring, from its newest sample on, to a file, exactly."""

    def __init__(self, path: Path, rate: int, ring: Ring) -> None:
        check_new(path)
        self._path, self._ring, self._stack = path, ring, ExitStack()
        self._file: WaveWriter = self._stack.enter_context(open_wave(path, rate))
        self._begin = self._here = ring.head
        self._digest = hashlib.sha256()
        self.lost = False

    def turn(self) -> None:
        """Write what has come since; stops for good, and says so by `lost`, where the ring was overtaken."""
        with self._stack:
            self._write()
            self._stack = self._stack.pop_all()  # no error, so nothing is closed

    def close(self) -> Recording:
        """Write the rest and give the file its name."""
        with self._stack:
            self._write()
        return Recording(self._path, self._begin, self._here - self._begin, self._digest.hexdigest())

    def _write(self) -> None:
        while not self.lost and (frames := min(self._ring.head - self._here, PIECE)) > 0:
            piece = np.empty((2, frames), np.float32)
            self._ring.read(self._here, piece)
            if self._ring.ready(self._here) < frames:  # asked after reading, in which it may have been overtaken
                self.lost = True
                return
            self._file.write(piece)
            self._digest.update(np.ascontiguousarray(piece.T).tobytes())
            self._here += frames


class LogWriter:
    """Writes the session log as things happen."""

    def __init__(self, path: Path, header: dict[str, Any], rings: Rings) -> None:
        check_new(path)
        self._path, self._stack = path, ExitStack()
        part = self._stack.enter_context(write_atomically(path))
        self._file = self._stack.enter_context(part.open("w", encoding="utf-8"))
        self._rings, self._seen = [rings.moves, rings.changes], [0, 0]
        self.turn(header)

    def turn(self, *lines: dict[str, Any]) -> None:
        """Write the events since the last turn, then lines. Raises `HearsimError` where events were lost unread."""
        with self._stack:
            self._write(*lines)
            self._stack = self._stack.pop_all()  # no error, so nothing is closed

    def close(self) -> None:
        """Write the rest and give the log its name."""
        with self._stack:
            self._write()

    def _write(self, *lines: dict[str, Any]) -> None:
        tables: list[dict[str, Any]] = []
        for index, ring in enumerate(self._rings):
            events, lost = ring.since(self._seen[index])
            if lost:
                raise HearsimError(
                    f"{self._path} ends: {lost} events came faster than they were written; start anew for another log"
                )
            self._seen[index] += len(events)
            tables += map(to_table, events)
        with writes(self._path):
            self._file.writelines(json.dumps(table) + "\n" for table in (*tables, *lines))
            self._file.flush()
