"""Band levels against sines of known level, and against the spectrum of the whole signal at once."""

import math

import numpy as np
import pytest

from hearsim.dsp.bands import THIRD_OCTAVES_HZ
from hearsim.metrics.levels import BandLevels, spectrum_levels_db
from hearsim.metrics.sii import BANDS_HZ, NORMAL_SPEECH_DB


def levels_of(sound: np.ndarray, rate: int, block: int = 10**6) -> BandLevels:
    levels = BandLevels(rate, sound.shape[0])
    for start in range(0, sound.shape[1], block):
        levels.add(sound[:, start : start + block])
    return levels


@pytest.mark.parametrize("rate", [8000, 22050, 44100, 48000, 96000, 192000])
@pytest.mark.parametrize("seconds", [1.0, 4.7])
def test_sines_in_mid_band(rate: int, seconds: float) -> None:
    """70 dB SPL in its band to 0.2 dB, 30 dB less two bands away, at every rate the toolkit takes."""
    t = np.arange(round(seconds * rate)) / rate
    bands = BandLevels(rate, 1).bands_hz
    for index in (0, 1, 5, 12, len(bands) - 1):
        sine = 20e-6 * 10 ** (70 / 20) * math.sqrt(2) * np.sin(2 * np.pi * bands[index] * t + 0.3)
        found = levels_of(sine[None].astype(np.float32), rate).db_spl()[0]
        assert found[index] == pytest.approx(70.0, abs=0.2)
        beside = [found[i] for i in (index - 2, index + 2) if 0 <= i < len(bands)]
        assert max(beside) < 40.0


@pytest.mark.parametrize(("rate", "seconds"), [(44100, 6.0), (48000, 20.0)])
def test_noise_by_the_whole_spectrum(rate: int, seconds: float) -> None:
    """White and pink noise, loud and soft ear; each band by Parseval from one long spectrum."""
    rng = np.random.default_rng(0)
    white = rng.standard_normal((2, round(seconds * rate)))
    hz = np.fft.rfftfreq(white.shape[1], 1 / rate)
    shaped = np.fft.rfft(white)
    shaped[1] *= 0.01 / np.sqrt(np.maximum(hz, 20) / 1000)
    sound = np.fft.irfft(shaped, n=white.shape[1]).astype(np.float32)
    power = 2 * np.abs(np.fft.rfft(sound.astype(np.float64))) ** 2 / sound.shape[1] ** 2
    found = levels_of(sound, rate).db_spl()
    for index, centre in enumerate(THIRD_OCTAVES_HZ):
        inside = (hz >= centre * 2 ** (-1 / 6)) & (hz < centre * 2 ** (1 / 6))
        expected = 10 * np.log10(power[:, inside].sum(axis=1) / 20e-6**2)
        assert found[:, index] == pytest.approx(expected, abs=0.2 if centre > 200 else 0.6)  # few cycles: edges blur


def test_all_samples_count_alike() -> None:
    """A burst in silence has the same energy wherever it lies, the first and last samples included."""
    rng = np.random.default_rng(2)
    burst = rng.standard_normal(2000)
    for start in (0, 3000, 9000, 60000, 88200 - 2000):
        sound = np.zeros((1, 88200), np.float32)
        sound[0, start : start + 2000] = burst
        total = np.sum(10 ** (levels_of(sound, 44100).db_spl()[0] / 10)) * 20e-6**2 * 88200
        width = 16000 * 2 ** (1 / 6) - 62.5 * 2 ** (-1 / 6)  # Hz, of all bands together
        assert 10 * math.log10(total / (np.sum(burst**2) * width / 22050)) == pytest.approx(0.0, abs=0.2)


@pytest.mark.parametrize("block", [1, 64, 441, 4096])
def test_block_size_makes_no_difference(block: int) -> None:
    sound = np.random.default_rng(3).standard_normal((2, 50001)).astype(np.float32)
    whole, streamed = levels_of(sound, 16000), levels_of(sound, 16000, block)
    np.testing.assert_array_equal(streamed.db_spl(), whole.db_spl())
    np.testing.assert_array_equal(streamed.peak_pa, np.abs(sound).max(axis=1))


def test_silence_and_nothing_read_the_floor() -> None:
    for frames in (0, 30000):
        levels = levels_of(np.zeros((2, frames), np.float32), 44100)
        np.testing.assert_array_equal(levels.db_spl(), np.full((2, 25), -100.0))
        assert levels.peak_db_spl() == [-100.0, -100.0]


def test_speech_band_levels_become_the_norms_spectrum_levels() -> None:
    """ANSI S3.5 table 3: the bandwidth of each band in dB is 15.65, 16.65, .. 32.65."""
    bands = np.array(THIRD_OCTAVES_HZ[4:22])  # 160 Hz .. 8 kHz
    found = spectrum_levels_db(bands, NORMAL_SPEECH_DB + np.arange(15.65, 33.0), BANDS_HZ)
    np.testing.assert_allclose(found, NORMAL_SPEECH_DB, atol=0.05)


def test_no_level_is_made_up_above_the_last_band() -> None:
    """An 8 kHz recording has no 4 kHz band: SII must see silence there, not the level at 3.15 kHz."""
    sound = np.random.default_rng(4).standard_normal((1, 16000)).astype(np.float32)
    levels = levels_of(sound, 8000)
    found = spectrum_levels_db(levels.bands_hz, levels.db_spl()[0], BANDS_HZ)
    assert (found[BANDS_HZ > 3500] <= -100).all() and (found[BANDS_HZ < 3500] > 40).all()
