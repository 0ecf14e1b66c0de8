"""`hearsim score`: metrics of a processed file against a reference of the same length.

Both are read once, block by block. A delay between them would be scored as distortion, so it is estimated
(`hearsim.core.alignment`) and a long one refused.
"""

import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from hearsim.core.alignment import Delay, DelayFinder
from hearsim.core.audio import EARS
from hearsim.core.audio_files import Source, open_source
from hearsim.core.calibration import Calibration
from hearsim.core.errors import HearsimError
from hearsim.core.units import FloatArray, gain_to_db, ms_to_samples, samples_to_ms
from hearsim.metrics.levels import BandLevels
from hearsim.metrics.loudness import LoudnessMeter
from hearsim.metrics.pair import Pair
from hearsim.metrics.registry import compute_pair, pair_names
from hearsim.profile.schema import Profile

Table = dict[str, Any]
SILENCE_DBFS = -200.0
_GAIN_DB = 3.0  # rise of the SI-SDR that confirms a delay to be compensated
_FILTERS_MS = (
    1.0  # the phase of filters delays by less, so the metrics are those at that lag (7 samples by a steep fit)
)
_EARS_APART = 1.5  # samples between the delays of the ears, beyond what unlike filters of theirs do
_LEAST_DELAY = 0.25  # samples: smaller fractions of a sample are ignored


def score(reference: str | Path, processed: str | Path, profile: Profile | None = None) -> Table:
    """Return the metrics of two files as a table for JSON, schema "hearsim.score/1": plain numbers, no NaN.

    With a profile there are levels in dB SPL too: the reference's at the rig's microphone, the processed file's at its
    headphones. Mono files go to both ears. `unavailable` has the reason for each missing metric. Raises
    `HearsimError` where the files differ in rate or length, where one is a millisecond or more, or a fraction of a
    sample, later than the other, where their delay changes, and where the ears differ. A shorter delay is compensated,
    to the nearest sample.
    """
    sources = [open_source(path, None) for path in (reference, processed)]
    _check_shapes(*sources)
    rate = sources[0].rate
    finder = DelayFinder(rate, sources[0].frames)
    ends = (profile.rig.microphone, profile.rig.headphones) if profile else (None, None)
    meters = [_Meter(rate, calibration) for calibration in ends]

    def measure(*pair: FloatArray) -> None:
        finder.add(*pair)
        for meter, block in zip(meters, pair, strict=True):
            meter.add(block)

    pair = _compare(sources, 0, measure)
    unavailable: dict[str, str] = {}
    lag = _lag(finder, sources[0], sources[1], unavailable)
    if shift := round(lag or 0.0):
        pair = _compare(sources, shift)

    def computed(name: str, compute: Callable[[], float]) -> float | None:
        try:
            return compute()
        except HearsimError as error:
            unavailable[name] = str(error)
            return None

    return {
        "schema": "hearsim.score/1",
        "reference": _described(sources[0]),
        "processed": _described(sources[1]),
        "profile": profile.name if profile else None,
        "metrics": {
            "lag_samples": lag,
            **{name: computed(name, lambda name=name: compute_pair(name, pair)) for name in pair_names("reference")},  # type: ignore[misc]
        },
        "levels": {
            name: {"lufs": computed(f"{name} lufs", meter.loudness.integrated), **meter.levels()}
            for name, meter in zip(("reference", "processed"), meters, strict=True)
        },
        "unavailable": unavailable,
    }


def _compare(
    sources: list[Source], shift: int, also: Callable[[FloatArray, FloatArray], None] = lambda *pair: None
) -> Pair:
    """Return the pair of files, the second advanced by a number of samples, each read once.

    `also` gets the same blocks.
    """

    def blocks() -> Iterator[tuple[FloatArray, FloatArray]]:
        skips = (max(0, -shift), max(0, shift))
        return _pairs(*(_blocks(source, skip) for source, skip in zip(sources, skips, strict=True)))

    def read() -> tuple[FloatArray, FloatArray]:
        reference, processed = zip(*blocks(), strict=True)
        return np.concatenate(reference, axis=1), np.concatenate(processed, axis=1)

    pair = Pair(sources[0].rate, read)
    for both in blocks():
        pair.add(*both)
        also(*both)
    pair.finish()
    return pair


def _pairs(reference: Iterator[FloatArray], processed: Iterator[FloatArray]) -> Iterator[tuple[FloatArray, FloatArray]]:
    """Yield blocks of equal length of two streams, until one ends."""
    one = other = np.zeros((2, 0), np.float32)
    while True:
        one = one if one.shape[1] else next(reference, one)
        other = other if other.shape[1] else next(processed, other)
        if not (frames := min(one.shape[1], other.shape[1])):
            return
        yield one[:, :frames], other[:, :frames]
        one, other = one[:, frames:], other[:, frames:]


def _lag(finder: DelayFinder, reference: Source, processed: Source, unavailable: dict[str, str]) -> float | None:
    """Return the delay of the processed file in samples, under a millisecond; None if no delay is found.

    Raises `HearsimError` for a longer delay of the same sound, for ears that differ, drift and opposite polarity.
    """
    _check_ears(finder.by_channel(), reference, processed)
    delay = finder.result()
    if delay is None:
        unavailable["lag_samples"] = (
            "no delay found: with no shift of up to three quarters of their length do the two files agree, so they are "
            "different sounds, or further apart, or a tone or a phase shift, whose delay is ambiguous; check that they "
            "are aligned"
        )
        return None
    if delay.inverted:
        raise HearsimError(
            f"{processed.path} has the opposite polarity of {reference.path}: multiply one of them by -1; an inversion "
            "would be scored as distortion"
        )
    if delay.drifts:
        raise HearsimError(
            f"{processed.path} comes {delay.first:.0f} samples later than {reference.path} at its beginning and "
            f"{delay.last:.0f} at its end: two clocks drift apart, or samples were lost; record both with one "
            "clock, or resample one"
        )
    if delay.scatter is not None:
        least, greatest = delay.scatter
        unavailable["lag_samples"] = (
            f"no single delay: from piece to piece it is between {least:.0f} and {greatest:.0f} samples, without a "
            "trend, as by the group delay of a filter"
        )
        return None
    whole, small = round(delay.samples), abs(delay.samples) < ms_to_samples(_FILTERS_MS, processed.rate)
    if small and (abs(delay.samples - whole) < _LEAST_DELAY or finder.gain_db(delay.samples, whole) < _GAIN_DB):
        return delay.samples
    if not small and finder.gain_db(delay.samples) < _GAIN_DB:
        unavailable["lag_samples"] = (
            f"no single delay: part of the sound comes {delay.samples:.0f} samples later, as by a vent or an echo"
        )
        return None
    second, first = (processed, reference) if delay.samples > 0 else (reference, processed)
    late = abs(delay.samples)
    raise HearsimError(
        f"{second.path} comes {late:.{0 if late.is_integer() else 2}f} samples "
        f"({samples_to_ms(late, first.rate):.2f} ms) later than {first.path}: {_cure(late)}; a shift would be scored "
        "as distortion"
    )


def _check_ears(ears: list[Delay | None], reference: Source, processed: Source) -> None:
    """Raise `HearsimError` where one ear is later than the other, or of the other polarity, in one file alone."""
    if len(ears) < 2 or any(one is None or one.scatter is not None or one.drifts for one in ears):
        return
    left, right = (one for one in ears if one is not None)
    if left.inverted == right.inverted and abs(left.samples - right.samples) < _EARS_APART:
        return
    sides = " and ".join(
        f"{one.samples:.0f} samples later{', inverted,' if one.inverted else ''} at the {ear} ear"
        for ear, one in zip(EARS, (left, right), strict=True)
    )
    raise HearsimError(
        f"{processed.path} does not lie alike on {reference.path} at both ears: it comes {sides}; shift or invert one "
        "channel, so that the ears agree"
    )


def _cure(delay: float) -> str:
    """Return how to align two files, the second of which is later by a number of samples."""
    cut = f"cut {int(delay)} off its beginning and off the end of the other"
    fraction = f"delay the other by {delay % 1:.2f} samples, by resampling"
    if _LEAST_DELAY < delay % 1 < 1 - _LEAST_DELAY:
        return fraction if delay < 1 else f"{cut}, and {fraction}"
    return cut.replace(str(int(delay)), str(round(delay)))


def _check_shapes(reference: Source, processed: Source) -> None:
    if reference.rate != processed.rate:
        raise HearsimError(
            f"{reference.path} is sampled at {reference.rate} Hz and {processed.path} at {processed.rate} Hz: resample "
            "one of them"
        )
    if reference.frames != processed.frames:
        raise HearsimError(
            f"{reference.path} is {reference.frames} samples long and {processed.path} {processed.frames}: cut both to "
            "the same excerpt"
        )


def _blocks(source: Source, skip: int) -> Iterator[FloatArray]:
    """Yield the sound of a file, without its first samples and the silence that fills the last block."""
    remaining = source.frames
    for block in source.blocks(1 << 16):
        yield block[:, skip:remaining]
        remaining, skip = remaining - block.shape[1], 0


def _described(source: Source) -> Table:
    return {
        "path": str(source.path),
        "sha256": source.sha256,
        "rate_hz": source.file_rate,
        "channels": source.file_channels,
        "frames": source.file_frames,
    }


class _Meter:
    """Loudness and levels of one file; in dB SPL too with a calibration."""

    def __init__(self, rate: int, calibration: Calibration | None) -> None:
        self._calibration = calibration
        self.loudness = LoudnessMeter(rate)
        self._bands = BandLevels(rate, 2) if calibration else None
        self._energy, self._frames = np.zeros(2), 0

    def add(self, block: FloatArray) -> None:
        self.loudness.add(block)
        self._energy += np.square(block, dtype=np.float64).sum(axis=1)
        self._frames += block.shape[1]
        if self._bands is not None and self._calibration is not None:
            self._bands.add(block * np.float32(self._calibration.pascal_per_unit))

    def levels(self) -> Table:
        """Return the levels over all blocks; an RMS of 1.0 is 0 dBFS, so a full sine is -3.01."""
        rms_dbfs = [max(SILENCE_DBFS, gain_to_db(math.sqrt(e / self._frames))) for e in self._energy]
        levels: Table = {"peak_dbfs": self.loudness.peak_dbfs(), "rms_dbfs": _per_ear(rms_dbfs)}
        if self._bands is not None and self._calibration is not None:
            full_scale = self._calibration.full_scale_db_spl
            levels["rms_db_spl"] = _per_ear([level + full_scale for level in rms_dbfs])
            levels["peak_db_spl"] = _per_ear(self._bands.peak_db_spl())  # of a sine with this peak
        return levels


def _per_ear(values: list[Any]) -> Table:
    return dict(zip(EARS, values, strict=True))
