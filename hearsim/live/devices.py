"""What calls the player: a sound device through PortAudio, a file that stands for one, or nothing at all.

A device runs in the audio process. `run` returns when it was asked to end; it raises `DeviceLostError` where the
device ended by itself.
"""

import itertools
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from multiprocessing.synchronize import Semaphore
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np

from hearsim.core.audio_files import Source, open_source
from hearsim.core.units import FloatArray
from hearsim.live.control import CHANGING, ENDED, FAILED, OPENING, READY, RUNNING, Control, PlaybackStatus
from hearsim.live.events import Kind
from hearsim.live.ledger import BLOCK, check_period
from hearsim.live.player import Player, Rings
from hearsim.live.portaudio import Choice, choose, portaudio
from hearsim.live.process import PRIORITY, ask_for_priority, parent_lives, quiet_process, report_failure
from hearsim.live.resampling import Resampled, lateness
from hearsim.live.shared import truncate_utf8

SILENT_DEVICE_S = 2.0  # without a call for so long a device is taken for gone
LONGEST_LATENCY_S = 10.0  # what reports more tells no truth (PipeWire's JACK has said 97 million seconds)


class DeviceLostError(Exception):
    """The device, or the server behind it, has gone in the middle of a stream."""


class Device(Protocol):
    """Anything that can call a player."""

    def run(self, player: Player, control: Control, rings: Rings, wanted: Callable[[], bool]) -> None:
        """Call the player until it has finished, or `wanted` says no. Audio process, main thread."""


class NullDevice:
    """Nothing comes in, nothing is heard; faster than real time, since it waits for the worker and for nothing else."""

    def __init__(self, period: int = BLOCK) -> None:
        check_period(period)
        self._period = period

    def run(self, player: Player, control: Control, rings: Rings, wanted: Callable[[], bool]) -> None:
        """Call the player as often as the worker keeps up with; a worker that is not there is not waited for."""
        out = np.zeros((self._period, 2), np.float32)
        for given in self._incoming(control):
            if player.finished or not wanted():
                return
            player.callback(given, out)
            self._wait(control, rings, wanted)

    def _incoming(self, control: Control) -> Iterator[FloatArray | None]:
        """Yield what comes in, (frames, channels) at a time, as long as the stream goes on."""
        return itertools.repeat(None)

    def _wait(self, control: Control, rings: Rings, wanted: Callable[[], bool]) -> None:
        while wanted():
            due = rings.source.head // BLOCK * BLOCK + control.playing.delay
            worked = rings.wet.head >= due or control.working.state not in (READY, CHANGING)
            fed = rings.feed.ended or rings.feed.ready(control.playing.position) >= self._period
            if worked and fed:
                return
            time.sleep(1e-4)


class FileDevice(NullDevice):
    """A file comes in, as from a microphone, faster than real time; the stream ends when all of it has been heard."""

    def __init__(self, source: Source, period: int = BLOCK) -> None:
        super().__init__(period)
        self._source = source

    def _incoming(self, control: Control) -> Iterator[FloatArray | None]:
        for sound in self._source.blocks(self._period):
            yield sound.T
        silence = np.zeros((self._period, 2), np.float32)
        for _ in range(0, control.playing.delay + control.working.latency + self._period, self._period):
            yield silence


class SoundDevice:
    """A real device, at the engine's rate or at its own. Its callback never raises and always fills its buffer."""

    def __init__(self, choice: Choice, rate: int) -> None:
        self._choice, self._rate = choice, rate
        self._device_rate = choice.rate_for(rate)
        self.remarks = [f"{choice.label}: {choice.why}", *choice.remarks]
        if self._device_rate != rate:
            self.remarks.append(
                f"it runs at {self._device_rate} Hz, the model at {rate}: the sound is resampled, which costs "
                f"{1e3 * sum(lateness(rate, self._device_rate)) / rate:.1f} ms"
            )

    def run(self, player: Player, control: Control, rings: Rings, wanted: Callable[[], bool]) -> None:
        """Open the stream, at its own period, and watch it; see `Device`."""
        broken: list[Exception] = []
        called = self._caller(player, control.playing)

        def guarded(given: Any, out: Any, reported_s: float, flags: Any) -> None:
            try:
                if 0.0 < reported_s < LONGEST_LATENCY_S:
                    control.playing.reported_ms = 1e3 * reported_s
                called.callback(given, out, bool(flags))
            except Exception as error:
                out.fill(0.0)
                broken.append(error)

        stream = self._choice.open(self._device_rate, guarded)
        try:
            stream.start()
            self._watch(stream, player, control, wanted, broken)
            stream.stop()
            stream.close()
        except portaudio().PortAudioError as error:
            raise DeviceLostError(f"{self._choice.label} failed: {error}") from error
        if broken:
            raise broken[0]

    def _caller(self, player: Player, playing: PlaybackStatus) -> Player | Resampled:
        """Return what the device calls: the player, or what resamples for it."""
        playing.device_rate = self._device_rate
        if self._device_rate == self._rate:
            playing.resampling = 0
            return player
        playing.resampling = sum(lateness(self._rate, self._device_rate))
        return Resampled(player, player.ceiling, self._rate, self._device_rate, self._choice.channels)

    def _watch(
        self, stream: Any, player: Player, control: Control, wanted: Callable[[], bool], broken: list[Exception]
    ) -> None:
        calls, since = -1, time.monotonic()
        while wanted() and not player.finished and not broken:
            time.sleep(0.01)
            if control.playing.callbacks != calls:
                calls, since = control.playing.callbacks, time.monotonic()
            if not stream.active or time.monotonic() - since > SILENT_DEVICE_S:
                raise DeviceLostError(f"{self._choice.label} has gone: is its server still running, is it plugged in?")


@dataclass(frozen=True)
class Stream:
    """What to open: "null", the path of a file that stands for a device, a device's name, or None for the best.

    `source` says what the worker hears, the file that is fed or the device; `probe`: see `Player`.
    """

    device: str | None
    source: Literal["file", "device"]
    rate: int
    probe: bool = False


def run_audio(stream: Stream, control: Control, rings: Rings, wake: Semaphore) -> None:
    """Open the device and play until the end is asked for: the whole of the audio process."""
    playing, wanted = control.playing, control.wanted
    with report_failure(playing):
        playing.state = OPENING
        player = Player(control, rings, wake, stream.rate, stream.source, stream.probe)
        device, remarks = _device(stream, playing)

        def going() -> bool:
            if not parent_lives():
                wanted.stop = 1  # nobody else can say so any more: fade out, and end
                control.working.state = 0  # nor that the worker, which does the same, is gone
            return not wanted.quit

        while not wanted.go and not wanted.stop and going():  # the path may still be loading
            time.sleep(0.005)
        quiet_process()
        playing.message = truncate_utf8(" ".join(remarks))
        playing.state = RUNNING
        try:
            device.run(player, control, rings, going)
        except DeviceLostError as error:
            playing.message = truncate_utf8(str(error))
            playing.state = FAILED
            os._exit(1)  # without PortAudio's own farewell, which waits for a server that is gone
        rings.changes.post(Kind.END, playing.position)
        playing.state = ENDED


def _device(stream: Stream, playing: PlaybackStatus) -> tuple[Device, list[str]]:
    """Return the device, and what there is to be said of it."""
    if stream.device == "null":
        return NullDevice(), []
    if stream.device is not None and Path(stream.device).is_file():
        return FileDevice(open_source(stream.device, stream.rate)), []
    choice = choose(stream.device, stream.source == "device", stream.rate)
    device = SoundDevice(choice, stream.rate)
    # for this thread, which may hold the interpreter when the callback wants it; the worker says what comes of it
    ask_for_priority(PRIORITY)
    playing.device = truncate_utf8(choice.label)
    return device, device.remarks
