"""What a listener gets of a separator's vocals: intelligibility when they are turned up, and voice where there is none.

The remix is mixture + (g - 1) x estimate, as the aid makes it. Its ESTOI is that of the true vocals, without an aid
and a hearing loss. An SDR hides what this shows: a network can be good at the loud vowels, which are intelligible
anyway, and lose the rest.
"""

import math

import numpy as np
from pydantic import BaseModel, ConfigDict
from scipy import fft

from hearsim.core.errors import HearsimError
from hearsim.core.units import Curve, FloatArray, db_to_gain
from hearsim.metrics.bsseval import Signals
from hearsim.metrics.intelligibility import stoi

REMIX_DB = 12.0
"""Gain g of the vocals in the remix."""
EXCERPT_S = 30
"""Length of the excerpt that is remixed: the one with the most vocals."""
OCTAVES_HZ = ((80, 250), (250, 500), (500, 1000), (1000, 2000), (2000, 4000), (4000, 8000), (8000, 16000))
SILENT_DB = -60.0
"""Level of the vocals re the mixture's mean under which nobody sings in a second."""
LEAST_GAIN = 0.01
"""Gain of ESTOI by true stems under which no share of it is computed."""


class VocalScore(BaseModel):
    """The scores of one system's vocals on a track; None where the track doesn't have what a score needs."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    system: str
    estoi_gain: float | None
    """ESTOI of the true vocals in the remix, less that in the mixture."""
    share: float | None
    """`estoi_gain` over that of the true stems, 0 .. 1 and below 0 where the remix is worse than the mixture."""
    octave_sdr_db: tuple[float | None, ...]
    """Energy ratio in the excerpt, in the bands of `OCTAVES_HZ`."""
    false_vocals_db: float | None
    """Energy of the estimate re the mixture, over the seconds in which nobody sings."""


class VocalJudge:
    """Scores systems' vocals on one track.

    `mixture` and `vocals` return (channels, n) from sample `start` to `stop`; a track in which nobody sings has vocals
    of zeros. `frames` is its length.
    """

    def __init__(self, mixture: Signals, vocals: Signals, frames: int, rate_hz: int) -> None:
        self._mixture, self._vocals, self._frames, self._rate = mixture, vocals, frames, rate_hz
        sung = np.array([np.square(vocals(*part), dtype=np.float64).sum() for part in self._seconds()])
        self._mixed = np.array([np.square(mixture(*part), dtype=np.float64).sum() for part in self._seconds()])
        self._silent = sung <= self._mixed.mean() * 10 ** (0.1 * SILENT_DB)
        self._excerpt: tuple[int, int] | None = None
        if not self._silent.all():
            sums = np.convolve(sung, np.ones(min(EXCERPT_S, sung.size)), "valid")
            start = int(np.argmax(sums)) * rate_hz
            self._excerpt = start, min(frames, start + EXCERPT_S * rate_hz)
        self._references = self._estoi_references()

    def score(self, system: str, estimate: Signals) -> VocalScore:
        """Return the scores of a system's estimate of the vocals, (channels, n) from `start` to `stop`."""
        gain = share = None
        octaves: tuple[float | None, ...] = (None,) * len(OCTAVES_HZ)
        if self._excerpt is not None:
            estimated, vocals = estimate(*self._excerpt), self._vocals(*self._excerpt)
            octaves = octave_sdr_db(vocals, estimated, self._rate)
            if self._references is not None:
                flat, best = self._references
                gain = self._estoi(estimated) - flat
                share = gain / best if best >= LEAST_GAIN else None
        return VocalScore(
            system=system,
            estoi_gain=gain,
            share=share,
            octave_sdr_db=octaves,
            false_vocals_db=self._false_vocals_db(estimate),
        )

    def _estoi_references(self) -> tuple[float, float] | None:
        """Return the ESTOI of the mixture, and the gain by true stems; None where the excerpt has too little voice."""
        if self._excerpt is None:
            return None
        vocals = self._vocals(*self._excerpt)
        try:
            flat = self._estoi(np.zeros_like(vocals))
        except HearsimError:
            return None
        return flat, self._estoi(vocals) - flat

    def _estoi(self, estimate: FloatArray) -> float:
        """Return the ESTOI of the true vocals in the excerpt's remix."""
        assert self._excerpt is not None
        remix = self._mixture(*self._excerpt) + np.float32(db_to_gain(REMIX_DB) - 1) * estimate
        return stoi(self._vocals(*self._excerpt).mean(0), remix.mean(0), self._rate, extended=True)

    def _false_vocals_db(self, estimate: Signals) -> float | None:
        mixed = self._mixed[self._silent].sum()
        if mixed <= 0:
            return None
        parts = [part for part, silent in zip(self._seconds(), self._silent, strict=True) if silent]
        false = sum(float(np.square(estimate(*part), dtype=np.float64).sum()) for part in parts)
        return max(-100.0, 10 * math.log10(false / mixed)) if false > 0 else -100.0

    def _seconds(self) -> list[tuple[int, int]]:
        return [(start, min(start + self._rate, self._frames)) for start in range(0, self._frames, self._rate)]


def octave_sdr_db(reference: FloatArray, estimate: FloatArray, rate_hz: int) -> tuple[float | None, ...]:
    """Return the energy ratio of (channels, frames) to its error in the bands of `OCTAVES_HZ`; None without energy."""
    bins_hz = fft.rfftfreq(reference.shape[-1], 1 / rate_hz)
    signal, error = (_power(x) for x in (reference, reference - estimate))
    ratios = []
    for low, high in OCTAVES_HZ:
        band = (bins_hz >= low) & (bins_hz < high)
        energy, wrong = float(signal[band].sum()), float(error[band].sum())
        valid = energy > 1e-12 * float(signal.sum())
        ratios.append(min(100.0, 10 * math.log10(energy / max(wrong, 1e-10 * energy))) if valid else None)
    return tuple(ratios)


def _power(x: FloatArray) -> Curve:
    return np.asarray(np.square(np.abs(fft.rfft(x.astype(np.float64)))).sum(0))
