"""The paper work of a session, in the control process: feeds the file, writes the log, records.

None of it can disturb the sound: rings lie between, what a slow disk loses is said, and where a disk is full the log or
the recording ends with a sentence while the music plays on.
"""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal

from hearsim.errors import HearsimError
from hearsim.live.player import Rings
from hearsim.live.scribe import Feeder, LogWriter, Recorder
from hearsim.units import FloatArray

Recorded = Literal["played", "source"]  # what went out; what came in
WORDS: dict[Recorded, str] = {"played": "what was played", "source": "what came in"}
TURN_S = 0.02


class Paperwork:
    """Runs a feeder, a log and recordings in a thread of its own. Methods: control process, its main thread.

    `sound` is what is fed, if anything is; `say` takes what there is to be said, from either thread.
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
        """Fill the feed, then go on in the thread."""
        if self._feeder:
            self._feeder.turn(0)
        else:
            self._rings.feed.ended = 1
        self._thread.start()

    def check(self) -> None:
        """Raise what the feeding failed by: a session can't go on without."""
        if self._trouble is not None:
            raise self._trouble

    def log(self, path: Path, header: dict[str, Any]) -> None:
        """Begin the log; before `start`. Raises `HearsimError` where the file can't be made."""
        self._logger = LogWriter(path, header, self._rings)

    def records(self, what: Recorded) -> bool:
        """Whether a recording runs."""
        return what in self._recorders

    def record(self, path: Path, what: Recorded = "played") -> None:
        """Begin a recording. Raises `HearsimError` where the file can't be made, or one runs."""
        if what in self._recorders:
            raise HearsimError("a recording runs already: stop it first")
        with self._turns:
            self._recorders[what] = Recorder(path, self._rate, getattr(self._rings, what))

    def stop_recording(self, what: Recorded = "played") -> None:
        """End a recording, if one runs: the file takes its name, and the log a line with its checksum."""
        with self._turns:
            recorder = self._recorders.pop(what, None)
            if recorder is not None:
                self._attempt(lambda: self._keep(recorder, what))

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

    def _keep(self, recorder: Recorder, what: Recorded) -> None:
        found = recorder.close()
        lost = "; then the disk was too slow" if recorder.lost else ""
        self._say(f"{found.path} holds {found.samples / self._rate:.1f} s of {WORDS[what]}{lost}")
        if what == "played":
            self._log(found.to_table())

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
        for what, recorder in tuple(self._recorders.items()):
            if not self._attempt(recorder.turn):
                del self._recorders[what]

    def _log(self, *lines: dict[str, Any]) -> None:
        logger = self._logger
        if logger and not self._attempt(lambda: logger.turn(*lines)):
            self._logger = None

    def _attempt(self, work: Callable[[], None]) -> bool:
        """Do what may fail without harm to the sound; return whether it went well, say why not."""
        try:
            work()
        except HearsimError as error:
            self._say(str(error))
            return False
        return True
