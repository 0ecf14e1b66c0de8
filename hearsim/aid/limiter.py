"""The maximum power output (MPO): the limit of each output sample of the aid."""

import math
import reprlib
from collections.abc import Sequence

import numpy as np

from hearsim.core.arguments import check_number
from hearsim.core.audio import Format
from hearsim.core.errors import HearsimError
from hearsim.core.latency import LatencyEntry
from hearsim.core.processor import Processor
from hearsim.core.units import FloatArray, ms_to_samples, spl_to_pascal
from hearsim.dsp.dynamics import limit
from hearsim.profile.schema import MPO_DB_SPL

ROUNDINGS = 1 + 2.0**-22
"""Room under the limit, 2e-6 dB, for three roundings to float32 of up to 2^-24 each: of the limit itself, and of
ToFullScale's factor and product."""


class MpoLimiter(Processor):
    """The maximum power output: always on, always last.

    No sample's magnitude exceeds the peak of a sine at `mpo_db_spl` (left, right), whatever comes in, nor does it after
    ToFullScale; NaN and Inf become silence. Below the limit the signal passes bit for bit, `look_ahead_ms` late. Per
    ear: `events` counts the times that limiting began, `limited` the samples; `non_finite` those that were not finite.

    The limit holds for samples. Between them the reconstructed sound may be louder: by 0.7 dB for a tone at an eighth
    of the rate, by 3.0 dB at a quarter (5.5 kHz and 11 kHz at 44.1 kHz), and by 3 to 5 dB for white noise.
    Where an ear needs a true-peak limit, set the MPO 5 dB under it. Raises `HearsimError` for levels outside 60 .. 140
    dB SPL and for negative times.
    """

    def __init__(self, mpo_db_spl: tuple[float, float], look_ahead_ms: float = 1.0, release_ms: float = 50.0) -> None:
        ears: object = mpo_db_spl
        if not isinstance(ears, Sequence | np.ndarray) or isinstance(ears, str) or len(ears) != 2:
            raise HearsimError(
                f"MpoLimiter: mpo_db_spl = {reprlib.repr(ears)} is not a pair: give (left, right) in dB SPL"
            )
        left, right = (check_number("MpoLimiter: mpo_db_spl", ear, *MPO_DB_SPL) for ear in ears)
        self.mpo_db_spl = left, right
        self._look_ahead_ms = check_number("MpoLimiter: look_ahead_ms", look_ahead_ms, 0, 100)
        self._release_ms = check_number("MpoLimiter: release_ms", release_ms, 1, 10000)

    @property
    def name(self) -> str:  # noqa: D102
        return "MPO limiter"

    def latency_entries(self) -> tuple[LatencyEntry, ...]:  # noqa: D102
        return (LatencyEntry("MPO limiter look-ahead", self.latency, self.kind),)

    @property
    def latency(self) -> int:  # noqa: D102
        return self._late

    def prepare(self, fmt: Format) -> Format:  # noqa: D102
        if fmt.unit != "pa":
            raise self.refuse(fmt, "it needs pascals: put ToPascal(calibration) before it")
        if fmt.channels != 2 or fmt.stems:
            raise self.refuse(fmt, "it needs two ears, left and right, and no stems")
        self._late = ms_to_samples(self._look_ahead_ms, fmt.rate)
        self._ceiling = np.array([ceiling_pa(mpo) for mpo in self.mpo_db_spl])
        self._release = 1 - math.exp(-1 / (1e-3 * self._release_ms * fmt.rate))
        self._rings = np.zeros((3, 2, self._late + 1))
        self._state = np.zeros((2, 3))
        self._counts = np.zeros((2, 3), np.int64)
        self._out = np.zeros(fmt.shape, np.float32)
        self.process(np.zeros(fmt.shape, np.float32))  # compiles the loop here, not in the first block
        self.reset()
        return fmt

    def process(self, block: FloatArray) -> FloatArray:  # noqa: D102
        line, needs, holds = self._rings
        limit(block, self._out, self._ceiling, self._release, line, needs, holds, self._state, self._counts)
        return self._out

    def reset(self) -> None:  # noqa: D102
        self._rings[0] = 0.0
        self._rings[1:] = 1.0
        self._state[...] = (0.0, 1.0, 0.0)
        self._counts.fill(0)

    @property
    def events(self) -> tuple[int, int]:
        """Limiter events per ear since the last reset: how often limiting began."""
        return int(self._counts[0, 0]), int(self._counts[1, 0])

    @property
    def limited(self) -> tuple[int, int]:
        """Limited samples per ear."""
        return int(self._counts[0, 1]), int(self._counts[1, 1])

    @property
    def non_finite(self) -> tuple[int, int]:
        """Samples that were NaN or infinite, per ear."""
        return int(self._counts[0, 2]), int(self._counts[1, 2])


def ceiling_pa(mpo_db_spl: float) -> float:
    """Return the float32 pressure that lies under the peak of a sine at a level in dB SPL by `ROUNDINGS`."""
    return float(np.float32(math.sqrt(2) * spl_to_pascal(mpo_db_spl) / ROUNDINGS))
