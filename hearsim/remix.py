"""Residual remix: each stem times its gain less one, to be added to the delayed mixture.

y[n] = x[n - d] + sum_k (g_k - 1) s_k[n]. With 0 dB on every stem nothing is added, bit for bit.
"""

import numpy as np

from hearsim.audio import Format
from hearsim.processor import Processor
from hearsim.units import FloatArray, ms_to_samples

RAMP_MS = 10.0


class Remix(Processor):
    """Sums (gain - 1) x stem over the stems. `configure` moves the gains in a 10 ms ramp from the next block on."""

    def __init__(self, gains: dict[str, float]) -> None:
        self._gains = dict(gains)

    @property
    def latency(self) -> int:  # noqa: D102
        return 0

    def prepare(self, fmt: Format) -> Format:  # noqa: D102
        if not fmt.stems:
            raise self.refuse(fmt, "it needs stems: put a Separator before it")
        if unknown := set(self._gains) - set(fmt.stems):
            raise self.refuse(fmt, f"the mix names {', '.join(sorted(unknown))}; the stems are {', '.join(fmt.stems)}")
        self._stems = fmt.stems
        self._ramp = ms_to_samples(RAMP_MS, fmt.rate)
        self._target = self._weights()
        self._now, self._from, self._left = self._target.copy(), self._target.copy(), 0
        self._steps = np.arange(1, fmt.block + 1, dtype=np.float64)
        self._scaled = np.zeros(fmt.shape[1:], np.float32)
        output = Format(fmt.rate, fmt.channels, fmt.block, (), fmt.unit)
        self._out = np.zeros(output.shape, np.float32)
        return output

    def configure(self, gains: dict[str, float]) -> None:
        """Set new amplitude factors per stem (control thread); they are reached 10 ms into the next blocks."""
        self._gains = dict(gains)
        self._target = self._weights()

    def probe(self, on: bool) -> None:
        """Let the sum of the stems pass while the latency is measured, or go back to the gains; both at once."""
        self._target = np.ones(len(self._stems)) if on else self._weights()
        self._now, self._left = self._target.copy(), 0

    def _weights(self) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        return np.array([self._gains.get(stem, 1.0) - 1.0 for stem in self._stems])

    def process(self, block: FloatArray) -> FloatArray:  # noqa: D102
        target = self._target  # read once: configure replaces it whole
        if self._left == 0 and not np.array_equal(target, self._now):
            self._from, self._left = self._now.copy(), self._ramp
            self._now = target.copy()
        with np.errstate(over="ignore", invalid="ignore"):  # what is no sound stays none, without a word
            self._add(block)
        self._left = max(0, self._left - block.shape[-1])
        return self._out

    def _add(self, block: FloatArray) -> None:
        self._out.fill(-0.0)  # the one number that changes nothing when added, not even the sign of a zero
        for index, stem in enumerate(block):
            begin, end = self._from[index], self._now[index]
            if self._left:
                done = np.minimum(1.0, (self._ramp - self._left + self._steps) / self._ramp)
                weight = (begin + (end - begin) * done).astype(np.float32)
                self._out += np.multiply(stem, weight, out=self._scaled)
            elif end != 0.0:
                self._out += np.multiply(stem, np.float32(end), out=self._scaled)

    def reset(self) -> None:  # noqa: D102
        self._now, self._left = self._target.copy(), 0
