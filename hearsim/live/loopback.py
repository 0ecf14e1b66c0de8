"""Measuring a live session through a cable from the device's output back to its input.

Chirps are played, return through the cable, and run through the whole engine, whose output is not played. So two
delays are measured to the sample, chirp by chirp: the device's, and the total. All in the control process.
"""

import time
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from hearsim.core.alignment import template_lag
from hearsim.core.errors import HearsimError
from hearsim.core.units import Curve, FloatArray
from hearsim.live.player import FADE_IN_S
from hearsim.live.recording import PIECE
from hearsim.live.rings import Ring
from hearsim.live.session import Session
from hearsim.profile.schema import STEMS

CHIRP, EVERY = 4096, 22050  # samples of a chirp, and from one to the next
AMPLITUDE = 0.05  # -26 dB re full scale, as headphones may be worn
REACH = 16384  # the longest delay searched for, samples
LIKE = 0.5  # least correlation of a detected chirp
WHOLE = 0.9  # least correlation of an intact chirp; xruns or noise damage others
HELLO_S = 60.0


class Arrival(NamedTuple):
    """The result of one chirp: delays in samples and correlations at the peak, of the cable and of the total."""

    device: int
    device_peak: float
    total: int
    total_peak: float

    @property
    def whole(self) -> bool:
        """Whether both delays can be trusted."""
        return min(self.device_peak, self.total_peak) >= WHOLE


def chirp() -> Curve:
    """Return the chirp: 0 to 16 kHz at 44.1 kHz, linear, with soft ends."""
    t = np.arange(CHIRP)
    sweep: Curve = np.sin(np.pi * 16000 / 44100 * t * t / CHIRP) * np.hanning(CHIRP)
    return sweep


def chirps() -> Iterator[FloatArray]:
    """Yield silence with a chirp at each multiple of `EVERY`, without an end; for `Session(probe=...)`."""
    sound = np.zeros((2, EVERY), np.float32)
    sound[:, :CHIRP] = AMPLITUDE * chirp()
    while True:
        for start in range(0, EVERY, PIECE):
            yield sound[:, start : start + PIECE]


def flatten(session: Session) -> None:
    """Set all controls so that a chirp passes unchanged: 0 dB on every stem, no compensation, full level."""
    controls = session.control.controls
    for stem in STEMS:
        controls.set_gain(stem, 0.0)
        controls.set_muted(stem, False)
    controls.set_step("remix")
    controls.set_level(0.0)
    controls.silent = 0


def measure(session: Session, seconds: float) -> Iterator[Arrival]:
    """Yield the result of each chirp, for a time that begins with the first detected one.

    `session` was made with `probe=chirps()` and is flattened. Raises `HearsimError` where no chirp is detected, where
    the stream ends, and where the device is lost.
    """
    probe, playback_status = chirp(), session.control.playback_status
    start = -(-(playback_status.position + int(FADE_IN_S * session.rate)) // EVERY) * EVERY
    begin, patience = 0, start + int(HELLO_S * session.rate)
    while not begin or start < begin + seconds * session.rate:
        while playback_status.position < start + CHIRP + REACH:
            session.look_after()
            _check(session)
            time.sleep(0.01)
        device, total = (
            template_lag(_recorded(ring, start), probe) for ring in (session.rings.source, session.rings.played)
        )
        if total[1] > LIKE:
            begin = begin or start
        if begin:
            yield Arrival(*device, *total)
        elif start > patience:
            raise HearsimError(
                f"no chirp came back in {HELLO_S:g} s: connect the output to the input by a cable (with JACK: "
                "`jack_connect PortAudio:out_0 PortAudio:in_0`), and turn their levels up"
            )
        start += EVERY


def _check(session: Session) -> None:
    if session.lost:
        raise HearsimError(f"nothing more can be measured: {session.lost}")
    if session.ended:
        raise HearsimError("nothing more can be measured, the stream has ended: take a device that goes on")


def _recorded(ring: Ring, start: int) -> Curve:
    block = np.zeros((2, CHIRP + REACH), np.float32)
    ring.read(start, block)
    sound: Curve = block[0].astype(np.float64)
    return sound
