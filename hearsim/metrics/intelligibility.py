"""STOI and ESTOI (Taal et al. 2011; Jensen & Taal 2016) by pystoi, in bounded memory."""

import warnings

import numpy as np
import soxr

from hearsim.errors import HearsimError
from hearsim.units import Curve, FloatArray

STOI_RATE_HZ = 10000
EXCERPT_S = 60
_SHORTEST_S = 0.5  # pystoi needs 30 frames of speech: 0.4 s


class MonoAt10k:
    """Collects a stream (channels, frames) as mono at 10 kHz: the mean of the channels, resampled by soxr."""

    def __init__(self, rate_hz: int) -> None:
        self._stream = soxr.ResampleStream(rate_hz, STOI_RATE_HZ, 1, dtype="float32", quality="VHQ")
        self._pieces: list[FloatArray] = []

    def add(self, block: FloatArray) -> None:
        """Take the next block."""
        self._pieces.append(self._stream.resample_chunk(np.ascontiguousarray(block.mean(axis=0))))

    def finish(self) -> FloatArray:
        """Return all that was added, (frames,) at 10 kHz."""
        self._pieces.append(self._stream.resample_chunk(np.zeros(0, np.float32), last=True))
        return np.concatenate(self._pieces)


def stoi(reference: FloatArray, processed: FloatArray, *, extended: bool = False) -> float:
    """Return STOI (or ESTOI) of mono signals (frames,) at 10 kHz.

    Longer than a minute, it is the mean over excerpts of 60 s, each weighed by the time its reference speaks, so
    that memory stays bounded; up to a minute it is pystoi's own number. Raises `HearsimError` where the reference
    speaks for less than half a second.
    """
    from pystoi import stoi as pystoi

    if reference.shape != processed.shape:
        raise HearsimError(f"STOI needs signals of equal length, not {reference.size} and {processed.size} frames")
    if not (np.isfinite(reference).all() and np.isfinite(processed).all()):
        raise HearsimError("STOI needs finite samples: the reference or the processed signal holds NaN or Inf")
    total, weight = 0.0, 0.0
    length = EXCERPT_S * STOI_RATE_HZ
    loudest = float(np.abs(reference).max(initial=0.0))
    for start in range(0, max(1, reference.size), length):
        ref, out = reference[start : start + length], processed[start : start + length]
        speaking = _speaking_s(ref, loudest)
        if speaking < _SHORTEST_S:
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("error", RuntimeWarning)  # pystoi warns and returns 1e-5 where it can't tell
            try:
                value = float(pystoi(ref, out, STOI_RATE_HZ, extended=extended))
            except RuntimeWarning as warning:
                raise HearsimError(f"STOI can't be computed: {warning}") from None
        total, weight = total + speaking * value, weight + speaking
    if weight == 0.0:
        raise HearsimError("STOI can't be computed: the reference speaks for less than half a second")
    return total / weight


def _speaking_s(reference: Curve | FloatArray, loudest: float) -> float:
    """Return the seconds in which a reference is within 40 dB of its peak."""
    frames = np.abs(reference[: reference.size // 256 * 256].reshape(-1, 256)).max(axis=1)
    return float(np.count_nonzero(frames > 0.01 * loudest)) * 256 / STOI_RATE_HZ if loudest > 0 else 0.0
