"""Render a session again: the live output, sample for sample, from its log and its song.

The same path and output stage, driven by the events of the log instead of a mixer and a device.
"""

import hashlib
from collections import deque
from collections.abc import Iterator
from contextlib import closing

import numpy as np

from hearsim.core.audio import Format
from hearsim.core.audio_files import Source
from hearsim.core.errors import HearsimError
from hearsim.core.units import FloatArray
from hearsim.live.events import Kind, mixer_state_of, profile_of
from hearsim.live.ledger import BLOCK
from hearsim.live.log import Recording, SessionLog
from hearsim.live.output_stage import OutputStage
from hearsim.live.path import LivePath
from hearsim.live.player import Rings
from hearsim.live.recording import endless


def replay(log: SessionLog, song: Source) -> Iterator[FloatArray]:
    """Yield the session's output, (2, frames) at a time, from the first sample of the stream to its last.

    Raises `HearsimError` where the song is not the one that was played.
    """
    sha256 = log.source.get("sha256")
    if sha256 is not None and sha256 != song.sha256:
        raise HearsimError(
            f"{song.path} is not the song that was played: that was {log.source.get('path')} (sha256 {sha256})"
        )
    with closing(Rings.create()) as rings:
        yield from _Replay(log, rings).play(song)


class _Replay:
    """One run through a log; `here` is the first sample of the block at hand."""

    def __init__(self, log: SessionLog, rings: Rings) -> None:
        self._log, self._rings = log, rings
        self._take_profile(0)
        self._output = OutputStage(np.zeros(2, np.float32))
        self._moves, self._changes = deque(log.moves), deque(log.changes)
        self._wet, self._dry = np.zeros((2, 2, BLOCK), np.float32)
        self._formats = [event for event in log.changes if event.kind == Kind.FORMAT]

    def _take_profile(self, number: int) -> None:
        self._path, self._number = LivePath(self._log.profiles[number], self._log.loss), number
        self._path.prepare(Format(self._log.rate, 2, BLOCK))

    def play(self, song: Source) -> Iterator[FloatArray]:
        silence = np.zeros((2, BLOCK), np.float32)
        sounds = endless(song, BLOCK) if self._log.source.get("loop") else song.blocks(BLOCK)
        for here in range(0, self._log.end, BLOCK):
            sound = self._without_gaps(next(sounds, silence), here)
            self._rings.source.write(sound)
            self._work(sound, here)
            yield from self._listen(here, min(here + BLOCK, self._log.end))

    def _delay(self, here: int) -> int:
        """Return the delay of the stream that plays at a sample."""
        return next((int(event.values[1]) for event in reversed(self._formats) if event.at <= here), 0)

    def _without_gaps(self, sound: FloatArray, here: int) -> FloatArray:
        sound = sound.copy()
        for gap in self._log.changes:
            if gap.kind == Kind.STARVED:
                sound[:, max(gap.at - here, 0) : max(int(gap.at + gap.values[0]) - here, 0)] = 0.0
        return sound

    def _work(self, sound: FloatArray, here: int) -> None:
        """Process the block at `here` as the worker did."""
        if self._moves and self._moves[0].kind == Kind.START and self._moves[0].at == here:
            start = self._moves.popleft()
            if (number := profile_of(start)) != self._number:
                self._take_profile(number)
            self._path.start(mixer_state_of(start))
            self._rings.wet.skip_to(here + self._delay(here))
            while self._moves and self._moves[0].kind == Kind.MOVE:
                move = self._moves.popleft()
                self._path.configure(mixer_state_of(move), move.at)
        if self._rings.wet.head:
            self._rings.wet.write(self._path.process(sound))

    def _listen(self, here: int, stop: int) -> Iterator[FloatArray]:
        """Process the samples here .. stop as the callback did, from event to event."""
        while here < stop:
            while self._changes and self._changes[0].at <= here:
                self._output.take(self._changes.popleft())
            edge = min(stop, self._changes[0].at) if self._changes else stop
            wet, dry = self._wet[:, : edge - here], self._dry[:, : edge - here]
            self._rings.wet.read(here, wet)
            self._rings.source.read(here - self._delay(here) - self._output.path_latency, dry)
            yield self._output.process(wet, dry).copy()
            here = edge


class Checksums:
    """Compares a replay with the recordings of a log, by their checksums, as it is rendered."""

    def __init__(self, log: SessionLog) -> None:
        self._open = [(recording, hashlib.sha256()) for recording in log.recordings]
        self._here = 0

    def add(self, block: FloatArray) -> None:
        """Take the next (2, frames) of the replay."""
        for recording, digest in self._open:
            first = max(recording.at - self._here, 0)
            stop = max(recording.at + recording.samples - self._here, 0)
            digest.update(np.ascontiguousarray(block[:, first:stop].T).tobytes())
        self._here += block.shape[1]

    def results(self) -> list[tuple[Recording, bool]]:
        """Return each recording of the log, and whether the replay equals it, sample for sample."""
        return [(recording, digest.hexdigest() == recording.sha256) for recording, digest in self._open]
