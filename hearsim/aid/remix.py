"""Residual remix: each stem times its gain less one, to be added to the delayed mixture.

y[n] = x[n - d] + sum_k (g_k - 1) s_k[n]. With 0 dB on every stem nothing is added, bit for bit.
"""

from collections.abc import Mapping

import numpy as np

from hearsim.core.arguments import check_kind, check_number
from hearsim.core.audio import Format
from hearsim.core.processor import Processor
from hearsim.core.units import Curve, FloatArray, ms_to_samples
from hearsim.dsp.ramps import Ramp

RAMP_MS = 10.0
MOST_FACTOR = 4.0
"""The greatest amplitude factor of a stem, +12 dB."""


def _factors(gains: object) -> dict[str, float]:
    """Return a copy of gains by stem; raises `HearsimError` for factors outside 0 .. 4."""
    check_kind("Remix takes amplitude factors by stem", gains, Mapping, 'give {"vocals": 2.0}, for example')
    assert isinstance(gains, Mapping)
    return {stem: check_number(f"Remix: amplitude factor of {stem}", gains[stem], 0, MOST_FACTOR) for stem in gains}


class Remix(Processor):
    """Sums (gain - 1) x stem over the stems. `configure` moves the gains in a ramp of 10 ms from a stated sample on.

    With `metered` set, `power` holds the mean square of each stem over the latest block, before its gain.
    """

    def __init__(self, gains: dict[str, float]) -> None:
        self._gains = _factors(gains)
        self.metered, self._probed = False, False

    def prepare(self, fmt: Format) -> Format:  # noqa: D102
        if not fmt.stems:
            raise self.refuse(fmt, "it needs stems: put a Separator before it")
        if unknown := set(self._gains) - set(fmt.stems):
            raise self.refuse(fmt, f"the mix names {', '.join(sorted(unknown))}; the stems are {', '.join(fmt.stems)}")
        self._stems = fmt.stems
        self._ramp = ms_to_samples(RAMP_MS, fmt.rate)
        self._upstream_latency = fmt.upstream_latency
        self._glide = Ramp(self._weights(), -fmt.upstream_latency)
        self._scaled = np.zeros(fmt.shape[1:], np.float32)
        output = Format(fmt.rate, fmt.channels, fmt.block, (), fmt.unit)
        self._out = np.zeros(output.shape, np.float32)
        self.power = np.zeros(len(fmt.stems))
        return output

    @property
    def now(self) -> int:
        """The next sample of the source to be mixed: the stream's position minus the delay up to this stage."""
        return self._glide.position

    def configure(self, gains: dict[str, float], at: int | None = None) -> int:
        """Move to new amplitude factors per stem, from sample `at` of the source on; return where the move begins.

        None, or a sample that has passed, means the next to be mixed (`now`). Moves are given in order, by the thread
        that calls `process`. Omitted stems go to 1.
        """
        self._gains = _factors(gains)
        return self._glide.move(self._weights(), at, self._ramp)

    def probe(self, on: bool) -> None:
        """Pass the sum of the stems while the latency is measured, or return to the gains; without a ramp."""
        self._probed = on
        self._glide.set_now(self._weights(), self.now)

    def _weights(self) -> Curve:
        if self._probed:
            return np.ones(len(self._stems))
        return np.array([self._gains.get(stem, 1.0) - 1.0 for stem in self._stems])

    def process(self, block: FloatArray) -> FloatArray:  # noqa: D102
        if self.metered:
            np.einsum("scn,scn->s", block, block, out=self.power)
            self.power /= block[0].size
        with np.errstate(over="ignore", invalid="ignore"):  # invalid samples stay invalid, without a warning
            self._add(block)
        return self._out

    def _add(self, block: FloatArray) -> None:
        self._out.fill(-0.0)  # the neutral element of addition, for the sign of zero too
        for part, weights in self._glide.segments(block.shape[-1]):
            for stem, weight in zip(block, weights.astype(np.float32), strict=True):
                if weight.any():
                    self._out[:, part] += np.multiply(stem[:, part], weight, out=self._scaled[:, part])

    def reset(self) -> None:  # noqa: D102
        self._glide.set_now(self._weights(), -self._upstream_latency)
