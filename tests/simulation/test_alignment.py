"""What is heard lies on the song: by the aid's delay, or by the direct sound where a vent lets it in."""

import numpy as np
import pytest
from cases import quick_profile

import hearsim as hs

RATE = 44100


@pytest.fixture(scope="module")
def hum() -> hs.Audio:
    """Bursts of noise under 300 Hz, which a vent lets pass."""
    rng = np.random.default_rng(4)
    spectrum = np.fft.rfft(rng.standard_normal((2, 2 * RATE)))
    spectrum[:, 600:] = 0  # bins of half a hertz
    noise = np.fft.irfft(spectrum)
    bursts = np.sin(np.arange(2 * RATE) / 3000) ** 8
    return hs.Audio((0.1 * bursts * noise / noise.std()).astype(np.float32), RATE)


def lag(sound: np.ndarray, reference: np.ndarray) -> int:
    """Samples by which a sound comes later, of the left channels, up to 4000."""
    spectrum = np.fft.rfft(sound[0], 2 * sound.shape[1]) * np.conj(np.fft.rfft(reference[0], 2 * sound.shape[1]))
    found = np.fft.irfft(spectrum)
    both = np.concatenate((found[-4000:], found[:4000]))
    return int(np.argmax(both)) - 4000


@pytest.mark.parametrize("name", ["mild-open", "moderate-vocals-up"])
def test_heard_and_unaided_sound_lie_on_the_song(hum: hs.Audio, name: str) -> None:
    """Low frequencies of an open ear are direct sound, which no aid delays; in blocks of 441 it is late."""
    profile = quick_profile(name)
    aid = profile.aid.model_copy(update={"block_samples": 441})
    result = hs.listen(profile.model_copy(update={"aid": aid}), hum)
    assert result.ledger.total_samples > 600
    assert abs(lag(result.unaided.samples, hum.samples)) <= 80  # the phases of hearing loss and gains
    assert abs(lag(result.heard.samples, result.unaided.samples)) <= 80


def test_heard_sound_in_pascals_is_at_the_headphones(hum: hs.Audio) -> None:
    profile = quick_profile("moderate-vocals-up")
    microphone, headphones = profile.rig.microphone, profile.rig.headphones
    assert microphone.full_scale_db_spl != headphones.full_scale_db_spl
    result = hs.listen(profile, hum)
    condition = result._condition
    np.testing.assert_allclose(condition.heard_pa(), result.heard.samples * headphones.pascal_per_unit, rtol=1e-6)
    np.testing.assert_allclose(condition.song_pa(), hum.samples * microphone.pascal_per_unit, rtol=1e-6)
