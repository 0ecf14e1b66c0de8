"""Metrics against other implementations, norms and closed forms."""

import math

import numpy as np
import pyloudnorm
import pytest

from hearsim.core.errors import HearsimError
from hearsim.dsp.bands import AUDIOMETRIC_HZ
from hearsim.metrics.levels import BandLevels
from hearsim.metrics.loudness import LoudnessMeter
from hearsim.metrics.separation import SdrMeter, ideal_ratio_mask
from hearsim.metrics.sii import BANDS_HZ, NORMAL_SPEECH_DB, sii
from hearsim.music.demo_song import demo_song, mixture
from hearsim.profile.load import load_listener

RATE = 44100


@pytest.fixture(scope="module")
def song() -> tuple[np.ndarray, np.ndarray]:
    stems = demo_song(8.0)
    return stems.samples, mixture(stems).samples


def meter(reference: np.ndarray, estimate: np.ndarray, block: int = 1000) -> SdrMeter:
    found = SdrMeter(RATE)
    for start in range(0, reference.shape[-1], block):
        found.add(reference[..., start : start + block], estimate[..., start : start + block])
    return found


def test_sdr_closed_forms() -> None:
    """Noise 20 dB under the signal; a gain error that only SI-SDR forgives."""
    rng = np.random.default_rng(0)
    s = rng.standard_normal((2, 3 * RATE)).astype(np.float32)
    n = rng.standard_normal((2, 3 * RATE)).astype(np.float32)
    found = meter(s, s + 0.1 * n)
    assert found.csdr_db() == pytest.approx(20.0, abs=0.1)
    assert found.sdr_db() == pytest.approx(20.0, abs=0.1)
    half = meter(s, 0.5 * s)
    assert half.csdr_db() == pytest.approx(20 * math.log10(2), abs=1e-6)
    assert half.si_sdr_db() == 100.0
    assert meter(s, s + 0.1 * n, 77).csdr_db() == pytest.approx(found.csdr_db(), abs=1e-9)


def test_silent_seconds_do_not_count() -> None:
    rng = np.random.default_rng(0)
    s = rng.standard_normal((2, 5 * RATE)).astype(np.float32)
    s[:, RATE : 3 * RATE] = 0
    e = s + 0.1 * rng.standard_normal(s.shape).astype(np.float32)
    assert meter(s, e).sdr_db() == pytest.approx(20.0, abs=0.2)
    with pytest.raises(HearsimError, match="silent"):
        meter(0 * s, e).csdr_db()


def test_ideal_ratio_mask_is_far_above_the_mixture(song: tuple[np.ndarray, np.ndarray]) -> None:
    stems, mix = song
    ceiling = ideal_ratio_mask(stems)
    np.testing.assert_allclose(ceiling.sum(0), mix, atol=1e-4)
    for k in range(4):
        assert meter(stems[k], ceiling[k]).csdr_db() > meter(stems[k], mix).csdr_db() + 5


@pytest.mark.parametrize(
    ("name", "unaided", "aided"),
    [("N1", 0.879, 0.931), ("N2", 0.618, 0.847), ("N3", 0.283, 0.684), ("N4", 0.019, 0.434), ("S1", 0.766, 0.836),
     ("S2", 0.466, 0.605)],
)  # fmt: skip
def test_sii_of_standard_audiograms(name: str, unaided: float, aided: float) -> None:
    """facts/hearing.md, from another implementation; NAL-R by its formula."""
    ear = load_listener(name).left
    h500, h1k, h2k = ear.at((500.0, 1000.0, 2000.0))
    hz = np.array([250, 500, 1000, 1500, 2000, 3000, 4000, 6000])
    gain = np.maximum(0.31 * ear.at(hz) + 0.05 * (h500 + h1k + h2k) + np.array([-17, -8, 1, 1, -1, -2, -2, -2]), 0)
    at_bands = np.interp(np.log(BANDS_HZ), np.log(hz), gain)
    assert sii(NORMAL_SPEECH_DB, ear.at(BANDS_HZ)) == pytest.approx(unaided, abs=0.0006)
    assert sii(NORMAL_SPEECH_DB, ear.at(BANDS_HZ), None, at_bands) == pytest.approx(aided, abs=0.002)
    assert len(AUDIOMETRIC_HZ) == 9


def test_sii_falls_with_noise() -> None:
    quiet = np.zeros(18)
    clear, masked = (sii(NORMAL_SPEECH_DB, quiet, noise) for noise in (None, NORMAL_SPEECH_DB))
    assert clear > 0.99 and masked == pytest.approx(0.5, abs=0.06)  # 0 dB SNR in all bands: (0 + 15) / 30


@pytest.mark.parametrize("block", [441, 50000])
def test_loudness_is_pyloudnorms(block: int) -> None:
    rng = np.random.default_rng(1)
    gains = np.repeat(rng.uniform(0.0005, 0.3, 75), RATE)
    sound = (rng.standard_normal((2, gains.size)) * gains).astype(np.float32)
    found = LoudnessMeter(RATE)
    for start in range(0, sound.shape[1], block):
        found.add(sound[:, start : start + block])
    whole = pyloudnorm.Meter(RATE).integrated_loudness(sound.T.astype(np.float64))
    assert found.integrated() == pytest.approx(whole, abs=0.01)
    assert found.peak == np.abs(sound).max()


def test_silence_has_no_loudness() -> None:
    found = LoudnessMeter(RATE)
    found.add(np.zeros((2, RATE), np.float32))
    with pytest.raises(HearsimError, match="silent"):
        found.integrated()


@pytest.mark.parametrize("block", [997, 65536])
def test_band_levels(block: int) -> None:
    """A 94 dB sine in its band; white noise by its bandwidth."""
    t = np.arange(6 * RATE) / RATE
    rng = np.random.default_rng(0)
    sound = np.stack([math.sqrt(2) * np.sin(2 * np.pi * 1000 * t), rng.standard_normal(t.size)]).astype(np.float32)
    found = BandLevels(RATE, 2)
    for start in range(0, t.size, block):
        found.add(sound[:, start : start + block])
    levels = found.db_spl()
    at_1k = int(np.argmin(np.abs(found.bands_hz - 1000)))
    assert levels[0, at_1k] == pytest.approx(93.98, abs=0.2)
    width = 1000 * (2 ** (1 / 6) - 2 ** (-1 / 6))
    assert levels[1, at_1k] == pytest.approx(93.98 + 10 * math.log10(width / (RATE / 2)), abs=0.5)
    assert found.peak_db_spl()[0] == pytest.approx(93.98, abs=0.01)
