"""Band levels of a calibrated stream: one-third octaves in dB SPL, by averaged spectra (Welch)."""

import math

import numpy as np
from scipy import fft

from hearsim.core.units import REFERENCE_PA, Curve, FloatArray, gain_to_db
from hearsim.dsp.bands import THIRD_OCTAVES_HZ

_WIDEST_BIN_HZ = 3.0  # the 63 Hz band (14.5 Hz) then holds the main lobe of a sine window, three bins
_FLOOR_DB_SPL = -100.0


class BandLevels:
    """Mean level in dB SPL per channel and 1/3-octave band of a stream in pascals; any block size.

    Sine windows of about 0.4 s at half overlap, from half a window before the signal to half a window after it: their
    squares sum to one, so every sample counts alike. Bands over half the rate are excluded.
    """

    def __init__(self, rate_hz: int, channels: int) -> None:
        self._size = size = 2 ** math.ceil(math.log2(rate_hz / _WIDEST_BIN_HZ))
        half = 2 ** (1 / 6)
        self.bands_hz = np.array([f for f in THIRD_OCTAVES_HZ if f * half <= rate_hz / 2])
        width = rate_hz / size  # a bin counts by the share of it that lies in the band
        bins_hz = np.arange(size // 2 + 1) * width
        upper = np.minimum(bins_hz + width / 2, self.bands_hz[:, None] * half)
        lower = np.maximum(bins_hz - width / 2, self.bands_hz[:, None] / half)
        self._share = np.clip((upper - lower) / width, 0.0, 1.0)
        self._taper = np.sin(np.pi * np.arange(size) / size)
        self._power = np.zeros((channels, len(self.bands_hz)))
        self._waiting = np.zeros((channels, size))
        self._filled, self._frames = size // 2, 0
        self.peak_pa = np.zeros(channels)

    def add(self, block: FloatArray) -> None:
        """Take the next block (channels, frames)."""
        self.peak_pa = np.maximum(self.peak_pa, np.abs(block).max(axis=1, initial=0.0))
        half = self._size // 2
        start = 0
        while start < block.shape[1]:
            end = min(block.shape[1], start + self._size - self._filled)
            self._waiting[:, self._filled : self._filled + end - start] = block[:, start:end]
            self._filled += end - start
            self._frames += end - start
            start = end
            if self._filled == self._size:
                self._power += self._band_power(self._waiting)
                self._waiting[:, :half] = self._waiting[:, half:]
                self._filled = half

    def _band_power(self, window: Curve) -> Curve:
        """Return the power of one window per channel and band, times the window's length squared."""
        bins = fft.rfft(window * self._taper)
        power: Curve = (bins.real**2 + bins.imag**2) @ self._share.T
        return power

    def db_spl(self) -> Curve:
        """Return the levels (channels, bands) over all blocks; silence reads -100 dB SPL."""
        half = self._size // 2
        rest = np.zeros((len(self._power), self._size + half))  # two more windows of silence
        rest[:, : self._filled] = self._waiting[:, : self._filled]
        power = self._power + self._band_power(rest[:, : self._size]) + self._band_power(rest[:, half:])
        mean_square = 2 * power / (self._size * max(1, self._frames))  # Parseval; 2: both sides of the spectrum
        levels: Curve = 10 * np.log10(np.maximum(mean_square / REFERENCE_PA**2, 10 ** (_FLOOR_DB_SPL / 10)))
        return levels

    def peak_db_spl(self) -> list[float]:
        """Return per channel the level of a sine with the highest peak; -100 for silence."""
        return [max(_FLOOR_DB_SPL, gain_to_db(p / math.sqrt(2) / REFERENCE_PA)) for p in self.peak_pa]


def spectrum_levels_db(bands_hz: Curve, levels_db: Curve, centres_hz: Curve) -> Curve:
    """Return spectrum levels (dB SPL in 1 Hz) at 1/3-octave centres `centres_hz`, from 1/3-octave band levels.

    Each is that of the band around it; -100 dB (silence) without one.
    """
    octaves = np.abs(np.log2(centres_hz[:, None] / bands_hz))  # (centres, bands)
    density = levels_db[octaves.argmin(axis=1)] - 10 * np.log10(centres_hz * (2 ** (1 / 6) - 2 ** (-1 / 6)))
    spectrum_levels: Curve = np.where(octaves.min(axis=1) <= 1 / 6, density, _FLOOR_DB_SPL)
    return spectrum_levels
