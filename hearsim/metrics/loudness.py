"""Loudness by ITU-R BS.1770-4 (pyloudnorm) and peak, of streams of any length in bounded memory."""

import numpy as np
import pyloudnorm

from hearsim.errors import HearsimError
from hearsim.units import Curve, FloatArray, gain_to_db

BLOCK_S, STEP_S = 0.4, 0.1  # BS.1770-4: gating blocks of 400 ms, 75 % overlap
_WARM_UP_S = 1.0  # the filters forget: 38 Hz high-pass
_CHUNK_S = 20.0


class LoudnessMeter:
    """Integrated loudness in LUFS and sample peak of a stream (channels, frames), any block size.

    pyloudnorm weighs and squares chunks of 20 s, each with the second before it as warm-up; the gates of BS.1770-4
    are then applied to all blocks together.
    """

    def __init__(self, rate_hz: int) -> None:
        self._rate = rate_hz
        self._meter = pyloudnorm.Meter(rate_hz, block_size=BLOCK_S)
        self._pieces: list[FloatArray] = []
        self._held, self._warm = 0, 0
        self._blocks: list[Curve] = []
        self.peak = 0.0

    def add(self, block: FloatArray) -> None:
        """Take the next block."""
        self.peak = max(self.peak, float(np.abs(block).max(initial=0.0)))
        self._pieces.append(block.copy())
        self._held += block.shape[-1]
        if self._held >= int(_CHUNK_S * self._rate):
            self._weigh(last=False)

    def _weigh(self, last: bool) -> None:
        """Turn what is held into gating blocks; keep what the next chunk needs before it."""
        held = np.concatenate(self._pieces, axis=1)
        step = int(STEP_S * self._rate)
        if held.shape[1] >= int(BLOCK_S * self._rate):
            self._meter.integrated_loudness(held.T.astype(np.float64))
            loudness: Curve = np.asarray(self._meter.blockwise_loudness)
            self._blocks.append(loudness[self._warm // step :])
        if not last:
            done = (held.shape[1] - int(BLOCK_S * self._rate)) // step + 1  # blocks that started in this chunk
            keep = max(0, done * step - int(_WARM_UP_S * self._rate) // step * step)
            self._warm = done * step - keep
            self._pieces, self._held = [held[:, keep:]], held.shape[1] - keep

    def integrated(self) -> float:
        """Return the integrated loudness in LUFS; raises `HearsimError` for silence or less than 0.4 s."""
        if self._pieces:
            self._weigh(last=True)
            self._pieces = []
        blocks = np.concatenate(self._blocks) if self._blocks else np.zeros(0)
        loud = blocks[blocks >= -70.0]  # absolute gate
        if loud.size == 0:
            raise HearsimError("loudness can't be measured: the signal is silent or shorter than 0.4 s")
        relative = _mean_lufs(loud) - 10.0
        return _mean_lufs(loud[loud > relative])

    def peak_dbfs(self) -> float:
        """Return the sample peak in dBFS; -200 for silence."""
        return max(-200.0, gain_to_db(self.peak))


def _mean_lufs(loudness: Curve) -> float:
    """Return the mean of block loudnesses as energies, in LUFS."""
    return float(10 * np.log10(np.mean(10 ** (loudness / 10))))
