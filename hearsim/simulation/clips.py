"""Excerpts for the report's audio players: one level scale, one common gain, FLAC."""

import io
from collections.abc import Mapping

import numpy as np
import soundfile

from hearsim.core.units import FloatArray, db_to_gain, gain_to_db
from hearsim.profile.schema import Rig

EXCERPT_S = 15
_PEAK_DBFS = -1.0


class Clip:
    """Keeps an excerpt of a stream (channels, frames): 15 s from a third of the rest on, or all of a shorter one."""

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


def excerpts(clips: Mapping[str, Clip], rig: Rig) -> tuple[dict[str, bytes], str]:
    """Return FLAC bytes of the same 15 s of input, unaided, aided and heard, and a sentence about their level.

    All four stand for sound pressures at the ear, so the input is scaled from the microphone's calibration to that
    of the headphones; then one gain for all brings the loudest peak to -1 dBFS.
    """
    sounds = {name: clip.samples() for name, clip in clips.items()}
    sounds["input"] = sounds["input"] * np.float32(rig.microphone.pascal_per_unit / rig.headphones.pascal_per_unit)
    peak = max(float(np.abs(sound).max(initial=0.0)) for sound in sounds.values())
    gain = db_to_gain(_PEAK_DBFS) / peak if peak > 0 else 1.0
    clip = clips["input"]
    encoded = {}
    for name, sound in sounds.items():
        buffer = io.BytesIO()
        soundfile.write(buffer, sound.T * gain, clip.rate, format="FLAC", subtype="PCM_16")
        encoded[name] = buffer.getvalue()
    length, start, change = clip.length / clip.rate, clip.start / clip.rate, gain_to_db(gain)
    note = (
        f"{length:.0f} s from {start:.0f} s on, all on one scale of sound pressure and "
        f"{abs(change):.1f} dB {'louder' if change >= 0 else 'softer'} than the files, by the same gain."
    )
    return encoded, note
