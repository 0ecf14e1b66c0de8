"""BSSEval v4 of stem images by museval 0.4's definition, as usual for MUSDB; in bounded memory, fast.

Vincent et al. 2007 (images: SDR, ISR, SIR, SAR), with the filters of v4 (Stoter, Liutkus & Ito 2018): 512 taps, one
set for the whole track, applied in frames of 1 s without overlap. Per track the median over frames, over tracks the
median. Frames in which any stem or estimate is silent (museval's NaN), and infinite
ratios, are excluded.

In a frame with true image s, estimate e, and projections p (on delayed s alone) and q (on all delayed stems):
SDR = |s|^2 / |e - s|^2, as the parts of the error add up to e - s: the SDR is independent of the filters.
ISR = |s|^2 / |p - s|^2, SIR = |p|^2 / |q - p|^2, SAR = |q|^2 / |e - q|^2.
museval filters each pair of channels and sums squares in time; here energies are summed in the spectrum (Parseval),
and correlations and the factorisation are computed once per track.

`python -m tests.reference.bench_bsseval TRACK... --seconds S` times both on the same tracks. CPU time on one thread
of a busy 2-core AMD EPYC (AVX512): 30 s of r02_eif_lithium 2.0 s and 23.3 s (11 times as fast; s16_gen_dnb 13 times;
medians of three interleaved rounds), all its 170 s 9.7 s and 84.6 s (9 times, one round); no ratio differs by 1e-6 dB.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import fft

from hearsim.core.errors import HearsimError
from hearsim.core.units import Curve, FloatArray
from hearsim.dsp.projection import Correlations, Filters

TAPS = 512

Signals = Callable[[int, int], FloatArray]
"""Arguments start and stop; returns (stems, channels, stop - start): an array's slice, or read from disk."""


Spectra = npt.NDArray[np.complex128]


class BssScores(NamedTuple):
    """Ratios in dB per stem and frame (stems, frames); NaN and infinite as in museval."""

    sdr_db: Curve
    isr_db: Curve
    sir_db: Curve
    sar_db: Curve

    def medians(self) -> "BssScores":
        """Return the median over valid frames, per stem (stems,); NaN for a stem without one."""
        return BssScores(*(np.array([_median(row) for row in table]) for table in self))


class BssEval:
    """Scores estimates of the stems of one track; terms of the true stems alone are computed once.

    `true_stems` gives the true stems, `shape` is (stems, channels, frames) of the whole track, `window` the length of a
    frame in samples (museval: one second). Raises `HearsimError` for a stem that is silent in the whole track: omit it
    and its estimate.
    """

    def __init__(self, true_stems: Signals, shape: tuple[int, int, int], window: int, taps: int = TAPS) -> None:
        self._true_stems, self._shape, self._window = true_stems, shape, window
        stems, channels, frames = shape
        self._taps, self._size = taps, fft.next_fast_len(min(window, frames) + taps - 1, real=True)
        inputs = stems * channels
        correlations = Correlations(inputs, inputs, taps)
        plays = np.zeros(stems, np.bool_)
        for start, stop in self._pieces():
            piece = true_stems(start, stop)
            plays |= ~_silent(piece)
            correlations.add(piece.reshape(inputs, -1), piece.reshape(inputs, -1))
        if not plays.all():
            raise HearsimError(f"true stem {int(np.argmin(plays))} is silent from end to end: leave it out")
        auto = correlations.result()
        self._joint = Filters(auto)
        parts = [slice(stem * channels, (stem + 1) * channels) for stem in range(stems)]
        self._single = [Filters(auto[part, part]) for part in parts]

    def _pieces(self) -> list[tuple[int, int]]:
        frames = self._shape[2]
        return [(start, min(start + self._window, frames)) for start in range(0, frames, self._window)]

    def score(self, estimates: Signals) -> BssScores:
        """Return the scores of the estimates of all stems, in the order of the true ones."""
        stems, channels, frames = self._shape
        single, joint = self._filters(estimates)
        ratios = np.full((4, stems, max(1, frames // self._window)), np.nan)
        for index, (start, stop) in enumerate(self._pieces()[: ratios.shape[2]]):  # museval ignores the rest
            s, e = self._true_stems(start, stop), estimates(start, stop)
            if _silent(s).any() or _silent(e).any():
                continue
            true = fft.rfft(s.astype(np.float64), self._size)  # (stems, channels, bins)
            p = np.einsum("jaok,jak->jok", single, true)  # on the delayed true stem alone
            q = np.einsum("jaok,ak->jok", joint, true.reshape(stems * channels, -1))  # on all delayed stems
            estimate = fft.rfft(e.astype(np.float64), self._size)
            energy = self._energy(true)
            ratios[0, :, index] = _db(energy, self._energy(estimate - true))
            ratios[1, :, index] = _db(energy, self._energy(p - true))
            ratios[2, :, index] = _db(self._energy(p), self._energy(q - p))
            ratios[3, :, index] = _db(self._energy(q), self._energy(estimate - q))
        return BssScores(*ratios)

    def _filters(self, estimates: Signals) -> tuple[Spectra, Spectra]:
        """Return the spectra of the filters: (stems, channels in, channels out, bins), (stems, inputs, out, bins)."""
        stems, channels, _ = self._shape
        inputs = stems * channels
        correlations = Correlations(inputs, inputs, self._taps)
        for start, stop in self._pieces():
            correlations.add(
                self._true_stems(start, stop).reshape(inputs, -1), estimates(start, stop).reshape(inputs, -1)
            )
        cross = correlations.result()
        parts = [slice(stem * channels, (stem + 1) * channels) for stem in range(stems)]
        single = [solver.solve(cross[part, part]) for solver, part in zip(self._single, parts, strict=True)]
        solved = self._joint.solve(cross)
        joint = [solved[:, part] for part in parts]
        return fft.rfft(np.array(single), self._size), fft.rfft(np.array(joint), self._size)

    def _energy(self, spectra: Spectra) -> Curve:
        """Return the energy per stem of spectra (stems, channels, bins): Parseval over both halves."""
        power = spectra.real**2 + spectra.imag**2
        power[..., 1 : (self._size + 1) // 2] *= 2
        energy: Curve = power.sum(axis=(1, 2)) / self._size
        return energy


def _silent(signals: FloatArray) -> npt.NDArray[np.bool_]:
    """Return per stem whether its channels sum to zero throughout, which is museval's silence."""
    return np.asarray((signals.sum(axis=1) == 0).all(axis=1))


def _db(signal: Curve, error: Curve) -> Curve:
    """Return the ratio in dB; infinite without an error."""
    with np.errstate(divide="ignore"):
        ratio: Curve = 10 * np.log10(signal / error)
    return ratio


def _median(values: Curve) -> float:
    counts = values[np.isfinite(values)]
    return float(np.median(counts)) if counts.size else float("nan")
