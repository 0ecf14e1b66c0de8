"""The vent of an open dome: direct sound comes in under its cutoff, and the aid's own bass leaks out there.

First-order, complementary: the responses of direct and aided sound add up to one, so an aid without delay and gain
is transparent. The aid's delay against the direct sound causes the comb (`facts/hearing.md`, Delay).
"""

import math

import numpy as np

from hearsim.core.arguments import check_number
from hearsim.core.audio import Format
from hearsim.core.processor import Processor
from hearsim.core.units import Curve, FloatArray, gain_to_db
from hearsim.dsp.dynamics import split
from hearsim.profile.schema import CUTOFF_HZ


def vent_comb(delay_ms: float, aided_over_direct_db: float) -> dict[str, float]:
    """Return the comb filter of direct and aided sound: notch spacing and first notch in Hz, ripple in dB.

    Direct 1 plus aided g e^(-j w tau): notches 1/tau apart, the first at 1/(2 tau), ripple 20 lg (1+g)/|1-g|.

    >>> round(vent_comb(23.2, 15.3)["ripple_db"], 1)
    3.0
    """
    check_number("vent_comb: delay_ms", delay_ms, 1e-3, 1e5)
    tau, g = 1e-3 * delay_ms, 10 ** (aided_over_direct_db / 20)
    ripple = gain_to_db((1 + g) / max(abs(1 - g), 1e-3))
    return {"spacing_hz": 1 / tau, "first_notch_hz": 0.5 / tau, "ripple_db": ripple}


def vent_powers(cutoff_hz: float, frequencies_hz: Curve, rate_hz: int) -> tuple[Curve, Curve]:
    """Return the power gains of the vent for the direct sound and for the aid's, at each frequency."""
    ratio = np.tan(np.pi * frequencies_hz / rate_hz) / math.tan(math.pi * cutoff_hz / rate_hz)
    return 1 / (1 + ratio**2), ratio**2 / (1 + ratio**2)


def eardrum_level_db(
    aided_db: Curve, direct_db: Curve | float, cutoff_hz: float, frequencies_hz: Curve, rate_hz: int
) -> Curve:
    """Return the level in dB of leaking aided sound and direct sound: their powers added, without the comb filter.

    With a direct level of 0 dB and the aid's gain as aided level it is the gain at the eardrum.

    >>> eardrum_level_db(np.array((10.0, 10.0)), 0.0, 1000.0, np.array((20.0, 1000.0)), 44100).round(2).tolist()
    [0.02, 7.4]
    """
    direct, leak = vent_powers(cutoff_hz, frequencies_hz, rate_hz)
    return np.asarray(10 * np.log10(leak * 10 ** (0.1 * aided_db) + direct * 10 ** (0.1 * direct_db)))


class DirectSound(Processor):
    """Direct sound through the vent: a first-order low-pass."""

    def __init__(self, cutoff_hz: float) -> None:
        self._cutoff_hz = check_number(f"{type(self).__name__}: cutoff_hz", cutoff_hz, *CUTOFF_HZ)

    @property
    def non_finite(self) -> tuple[int, ...]:  # noqa: D102
        return tuple(self._invalid_counts.tolist())

    def prepare(self, fmt: Format) -> Format:  # noqa: D102
        if fmt.unit != "pa":
            raise self.refuse(fmt, "it needs pascals: put ToPascal(calibration) before it")
        if fmt.stems:
            raise self.refuse(fmt, "it needs a sound, no stems: put Remix before it")
        if self._cutoff_hz >= fmt.rate / 2:
            raise self.refuse(
                fmt, f"its cutoff of {self._cutoff_hz:g} Hz lies over half the rate: resample to 44100 Hz"
            )
        t = math.tan(math.pi * self._cutoff_hz / fmt.rate)  # bilinear, prewarped
        self._b, self._a = t / (1 + t), (t - 1) / (t + 1)
        self._state, self._invalid_counts = np.zeros(fmt.channels), np.zeros(fmt.channels, np.int64)
        self._low, self._high = np.zeros(fmt.shape, np.float32), np.zeros(fmt.shape, np.float32)
        self.process(self._low.copy())  # compiles the loop here, not in the first block
        self.reset()
        return fmt

    def process(self, block: FloatArray) -> FloatArray:  # noqa: D102
        split(block, self._low, self._high, self._b, self._a, self._state, self._invalid_counts)
        return self._low

    def reset(self) -> None:  # noqa: D102
        self._state.fill(0.0)
        self._invalid_counts.fill(0)


class VentLeak(DirectSound):
    """Aided sound after leakage through the vent: the complement of the low-pass."""

    def process(self, block: FloatArray) -> FloatArray:  # noqa: D102
        super().process(block)
        return self._high
