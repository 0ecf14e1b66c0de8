"""What a profile's aid, compressor and all, does to speech: the gain that was prescribed for it."""

import warnings

import numpy as np
import pytest

from hearsim.aid.compensation import Compensation, compensation
from hearsim.aid.fitting.fitting import insertion_gain_db
from hearsim.aid.speech_level import speech_noise
from hearsim.core.audio import Format
from hearsim.dsp.bands import AUDIOMETRIC_HZ, LTASS_70_DB_SPL, THIRD_OCTAVES_HZ
from hearsim.profile.load import load_profile, profile_names
from hearsim.profile.schema import Compression

RATE, BLOCK = 44100, 512
COMPRESSION = Compression(ratio=2.0, knee_db_spl=45.0, attack_ms=5.0, release_ms=50.0)


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
    prescribed = np.stack([insertion_gain_db(profile.aid.rule, ear.at) for ear in profile.listener.ears])
    assert prescribed.max() > 15.0
    np.testing.assert_allclose(measured_gain_db(compensation(profile), 65.0), prescribed, atol=0.7)


def measured_gain_db(stage: Compensation, level_db_spl: float) -> np.ndarray:
    stage.prepare(Format(RATE, 2, BLOCK, unit="pa"))
    sound = np.stack([speech_noise(level_db_spl, RATE, 8.0, seed) for seed in (1, 2)]).astype(np.float32)
    frames = sound.shape[1] // BLOCK * BLOCK
    out = np.concatenate([stage.process(sound[:, i : i + BLOCK]).copy() for i in range(0, frames, BLOCK)], 1)
    settled = slice(RATE, frames)
    before, after = (band_levels_db(one[:, settled], AUDIOMETRIC_HZ, 1 / 6) for one in (sound, out))
    gain: np.ndarray = after - before
    return gain


@pytest.mark.parametrize("level_db_spl", [50.0, 65.0, 80.0])
@pytest.mark.parametrize("prescribed", [-12.0, 12.0, 30.0])
def test_the_gain_that_is_reported_is_the_one_that_speech_gets(prescribed: float, level_db_spl: float) -> None:
    """A rule that attenuates included, which is linear; the right ear has no gain."""
    stage = Compensation(np.stack([np.full(9, prescribed), np.zeros(9)]), COMPRESSION)
    reported = stage.insertion_gain_db(level_db_spl)
    np.testing.assert_allclose(reported, measured_gain_db(stage, level_db_spl), atol=0.8)
    assert not reported[1].any()
    if prescribed == -12.0:
        np.testing.assert_allclose(reported[0], -12.0, atol=0.01)


@pytest.mark.parametrize("level_db_spl", [20.0, 65.0])
@pytest.mark.parametrize("prescribed", [110.0, (0.0, 0.0, 1.6, 5.6, 5.6, 3.6, 2.6, 2.6, 36.7)], ids=str)
def test_gains_beyond_the_bands_are_reported_as_they_are(
    prescribed: float | tuple[float, ...], level_db_spl: float
) -> None:
    """From an impulse response; the second gains are NAL-R's for {250: 10, 4000: 10, 6000: 120}."""
    stage = Compensation(np.broadcast_to(np.array(prescribed), (2, 9)))
    stage.prepare(Format(RATE, 2, RATE, unit="pa"))
    impulse = np.zeros((2, RATE), np.float32)
    impulse[:, 0] = 1e-3
    response = np.abs(np.fft.rfft(stage.process(impulse).astype(np.float64) / 1e-3))
    gain = 20 * np.log10(response[:, [round(hz) for hz in AUDIOMETRIC_HZ]])  # bins are 1 Hz apart
    np.testing.assert_allclose(stage.insertion_gain_db(level_db_spl), gain, atol=0.01)
    assert np.abs(gain - prescribed).max() > 2.0


@pytest.mark.parametrize(("prescribed", "said"), [(110.0, "prescribes 110.0 dB at"), (70.0, "")])
def test_a_rule_beyond_the_bands_is_said(prescribed: float, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hearsim.aid.compensation.insertion_gain_db", lambda *_: np.full(9, prescribed))
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        compensation(load_profile("moderate-vocals-up"))
    assert len(heard) == (2 if said else 0) and all(said in str(one.message) for one in heard)
