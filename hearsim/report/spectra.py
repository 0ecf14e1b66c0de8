"""Spectra of excerpts: levels over time and frequency, and the gain from one sound to another."""

from typing import NamedTuple

import numpy as np
from scipy.signal import ShortTimeFFT, get_window

from hearsim.core.units import Curve, FloatArray, spl_to_pascal
from hearsim.dsp.bands import NOMINAL_THIRD_OCTAVES_HZ

LOWEST_HZ, HIGHEST_HZ = 50.0, 16000.0
GAIN_BANDS_HZ = (LOWEST_HZ, *NOMINAL_THIRD_OCTAVES_HZ)  # 50 Hz .. 16 kHz
_ROWS_PER_OCTAVE, _MOST_COLUMNS, _WINDOW_S = 12, 360, 0.09
_FAINTEST_DB_SPL = 10.0  # in a third octave; the least level that a gain is measured from


class Spectrogram(NamedTuple):
    """Levels in dB SPL, (rows of a twelfth of an octave from 50 Hz on, columns over time)."""

    seconds: float
    levels_db_spl: Curve


def spectrogram(pressure: FloatArray, rate: int) -> Spectrogram:
    """Return the levels of a sound in pascals (channels, frames), power averaged over channels."""
    size = round(_WINDOW_S * rate)
    hop = max(size // 4, -(-pressure.shape[1] // _MOST_COLUMNS))
    octaves = np.log2(HIGHEST_HZ / LOWEST_HZ)
    edges = LOWEST_HZ * 2 ** (np.arange(int(_ROWS_PER_OCTAVE * octaves) + 1) / _ROWS_PER_OCTAVE)
    power = _band_powers(pressure, rate, edges, hop).mean(axis=0)
    return Spectrogram(pressure.shape[1] / rate, _db_spl(power))


def gain_db(source: FloatArray, result: FloatArray, rate: int) -> Curve:
    """Return the gain in dB (channels, `GAIN_BANDS_HZ`) from one sound in pascals to another; NaN: too faint."""
    centres = 1000.0 * 2.0 ** ((np.arange(len(GAIN_BANDS_HZ)) - 13) / 3)  # IEC 61260, base 2
    edges = np.append(centres / 2 ** (1 / 6), centres[-1] * 2 ** (1 / 6))
    before, after = (
        _db_spl(_band_powers(sound, rate, edges, round(_WINDOW_S * rate) // 2).mean(axis=-1))
        for sound in (source, result)
    )
    return np.where(before > _FAINTEST_DB_SPL, after - before, np.nan)


def _band_powers(pressure: FloatArray, rate: int, edges_hz: Curve, hop: int) -> Curve:
    """Return mean squares (channels, bands, columns) between edges, from short-time spectra cut at the edges."""
    size = round(_WINDOW_S * rate)
    transform = ShortTimeFFT(get_window("hann", size), hop, rate, mfft=4 * size, fft_mode="onesided2X", scale_to="psd")
    density = transform.spectrogram(np.asarray(pressure, np.float64))  # (channels, frequencies, columns), Pa^2/Hz
    total = np.cumsum(density, axis=1) * transform.delta_f
    ends = (np.arange(density.shape[1]) + 0.5) * transform.delta_f  # upper edge of each spectral line
    position = np.interp(edges_hz, ends, np.arange(ends.size))
    low = np.floor(position).astype(int)
    high = np.minimum(low + 1, ends.size - 1)
    at_edges = total[:, low] + (position - low)[:, None] * (total[:, high] - total[:, low])
    return np.asarray(np.diff(at_edges, axis=1))


def _db_spl(power: Curve) -> Curve:
    return np.asarray(10 * np.log10(np.maximum(power, 1e-30) / spl_to_pascal(0.0) ** 2))
