"""What a profile's aid, compressor and all, does to speech: the gain that was prescribed for it."""

import numpy as np
import pytest

from hearsim.aid.compensation import compensation
from hearsim.aid.fitting.fitting import insertion_gain_db
from hearsim.aid.speech_level import speech_noise
from hearsim.core.audio import Format
from hearsim.dsp.bands import AUDIOMETRIC_HZ, LTASS_70_DB_SPL, THIRD_OCTAVES_HZ
from hearsim.profile.load import load_profile, profile_names

RATE, BLOCK = 44100, 512


def band_levels_db(sound: np.ndarray, centres_hz: tuple[float, ...], octaves: float) -> np.ndarray:
    """Power per channel in bands of a width in octaves, dB re full scale."""
    power = 2 * np.abs(np.fft.rfft(sound.astype(np.float64))) ** 2 / sound.shape[-1] ** 2
    hz = np.fft.rfftfreq(sound.shape[-1], 1 / RATE)
    edge = 2 ** (octaves / 2)
    rows = [power[..., (hz >= centre / edge) & (hz < centre * edge)].sum(-1) for centre in centres_hz]
    return 10 * np.log10(np.stack(rows, -1))


def test_speech_noise_is_the_long_term_spectrum_of_speech() -> None:
    noise = speech_noise(70.0, RATE, 20.0, seed=3)
    assert 20 * np.log10(np.sqrt(np.mean(noise**2)) / 20e-6) == pytest.approx(70.0)
    levels = band_levels_db(noise, THIRD_OCTAVES_HZ, 1 / 3) - 20 * np.log10(20e-6)
    np.testing.assert_allclose(levels, LTASS_70_DB_SPL, atol=0.8)  # the table itself adds up to 70.3


@pytest.mark.parametrize("name", [name for name in profile_names() if load_profile(name).aid.compression])
def test_speech_at_65_db_gets_its_prescribed_gain(name: str) -> None:
    """In 1/6 octaves around the nine frequencies, over 7 s of noise with the spectrum of speech."""
    profile = load_profile(name)
    stage = compensation(profile)
    stage.prepare(Format(RATE, 2, BLOCK, unit="pa"))
    sound = np.stack([speech_noise(65.0, RATE, 8.0, seed) for seed in (1, 2)]).astype(np.float32)
    frames = sound.shape[1] // BLOCK * BLOCK
    out = np.concatenate([stage.process(sound[:, i : i + BLOCK]).copy() for i in range(0, frames, BLOCK)], 1)
    settled = slice(RATE, frames)
    before, after = (band_levels_db(one[:, settled], AUDIOMETRIC_HZ, 1 / 6) for one in (sound, out))
    prescribed = np.stack([insertion_gain_db(profile.aid.rule, ear.at) for ear in profile.listener.ears])
    assert prescribed.max() > 15.0
    np.testing.assert_allclose(after - before, prescribed, atol=0.7)
