"""The offset of the aid's peak detectors for average speech, which has higher peaks than a tone of equal level.

A prescription is for speech, so levels are those of speech: the static curves are shifted by this offset.
"""

import functools
import math

import numpy as np
from scipy import signal

from hearsim.core.units import REFERENCE_PA, Curve, spl_to_pascal
from hearsim.dsp.bands import LTASS_70_DB_SPL, THIRD_OCTAVES_HZ, analysis_sections, speech_band_levels

SECONDS = 4.0
_SEED = 1994


def speech_noise(overall_db_spl: float, rate_hz: int, seconds: float, seed: int) -> Curve:
    """Return stationary noise (frames,) in pascals with the long-term spectrum of speech, Byrne et al. 1994."""
    frames = round(seconds * rate_hz)
    bins_hz = np.maximum(np.fft.rfftfreq(frames, 1 / rate_hz), 1.0)
    band = np.round(3 * np.log2(bins_hz / THIRD_OCTAVES_HZ[0])).astype(int)  # the third octave a bin lies in
    tabled = (band >= 0) & (band < len(THIRD_OCTAVES_HZ))
    density = 10 ** (0.1 * np.array(LTASS_70_DB_SPL)) / np.array(THIRD_OCTAVES_HZ)  # per Hz, but for a factor
    shape = np.where(tabled, np.sqrt(density[np.where(tabled, band, 0)]), 0.0)
    white = np.fft.rfft(np.random.default_rng(seed).standard_normal(frames))
    noise = np.fft.irfft(white * shape, frames)
    scaled: Curve = noise * spl_to_pascal(overall_db_spl) / np.sqrt(np.mean(noise**2))
    return scaled


@functools.lru_cache(maxsize=32)
def speech_detector_offset_db(rate_hz: int, release_factors: tuple[float, ...]) -> tuple[float, ...]:
    """Return per band the detector's level of speech minus that of a tone with the speech's band level, in dB.

    `release_factors` are the detectors' factors per sample, one per band. Measured with `speech_noise`, without the
    first half second.
    """
    noise = speech_noise(65.0, rate_hz, SECONDS, _SEED)
    tone_db = speech_band_levels(65.0) + 20 * math.log10(math.sqrt(2) * REFERENCE_PA)
    readings = []
    for sections, factor in zip(analysis_sections(rate_hz), release_factors, strict=True):
        band = signal.sosfilt(np.insert(sections, 3, 1.0, axis=1), noise)
        fallen_db = -20 * math.log10(factor) * np.arange(noise.size)
        peak_db = np.maximum.accumulate(20 * np.log10(np.abs(band) + 1e-30) + fallen_db) - fallen_db
        readings.append(float(peak_db[round(0.5 * rate_hz) :].mean()))
    return tuple((np.array(readings) - tone_db).tolist())
