"""The audio callback: copies, ramps and counts.

Each call copies the input to the worker's ring, takes the worker's output, or the dry signal with the same latency if
that is not ready; sets the level; limits; counts. It never waits. All methods: audio thread only, but
for the constructor.
"""

import math
from dataclasses import dataclass
from multiprocessing.synchronize import Semaphore
from typing import Literal

import numpy as np

from hearsim.core.audio_files import HIGHEST
from hearsim.core.invalid_samples import zero_invalid
from hearsim.core.units import FloatArray, db_to_gain
from hearsim.live.control import Control
from hearsim.live.events import Kind
from hearsim.live.ledger import turn, waiting
from hearsim.live.output_stage import FADE, LARGEST_PERIOD, OutputStage
from hearsim.live.rings import Event, EventRing, Ring

FADE_IN_S, FADE_OUT_S, MOVE_S, PANIC_S = 1.5, 0.02, 0.05, 0.005
METER_FALL_S = 0.3


@dataclass(frozen=True)
class Rings:
    """The rings of a session, with their writers."""

    feed: Ring  # control process: the file, read ahead
    source: Ring  # audio: the input, file or device
    wet: Ring  # worker: the path's output, by output position
    played: Ring  # audio: the output
    moves: EventRing  # worker
    changes: EventRing  # audio

    @classmethod
    def create(cls) -> "Rings":
        """Make the rings. The process that does so closes them."""
        return cls(Ring(1 << 18), Ring(1 << 17), Ring(1 << 15), Ring(1 << 18), EventRing(), EventRing())

    def close(self) -> None:
        """Release the rings."""
        for ring in (self.feed, self.source, self.wet, self.played, self.moves, self.changes):
            ring.close()


class Player:
    """The callback of a stream.

    `source` is the worker's input: the "file" in the feed, or the "device". With `probe` the feed is played to
    the device while the worker hears the device: so a cable from output to input carries a probe through the engine.
    """

    def __init__(
        self,
        control: Control,
        rings: Rings,
        wake: Semaphore,
        rate: int,
        source: Literal["file", "device"],
        probe: bool = False,
    ) -> None:
        self._control, self._rings, self._wake, self._rate = control, rings, wake, rate
        self._from_file, self._probe = source == "file", probe
        self.ceiling = np.zeros(2, np.float32)  # no profile yet: silence
        self._output, self._profile = OutputStage(self.ceiling), -1
        self._come, self._wet, self._dry, self._feed = np.zeros((4, 2, LARGEST_PERIOD), np.float32)
        self._period, self._even, self._aim = 0, True, 0.0
        self._output.begin(rings.played.head)

    def callback(self, given: FloatArray | None, out: FloatArray, xrun: bool = False) -> None:
        """Take the input (frames, channels), if any, and fill `out` (frames, channels)."""
        playback_status = self._control.playback_status
        if len(out) > self._period or (self._even and len(out) < self._period):
            self.begin(max(len(out), self._period), even=self._period == 0)
        for start in range(0, len(out), LARGEST_PERIOD):
            part = slice(start, start + LARGEST_PERIOD)
            self._play(None if given is None else given[part], out[part])
        playback_status.callbacks += 1
        playback_status.xruns += int(xrun)

    @property
    def finished(self) -> bool:
        """Whether a stop was requested and the sound has faded out."""
        return bool(self._control.controls.stop) and self._output.silent and self._period > 0

    def begin(self, period: int, even: bool = True) -> None:
        """Set the delay by the period, the most samples that a call will hand over, not `even` if some hand over less.

        Without it the first call's count is taken, until another call hands over more, or less: then the sound begins
        anew, with the delay that suits these. A stream after a lost device keeps its earlier delay if
        possible.
        """
        playback_status, at = self._control.playback_status, self._output.position
        self._period = playback_status.period = period
        self._even, self._aim = even, 0.0
        playback_status.delay = max(playback_status.delay, waiting(period if even else 1) + turn(period))
        self._post(Kind.FORMAT, at, period, playback_status.delay)
        self._follow_profile(at)
        while gap := min(self._rings.source.head - self._output.position, LARGEST_PERIOD):
            self._listen(gap)  # the input that a killed stream did not play

    def _post(self, kind: Kind, at: int, *values: float) -> None:
        self._output.take(Event(kind, at, values))
        self._rings.changes.post(kind, at, *values)

    def _play(self, given: FloatArray | None, out: FloatArray) -> None:
        rings, frames = self._rings, len(out)
        now = self._output.position
        rings.source.write(self._incoming(given, now, frames))
        self._wake.release()
        self._follow_profile(now)
        self._choose(now, frames, rings.wet.ready(now))
        self._follow_level(now)
        sound = self._listen(frames)
        self._hand_over(self._feed[:, :frames] if self._probe else sound, out)
        self._meter(sound, frames)

    def _listen(self, frames: int) -> FloatArray:
        """Return the next samples to be played, (2, frames), and note that they are."""
        playback_status, rings, now = self._control.playback_status, self._rings, self._output.position
        wet, dry = self._wet[:, :frames], self._dry[:, :frames]
        rings.wet.read(now, wet)
        rings.source.read(now - playback_status.delay - self._output.path_latency, dry)
        sound = self._output.process(wet, dry)
        rings.played.write(sound)
        playback_status.position, playback_status.silent = now + frames, int(self._output.silent)
        return sound

    def _incoming(self, given: FloatArray | None, now: int, frames: int) -> FloatArray:
        """Return the worker's input (2, frames), without invalid samples, as in a file."""
        come = self._come[:, :frames]
        if self._from_file or self._probe:
            self._read_feed(now, frames)
        if self._from_file:
            come[...] = self._feed[:, :frames]
        elif given is None:
            come.fill(0.0)
        else:
            come[0], come[1] = given[:, 0], given[:, -1]  # a mono input is both ears'
            come[...] = zero_invalid(come, HIGHEST)
        return come

    def _read_feed(self, now: int, frames: int) -> None:
        feed, into = self._rings.feed, self._feed[:, :frames]
        ready = min(feed.ready(now), frames)
        feed.read(now, into[:, :ready])
        into[:, ready:] = 0.0
        if ready < frames and not feed.ended:
            self._post(Kind.STARVED, now + ready, frames - ready)
            self._control.playback_status.starved += frames - ready

    def _choose(self, now: int, frames: int, ready: int) -> None:
        """Crossfade to the dry signal where the worker's sound is late, and back when it is in time."""
        enough, playback_status = ready >= frames + FADE, self._control.playback_status
        if self._output.wet and not enough:
            playback_status.fallbacks += int(not self._output.silent)
            self._post(Kind.DRY, now, max(1, min(FADE, ready)), self._control.worker_status.match)
        elif not self._output.wet and enough and self._output.share.is_settled:
            self._post(Kind.WET, now, FADE)
        playback_status.dry = int(not self._output.wet)

    def _follow_profile(self, now: int) -> None:
        """Change to the worker's profile once the output is silent."""
        worker_status = self._control.worker_status
        if worker_status.profile_number != self._profile and self._output.silent:
            self._profile = worker_status.profile_number
            self._post(
                Kind.PROFILE, now, self._profile, worker_status.latency, *worker_status.array("ceiling").tolist()
            )

    def _follow_level(self, now: int) -> None:
        controls = self._control.controls
        off = bool(controls.silent or controls.panic or controls.stop) or controls.profile_number != self._profile
        aim = 0.0 if off else min(1.0, db_to_gain(controls.level_db))
        if aim == self._aim:
            return
        seconds = FADE_IN_S if self._aim == 0.0 else MOVE_S
        if off:
            seconds = PANIC_S if controls.panic else FADE_OUT_S
        self._aim = aim
        self._post(Kind.LEVEL, now, aim, round(seconds * self._rate))

    def _hand_over(self, sound: FloatArray, out: FloatArray) -> None:
        """Copy to the device: two ears to its first two channels, or their mean to a single one.

        Both ears hear a single channel, so the lower of their ceilings limits it.
        """
        if out.shape[1] == 1:
            ceiling = self.ceiling.min()
            np.clip(0.5 * (sound[0] + sound[1]), -ceiling, ceiling, out=out[:, 0])
            return
        out[:, :2] = sound.T
        out[:, 2:] = 0.0

    def _meter(self, sound: FloatArray, frames: int) -> None:
        playback_status = self._control.playback_status
        peaks = playback_status.array("peaks")
        np.maximum(np.abs(sound).max(axis=1), peaks * math.exp(-frames / (METER_FALL_S * self._rate)), out=peaks)
        if playback_status.dry and playback_status.fallbacks and not playback_status.silent:
            playback_status.dry_samples += frames
