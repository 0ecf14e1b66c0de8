"""Cepstral correlation: the correlation of two sounds' changes of spectral shape, 0 to 1.

The idea is that of the non-linear term of HASQI version 1 (Kates & Arehart 2010, J Audio Eng Soc 58:363): levels in dB
in auditory bands, frame by frame, are fitted by half-cosine bases over the bands, and the five series of coefficients
are correlated over time. Without their ear model, bands are plain, and hearing is a threshold. So the figure ranks
conditions; it is neither HASQI nor HAAQI, and not comparable with theirs.
"""

import math

import numpy as np
from scipy import fft

from hearsim.core.errors import HearsimError
from hearsim.core.units import REFERENCE_PA, Curve, FloatArray, ms_to_samples
from hearsim.ear.auditory import erb_number, free_field_threshold_db_spl

_FRAME_MS, _HOP_MS = 16.0, 8.0  # Kates & Arehart 2010: raised-cosine windows of 16 ms at half overlap
_LOWEST_HZ, _HIGHEST_HZ, _BANDS = 80.0, 16000.0, 32
_BASES = np.arange(1, 6)  # the second to the sixth half-cosine: the first is the level
_AT_ONCE = 512  # frames
_SILENCE_DB = 2.5  # mean level over threshold that a frame of the reference must have


def cepstral_correlation(reference_pa: FloatArray, processed_pa: FloatArray, rate_hz: int) -> float:
    """Return the cepstral correlation of two sounds (channels, frames) in pascals, the mean over channels.

    Both are for normal ears: bands under their threshold are excluded. Raises `HearsimError` for
    unequal lengths, and for an inaudible reference.
    """
    if reference_pa.shape != processed_pa.shape:
        raise HearsimError(
            f"cepstral correlation needs two sounds of one shape, not {reference_pa.shape} and {processed_pa.shape}"
        )
    pairs = zip(reference_pa, processed_pa, strict=True)
    return float(np.mean([_of_channel(one, other, rate_hz) for one, other in pairs]))


def _of_channel(reference: FloatArray, processed: FloatArray, rate_hz: int) -> float:
    levels = [band_levels_over_threshold(sound, rate_hz) for sound in (reference, processed)]  # (bands, frames)
    audible = levels[0].mean(axis=0) > _SILENCE_DB
    if np.count_nonzero(audible) < 2:
        raise HearsimError("cepstral correlation can't be computed: nothing of the reference is audible")
    place = (np.arange(_BANDS) + 0.5) / _BANDS
    bases = np.cos(np.pi * _BASES[:, None] * place)  # (5, bands)
    reference_series, processed_series = (bases @ level[:, audible] for level in levels)
    return float(np.mean([_correlation(x, y) for x, y in zip(reference_series, processed_series, strict=True)]))


def _correlation(x: Curve, y: Curve) -> float:
    x, y = x - x.mean(), y - y.mean()
    power = float(np.sum(x * x) * np.sum(y * y))
    return abs(float(np.sum(x * y))) / power**0.5 if power > 0 else 0.0


def band_levels_over_threshold(sound_pa: FloatArray, rate_hz: int) -> Curve:
    """Return levels (32 bands, frames) of one channel in dB over the normal threshold, floored at 0.

    Bands are triangles, evenly spaced in ERB-number from 80 Hz to 16 kHz (or to half the rate).
    """
    size, hop = ms_to_samples(_FRAME_MS, rate_hz), ms_to_samples(_HOP_MS, rate_hz)
    if sound_pa.size < size:
        return np.zeros((_BANDS, 0))
    taper = np.hanning(size + 1)[:-1].astype(np.float32)
    length = 2 * 2 ** math.ceil(math.log2(size))  # padded, so that the narrowest band includes bins
    weights, centres_hz = _triangles(np.arange(length // 2 + 1) * rate_hz / length)
    scale = 2 / (length * np.sum(taper**2) * REFERENCE_PA**2)  # Parseval, one side of the spectrum
    frames = np.lib.stride_tricks.sliding_window_view(sound_pa, size)[::hop]
    power = np.empty((_BANDS, len(frames)))
    for start in range(0, len(frames), _AT_ONCE):
        bins = fft.rfft(frames[start : start + _AT_ONCE] * taper, length)
        power[:, start : start + len(bins)] = weights @ (bins.real**2 + bins.imag**2).T
    level_db = 10 * np.log10(np.maximum(power * scale, 1e-20))
    over: Curve = np.maximum(0.0, level_db - free_field_threshold_db_spl(centres_hz)[:, None])
    return over


def _triangles(bins_hz: Curve) -> tuple[Curve, Curve]:
    """Return the weight of each bin's power in each band (bands, bins), and the bands' centres in Hz."""
    lowest, highest = erb_number(np.array([_LOWEST_HZ, min(_HIGHEST_HZ, bins_hz[-1])]))
    step = (highest - lowest) / (_BANDS - 1)
    centres = lowest + step * np.arange(_BANDS)
    weights: Curve = np.maximum(0.0, 1 - np.abs(erb_number(bins_hz) - centres[:, None]) / step)
    return weights, (10 ** (centres / 21.4) - 1) / 0.00437
