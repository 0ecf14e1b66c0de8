"""The excerpts that a page plays: one scale of sound pressure, and gains to one loudness."""

import io

import numpy as np
import pytest
import soundfile

from hearsim.core.calibration import Calibration
from hearsim.metrics.loudness import integrated_lufs
from hearsim.simulation.clips import Clip, excerpts

RATE = 44100


def clip(samples: np.ndarray) -> Clip:
    made = Clip(samples.shape[1], RATE)
    made.add(samples.astype(np.float32))
    return made


def test_one_scale_and_one_loudness() -> None:
    rng = np.random.default_rng(3)
    noise = 0.05 * rng.standard_normal((2, 3 * RATE))
    tone = np.tile(0.5 * np.sin(2 * np.pi * 1000 * np.arange(3 * RATE) / RATE), (2, 1))
    clips = {"input": clip(noise), "aided": clip(tone), "far": clip(1e-5 * noise), "silent": clip(0 * noise)}
    microphone, headphones = Calibration(94.0), Calibration(114.0)
    calibrations = {"input": microphone, "aided": headphones, "far": headphones, "silent": headphones}
    found = excerpts(clips, calibrations, headphones)
    decoded = {name: soundfile.read(io.BytesIO(found.flac(name)))[0].T for name in clips}
    match_db = found.match_db()
    gain = 10 ** (found.gain_db / 20)
    assert np.abs(decoded["aided"]).max() == pytest.approx(10 ** (-1 / 20), abs=1e-4)
    assert np.abs(decoded["input"]).max() == pytest.approx(np.abs(noise).max() * 0.1 * gain, abs=1e-4)  # 20 dB
    assert match_db["silent"] is None
    matched = {name: decoded[name] * 10 ** (match_db[name] / 20) for name in ("input", "aided")}
    loudness = [integrated_lufs(sound.astype(np.float32), RATE) for sound in matched.values()]
    assert loudness[0] == pytest.approx(loudness[1], abs=0.05)
    assert max(np.abs(sound).max() for sound in matched.values()) <= 10 ** (-1 / 20) + 1e-4
    assert match_db["far"] - match_db["input"] == pytest.approx(100 - 20, abs=0.05)


def test_an_excerpt_is_the_15_seconds_from_a_third_of_the_rest_on() -> None:
    """Of 45 s: from the tenth on, whatever the blocks; of a short sound, all."""
    rate = 1000
    song = np.tile(np.arange(45 * rate, dtype=np.float32), (2, 1))
    for block in (999, 45 * rate):
        made = Clip(song.shape[1], rate)
        for start in range(0, song.shape[1], block):
            made.add(song[:, start : start + block])
        np.testing.assert_array_equal(made.samples(), song[:, 10 * rate : 25 * rate])
    assert clip(song[:, :100]).samples().shape == (2, 100)
