"""Band levels of a calibrated stream: one-third octaves in dB SPL, by averaged spectra (Welch)."""

import math

import numpy as np
from scipy import fft

from hearsim.dsp.bands import THIRD_OCTAVES_HZ
from hearsim.units import REFERENCE_PA, Curve, FloatArray, gain_to_db

_SIZE = 8192  # bins of 5.4 Hz at 44.1 kHz: the 63 Hz band holds three
_FLOOR_DB_SPL = -100.0


class BandLevels:
    """Mean level in dB SPL per channel and 1/3-octave band of a stream in pascals; any block size.

    Hann windows of 8192 samples at half overlap; what is left at the end is padded with zeros.
    """

    def __init__(self, rate_hz: int, channels: int) -> None:
        bins_hz = np.arange(_SIZE // 2 + 1) * rate_hz / _SIZE
        half = 2 ** (1 / 6)
        edges = np.array([(f / half, min(f * half, rate_hz / 2)) for f in THIRD_OCTAVES_HZ if f * half <= rate_hz / 2])
        self.bands_hz = np.array(THIRD_OCTAVES_HZ[: len(edges)])
        width = rate_hz / _SIZE  # a bin counts by the share of it that lies in the band
        overlap = np.minimum(bins_hz + width / 2, edges[:, 1:]) - np.maximum(bins_hz - width / 2, edges[:, :1])
        self._member = np.clip(overlap / width, 0.0, 1.0)
        self._taper = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(_SIZE) / _SIZE)
        self._power = np.zeros((channels, _SIZE // 2 + 1))
        self._waiting = np.zeros((channels, _SIZE), np.float64)
        self._filled = self._frames = 0
        self.peak_pa = np.zeros(channels)

    def add(self, block: FloatArray) -> None:
        """Take the next block (channels, frames)."""
        self.peak_pa = np.maximum(self.peak_pa, np.abs(block).max(axis=1, initial=0.0))
        start = 0
        while start < block.shape[1]:
            end = min(block.shape[1], start + _SIZE - self._filled)
            self._waiting[:, self._filled : self._filled + end - start] = block[:, start:end]
            self._filled += end - start
            self._frames += end - start
            start = end
            if self._filled == _SIZE:
                self._take()
                self._waiting[:, : _SIZE // 2] = self._waiting[:, _SIZE // 2 :]
                self._filled = _SIZE // 2

    def _take(self) -> None:
        bins = fft.rfft(self._waiting * self._taper)
        self._power += bins.real**2 + bins.imag**2

    def db_spl(self) -> Curve:
        """Return the levels (channels, bands) of all that was added; silence reads -100 dB SPL."""
        rest = self._waiting.copy()
        power = self._power.copy()
        if self._filled:
            rest[:, self._filled :] = 0.0
            bins = fft.rfft(rest * self._taper)
            power += bins.real**2 + bins.imag**2
        # half-overlapped Hann windows count each sample 3/4 times its square: mean square = 2 P / (N frames 3/4)
        mean_square = 2 * (power @ self._member.T) / (_SIZE * 0.75 * max(1, self._frames))
        levels: Curve = 10 * np.log10(np.maximum(mean_square / REFERENCE_PA**2, 10 ** (_FLOOR_DB_SPL / 10)))
        return levels

    def peak_db_spl(self) -> list[float]:
        """Return per channel the level of a sine that has the highest peak seen; -100 for silence."""
        return [max(_FLOOR_DB_SPL, gain_to_db(p / math.sqrt(2) / REFERENCE_PA)) for p in self.peak_pa]


def spectrum_levels_db(bands_hz: Curve, levels_db: Curve, wanted_hz: Curve) -> Curve:
    """Return levels in 1 Hz (dB SPL) at wanted 1/3-octave centres, from 1/3-octave band levels."""
    found: Curve = np.interp(np.log(wanted_hz), np.log(bands_hz), levels_db)
    found = found - 10 * np.log10(wanted_hz * (2 ** (1 / 6) - 2 ** (-1 / 6)))
    return found
