"""Excerpts for the report's player: one level scale, one common gain, FLAC."""

import io
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
import soundfile

from hearsim.core.calibration import Calibration
from hearsim.core.errors import HearsimError
from hearsim.core.units import FloatArray, db_to_gain, gain_to_db
from hearsim.metrics.loudness import integrated_lufs

EXCERPT_S = 15
_PEAK_DBFS = -1.0


class Clip:
    """Collects an excerpt of a stream (channels, frames): 15 s, a third into the rest, or all of a shorter stream."""

    def __init__(self, frames: int, rate: int) -> None:
        self.rate = rate
        self.length = min(frames, EXCERPT_S * rate)
        self.start = (frames - self.length) // 3
        self._pieces: list[FloatArray] = []
        self._position = 0

    def add(self, block: FloatArray) -> None:
        """Take the next block."""
        first = max(0, self.start - self._position)
        piece = block[:, first : max(0, self.start + self.length - self._position)]
        if piece.shape[1]:
            self._pieces.append(piece.copy())
        self._position += block.shape[1]

    def samples(self) -> FloatArray:
        """Return the excerpt (channels, frames)."""
        return np.concatenate(self._pieces, axis=1)


@dataclass(frozen=True)
class Excerpts:
    """The same seconds of several sounds (channels, frames) at the ear, on one scale for a player."""

    sounds: dict[str, FloatArray]
    rate: int
    start_s: float
    gain_db: float
    """Gain from the files, at the headphones' calibration, to the excerpts."""
    full_scale: Calibration
    """Sound pressure of the excerpts' samples."""

    @property
    def seconds(self) -> float:
        """Length in seconds."""
        return int(next(iter(self.sounds.values())).shape[1]) / self.rate

    @property
    def note(self) -> str:
        """A sentence about time and level."""
        return (
            f"{self.seconds:.0f} s from {self.start_s:.0f} s on, all on one scale of sound pressure, "
            f"{abs(self.gain_db):.1f} dB {'louder' if self.gain_db >= 0 else 'softer'} than the files, by one gain."
        )

    def flac(self, name: str) -> bytes:
        """Return a sound as a FLAC file of 16 bits."""
        file = io.BytesIO()
        soundfile.write(file, self.sounds[name].T, self.rate, format="FLAC", subtype="PCM_16")
        return file.getvalue()

    def match_db(self) -> dict[str, float | None]:
        """Return gains in dB to one loudness (BS.1770-4), the greatest without a peak over -1 dBFS; None: silence."""
        loudness, peaks_db = {}, {}
        for name, sound in self.sounds.items():
            peak = float(np.abs(sound).max(initial=0.0))
            with suppress(HearsimError):  # silent, or shorter than 0.4 s
                loudness[name] = integrated_lufs(sound / np.float32(peak or 1.0), self.rate)  # 0 dBFS: over the gate
                peaks_db[name] = gain_to_db(peak)
        common = min(loudness.values(), default=0.0) + _PEAK_DBFS
        return {n: common - loudness[n] - peaks_db[n] if n in loudness else None for n in self.sounds}


def excerpts(clips: Mapping[str, Clip], calibrations: Mapping[str, Calibration], headphones: Calibration) -> Excerpts:
    """Return clips of one rate and length on one scale; `calibrations` has that of each.

    All represent sound pressures at the ear, so each is scaled from its calibration to that of the headphones; then
    one gain for all brings the loudest peak to -1 dBFS.
    """
    sounds = {
        name: clip.samples() * np.float32(calibrations[name].pascal_per_unit / headphones.pascal_per_unit)
        for name, clip in clips.items()
    }
    peak = max(float(np.abs(sound).max(initial=0.0)) for sound in sounds.values())
    gain = db_to_gain(_PEAK_DBFS) / peak if peak > 0 else 1.0
    clip = next(iter(clips.values()))
    scaled = {name: sound * np.float32(gain) for name, sound in sounds.items()}
    full_scale = Calibration(headphones.full_scale_db_spl - gain_to_db(gain))
    return Excerpts(scaled, clip.rate, clip.start / clip.rate, gain_to_db(gain), full_scale)
