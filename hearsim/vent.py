"""The vent of an open dome: direct sound comes in under its cutoff, and the aid's own bass leaks out there.

First-order, complementary: what the vent lets in and what the ear keeps of the aid add up to one, so a wire behind
an open dome is a wire. The aid's delay against the direct sound is what makes the comb (`facts/hearing.md`, Delay).
"""

import math

import numpy as np
from scipy import signal

from hearsim.audio import Format
from hearsim.processor import Processor
from hearsim.units import FloatArray


class DirectSound(Processor):
    """What comes through the vent: a first-order low-pass."""

    def __init__(self, cutoff_hz: float) -> None:
        self._cutoff_hz = cutoff_hz

    @property
    def latency(self) -> int:  # noqa: D102
        return 0

    def prepare(self, fmt: Format) -> Format:  # noqa: D102
        if fmt.unit != "pa":
            raise self.refuse(fmt, "it needs pascals: put ToPascal(calibration) before it")
        t = math.tan(math.pi * self._cutoff_hz / fmt.rate)
        self._b, self._a = np.array([t, t]) / (1 + t), np.array([1.0, (t - 1) / (t + 1)])
        self._state = np.zeros((*fmt.shape[:-1], 1))
        return fmt

    def process(self, block: FloatArray) -> FloatArray:  # noqa: D102
        self._state[np.abs(self._state) < 1e-30] = 0.0
        low, self._state = signal.lfilter(self._b, self._a, block, zi=self._state)
        out: FloatArray = low.astype(np.float32)
        return out

    def reset(self) -> None:  # noqa: D102
        self._state.fill(0.0)


class VentLeak(DirectSound):
    """What the vent leaves of the aided sound: all but its low-pass."""

    def process(self, block: FloatArray) -> FloatArray:  # noqa: D102
        return block - super().process(block)
