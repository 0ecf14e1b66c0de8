"""A device at a rate of its own: sound goes through the engine's rate and back, later by a whole number of samples.

Both ways are polyphase filters of linear phase (windowed sinc, Kaiser's window for 80 dB): an output sample is the
input's band-limited value at an exact place, so the delay is a number and not an estimate. Flat to 20 kHz.

    device -- n samples --> engine rate, A later -- player --> device rate, B later -- n samples --> device

A call hands over as many engine samples as fit into the device's so far, floor(n rate / device rate): one more or one
less than the call before. A and B are the least delays with which a filter's look-ahead is always available.
"""

import math

import numpy as np

from hearsim.core.units import FloatArray
from hearsim.live.player import Player

CROSSINGS = 32  # of the sinc on each side, at the lower of both rates
BETA = 0.1102 * (80.0 - 8.7)  # Kaiser's formula for 80 dB (Kaiser and Schafer 1980, eq. 7)


class Polyphase:
    """One way, streamed: output sample j is the input at (j - `delay`) source / target or j source / target - `delay`.

    The first where `delay` counts output samples (`by_output`), else it counts input samples. One thread uses it.
    """

    def __init__(self, source: int, target: int, delay: int, by_output: bool, channels: int) -> None:
        common = math.gcd(source, target)
        self._step, self._phases = source // common, target // common
        self._next = -delay * (self._step if by_output else self._phases)  # the next output's place, in 1/phases
        self._reach = reach(source, target)
        self._table = _table(source, target, self._phases, self._reach)
        self._offsets = np.arange(1 - self._reach, self._reach + 1)
        self._sound, self._first = np.zeros((channels, 2 * self._reach + 2), np.float32), -2 * self._reach - 2

    def process(self, sound: FloatArray, count: int) -> FloatArray:
        """Take (channels, frames), return the next `count` samples (channels, count)."""
        self._sound = np.concatenate((self._sound, sound), axis=1)
        places = self._next + self._step * np.arange(count)
        self._next += self._step * count
        whole, phase = np.divmod(places, self._phases)
        around = self._sound[:, whole[:, None] + self._offsets - self._first]
        out: FloatArray = (around * self._table[phase]).sum(axis=2)
        spent = self._next // self._phases - self._reach - self._first
        self._sound, self._first = self._sound[:, spent:], self._first + spent
        return out


def reach(source: int, target: int) -> int:
    """Return how many input samples on each side a filter needs."""
    return math.ceil(CROSSINGS * max(1.0, source / target))


def _table(source: int, target: int, phases: int, taps: int) -> FloatArray:
    """Return the filters (phases, 2 taps) for places between two input samples, each with a gain of one at 0 Hz."""
    cutoff = min(1.0, target / source)
    distance = np.arange(1 - taps, taps + 1) - np.arange(phases)[:, None] / phases
    window = np.i0(BETA * np.sqrt(np.maximum(0.0, 1 - (distance / taps) ** 2)))
    filters = np.sinc(cutoff * distance) * window
    table: FloatArray = (filters / filters.sum(axis=1, keepdims=True)).astype(np.float32)
    return table


def lateness(rate: int, device_rate: int) -> tuple[int, int]:
    """Return A and B, in samples at `rate`: the delays of input and output."""
    inwards = math.ceil((reach(device_rate, rate) + 1) * rate / device_rate) - 1
    outwards = math.ceil(reach(rate, device_rate) + 2 - rate / device_rate)
    return inwards, outwards


class Resampled:
    """A player behind a device of another rate. `callback`: audio thread only.

    `channels` are the device's, in (0: no input) and out. `ceiling` (2,) holds at the device's rate too:
    overshoots between the engine's samples are clipped; the lower one holds for a single channel, which both ears hear.
    """

    def __init__(
        self, player: Player, ceiling: FloatArray, rate: int, device_rate: int, channels: tuple[int, int]
    ) -> None:
        self._player, self._rate, self._device_rate = player, rate, device_rate
        self._ceiling, self._mono = ceiling, channels[1] == 1
        late_in, late_out = lateness(rate, device_rate)
        self._inwards = Polyphase(device_rate, rate, late_in, True, channels[0])
        self._outwards = Polyphase(rate, device_rate, late_out, False, channels[1])
        self._taken = self._played = 0  # samples so far, at the device's rate and at the engine's

    def callback(self, given: FloatArray | None, out: FloatArray, xrun: bool = False) -> None:
        """Take the input (frames, channels), if any, and fill `out` (frames, channels); see `Player`."""
        frames, channels = out.shape
        if self._taken == 0:
            self._player.begin(math.ceil(frames * self._rate / self._device_rate), even=False)
        self._taken += frames
        count = self._taken * self._rate // self._device_rate - self._played
        self._played += count
        heard = None if given is None else self._inwards.process(given.T, count).T
        sound = np.empty((count, channels), np.float32)
        self._player.callback(heard, sound, xrun)
        limit = self._ceiling.min() if self._mono else self._ceiling
        np.clip(self._outwards.process(sound.T, frames).T, -limit, limit, out=out)
