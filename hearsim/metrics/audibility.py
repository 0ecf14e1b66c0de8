"""Noise in the place of a threshold: what a normal ear can't hear is drowned in it, for metrics that know no level."""

from functools import lru_cache

import numpy as np
from scipy import fft

from hearsim.metrics.sii import BANDS_HZ, INTERNAL_NOISE_DB
from hearsim.units import REFERENCE_PA, FloatArray


@lru_cache(maxsize=2)
def threshold_noise(channels: int, frames: int, rate_hz: int) -> FloatArray:
    """Return noise (channels, frames) in pascals that masks as the threshold of normal hearing does.

    Its spectrum level is that of the internal noise of ANSI S3.5-1997, table 3, constant outside 160 Hz to 8 kHz. It
    is the same at every call, so that it is no difference between two sounds.
    """
    white = np.random.default_rng(0).standard_normal((channels, frames))
    bins_hz = np.maximum(1.0, fft.rfftfreq(frames, 1 / rate_hz))
    level_db = np.interp(np.log(bins_hz), np.log(BANDS_HZ), INTERNAL_NOISE_DB)
    shape = REFERENCE_PA * 10 ** (0.05 * level_db) * np.sqrt(rate_hz / 2)  # white noise has the power 2 / rate in 1 Hz
    noise: FloatArray = fft.irfft(fft.rfft(white) * shape, frames).astype(np.float32)
    noise.setflags(write=False)
    return noise
