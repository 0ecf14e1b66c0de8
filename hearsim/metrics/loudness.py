"""Loudness by ITU-R BS.1770-4 (pyloudnorm) and peak, of streams of any length in bounded memory."""

import numpy as np
import pyloudnorm

from hearsim.core.errors import HearsimError
from hearsim.core.units import Curve, FloatArray, gain_to_db

_BLOCK_S, _BLOCKS_PER_S = 0.4, 10  # BS.1770-4, annex 1: gating blocks of 400 ms, 75 % overlap
_ABSOLUTE_GATE_LUFS, _RELATIVE_GATE_LU = -70.0, -10.0  # BS.1770-4, annex 1, eq. 5 and 6
_CHUNK_S = 20
_MARGIN_S = 1  # before: the filters' memory (the slowest is a high-pass at 38 Hz); after: the chunk's last blocks end
_SILENCE_DBFS = -200.0
_OVERSAMPLING = 4  # BS.1770-4, annex 2: true peak at 192 kHz or more from 44.1 or 48 kHz (here 176.4 from 44.1)


class LoudnessMeter:
    """Integrated loudness in LUFS and sample peak of a stream (channels, frames), any block size.

    pyloudnorm weights and squares chunks of 20 s with a second on either side; the gates of BS.1770-4 are then
    applied to the gating blocks of all chunks. Chunks start at whole seconds, where gating blocks start at any rate.
    """

    def __init__(self, rate_hz: int) -> None:
        self._rate = rate_hz
        self._meter = pyloudnorm.Meter(rate_hz, block_size=_BLOCK_S)
        self._buffer = np.zeros((0, 0), np.float32)  # one chunk and its margins; allocated at the first block
        self._filled = _MARGIN_S * rate_hz  # silence before the signal
        self._blocks: list[Curve] = []
        self.peak = 0.0
        self._true_peak = 0.0  # of the chunks that are complete

    def add(self, block: FloatArray) -> None:
        """Take the next block; raises `HearsimError` for NaN or Inf."""
        peak = float(np.abs(block).max(initial=0.0))
        if not np.isfinite(peak):
            raise HearsimError("loudness can't be measured: the signal holds NaN or Inf")
        self.peak = max(self.peak, peak)
        size, keep = (_CHUNK_S + 2 * _MARGIN_S) * self._rate, 2 * _MARGIN_S * self._rate
        if self._buffer.size == 0:
            self._buffer = np.zeros((block.shape[0], size), np.float32)
        start = 0
        while start < block.shape[1]:
            end = min(block.shape[1], start + size - self._filled)
            self._buffer[:, self._filled : self._filled + end - start] = block[:, start:end]
            self._filled += end - start
            start = end
            if self._filled == size:
                self._blocks.append(self._weighed()[: _CHUNK_S * _BLOCKS_PER_S])
                self._true_peak = max(self._true_peak, self._oversampled_peak(size - keep // 4))
                self._buffer[:, :keep] = self._buffer[:, -keep:]
                self._filled = keep

    def _weighed(self) -> Curve:
        """Return the loudness of the gating blocks that start after the first margin."""
        sound = self._buffer[:, : self._filled]
        if sound.shape[1] < (_MARGIN_S + _BLOCK_S) * self._rate:
            return np.zeros(0)
        self._meter.integrated_loudness(sound.T.astype(np.float64))
        return np.asarray(self._meter.blockwise_loudness[_MARGIN_S * _BLOCKS_PER_S :])

    def integrated(self) -> float:
        """Return the integrated loudness in LUFS over all blocks.

        Raises `HearsimError` for silence (nothing over -70 LUFS) and for less than 0.4 s.
        """
        blocks = np.concatenate([*self._blocks, self._weighed()])
        loud = blocks[blocks >= _ABSOLUTE_GATE_LUFS]
        if loud.size == 0:
            raise HearsimError("loudness can't be measured: the signal is silent or shorter than 0.4 s")
        return _mean_lufs(loud[loud > _mean_lufs(loud) + _RELATIVE_GATE_LU])

    def peak_dbfs(self) -> float:
        """Return the sample peak in dBFS; -200 for silence."""
        return max(_SILENCE_DBFS, gain_to_db(self.peak))

    def true_peak_dbtp(self) -> float:
        """Return the true peak in dBTP (BS.1770-4, annex 2): between samples too, by oversampling; -200 for silence."""
        return max(_SILENCE_DBFS, gain_to_db(max(self.peak, self._true_peak, self._oversampled_peak(self._filled))))

    def _oversampled_peak(self, end: int) -> float:
        """Return the true peak of the buffer up to `end`; the margin before was in the earlier chunk."""
        if self._buffer.size == 0:
            return 0.0
        from scipy.signal import resample_poly

        start = _MARGIN_S * self._rate // 2
        fine = resample_poly(self._buffer[:, : self._filled], _OVERSAMPLING, 1, axis=1)
        return float(np.abs(fine[:, start * _OVERSAMPLING : end * _OVERSAMPLING]).max(initial=0.0))


def true_peak_dbtp(samples: FloatArray, rate_hz: int) -> float:
    """Return the true peak in dBTP of a whole sound (channels, frames).

    >>> tone = np.sin(np.pi / 2 * np.arange(4410) + np.pi / 4)[None] * np.hanning(4410)  # a quarter of the rate, 45 deg
    >>> round(true_peak_dbtp(tone.astype(np.float32), 44100) - gain_to_db(float(np.abs(tone).max())), 1)
    3.0
    """
    meter = LoudnessMeter(rate_hz)
    meter.add(samples)
    return meter.true_peak_dbtp()


def integrated_lufs(samples: FloatArray, rate_hz: int) -> float:
    """Return the integrated loudness in LUFS of a whole sound (channels, frames); raises as `LoudnessMeter` does."""
    meter = LoudnessMeter(rate_hz)
    meter.add(samples)
    return meter.integrated()


def _mean_lufs(loudness: Curve) -> float:
    """Return the mean of block loudnesses as energies, in LUFS."""
    return float(10 * np.log10(np.mean(10 ** (loudness / 10))))
