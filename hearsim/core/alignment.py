"""Delay estimation between two sounds. An estimate is applied and checked before it is returned.

Music repeats itself, so the plain correlation of a song with its own copy has peaks a beat or a period apart, and a
window without the true lag still has a maximum. Here the cross-spectrum is whitened first (PHAT; Knapp &
Carter 1976, IEEE Trans ASSP 24:320): a copy then stands out by a factor of ten and more, at the lag of its onsets, and
filters, compression and added sound lower the peak but do not move it.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy import fft

from hearsim.core.units import Curve, FloatArray, ms_to_samples

LONGEST = 0.75
"""The longest delay searched for, as a share of the sound, or of its excerpts if it is over 40 s long."""

_EXCERPT_S, _WHOLE_S = 20.0, 40.0  # a sound over the second is compared by three excerpts of the first
_FLOOR = 1e-6  # of the largest bin: smaller bins are not whitened
_BACKGROUND = 0.99  # quantile of the correlation, as the level of chance peaks and of the music's periods
_OVER_BACKGROUND = 4.0  # in amplitude: two songs of one style and tempo reach 1.2, a voice in its mix 23
_CONFIRMED = 1 / 3  # of the pieces in which both are audible must have a delay near the estimate
_AUDIBLE_DB = 60.0  # under the loudest piece
_CLUSTER_MS = 1.5  # a drifting delay is smeared over many lags
_COPY = 0.5  # height from which a peak at lag 0 is taken
_PIECE_S, _FEWEST_PIECES = 1.0, 4
_SHORTEST_S = 3.0  # of a quarter of an excerpt, to be searched separately
_CONSTANT = 1.5  # samples by which the delays of pieces may differ
_ON_A_LINE = 0.9  # r^2 of the delays of pieces over time, where clocks drift
_AGREEING = 0.1  # whitened correlation of pieces without their delay; a low-pass leaves 0.05
_CLEARLY = 1.15  # by which one polarity's correlation must exceed the other's
_PERIODIC = 0.9  # a tone agrees as well in either polarity, half a period apart
_OPPOSITE = 0.5  # least correlation of the negated sound, over its whole band
_STEPS = 32  # of a sample, for its fraction


Pair = tuple[FloatArray, FloatArray]


class Delay(NamedTuple):
    """An estimated delay, confirmed by applying it.

    Attributes
    ----------
    samples
        The delay of the second sound, its mean over the sound; negative where it is earlier.
    first, last
        The delay at the beginning and at the end; they differ where it changes along a line, or at one place.
    agreement
        The whitened correlation of the two sounds with the delay removed: 1 for a copy, 0.2 for a voice in a mix.
    inverted
        Whether the second sound has the opposite polarity.
    scatter
        The least and the greatest delay of pieces where they differ without order, as by the group delay of a filter.
    """

    samples: float
    first: float
    last: float
    agreement: float
    inverted: bool = False
    scatter: tuple[float, float] | None = None

    @property
    def drifts(self) -> bool:
        """Whether the delay changes by two samples or more, along a line or at one place."""
        return abs(self.last - self.first) >= 2


class DelayFinder:
    """Compares two streams (channels, n) of `frames`, block by block, and finds the delay between them.

    It holds 40 s of each stream, or three excerpts of 20 s. The channels count together.
    """

    def __init__(self, rate_hz: int, frames: int) -> None:
        self._rate, self._position = rate_hz, 0
        length = frames if frames <= _WHOLE_S * rate_hz else int(_EXCERPT_S * rate_hz)
        count = 1 if length == frames else 3
        self._starts = [(frames - length) * index // max(1, count - 1) for index in range(count)]
        self._length = length
        self._buffers: list[tuple[FloatArray, FloatArray]] = []

    def add(self, reference: FloatArray, processed: FloatArray) -> None:
        """Take the next block of both."""
        if not self._buffers:
            shape = (reference.shape[0], self._length)
            self._buffers = [(np.zeros(shape, np.float32), np.zeros(shape, np.float32)) for _ in self._starts]
        for start, pair in zip(self._starts, self._buffers, strict=True):
            first = max(0, start - self._position)
            last = min(reference.shape[1], start + self._length - self._position)
            if first < last:
                place = slice(self._position + first - start, self._position + last - start)
                for buffer, block in zip(pair, (reference, processed), strict=True):
                    buffer[:, place] = block[:, first:last]
        self._position += reference.shape[1]

    def result(self) -> Delay | None:
        """Return the delay, as `find_delay` does."""
        return self._delay(self._buffers)

    def by_channel(self) -> list[Delay | None]:
        """Return the delay of each channel alone; none where all channels are one sound."""
        alike = all((sound == sound[:1]).all() for pair in self._buffers for sound in pair)
        channels = range(0 if alike else self._buffers[0][0].shape[0])
        return [self._delay([(one[[index]], other[[index]]) for one, other in self._buffers]) for index in channels]

    def _delay(self, buffers: list[Pair]) -> Delay | None:
        found = [(_track(*pair, lag, start, self._rate), pair, lag) for start, pair, lag in self._excerpts(buffers)]
        found = [(track, pair, lag) for track, pair, lag in found if track.delays.size]
        if not found:
            return None
        tracks = [track for track, _, _ in found]
        inverted = sum(track.polarity for track in tracks) < 0
        positive, negative = np.mean([_extremes(*pair, lag, self._rate) for _, pair, lag in found], axis=0)
        clear = np.mean([track.clarity for track in tracks]) >= _CLEARLY
        moved = inverted or max(np.abs(track.delays).max() for track in tracks) > _CONSTANT  # a tone is its own copy
        periodic = moved and min(positive, negative) > _PERIODIC
        weak = inverted and negative < max(_OPPOSITE, _CLEARLY * positive)
        if periodic or weak or not clear:
            return None
        at, delays = np.concatenate([track.at for track in tracks]), np.concatenate([track.delays for track in tracks])
        agreement = float(np.mean([track.agreement for track in tracks]))
        if np.ptp(delays) < _CONSTANT:
            samples = float(np.median(delays))
            return Delay(samples, samples, samples, agreement, inverted)
        jump = int(np.argmax(np.abs(np.diff(delays)))) + 1
        if max(np.ptp(delays[:jump]), np.ptp(delays[jump:])) < _CONSTANT:
            return Delay(float(np.median(delays)), float(delays[0]), float(delays[-1]), agreement, inverted)
        if agreement < _AGREEING or np.corrcoef(at, delays)[0, 1] ** 2 < _ON_A_LINE:
            samples = float(np.median(delays))
            return Delay(samples, samples, samples, agreement, inverted, (float(delays.min()), float(delays.max())))
        slope, offset = np.polyfit(at, delays, 1)
        end = self._starts[-1] + self._length
        middle = float(offset + slope * end / 2)
        return Delay(middle, float(offset), float(offset + slope * end), agreement, inverted)

    def _excerpts(self, buffers: list[Pair]) -> Iterator[tuple[int, Pair, int]]:
        """Yield start, sounds and coarse delay of each excerpt; of its quarters where the whole has no clear peak."""
        quarter = self._length // 4
        for start, pair in zip(self._starts, buffers, strict=True):
            if (lag := _coarse(*pair, self._rate)) is not None:
                yield start, pair, lag
            elif quarter > _SHORTEST_S * self._rate:
                for first in range(0, 4 * quarter, quarter):
                    part = (pair[0][:, first : first + quarter], pair[1][:, first : first + quarter])
                    if (lag := _coarse(*part, self._rate)) is not None:
                        yield start + first, part, lag

    def gain_db(self, samples: float, over: float = 0.0) -> float:
        """Return the rise of the SI-SDR in dB when a delay of `samples` is removed instead of one of `over`."""
        sums = np.zeros((2, 3))  # energies and inner product, for either
        for pair in self._buffers:
            sums += [_products(*pair, delay) for delay in (over, samples)]
        here, there = (
            cross**2 / max(energy * other_energy - cross**2, 1e-10 * energy * other_energy, 1e-30)
            for energy, other_energy, cross in sums
        )
        return float(10 * np.log10(max(there, 1e-30) / max(here, 1e-30)))


def find_delay(reference: FloatArray, processed: FloatArray, rate_hz: int) -> Delay | None:
    """Return the delay of a sound relative to another.

    Parameters
    ----------
    reference, processed
        Two sounds (channels, frames) of one shape.
    rate_hz
        Their sample rate.

    Returns
    -------
    Delay or None
        None where no delay of up to `LONGEST` of the sound aligns them: different sounds, or a longer delay; and where
        either polarity agrees alike, as with a tone or a phase shift of 90 degrees.

    Examples
    --------
    >>> noise = np.random.default_rng(0).standard_normal((1, 44100)).astype(np.float32)
    >>> find_delay(noise, np.roll(noise, 300, axis=1), 44100).samples
    300.0
    """
    finder = DelayFinder(rate_hz, reference.shape[1])
    finder.add(reference, processed)
    return finder.result()


def onset(response: Curve) -> int:
    """Return the first sample within 20 dB of the largest: minimum-phase filters respond at once, then ring."""
    magnitude = np.abs(response)
    return int(np.argmax(magnitude >= 0.1 * magnitude.max()))


def whitened_lag(probe: Curve, response: Curve) -> int:
    """Return the delay of a response relative to its probe in samples, 0 or more, both (frames,)."""
    return int(np.argmax(_whitened([probe], [response], 2 * probe.size)[: probe.size]))


def whitened_peak(reference: Curve, processed: Curve, reach: int) -> tuple[int, float]:
    """Return the delay of a sound relative to its reference, 0 to `reach` - 1 samples, and its peak's height, 0 to 1.

    Both are (frames,); a low peak is none. Nothing is applied and checked, as `find_delay` does.
    """
    size = 1 << max(reference.size, processed.size).bit_length()
    heights = np.abs(_whitened([reference], [processed], size)[:reach])
    lag = int(np.argmax(heights))
    return lag, float(heights[lag])


def template_lag(sound: Curve, template: Curve) -> tuple[int, float]:
    """Return the position of a template in a sound, and the magnitude of their correlation there, 0 to 1."""
    size = 1 << (sound.size + template.size - 1).bit_length()
    matched = fft.irfft(fft.rfft(sound, size) * np.conj(fft.rfft(template, size)), size)
    lag = int(np.argmax(np.abs(matched[: sound.size - template.size + 1])))
    energy = float(np.linalg.norm(sound[lag : lag + template.size]) * np.linalg.norm(template))
    return lag, abs(float(matched[lag])) / energy if energy else 0.0


def _phases(references: Sequence[Curve] | FloatArray, others: Sequence[Curve] | FloatArray, size: int) -> np.ndarray:
    """Return the sum over channels of the cross-spectra, each bin with its magnitude set to 1."""
    total = np.zeros(size // 2 + 1, np.complex128)
    for reference, other in zip(references, others, strict=True):
        cross = fft.rfft(other.astype(np.float64), size) * np.conj(fft.rfft(reference.astype(np.float64), size))
        magnitude = np.abs(cross)
        if highest := magnitude.max():
            total += cross / np.maximum(magnitude, _FLOOR * highest)
    return total / max(1, len(references))


def _whitened(references: Sequence[Curve] | FloatArray, others: Sequence[Curve] | FloatArray, size: int) -> Curve:
    """Return the whitened correlation at lags 0 .. size - 1, the negative ones from the end backward."""
    correlation: Curve = fft.irfft(_phases(references, others, size), size)
    return correlation


def _coarse(reference: FloatArray, processed: FloatArray, rate_hz: int) -> int | None:
    """Return the lag around which the whitened correlation has its energy; None without a clear peak."""
    from scipy.fft import next_fast_len  # here: the live audio process finds delays, and starts without SciPy

    reach = int(LONGEST * reference.shape[1])
    correlation = _whitened(reference, processed, next_fast_len(2 * reference.shape[1]))
    power = np.concatenate((correlation[-reach:], correlation[: reach + 1])) ** 2
    half = ms_to_samples(_CLUSTER_MS / 2, rate_hz)
    sums = np.cumsum(np.pad(power, (half + 1, half)))
    energy = sums[2 * half + 1 :] - sums[: -2 * half - 1]
    best = int(np.argmax(energy))
    if not energy[best] > _OVER_BACKGROUND**2 * np.quantile(energy, _BACKGROUND):
        return None
    if energy[reach] > _COPY**2 * energy[best]:
        best = reach
    first = max(0, best - half)
    return first + int(np.argmax(power[first : best + half + 1])) - reach


class _Track(NamedTuple):
    """The delays of an excerpt's pieces, at their places in samples, their mean agreement and sum of polarities.

    `clarity` is the mean ratio of their peak to that of the other polarity.
    """

    at: Curve
    delays: Curve
    agreement: float
    polarity: float
    clarity: float


def _track(reference: FloatArray, processed: FloatArray, lag: int, start: int, rate_hz: int) -> _Track:
    """Return the delay of an excerpt piece by piece, near a lag; empty where too few pieces confirm it.

    `start` is the place of the excerpt in its sound, in samples.
    """
    first, second = _overlap(reference, processed, lag)
    length = max(1, min(int(_PIECE_S * rate_hz), first.shape[1] // _FEWEST_PIECES))
    pieces = [slice(first, first + length) for first in range(0, first.shape[1] - length + 1, length)]
    power = np.array([[float(np.square(sound[:, piece]).sum()) for piece in pieces] for sound in (first, second)])
    audible = (power > power.max(axis=1, keepdims=True) * 10 ** (-_AUDIBLE_DB / 10)).all(axis=0)
    reach = length // 4
    delays_of_pieces = []
    for piece in (piece for piece, sounds in zip(pieces, audible, strict=True) if sounds):
        phases = _phases(first[:, piece], second[:, piece], 2 * length)
        correlation = fft.irfft(phases, 2 * length)
        near = np.concatenate((correlation[-reach:], correlation[: reach + 1]))
        peak = int(np.argmax(np.abs(near)))
        polarity = float(np.sign(near[peak]))
        if abs(near[peak]) > _OVER_BACKGROUND * np.quantile(np.abs(correlation), _BACKGROUND):
            fine, agreement = _fraction(polarity * phases, peak - reach)
            place = start + max(0, -lag) + piece.start + length / 2
            clarity = abs(near[peak]) / max(float((-polarity * near).max()), 1e-9)
            delays_of_pieces.append((place, lag + fine, agreement, polarity, clarity))
    if len(delays_of_pieces) < max(2, _CONFIRMED * np.count_nonzero(audible)):
        return _Track(np.zeros(0), np.zeros(0), 0.0, 0.0, 0.0)
    at, delays, agreements, polarities, clarities = np.array(delays_of_pieces).T
    return _Track(at, delays, float(agreements.mean()), float(polarities.sum()), float(clarities.mean()))


def _extremes(reference: FloatArray, processed: FloatArray, lag: int, rate_hz: int) -> tuple[float, float]:
    """Return the greatest correlations of two sounds within a quarter of a second of a lag, as they are and negated."""
    first, second = (sound.astype(np.float64) for sound in _overlap(reference, processed, lag))
    size = 1 << (2 * first.shape[1] - 1).bit_length()
    correlation = fft.irfft((fft.rfft(second, size) * np.conj(fft.rfft(first, size))).sum(axis=0), size)
    reach = min(rate_hz // 4, first.shape[1] // 2)
    near = np.concatenate((correlation[-reach:], correlation[: reach + 1]))
    near /= max(float(np.linalg.norm(first) * np.linalg.norm(second)), 1e-30)
    return float(near.max()), float(-near.min())


def _fraction(phases: np.ndarray, lag: int) -> tuple[float, float]:
    """Return the peak of a whitened correlation within a sample of a lag, and its height."""
    angles = 1j * np.pi * np.arange(phases.size) / (phases.size - 1)
    turned, turn = phases * np.exp(angles * (lag - 1)), np.exp(angles / _STEPS)
    heights = []
    for _ in range(2 * _STEPS + 1):
        heights.append(float(turned.real.mean()))
        turned *= turn
    best = int(np.argmax(heights))
    return lag - 1 + best / _STEPS, heights[best]


def _overlap(reference: FloatArray, processed: FloatArray, lag: int) -> tuple[FloatArray, FloatArray]:
    """Return the overlapping parts of two sounds, the second of which is `lag` samples later."""
    frames = reference.shape[1] - abs(lag)
    return reference[:, max(0, -lag) :][:, :frames], processed[:, max(0, lag) :][:, :frames]


def _products(reference: FloatArray, processed: FloatArray, samples: float) -> Curve:
    """Return the energies of two sounds and their inner product, the second advanced by `samples`."""
    whole = round(samples)
    first, second = (sound.astype(np.float64) for sound in _overlap(reference, processed, whole))
    if rest := samples - whole:
        bins = fft.rfft(second)
        second = fft.irfft(bins * np.exp(2j * np.pi * fft.rfftfreq(second.shape[1]) * rest), second.shape[1])
    return np.array([np.vdot(first, first), np.vdot(second, second), np.vdot(first, second)])
