"""STOI and ESTOI (Taal et al. 2011; Jensen & Taal 2016) by pystoi, in bounded memory."""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import soxr

from hearsim.errors import HearsimError
from hearsim.units import Curve, FloatArray

STOI_RATE_HZ = 10000  # Taal et al. 2011, section II
EXCERPT_S = 60
_FRAME, _HOP, _RANGE_DB = 256, 128, 40.0  # Taal et al. 2011, section II: the gate that leaves silence out
_FEWEST_FRAMES = 31  # pystoi loses one frame in overlap-add and correlates 30: 0.41 s


class MonoAt10k:
    """Collects a stream (channels, frames) as mono at 10 kHz: the mean of the channels, resampled by soxr.

    pystoi's own resampler has a softer edge at the same 5 kHz: over rates of 16 to 48 kHz the two figures differ by
    less than 0.0001 (tests/reference/test_metrics_stoi.py). Channels in opposite phase cancel.
    """

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


def stoi(reference: FloatArray, processed: FloatArray, rate_hz: int = STOI_RATE_HZ, *, extended: bool = False) -> float:
    """Return STOI (or ESTOI) of mono signals (frames,); other rates than 10 kHz are resampled by `MonoAt10k`.

    Up to a minute it is pystoi's own number. Longer signals are cut every 60 s, so that memory stays bounded, and
    the excerpts' figures are averaged, each weighed by its frames of speech: those within 40 dB of the loudest
    frame of the whole reference. Raises `HearsimError` for signals of unequal length, for NaN and Inf, and where
    no excerpt holds enough speech (there pystoi would return 1e-5, which is no measurement).
    """
    from pystoi import stoi as pystoi

    if reference.ndim != 1 or reference.shape != processed.shape:
        raise HearsimError(
            f"STOI needs two mono signals of equal length, not shapes {reference.shape} and {processed.shape}"
        )
    if not (np.isfinite(reference).all() and np.isfinite(processed).all()):
        raise HearsimError("STOI needs finite samples: the reference or the processed signal holds NaN or Inf")
    if rate_hz != STOI_RATE_HZ:
        reference, processed = _at_10k(reference, rate_hz), _at_10k(processed, rate_hz)
    length = EXCERPT_S * STOI_RATE_HZ
    levels = [_frame_levels_db(reference[start : start + length]) for start in range(0, reference.size, length)]
    loudest = max((level.max(initial=-np.inf) for level in levels), default=-np.inf)
    total, weight = 0.0, 0
    for index, level in enumerate(levels):
        speaking = int(np.count_nonzero(level > loudest - _RANGE_DB)) if np.isfinite(loudest) else 0
        if speaking < _FEWEST_FRAMES:
            continue  # silent in this excerpt; pystoi's gate, within 40 dB of the excerpt's own peak, is never tighter
        excerpt = slice(index * length, (index + 1) * length)
        with _repeatable():
            value = float(pystoi(reference[excerpt], processed[excerpt], STOI_RATE_HZ, extended=extended))
        total, weight = total + speaking * value, weight + speaking
    if weight == 0:
        raise HearsimError("STOI can't be computed: the reference speaks for less than half a second")
    return total / weight


def _at_10k(signal: FloatArray, rate_hz: int) -> FloatArray:
    mono = MonoAt10k(rate_hz)
    mono.add(signal[None].astype(np.float32))
    return mono.finish()


def _frame_levels_db(signal: FloatArray) -> Curve:
    """Return the level in dB of each frame as pystoi's gate sees it: Hann windows without their zeros, half overlap."""
    count = max(0, -(-(signal.size - _FRAME) // _HOP))
    if count == 0:
        return np.zeros(0)
    frames = np.lib.stride_tricks.sliding_window_view(signal, _FRAME)[: count * _HOP : _HOP]
    taper = np.hanning(_FRAME + 2)[1:-1]
    power = (frames.astype(np.float64) ** 2) @ taper**2
    with np.errstate(divide="ignore"):
        levels: Curve = 10 * np.log10(power)
    return levels


@contextmanager
def _repeatable() -> Iterator[None]:
    """Seed numpy's global generator for a while: pystoi's ESTOI dithers with it, which shows in silence."""
    state = np.random.get_state()  # noqa: NPY002 (pystoi takes no Generator)
    np.random.seed(0)  # noqa: NPY002
    try:
        yield
    finally:
        np.random.set_state(state)  # noqa: NPY002
