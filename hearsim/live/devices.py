"""Devices that call the player: a sound device through PortAudio, a file, or a null device.

A device runs in the audio process. `run` returns at the end of the session; it raises `DeviceLostError` where the
device fails.
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

SILENT_DEVICE_S = 2.0  # a device without a call for so long counts as lost
LONGEST_LATENCY_S = 10.0  # a longer reported latency is wrong (PipeWire's JACK: 97 million seconds)


class DeviceLostError(Exception):
    """The device, or its server, was lost during a stream."""


class Device(Protocol):
    """Anything that can call a player."""

    def run(self, player: Player, control: Control, rings: Rings, keep_running: Callable[[], bool]) -> None:
        """Call the player until it has finished, or `keep_running` says no. Audio process, main thread."""


class NullDevice:
    """A device without input or output; faster than real time, as it waits for the worker alone."""

    def __init__(self, period: int = BLOCK) -> None:
        check_period(period)
        self._period = period

    def run(self, player: Player, control: Control, rings: Rings, keep_running: Callable[[], bool]) -> None:
        """Call the player as fast as the worker processes; a missing worker is not waited for."""
        out = np.zeros((self._period, 2), np.float32)
        for given in self._incoming(control):
            if player.finished or not keep_running():
                return
            player.callback(given, out)
            self._wait(control, rings, keep_running)

    def _incoming(self, control: Control) -> Iterator[FloatArray | None]:
        """Yield the input in blocks (frames, channels) to the end of the stream."""
        return itertools.repeat(None)

    def _wait(self, control: Control, rings: Rings, keep_running: Callable[[], bool]) -> None:
        while keep_running():
            due = rings.source.head // BLOCK * BLOCK + control.playback_status.delay
            worked = rings.wet.head >= due or control.worker_status.state not in (READY, CHANGING)
            fed = rings.feed.ended or rings.feed.ready(control.playback_status.position) >= self._period
            if worked and fed:
                return
            time.sleep(1e-4)


class FileDevice(NullDevice):
    """A file as the microphone's input, faster than real time; the stream ends after its last sample."""

    def __init__(self, source: Source, period: int = BLOCK) -> None:
        super().__init__(period)
        self._source = source

    def _incoming(self, control: Control) -> Iterator[FloatArray | None]:
        for sound in self._source.blocks(self._period):
            yield sound.T
        silence = np.zeros((self._period, 2), np.float32)
        for _ in range(0, control.playback_status.delay + control.worker_status.latency + self._period, self._period):
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

    def run(self, player: Player, control: Control, rings: Rings, keep_running: Callable[[], bool]) -> None:
        """Open the stream, at its own period, and watch it; see `Device`."""
        broken: list[Exception] = []
        called = self._caller(player, control.playback_status)

        def guarded(given: Any, out: Any, reported_s: float, flags: Any) -> None:
            try:
                if 0.0 < reported_s < LONGEST_LATENCY_S:
                    control.playback_status.reported_ms = 1e3 * reported_s
                called.callback(given, out, bool(flags))
            except Exception as error:
                out.fill(0.0)
                broken.append(error)

        stream = self._choice.open(self._device_rate, guarded)
        try:
            stream.start()
            self._watch(stream, player, control, keep_running, broken)
            stream.stop()
            stream.close()
        except portaudio().PortAudioError as error:
            raise DeviceLostError(f"{self._choice.label} failed: {error}") from error
        if broken:
            raise broken[0]

    def _caller(self, player: Player, playback_status: PlaybackStatus) -> Player | Resampled:
        """Return the device's callback: the player, or the player behind a resampler."""
        playback_status.device_rate = self._device_rate
        if self._device_rate == self._rate:
            playback_status.resampling = 0
            return player
        playback_status.resampling = sum(lateness(self._rate, self._device_rate))
        return Resampled(player, player.ceiling, self._rate, self._device_rate, self._choice.channels)

    def _watch(
        self, stream: Any, player: Player, control: Control, keep_running: Callable[[], bool], broken: list[Exception]
    ) -> None:
        calls, since = -1, time.monotonic()
        while keep_running() and not player.finished and not broken:
            time.sleep(0.01)
            if control.playback_status.callbacks != calls:
                calls, since = control.playback_status.callbacks, time.monotonic()
            if not stream.active or time.monotonic() - since > SILENT_DEVICE_S:
                raise DeviceLostError(f"{self._choice.label} has gone: is its server still running, is it plugged in?")


@dataclass(frozen=True)
class Stream:
    """The device to open: "null", the path of a file, a device's name, or None for the preferred one.

    `source` is the worker's input, the file in the feed or the device; `probe`: see `Player`.
    """

    device: str | None
    source: Literal["file", "device"]
    rate: int
    probe: bool = False


def run_audio(stream: Stream, control: Control, rings: Rings, wake: Semaphore) -> None:
    """Open the device and play until the session ends; the audio process's main function."""
    playback_status, keep_running = control.playback_status, control.controls
    with report_failure(playback_status):
        playback_status.state = OPENING
        player = Player(control, rings, wake, stream.rate, stream.source, stream.probe)
        device, remarks = _device(stream, playback_status)

        def going() -> bool:
            if not parent_lives():
                keep_running.stop = 1  # the control process is gone: fade out, and end
                control.worker_status.state = 0  # nor that the worker, which does the same, is gone
            return not keep_running.quit

        while not keep_running.go and not keep_running.stop and going():  # the path may still be loading
            time.sleep(0.005)
        quiet_process()
        playback_status.message = truncate_utf8(" ".join(remarks))
        playback_status.state = RUNNING
        try:
            device.run(player, control, rings, going)
        except DeviceLostError as error:
            playback_status.message = truncate_utf8(str(error))
            playback_status.state = FAILED
            os._exit(1)  # without PortAudio's shutdown, which waits for the lost server
        rings.changes.post(Kind.END, playback_status.position)
        playback_status.state = ENDED


def _device(stream: Stream, playback_status: PlaybackStatus) -> tuple[Device, list[str]]:
    """Return the device and remarks on it."""
    if stream.device == "null":
        return NullDevice(), []
    if stream.device is not None and Path(stream.device).is_file():
        return FileDevice(open_source(stream.device, stream.rate)), []
    choice = choose(stream.device, stream.source == "device", stream.rate)
    device = SoundDevice(choice, stream.rate)
    # for this thread, which may hold the interpreter when the callback needs it; the worker reports the result
    ask_for_priority(PRIORITY)
    playback_status.device = truncate_utf8(choice.label)
    return device, device.remarks
