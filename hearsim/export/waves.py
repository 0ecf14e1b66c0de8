"""WAV files of a listening test: 24-bit or float, the same bytes every time."""

import io
from typing import Literal

import numpy as np
import soundfile
from scipy.io import wavfile

from hearsim.audio_files import AID_RATE_HZ
from hearsim.units import FloatArray, db_to_gain

TONE_HZ, TONE_S = 1000.0, 5.0


def encode(samples: FloatArray, kind: Literal["24-bit", "float"]) -> bytes:
    """Return samples (2, frames) as a stereo WAV at the aid's rate.

    Float files are written by scipy: libsndfile puts the time of day into theirs.
    """
    buffer = io.BytesIO()
    if kind == "24-bit":
        soundfile.write(buffer, samples.T, AID_RATE_HZ, subtype="PCM_24", format="WAV")
    else:
        wavfile.write(buffer, AID_RATE_HZ, np.ascontiguousarray(samples.T, np.float32))
    return buffer.getvalue()


def tone(ear: int, level_db: float) -> FloatArray:
    """Return the calibration tone (2, frames) for one ear (0 is the left), at an RMS in dB re 1.0; it loops."""
    sine = np.sin(2 * np.pi * TONE_HZ * np.arange(round(TONE_S * AID_RATE_HZ)) / AID_RATE_HZ)
    samples = np.zeros((2, sine.size), np.float32)
    samples[ear] = np.sqrt(2) * db_to_gain(level_db) * sine
    return samples
