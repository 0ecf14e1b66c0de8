"""The band levels under the cepstral correlation, against the level of a tone."""

import math

import numpy as np
import pytest

from hearsim.ear.auditory import free_field_threshold_db_spl
from hearsim.metrics.cepstral import band_levels_over_threshold, cepstral_correlation

RATE = 44100


def tone(db_spl: float) -> np.ndarray:
    t = np.arange(RATE) / RATE
    return (math.sqrt(2) * 20e-6 * 10 ** (db_spl / 20) * np.sin(2 * np.pi * 1000 * t)).astype(np.float32)


def test_bands_share_the_level_of_a_tone() -> None:
    """60 dB SPL at 1 kHz: the powers of its bands, threshold added again, sum to it."""
    over = band_levels_over_threshold(tone(60.0), RATE).mean(axis=1)
    loudest = np.sort(over)[-2:] + free_field_threshold_db_spl(np.array([1000.0]))
    assert 10 * np.log10(np.sum(10 ** (loudest / 10))) == pytest.approx(60.0, abs=1.0)


def test_sound_under_the_normal_threshold_does_not_count() -> None:
    assert band_levels_over_threshold(tone(0.0), RATE).max() == 0.0


def test_audible_hiss_lowers_the_correlation_and_inaudible_hiss_does_not() -> None:
    rng = np.random.default_rng(1)
    envelope = np.repeat(rng.uniform(0.1, 1.0, 40), RATE // 20)
    sound = (0.02 * envelope * rng.standard_normal(envelope.size)).astype(np.float32)[None]
    hiss = rng.standard_normal(sound.shape).astype(np.float32)
    assert cepstral_correlation(sound, sound + 1e-6 * hiss, RATE) > 0.999
    assert cepstral_correlation(sound, sound + 0.02 * hiss, RATE) < 0.99
