"""Paper work beside the audio, in the control process: feeds the file, writes the log, records what was played.

None of it can disturb the sound: rings lie between, and what a slow disk loses is counted and said.
"""

import hashlib
import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from hearsim.audio_files import WaveWriter, open_wave
from hearsim.errors import HearsimError
from hearsim.live.events import to_table
from hearsim.live.log import Recording
from hearsim.live.player import Rings
from hearsim.live.rings import Ring
from hearsim.paths import write_atomically
from hearsim.units import FloatArray

PIECE = 4096


def check_new(path: Path) -> None:
    """Raise `HearsimError` where a file is there already, or can't be made."""
    if path.exists():
        raise HearsimError(f"{path} is already there: choose another name")
    if not path.parent.is_dir():
        raise HearsimError(f"{path.parent} is no folder: make it first, or choose another")


class Feeder:
    """Feeds sound, in blocks of at most `PIECE`, ahead of what plays. One thread of the control process."""

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
    """Writes what was played from a sample on to a file, exactly. One thread of the control process."""

    def __init__(self, path: Path, rate: int, played: Ring) -> None:
        check_new(path)
        self._path, self._played, self._stack = path, played, ExitStack()
        self._file: WaveWriter = self._stack.enter_context(open_wave(path, rate))
        self._begin = self._here = played.head
        self._digest = hashlib.sha256()
        self.lost = False

    def turn(self) -> None:
        """Write what has been played since; stops for good, and says so by `lost`, where the ring was overtaken."""
        while not self.lost and (frames := min(self._played.head - self._here, PIECE)) > 0:
            if self._played.ready(self._here) < frames:
                self.lost = True
                return
            piece = np.empty((2, frames), np.float32)
            self._played.read(self._here, piece)
            self._file.write(piece)
            self._digest.update(np.ascontiguousarray(piece.T).tobytes())
            self._here += frames

    def close(self) -> Recording:
        """Write the rest and give the file its name."""
        self.turn()
        self._stack.close()
        return Recording(self._path, self._begin, self._here - self._begin, self._digest.hexdigest())


class LogWriter:
    """Writes the session log as things happen. One thread of the control process."""

    def __init__(self, path: Path, header: dict[str, Any], rings: Rings) -> None:
        check_new(path)
        self._stack = ExitStack()
        part = self._stack.enter_context(write_atomically(path))
        self._file = self._stack.enter_context(part.open("w", encoding="utf-8"))
        self._rings, self._seen = [rings.moves, rings.changes], [0, 0]
        self.add(header)

    def turn(self) -> None:
        """Write the events since the last turn. Raises `HearsimError` where some were lost unread."""
        for index, ring in enumerate(self._rings):
            events, lost = ring.since(self._seen[index])
            if lost:
                raise HearsimError(f"{lost} events came faster than the log was written: it can't be rendered again")
            self._seen[index] += len(events)
            for event in events:
                self.add(to_table(event))

    def add(self, line: dict[str, Any]) -> None:
        """Write a line."""
        self._file.write(json.dumps(line) + "\n")
        self._file.flush()

    def close(self) -> None:
        """Write the rest and give the log its name."""
        self.turn()
        self._stack.close()
