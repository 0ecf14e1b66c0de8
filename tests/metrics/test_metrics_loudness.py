"""Loudness against the signals of EBU Tech 3341 and against pyloudnorm on the whole signal at once."""

import math

import numpy as np
import pyloudnorm
import pytest

from hearsim.core.errors import HearsimError
from hearsim.metrics.loudness import LoudnessMeter, integrated_lufs


def metered(sound: np.ndarray, rate: int, block: int = 4096) -> LoudnessMeter:
    meter = LoudnessMeter(rate)
    for start in range(0, sound.shape[1], block):
        meter.add(sound[:, start : start + block])
    return meter


@pytest.mark.parametrize(
    ("tones", "expected"),
    [
        ([(-23, 20)], -23),
        ([(-33, 20)], -33),
        ([(-36, 10), (-23, 60), (-36, 10)], -23),
        ([(-72, 10), (-36, 10), (-23, 60), (-36, 10), (-72, 10)], -23),
        ([(-26, 20), (-20, 20.1), (-26, 20)], -23),
    ],
)
def test_ebu_tech_3341_cases_1_to_5(tones: list[tuple[float, float]], expected: float) -> None:
    """Stereo sines of 1 kHz, (dBFS peak, seconds); tolerance +-0.1 LU."""
    rate = 48000
    peak = np.concatenate([np.full(round(s * rate), 10 ** (db / 20)) for db, s in tones])
    sine = (peak * np.sin(2 * np.pi * 1000 * np.arange(peak.size) / rate)).astype(np.float32)
    assert metered(np.stack((sine, sine)), rate).integrated() == pytest.approx(expected, abs=0.1)


def song(rate: int, seconds: float, channels: int = 2) -> np.ndarray:
    """Noise with low rumble whose level jumps every second, some of it under the gates."""
    rng = np.random.default_rng(1)
    gains = np.repeat(10 ** rng.uniform(-4.5, -0.7, math.ceil(seconds)), rate)[: round(seconds * rate)]
    sound = rng.standard_normal((channels, gains.size)) + np.sin(np.arange(gains.size) * 200 / rate)
    return (sound * gains).astype(np.float32)


@pytest.mark.parametrize("rate", [8000, 11025, 22050, 44100, 96000])
@pytest.mark.parametrize("seconds", [0.4, 0.449, 0.47, 19.98, 21.0, 45.37])
def test_equals_pyloudnorm_on_the_whole(rate: int, seconds: float) -> None:
    """Also where the last gating block is cut off, and at 11025 Hz, where 0.1 s is not a whole number of samples."""
    sound = song(rate, seconds, 1)
    whole = pyloudnorm.Meter(rate).integrated_loudness(sound.T.astype(np.float64))
    assert metered(sound, rate).integrated() == pytest.approx(whole, abs=1e-6)


@pytest.mark.parametrize("block", [1, 64, 441, 10**6])
def test_block_size_makes_no_difference(block: int) -> None:
    sound = song(4000, 25.3)
    assert metered(sound, 4000, block).integrated() == integrated_lufs(sound, 4000)


def test_asking_in_between_changes_nothing() -> None:
    sound = song(8000, 50.3)
    meter = LoudnessMeter(8000)
    for start in range(0, sound.shape[1], 7001):
        meter.add(sound[:, start : start + 7001])
        meter.integrated()
    assert meter.integrated() == metered(sound, 8000).integrated()


def test_peak() -> None:
    sound = 0.1 * np.ones((2, 100), np.float32)
    sound[1, 70] = -0.5
    assert metered(sound, 8000, 64).peak_dbfs() == pytest.approx(-6.0206, abs=1e-4)
    assert LoudnessMeter(8000).peak_dbfs() == -200.0


@pytest.mark.parametrize("frames", [0, 100, 3199, 30000])
def test_too_short_or_silent_is_said(frames: int) -> None:
    level = 1e-5 if frames == 30000 else 0.1  # -97 LUFS is under the absolute gate
    with pytest.raises(HearsimError, match="silent or shorter"):
        metered(np.full((2, frames), level, np.float32) * np.float32([[1], [-1]]), 8000).integrated()


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_non_finite_is_said(bad: float) -> None:
    with pytest.raises(HearsimError, match="NaN or Inf"):
        LoudnessMeter(8000).add(np.full((2, 10), bad, np.float32))


@pytest.mark.parametrize(("divisor", "over_db"), [(4, 3.01), (6, 1.25), (8, 0.69)])
def test_true_peak_is_that_between_the_samples(divisor: int, over_db: float) -> None:
    """Tones whose samples miss the crest: fs/4 at 45 degrees lies 3.01 dB over its samples, also past a chunk."""
    n = np.arange(8000 * 45)
    tone = 0.25 * np.cos(2 * np.pi * n / divisor + np.pi / divisor)
    tone *= np.minimum(1, np.minimum(n, n[::-1]) / 8000)  # no click at the ends
    meter = metered(np.stack([tone, 0 * tone]).astype(np.float32), 8000, 4096)
    assert meter.true_peak_dbtp() == pytest.approx(20 * np.log10(0.25), abs=0.05)
    assert meter.true_peak_dbtp() - meter.peak_dbfs() == pytest.approx(over_db, abs=0.05)


def test_true_peak_of_a_short_loud_place_does_not_depend_on_where_it_lies() -> None:
    burst = np.sin(np.pi / 2 * np.arange(400) + np.pi / 4) * np.hanning(400)
    for start in (0, 3800, 8000 * 20 - 200, 8000 * 21 - 200, 8000 * 22 - 200, 8000 * 30 - 400):
        sound = np.zeros((1, 8000 * 30), np.float32)
        sound[0, start : start + 400] = burst
        assert metered(sound, 8000, 1000).true_peak_dbtp() == pytest.approx(0.0, abs=0.1)
    assert LoudnessMeter(8000).true_peak_dbtp() == -200.0
