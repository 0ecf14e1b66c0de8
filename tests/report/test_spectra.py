"""Levels over time and frequency, and gains between sounds: of tones and filters whose values are known."""

import numpy as np
import pytest
from scipy.signal import firwin2, freqz, lfilter

from hearsim.report.spectra import GAIN_BANDS_HZ, gain_db, spectrogram

RATE = 44100


@pytest.mark.parametrize("hz", [120.0, 1000.0, 9000.0])
def test_a_tone_stands_in_its_row_at_its_level(hz: float) -> None:
    """80 dB SPL from the second second on, silence before."""
    pressure = np.zeros((2, 3 * RATE), np.float32)
    pressure[:, RATE:] = 0.2 * np.sqrt(2) * np.sin(2 * np.pi * hz * np.arange(2 * RATE) / RATE)
    found = spectrogram(pressure, RATE)
    columns = found.levels_db_spl.shape[1]
    middle, before = found.levels_db_spl[:, round(0.8 * columns)], found.levels_db_spl[:, round(0.15 * columns)]
    assert 10 * np.log10(np.sum(10 ** (middle / 10))) == pytest.approx(80.0, abs=0.1)
    assert np.argmax(middle) == pytest.approx(12 * np.log2(hz / 50), abs=1.0)
    assert before.max() < 0 and found.seconds == 3.0


def test_the_gain_is_that_of_the_filter_between() -> None:
    noise = 0.02 * np.random.default_rng(2).standard_normal((2, 6 * RATE))
    shape = firwin2(801, [0, 300, 600, 5000, 10000, RATE / 2], [0.5, 0.5, 4.0, 4.0, 2.0, 2.0], fs=RATE)
    after = np.stack([lfilter(shape, 1.0, noise[0]), 10 * noise[1]])
    found = gain_db(noise.astype(np.float32), after.astype(np.float32), RATE)
    _, response = freqz(shape, 1.0, GAIN_BANDS_HZ, fs=RATE)
    assert found[1] == pytest.approx(20.0, abs=1e-3)
    flat = [k for k, hz in enumerate(GAIN_BANDS_HZ) if hz <= 160 or 800 <= hz <= 4000 or hz >= 12500]
    assert found[0, flat] == pytest.approx(20 * np.log10(np.abs(response[flat])), abs=0.4)


def test_there_is_no_gain_without_sound() -> None:
    tone = 0.2 * np.hanning(2 * RATE) * np.sin(2 * np.pi * 1000 * np.arange(2 * RATE) / RATE)
    found = gain_db(np.stack([tone, 0 * tone]).astype(np.float32), np.stack([tone, tone]).astype(np.float32), RATE)
    assert found[0, GAIN_BANDS_HZ.index(1000.0)] == pytest.approx(0.0, abs=1e-6)
    assert np.isnan(found[0, 0]) and np.isnan(found[1]).all()
