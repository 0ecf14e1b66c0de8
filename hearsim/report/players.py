"""Excerpts for the report's audio players: one level scale, one common gain, FLAC."""

import io
from pathlib import Path

import numpy as np
import soundfile

from hearsim.audio_files import CHUNK, Source
from hearsim.listener import Profile
from hearsim.units import FloatArray, db_to_gain, gain_to_db

EXCERPT_S = 15
_PEAK_DBFS = -1.0


def excerpts(source: Source, profile: Profile, folder: Path) -> tuple[dict[str, bytes], str]:
    """Return FLAC bytes of the same 15 s of input, unaided, aided and heard, and a sentence about their level.

    All four stand for sound pressures at the ear, so the input is scaled from the microphone's calibration to that
    of the headphones; then one gain for all brings the loudest peak to -1 dBFS.
    """
    length = min(source.frames, EXCERPT_S * source.rate)
    start = (source.frames - length) // 3
    rig = profile.rig
    scale = rig.microphone.pascal_per_unit / rig.headphones.pascal_per_unit
    clips = {"input": _from_source(source, start, length) * np.float32(scale)}
    for name in ("unaided", "aided", "heard"):
        samples, _ = soundfile.read(folder / f"{name}.wav", length, start, dtype="float32", always_2d=True)
        clips[name] = samples.T
    peak = max(float(np.abs(clip).max(initial=0.0)) for clip in clips.values())
    gain = db_to_gain(_PEAK_DBFS) / peak if peak > 0 else 1.0
    encoded = {}
    for name, clip in clips.items():
        buffer = io.BytesIO()
        soundfile.write(buffer, clip.T * gain, source.rate, format="FLAC", subtype="PCM_16")
        encoded[name] = buffer.getvalue()
    change = gain_to_db(gain)
    note = (
        f"{length / source.rate:.0f} s from {start / source.rate:.0f} s on, all on one scale of sound pressure and "
        f"{abs(change):.1f} dB {'louder' if change >= 0 else 'softer'} than the files, by the same gain."
    )
    return encoded, note


def _from_source(source: Source, start: int, length: int) -> FloatArray:
    """Return (2, length) of a source from a sample on."""
    pieces, position = [], 0
    for block in source.blocks(CHUNK):
        piece = block[:, max(0, start - position) : max(0, start + length - position)]
        pieces.append(piece.copy())
        position += block.shape[1]
        if position >= start + length:
            break
    return np.concatenate(pieces, axis=1)
