"""`hearsim score`: what a file has become in another of the same length: intelligibility, SDR, loudness, levels.

The two are read once, block by block. A shift between them would be scored as distortion, so it is looked for and
refused.
"""

import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from hearsim.core.audio_files import Source, open_source
from hearsim.core.calibration import Calibration
from hearsim.core.errors import HearsimError
from hearsim.core.units import FloatArray, db_to_gain, gain_to_db, ms_to_samples, samples_to_ms
from hearsim.dsp.projection import Correlations
from hearsim.metrics.intelligibility import StoiMeter
from hearsim.metrics.levels import BandLevels
from hearsim.metrics.loudness import LoudnessMeter
from hearsim.metrics.separation import SdrMeter
from hearsim.profile.schema import Profile

Table = dict[str, Any]
EARS = ("left", "right")
SILENCE_DBFS = -200.0
_LONGEST_SHIFT_S = 0.25
_SAME_SOUND = 0.1  # share of the energy that the best shift explains: with less, the two are different sounds
_GAIN_DB = 3.0  # by so much a shift must raise the SI-SDR to be one
_LEAST_SHIFT_MS = 1.0  # the phase of an aid's filters alone moves the best lag by up to 0.4 ms on the demo song


def score(reference: str | Path, processed: str | Path, profile: Profile | None = None) -> Table:
    """Return the metrics of two files as a table for JSON, schema "hearsim.score/1": plain numbers, no NaN.

    With a profile there are levels in dB SPL too: the reference's at the rig's microphone, the processed file's at its
    headphones. Mono files go to both ears. What can't be computed stands under `unavailable`, with the reason. Raises
    `HearsimError` where the files differ in rate or length, or where one comes later than the other.
    """
    sources = [open_source(path, None) for path in (reference, processed)]
    _check_shapes(*sources)
    rate = sources[0].rate
    sdr, shift, speech = SdrMeter(rate), _Shift(rate), StoiMeter(rate, ("processed",))
    ends = (profile.rig.microphone, profile.rig.headphones) if profile else (None, None)
    meters = [_Meter(rate, calibration) for calibration in ends]
    for pair in zip(*map(_blocks, sources), strict=True):
        sdr.add(*pair)
        shift.add(*pair)
        speech.add_reference(pair[0])
        speech.add("processed", pair[1])
        for meter, block in zip(meters, pair, strict=True):
            meter.add(block)
    lag = shift.lag(*sources)
    speech.finish()
    lost: dict[str, str] = {}

    def known(name: str, compute: Callable[[], float]) -> float | None:
        try:
            return compute()
        except HearsimError as error:
            lost[name] = str(error)
            return None

    return {
        "schema": "hearsim.score/1",
        "reference": _described(sources[0]),
        "processed": _described(sources[1]),
        "profile": profile.name if profile else None,
        "metrics": {
            "lag_samples": lag,  # of the processed file, where the SI-SDR is greatest: the phase of its filters
            "stoi": known("stoi", lambda: speech.value("processed", "stoi")),
            "estoi": known("estoi", lambda: speech.value("processed", "estoi")),
            "si_sdr_db": known("si_sdr_db", sdr.si_sdr_db),
            "csdr_db": known("csdr_db", sdr.csdr_db),
            "energy_sdr_db": known("energy_sdr_db", sdr.sdr_db),
        },
        "levels": {
            name: {"lufs": known(f"{name} lufs", meter.loudness.integrated), **meter.levels()}
            for name, meter in zip(("reference", "processed"), meters, strict=True)
        },
        "unavailable": lost,
    }


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


def _blocks(source: Source) -> Iterator[FloatArray]:
    left = source.frames
    for block in source.blocks(1 << 16):
        yield block[:, :left]
        left -= block.shape[1]


def _described(source: Source) -> Table:
    return {
        "path": str(source.path),
        "sha256": source.sha256,
        "rate_hz": source.file_rate,
        "channels": source.file_channels,
        "frames": source.file_frames,
    }


class _Meter:
    """Loudness and levels of one file; in dB SPL too where the calibration of its full scale is known."""

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
        """Return the levels of all that was added; an RMS of 1.0 is 0 dBFS, so a full sine is -3.01."""
        rms_dbfs = [max(SILENCE_DBFS, gain_to_db(math.sqrt(e / self._frames))) for e in self._energy]
        levels: Table = {"peak_dbfs": self.loudness.peak_dbfs(), "rms_dbfs": _per_ear(rms_dbfs)}
        if self._bands is not None and self._calibration is not None:
            full_scale = self._calibration.full_scale_db_spl
            levels["rms_db_spl"] = _per_ear([level + full_scale for level in rms_dbfs])
            levels["peak_db_spl"] = _per_ear(self._bands.peak_db_spl())  # of a sine with this peak
        return levels


def _per_ear(values: list[Any]) -> Table:
    return dict(zip(EARS, values, strict=True))


class _Shift:
    """Finds by how many samples one stream comes later than the other: the lag of the greatest correlation."""

    def __init__(self, rate: int) -> None:
        self._sums = Correlations(4, 4, int(_LONGEST_SHIFT_S * rate))

    def add(self, reference: FloatArray, processed: FloatArray) -> None:
        both = np.concatenate((reference, processed))
        self._sums.add(both, both)

    def lag(self, reference: Source, processed: Source) -> int | None:
        """Return by how many samples the processed file comes later, at the lag of the greatest SI-SDR.

        None where the two have no sound in common. Raises `HearsimError` where they are one sound, shifted.
        """
        found = self._sums.result()
        late, early = found[0, 2] + found[1, 3], found[2, 0] + found[3, 1]
        energy = (found[0, 0, 0] + found[1, 1, 0]) * (found[2, 2, 0] + found[3, 3, 0])
        explained = np.square(np.concatenate((early[:0:-1], late))) / max(energy, 1e-30)  # at lags from -longest up
        ratio = explained / np.maximum(1 - explained, 1e-10)  # the SI-SDR at each lag
        best, here = int(np.argmax(ratio)), len(early) - 1
        if explained[best] < _SAME_SOUND:
            return None
        lag = best - here
        gained = ratio[best] >= ratio[here] * db_to_gain(_GAIN_DB) ** 2
        if gained and abs(lag) >= ms_to_samples(_LEAST_SHIFT_MS, processed.rate):
            second, first = (processed, reference) if lag > 0 else (reference, processed)
            raise HearsimError(
                f"{second.path} comes {abs(lag)} samples ({samples_to_ms(abs(lag), first.rate):.2f} ms) later than "
                f"{first.path}: cut as many off its beginning and off the end of the other; a shift would be scored "
                "as distortion"
            )
        return lag
