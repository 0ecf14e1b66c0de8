"""Separation metrics: three energy ratios from one pass, with separate names.

`si_sdr_db`: scale-invariant (Le Roux et al. 2019, eq. 2). `csdr_db`: the whole clip's 10 lg sum s^2 / sum (s - e)^2
(Mitsufuji et al. 2022, MDX). `sdr_db`, the "energy SDR": the same ratio per 1 s frame, median over the frames in which
the stem plays. None of them is BSSEval v4 (`hearsim.metrics.bsseval`). Channels count jointly.
"""

import math
from collections.abc import Callable, Iterator

import numpy as np
from scipy import fft

from hearsim.core.errors import HearsimError
from hearsim.core.units import Curve, FloatArray

SILENT_DB = -50.0  # a 1 s frame this far under the clip's mean power does not play


class SdrMeter:
    """Collects inner products of a reference and an estimate (channels, frames) per second; any block size."""

    def __init__(self, rate_hz: int) -> None:
        self._rate = rate_hz
        self._sums: list[Curve] = []  # per second: s.s, e.e, s.e, (s-e).(s-e)
        self._now, self._filled = np.zeros(4), 0

    def add(self, reference: FloatArray, estimate: FloatArray) -> None:
        """Take the next block of both."""
        start, frames = 0, reference.shape[-1]
        while start < frames:
            end = min(frames, start + self._rate - self._filled)
            s, e = reference[..., start:end].astype(np.float64), estimate[..., start:end].astype(np.float64)
            self._now += np.array([np.vdot(s, s), np.vdot(e, e), np.vdot(s, e), np.vdot(s - e, s - e)])
            self._filled += end - start
            if self._filled == self._rate:
                self._sums.append(self._now)
                self._now, self._filled = np.zeros(4), 0
            start = end

    def _clip(self) -> tuple[Curve, Curve]:
        rows = np.array([*self._sums, self._now])
        total: Curve = rows.sum(axis=0)
        if total[0] <= 0.0:
            raise HearsimError("the true stem is silent: there is nothing to compare with")
        if not np.isfinite(total).all():
            raise HearsimError("SDR needs finite samples: the true stem or its estimate holds NaN or Inf")
        return rows, total

    def csdr_db(self) -> float:
        """Return the clip-wise SDR in dB (capped at 100 for a perfect estimate)."""
        _, total = self._clip()
        return _ratio_db(total[0], total[3])

    def si_sdr_db(self) -> float:
        """Return the scale-invariant SDR in dB (capped at +-100)."""
        _, (ss, ee, se, _) = self._clip()
        target = se * se / ss
        return _ratio_db(target, ee - target)

    def sdr_db(self) -> float:
        """Return the median over 1 s frames of the SDR in dB, without frames in which the stem is silent."""
        rows, total = self._clip()
        rows = rows[: len(self._sums)] if self._sums else rows
        plays = rows[:, 0] > total[0] / len(rows) * 10 ** (SILENT_DB / 10)
        if not plays.any():
            raise HearsimError("the true stem plays in no whole second: SDR by frames can't be computed")
        return float(np.median([_ratio_db(row[0], row[3]) for row in rows[plays]]))


def _ratio_db(signal: float, error: float) -> float:
    if signal <= 0:  # a silent estimate has no target energy: worst, although its error is zero
        return -100.0
    if error <= signal * 1e-10:
        return 100.0
    return max(-100.0, 10 * math.log10(signal / error))


def ideal_ratio_mask(stems: FloatArray, window: int = 1024, hop: int = 512) -> FloatArray:
    """Return the estimates (stems, channels, frames) of ideal magnitude ratio masks on the mixture's own phase.

    The ceiling of masking at this window: square-root Hann both ways, mask |S_k| / sum_j |S_j|. `hop` divides
    `window` at least in two.
    """
    if hop * 2 > window or window % hop:
        raise HearsimError(f"a window of {window} can't be rebuilt at a hop of {hop}: take a half, a third, ... of it")
    frames = stems.shape[-1]
    late = window - hop
    count = math.ceil(frames / hop) + window // hop - 1
    padded = np.pad(stems, ((0, 0), (0, 0), (late, count * hop + late - frames - late)))
    taper = np.sin(np.pi * np.arange(window) / window).astype(np.float32)  # squares sum to window / (2 hop)
    out = np.zeros_like(padded)
    for index in range(count):
        part = slice(index * hop, index * hop + window)
        bins = fft.rfft(padded[..., part] * taper)
        magnitude = np.abs(bins)
        masked = bins.sum(0) * magnitude / (magnitude.sum(0) + 1e-12)
        out[..., part] += fft.irfft(masked, n=window) * taper * np.float32(2 * hop / window)
    result: FloatArray = out[..., late : late + frames]
    return result


def ideal_ratio_mask_pieces(
    read: Callable[[int, int], FloatArray], frames: int, window: int = 1024, hop: int = 512, hops: int = 512
) -> Iterator[FloatArray]:
    """Yield `ideal_ratio_mask` of a long track in pieces of `hops` hops; `read(start, stop)` returns the true stems."""
    for start in range(0, frames, hops * hop):
        stop = min(start + hops * hop, frames)
        first, last = max(0, start - window), min(stop + window, frames)  # whole hops, so that the frames are the same
        yield ideal_ratio_mask(read(first, last), window, hop)[..., start - first : stop - first]
