"""Simulation of hearing loss: raised thresholds and loudness recruitment, band by band.

A sound at L dB above the normal threshold of its band, where the threshold is raised to H dB HL, is as loud as one
at  (L - H) C / (C - H)  is to normal ears, and as loud as itself from L = C on (Moore & Glasberg 1993, JASA 94:2050;
Nejime & Moore 1997, JASA 102:603: a level-dependent expansion per band). C = 100 dB, or H + 15 where that is more.
Bands are 1.5 ERB wide, half an ERB apart (Glasberg & Moore 1990). A first simulation: no spectral smearing.
"""

import numpy as np
from scipy import fft

from hearsim.core.arguments import kind_of
from hearsim.core.audio import Format
from hearsim.core.errors import HearsimError
from hearsim.core.invalid_samples import MAX_PRESSURE_PA, zero_invalid
from hearsim.core.processor import Processor
from hearsim.core.units import REFERENCE_PA, Curve, FloatArray
from hearsim.ear.auditory import erb_number, free_field_threshold_db_spl
from hearsim.profile.schema import Audiogram

WINDOW, HOP = 1024, 256
CATCH_UP_DB = 100.0
LEAST_RANGE_DB = 15.0
BELOW_THRESHOLD_DB = 30.0  # the expansion's range under the threshold, where all is inaudible


def recruitment_gain_db(level_db_hl: Curve, threshold_db_hl: Curve) -> Curve:
    """Return the gain in dB that simulates an ear with a raised threshold for a normal ear.

    >>> recruitment_gain_db(np.array([100.0, 75.0]), np.array([50.0, 50.0])).tolist()
    [0.0, -25.0]
    """
    catch_up = np.maximum(CATCH_UP_DB, threshold_db_hl + LEAST_RANGE_DB)
    heard = (level_db_hl - threshold_db_hl) * catch_up / (catch_up - threshold_db_hl)
    gain = np.maximum(heard - level_db_hl, -threshold_db_hl - BELOW_THRESHOLD_DB)
    result: Curve = np.where((threshold_db_hl <= 0) | (level_db_hl >= catch_up), 0.0, gain)
    return result


class HearingLoss(Processor):
    """The hearing-loss simulation of two ears; pascals in, pascals out, level-true.

    Works on blocks of `HOP` samples only (wrap it in `Reblock`): square-root Hann windows of 1024 samples at three
    quarters overlap. Without a loss the output is the delayed input.
    """

    def __init__(self, ears: tuple[Audiogram, Audiogram]) -> None:
        two: object = ears
        if not isinstance(two, tuple | list) or [type(ear) for ear in two] != [Audiogram, Audiogram]:
            raise HearsimError(
                f"HearingLoss takes two audiograms, left and right, not {kind_of(two)}: give listener.ears"
            )
        self._ears = ears

    @property
    def name(self) -> str:  # noqa: D102
        return "HearingLoss"

    @property
    def latency(self) -> int:  # noqa: D102
        return WINDOW - HOP

    @property
    def non_finite(self) -> tuple[int, ...]:  # noqa: D102
        return tuple(self._invalid_counts.tolist())

    def prepare(self, fmt: Format) -> Format:  # noqa: D102
        if fmt.unit != "pa":
            raise self.refuse(fmt, "it needs pascals: put ToPascal(calibration) before it")
        if fmt.channels != 2 or fmt.stems:
            raise self.refuse(fmt, "it needs two ears, left and right, and no stems")
        if fmt.block != HOP:
            raise self.refuse(fmt, f"it works in blocks of {HOP}: wrap it in Reblock(..., {HOP})")
        self._taper = np.sin(np.pi * np.arange(WINDOW) / WINDOW).astype(np.float32)
        bins_hz = np.arange(WINDOW // 2 + 1) * fmt.rate / WINDOW
        cams = erb_number(bins_hz)
        centres = np.arange(1.0, cams[-1], 0.5)
        width = fmt.rate / WINDOW
        centres_hz = (10 ** (centres / 21.4) - 1) / 0.00437
        reach = np.maximum(0.75, erb_number(centres_hz + 2.5 * width) - centres)  # at least a main lobe
        member = np.abs(cams - centres[:, None]) <= reach[:, None]
        # one-sided Parseval: mean square = 2 sum |X|^2 / (N sum w^2), and sum w^2 = N / 2
        self._sum_power = (member * 4.0 / WINDOW**2).astype(np.float32)  # (bands, bins)
        position = np.clip(np.interp(cams, centres, np.arange(len(centres))), 0, len(centres) - 1)
        lower = np.minimum(position.astype(int), len(centres) - 2)
        share = position - lower
        self._spread = np.zeros((len(centres), len(cams)), np.float32)
        self._spread[lower, np.arange(len(cams))] = 1 - share
        self._spread[lower + 1, np.arange(len(cams))] += share
        self._quiet = free_field_threshold_db_spl(centres_hz)
        self._thresholds = np.stack([ear.at(centres_hz) for ear in self._ears])  # (ears, bands)
        self._history = np.zeros((2, WINDOW), np.float32)
        self._overlap = np.zeros((2, WINDOW), np.float32)
        self._out = np.zeros(fmt.shape, np.float32)
        self._invalid_counts = np.zeros(2, np.int64)
        return fmt

    def process(self, block: FloatArray) -> FloatArray:  # noqa: D102
        self._history[:, :-HOP] = self._history[:, HOP:]
        self._history[:, -HOP:] = zero_invalid(block, MAX_PRESSURE_PA, self._invalid_counts)
        bins = fft.rfft(self._history * self._taper)
        power = (bins.real**2 + bins.imag**2) @ self._sum_power.T
        level_db_hl = 10 * np.log10(np.maximum(power, 1e-20) / REFERENCE_PA**2) - self._quiet
        gain = 10 ** (0.05 * recruitment_gain_db(level_db_hl, self._thresholds))
        frame = fft.irfft(bins * (gain.astype(np.float32) @ self._spread), n=WINDOW)
        self._overlap += 0.5 * self._taper * frame  # Hann squared-root pairs add up to two at this overlap
        self._out[...] = self._overlap[:, :HOP]
        self._overlap[:, :-HOP] = self._overlap[:, HOP:]
        self._overlap[:, -HOP:] = 0.0
        return self._out

    def reset(self) -> None:  # noqa: D102
        for state in (self._history, self._overlap, self._invalid_counts):
            state.fill(0)
