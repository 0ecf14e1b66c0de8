"""Speech Intelligibility Index, ANSI S3.5-1997, one-third-octave band method."""

from functools import lru_cache

import numpy as np
from scipy import fft

from hearsim.core.errors import HearsimError
from hearsim.core.units import REFERENCE_PA, Curve, FloatArray


@lru_cache(maxsize=2)
def threshold_noise(channels: int, frames: int, rate_hz: int) -> FloatArray:
    """Return noise (channels, frames) in pascals that masks like the threshold of normal hearing.

    Its spectrum level is that of the internal noise of ANSI S3.5-1997, table 3, constant outside 160 Hz to 8 kHz. It
    is the same at every call, so that two sounds get the same noise.
    """
    white = np.random.default_rng(0).standard_normal((channels, frames))
    bins_hz = np.maximum(1.0, fft.rfftfreq(frames, 1 / rate_hz))
    level_db = np.interp(np.log(bins_hz), np.log(BANDS_HZ), INTERNAL_NOISE_DB)
    shape = REFERENCE_PA * 10 ** (0.05 * level_db) * np.sqrt(rate_hz / 2)  # white noise has the power 2 / rate in 1 Hz
    noise: FloatArray = fft.irfft(fft.rfft(white) * shape, frames).astype(np.float32)
    noise.setflags(write=False)
    return noise


BANDS_HZ = np.array(
    [160, 200, 250, 315, 400, 500, 630, 800, 1000, 1250, 1600, 2000, 2500, 3150, 4000, 5000, 6300, 8000],
    np.float64,
)
# Table 3: band importance of average speech; internal noise; normal speech
_IMPORTANCE = np.array(
    [
        *(0.0083, 0.0095, 0.0150, 0.0289, 0.0440, 0.0578, 0.0653, 0.0711, 0.0818),
        *(0.0844, 0.0882, 0.0898, 0.0868, 0.0844, 0.0771, 0.0527, 0.0364, 0.0185),
    ]
)
INTERNAL_NOISE_DB = np.array(
    [
        *(0.6, -1.7, -3.9, -6.1, -8.2, -9.7, -10.8, -11.9, -12.5),
        *(-13.5, -15.4, -17.7, -21.2, -24.2, -25.9, -23.6, -15.8, -7.1),
    ]
)
"""Spectrum level of noise equivalent to the threshold of normal hearing, dB SPL in 1 Hz, free field."""
NORMAL_SPEECH_DB = np.array(
    [
        *(32.41, 34.48, 34.75, 33.98, 34.59, 34.27, 32.06, 28.30, 25.01),
        *(23.00, 20.15, 17.32, 13.18, 11.55, 9.33, 5.31, 2.59, 1.13),
    ]
)
"""Spectrum level of speech at normal effort (62.35 dB SPL overall), dB SPL in 1 Hz, free field."""
_NO_NOISE_DB = -50.0


def sii(
    speech_db: Curve, thresholds_db_hl: Curve, noise_db: Curve | None = None, gain_db: Curve | float = 0.0
) -> float:
    """Return the SII (0 .. 1) of speech and noise, spectrum levels in the 18 bands at the free field.

    `gain_db` is insertion gain: it raises both. `thresholds_db_hl` at the bands. Clause 4.2, all levels as at the
    free field, where the norm gives the internal noise too. Raises `HearsimError` for anything but 18 finite numbers.
    """
    gain = np.full(18, gain_db) if np.ndim(gain_db) == 0 else np.asarray(gain_db)
    inputs = {"speech": speech_db, "thresholds": thresholds_db_hl, "gain": gain}
    if noise_db is not None:
        inputs["noise"] = noise_db
    for name, values in inputs.items():
        if np.shape(values) != (18,) or not np.isfinite(values).all():
            raise HearsimError(f"SII takes 18 finite numbers, one a band: check the {name}, shape {np.shape(values)}")
    speech = np.asarray(speech_db, np.float64) + gain
    noise = np.full(18, _NO_NOISE_DB) if noise_db is None else np.asarray(noise_db, np.float64) + gain
    internal = INTERNAL_NOISE_DB + thresholds_db_hl
    masking = _masking(speech, noise)
    disturbance = np.maximum(masking, internal)
    distortion = np.minimum(1.0, 1 - (speech - NORMAL_SPEECH_DB - 10) / 160)
    audible = np.clip((speech - disturbance + 15) / 30, 0.0, 1.0)
    return float(np.sum(_IMPORTANCE * np.clip(distortion, 0.0, 1.0) * audible))


def _masking(speech: Curve, noise: Curve) -> Curve:
    """Return the equivalent masking spectrum Z: self-masking V = E - 24, and upward spread of masking."""
    b = np.maximum(speech - 24.0, noise)
    slope = -80.0 + 0.6 * (b + 10 * np.log10(BANDS_HZ) - 6.353)
    z = np.empty(18)
    z[0] = b[0]
    for i in range(1, 18):
        spread = b[:i] + 3.32 * slope[:i] * np.log10(0.89 * BANDS_HZ[i] / BANDS_HZ[:i])
        z[i] = 10 * np.log10(10 ** (0.1 * noise[i]) + np.sum(10 ** (0.1 * spread)))
    return z
