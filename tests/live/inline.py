"""The engine in one process, turn by turn: no device, no clock, everything repeatable."""

import json
import multiprocessing
from collections.abc import Callable
from pathlib import Path

import numpy as np

from hearsim.core.audio import Audio, Format
from hearsim.core.audio_files import open_source, write
from hearsim.live.control import Control
from hearsim.live.events import Kind, to_table
from hearsim.live.ledger import BLOCK
from hearsim.live.log import header, profile_line, read_log
from hearsim.live.path import LivePath
from hearsim.live.player import Player, Rings
from hearsim.live.replay import replay
from hearsim.live.worker import Worker, build_path
from hearsim.profile.schema import Profile

RATE = 44100


class Inline:
    """A session without processes: `turn` is one period of the device and whatever the worker then does."""

    def __init__(self, profile: Profile, song: Audio | None, period: int, loss: bool = False, probe: bool = False):
        self.profile, self.profiles, self.song, self.loss = profile, [profile], song, loss
        self.control, self.rings = Control.create(), Rings.create()
        self.wake = multiprocessing.get_context("spawn").Semaphore(0)
        self.control.controls.begin(profile, loss)
        self.path = LivePath(profile, loss)
        self.path.prepare(Format(RATE, 2, BLOCK))
        self.worker = Worker(self.path, self.control, self.rings)
        self.probe = probe
        self.open(period)
        self.played: list[np.ndarray] = []
        self.fed = 0
        self.works = True

    def open(self, period: int) -> None:
        """Open a stream; another than the first goes on where the one before it ended, or was killed."""
        self.period, source = period, "file" if self.song is not None else "device"
        self.player = Player(self.control, self.rings, self.wake, RATE, source, self.probe)

    def audible(self, level_db: float = 0.0) -> "Inline":
        self.control.controls.set_level(level_db)
        self.control.controls.silent = 0
        return self

    def switch(self, profile: Profile) -> None:
        """Want another profile."""
        self.control.controls.set_profile(profile, len(self.profiles))
        self.profiles.append(profile)

    def turn(self, count: int = 1, given: np.ndarray | None = None) -> None:
        for _ in range(count):
            self._feed()
            out = np.full((self.period, 2), np.nan, np.float32)
            self.player.callback(given, out)
            self.played.append(out)
            if self.works and self.worker.outdated:
                self.path, number = build_path(self.control.controls, RATE)
                self.worker.take(self.path, number)
            while self.works and self.worker.turn():
                pass

    def until(self, sample: int, turn: Callable[[], None] | None = None) -> None:
        while self.control.playback_status.position < sample:
            (turn or self.turn)()

    def _feed(self) -> None:
        if self.song is None:
            return
        feed = self.rings.feed
        while feed.head < self.control.playback_status.position + 8 * self.period and feed.head < self.song.frames:
            feed.write(self.song.samples[:, feed.head : feed.head + 4096])
        feed.ended = int(feed.head >= self.song.frames)

    def end(self) -> np.ndarray:
        """Fade out, note the end, return everything that was played (2, frames)."""
        self.control.controls.stop = 1
        while not self.player.finished:
            self.turn()
        self.rings.changes.post(Kind.END, self.control.playback_status.position)
        return np.concatenate(self.played).T

    def replayed(self, folder: Path) -> np.ndarray:
        """What the session's log renders to."""
        assert self.song is not None
        write(folder / "song.wav", self.song)
        source = open_source(folder / "song.wav")
        lines = [header(self.profile, self.loss, RATE, {"path": str(source.path), "sha256": source.sha256})]
        lines += map(profile_line, self.profiles[1:])
        for ring in (self.rings.moves, self.rings.changes):
            events, lost = ring.since(0)
            assert lost == 0
            lines += map(to_table, events)
        (folder / "log.jsonl").write_text("\n".join(map(json.dumps, lines)) + "\n")
        return np.concatenate(list(replay(read_log(folder / "log.jsonl"), source)), axis=1)

    def close(self) -> None:
        self.control.close()
        self.rings.close()
