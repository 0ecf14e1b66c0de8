"""File access of a session, in the control process: reads the song, writes the log and recordings.

It can't disturb the sound: rings decouple it, losses by a slow disk are reported, and on a full disk the log or the
recording ends with a message while the music plays on.
"""

import hashlib
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Literal

import numpy as np

from hearsim.core.audio_files import Source, WaveWriter, open_wave
from hearsim.core.errors import HearsimError
from hearsim.core.files import write_atomically, writes
from hearsim.core.units import FloatArray
from hearsim.live.events import to_table
from hearsim.live.log import Recording
from hearsim.live.player import Rings
from hearsim.live.rings import Ring

PIECE = 4096


def check_new(path: Path) -> None:
    """Raise `HearsimError` for a file that exists already, or can't be made."""
    if path.exists():
        raise HearsimError(f"{path} is already there: choose another name")
    if not path.parent.is_dir():
        raise HearsimError(f"{path.parent} is not a folder: make it first, or choose another")


def endless(song: Source, size: int) -> Iterator[FloatArray]:
    """Yield a song again and again, in blocks of `size`, a divisor of `PIECE`; each time fills up whole pieces."""
    while True:
        for piece in song.blocks(PIECE):
            for start in range(0, PIECE, size):
                yield piece[:, start : start + size]


class Feeder:
    """Feeds sound ahead of the playback, in blocks of at most `PIECE`."""

    def __init__(self, blocks: Iterator[FloatArray], feed: Ring) -> None:
        self._blocks, self._feed = blocks, feed

    def turn(self, position: int) -> None:
        """Fill the feed as far ahead of the playback as there is room."""
        while not self._feed.ended and self._feed.head - position < self._feed.capacity - PIECE:
            block = next(self._blocks, None)
            if block is None:
                self._feed.ended = 1
            else:
                self._feed.write(block)


class Recorder:
    """Writes a ring's samples, from the newest on, to a file, exactly."""

    def __init__(self, path: Path, rate: int, ring: Ring) -> None:
        check_new(path)
        self._path, self._ring, self._stack = path, ring, ExitStack()
        self._file: WaveWriter = self._stack.enter_context(open_wave(path, rate))
        self._begin = self._here = ring.head
        self._digest = hashlib.sha256()
        self.lost = False

    def turn(self) -> None:
        """Write the new samples; stop for good, with `lost` set, where the ring was overtaken."""
        with self._stack:
            self._write()
            self._stack = self._stack.pop_all()  # no error: the file stays open

    def close(self) -> Recording:
        """Write the rest and give the file its name."""
        with self._stack:
            self._write()
        return Recording(self._path, self._begin, self._here - self._begin, self._digest.hexdigest())

    def _write(self) -> None:
        while not self.lost and (frames := min(self._ring.head - self._here, PIECE)) > 0:
            piece = np.empty((2, frames), np.float32)
            self._ring.read(self._here, piece)
            if self._ring.ready(self._here) < frames:  # checked after reading, as it may have been overtaken meanwhile
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
            self._stack = self._stack.pop_all()  # no error: the file stays open

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


Recorded = Literal["played", "source"]  # output; input
WORDS: dict[Recorded, str] = {"played": "what was played", "source": "what came in"}
TURN_S = 0.02


class SessionRecorder:
    """Feeds the song, writes log and recordings, in a thread of its own. Methods: control process, main thread.

    `sound` is fed, if there is any; `say` gets messages, from either thread.
    """

    def __init__(self, rings: Rings, sound: Iterator[FloatArray] | None, rate: int, say: Callable[[str], None]) -> None:
        self._rings, self._rate, self._say = rings, rate, say
        self._feeder = Feeder(sound, rings.feed) if sound else None
        self._logger: LogWriter | None = None
        self._recorders: dict[Recorded, Recorder] = {}
        self._turns, self._closing = threading.Lock(), threading.Event()
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._trouble: Exception | None = None

    def start(self) -> None:
        """Fill the feed, then continue in the thread."""
        if self._feeder:
            self._feeder.turn(0)
        else:
            self._rings.feed.ended = 1
        self._thread.start()

    def check(self) -> None:
        """Raise the error of the feeder, which a session can't continue without."""
        if self._trouble is not None:
            raise self._trouble

    def log(self, path: Path, header: dict[str, Any]) -> None:
        """Begin the log; before `start`. Raises `HearsimError` where the file can't be made."""
        self._logger = LogWriter(path, header, self._rings)

    def records(self, signal: Recorded) -> bool:
        """Whether a recording runs."""
        return signal in self._recorders

    def record(self, path: Path, signal: Recorded = "played") -> None:
        """Begin a recording. Raises `HearsimError` where the file can't be made, or one runs."""
        if signal in self._recorders:
            raise HearsimError("a recording runs already: stop it first")
        with self._turns:
            self._recorders[signal] = Recorder(path, self._rate, getattr(self._rings, signal))

    def stop_recording(self, signal: Recorded = "played") -> None:
        """End a recording, if one runs: the file gets its name, and the log a line with its checksum."""
        with self._turns:
            recorder = self._recorders.pop(signal, None)
            if recorder is not None:
                self._attempt(lambda: self._keep(recorder, signal))

    def note(self, line: dict[str, Any]) -> None:
        """Write a line into the log, if there is one."""
        with self._turns:
            self._log(line)

    def close(self) -> None:
        """Write the rest; recordings and log take their names."""
        self._closing.set()
        if self._thread.is_alive():
            self._thread.join()
        for what in WORDS:
            self.stop_recording(what)
        if self._logger:
            self._attempt(self._logger.close)

    def _keep(self, recorder: Recorder, signal: Recorded) -> None:
        recording = recorder.close()
        lost = "; then the disk was too slow" if recorder.lost else ""
        self._say(f"{recording.path} holds {recording.samples / self._rate:.1f} s of {WORDS[signal]}{lost}")
        if signal == "played":
            self._log(recording.to_table())

    def _work(self) -> None:
        try:
            while not self._closing.wait(TURN_S):
                with self._turns:
                    self._turn()
        except Exception as error:
            self._trouble = error

    def _turn(self) -> None:
        if self._feeder:
            self._feeder.turn(self._rings.played.head)
        self._log()
        for signal, recorder in tuple(self._recorders.items()):
            if not self._attempt(recorder.turn):
                del self._recorders[signal]

    def _log(self, *lines: dict[str, Any]) -> None:
        logger = self._logger
        if logger and not self._attempt(lambda: logger.turn(*lines)):
            self._logger = None

    def _attempt(self, work: Callable[[], None]) -> bool:
        """Do work that may fail without harm to the sound; return its success, and report an error."""
        try:
            work()
        except HearsimError as error:
            self._say(str(error))
            return False
        return True
