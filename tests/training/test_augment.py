"""Each change does what it says, alone, the same for the same seed, and leaves the other changes as they were."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from trees import RATE, tone

from hearsim.music.tracks import Track
from hearsim.training.augmentation import (
    OFF,
    Augmentation,
    PitchTempo,
    change_pitch_tempo,
    compressor_gain,
    equalize,
    low_pass,
    reverberate,
    saturation_gain,
    stretch,
)
from hearsim.training.examples import Mixer

FRAMES = RATE
ALONE: dict[str, dict[str, Any]] = {
    "whole_songs": {"whole_songs": 0.0},
    "other_voice": {"other_voice": 1.0},
    "gain_db": {"gain_db": (-6.0, -3.0)},
    "level_db": {"level_db": (-6.0, -3.0)},
    "polarity": {"polarity": 1.0},
    "mute": {"mute": 1.0},
    "swap": {"swap": 1.0},
    "speed": {"speed": 1.0},
    "stretch": {"stretch": 1.0},
    "equalize": {"equalize": 1.0},
    "reverberate": {"reverberate": 1.0},
    "low_pass": {"low_pass": 1.0},
    "compress": {"compress": 1.0},
    "saturate": {"saturate": 1.0},
    "mono": {"mono": 1.0},
}


def mixer(tracks: list[Track], **settings: Any) -> Mixer:
    # a low pass above 8 kHz has no meaning at this rate, so the mixer believes in 44.1 kHz
    return Mixer(tracks, FRAMES, OFF.model_copy(update=settings), {}, 44100)


def example(tracks: list[Track], seed: int, **settings: Any) -> np.ndarray:
    return mixer(tracks, **settings).example(np.random.default_rng(seed))[0]


def test_all_changes_are_tested_alone() -> None:
    sizes = {"speed_range", "stretch_semitones", "stretch_range", "equalize_db"}
    assert set(ALONE) | sizes == set(Augmentation.model_fields)


def test_without_changes_songs_are_as_they_are(tracks: list[Track]) -> None:
    found = example(tracks, 5)
    matches = [
        start
        for track in tracks
        for start in range(track.frames - FRAMES)
        if np.array_equal(track.read("vocals", start, 8), found[0, :, :8])
        and all(
            np.array_equal(track.read(stem, start, FRAMES), found[i])
            for i, stem in enumerate(("vocals", "drums", "bass", "other"))
        )
    ]
    assert len(matches) == 1


def test_another_voice_sings_over_the_same_song(tracks: list[Track]) -> None:
    plain, sung = example(tracks, 5), example(tracks, 5, other_voice=1.0)
    np.testing.assert_array_equal(sung[1:], plain[1:])
    assert not np.array_equal(sung[0], plain[0])
    assert any(
        np.array_equal(track.read("vocals", start, FRAMES), sung[0])
        for track in tracks
        for start in range(track.frames - FRAMES)
        if np.array_equal(track.read("vocals", start, 8), sung[0, :, :8])
    )
    many = [example(tracks, seed, other_voice=0.5)[0] for seed in range(40)]
    kept = sum(np.array_equal(found, example(tracks, seed)[0]) for seed, found in enumerate(many))
    assert 10 <= kept <= 30
    mute = [
        Track(track.name, track.frames, {k: v for k, v in track.stems.items() if k != "vocals"}) for track in tracks
    ]
    alone = Track("voice", tracks[0].frames, {"vocals": tracks[0].stems["vocals"]})
    assert example([*mute, alone], 5, other_voice=1.0)[0].any() and not example([*mute, alone], 5)[0].any()


@pytest.mark.parametrize("name", ALONE)
def test_a_change_alone_changes_and_follows_from_the_seed(tracks: list[Track], name: str) -> None:
    settings = ALONE[name]
    if name == "stretch":
        pytest.importorskip("python_stretch")
    found = example(tracks, 5, **settings)
    np.testing.assert_array_equal(found, example(tracks, 5, **settings))
    assert not np.array_equal(found, example(tracks, 5))
    if name != "mute":
        assert not np.array_equal(found, example(tracks, 6, **settings))
    assert found.shape == (4, 2, FRAMES) and found.dtype == np.float32 and np.isfinite(found).all()


def test_changes_are_what_they_are_called(tracks: list[Track]) -> None:
    plain = example(tracks, 5)
    np.testing.assert_array_equal(example(tracks, 5, polarity=1.0), -plain)
    np.testing.assert_array_equal(example(tracks, 5, swap=1.0), plain[:, ::-1])
    np.testing.assert_array_equal(example(tracks, 5, mute=1.0), 0.0)
    np.testing.assert_allclose(example(tracks, 5, level_db=(6.0, 6.0)), plain * 10 ** (6 / 20), rtol=1e-4)
    gains = np.abs(example(tracks, 5, gain_db=(-6.0, 6.0))).max((1, 2)) / np.abs(plain).max((1, 2))
    assert len(set(np.round(gains, 3))) == 4 and all(0.5 < gain < 2.0 for gain in gains)


def test_switching_one_change_off_leaves_the_others(tracks: list[Track]) -> None:
    settings = {"gain_db": (-6.0, 6.0), "mute": 0.5, "polarity": 0.5}
    without = example(tracks, 5, **settings)
    np.testing.assert_array_equal(example(tracks, 5, **settings, swap=1.0), without[:, ::-1])


def test_stems_come_from_different_tracks(tracks: list[Track]) -> None:
    found = example(tracks, 5, whole_songs=0.0)
    owners = set()
    for index, stem in enumerate(("vocals", "drums", "bass", "other")):
        for track in tracks:
            samples = track.read(stem, 0, track.frames)
            if any(np.array_equal(samples[:, s : s + 8], found[index, :, :8]) for s in range(track.frames - 8)):
                owners.add(track.name)
    assert len(owners) > 1


def test_changes_of_the_whole_mixture_keep_it_the_sum_of_its_stems(tracks: list[Track]) -> None:
    stems = example(tracks, 5)
    cut = low_pass(stems, 44100, 6000.0)
    np.testing.assert_allclose(cut.sum(0), low_pass(stems.sum(0), 44100, 6000.0), atol=1e-5)
    power = np.abs(np.fft.rfft(cut.sum(0)[0])) ** 2
    above = round(9000 / 44100 * FRAMES)
    assert power[above:].sum() < 1e-3 * power.sum()


def test_speed_moves_pitch_and_length() -> None:
    faster = change_pitch_tempo(tone(440, 2.0).T, RATE, PitchTempo(speed=1.1))
    assert faster.shape[1] == pytest.approx(2 * RATE / 1.1, abs=2)
    assert peak_hz(faster) == pytest.approx(484, abs=2)


@pytest.mark.parametrize(("semitones", "tempo"), [(2.0, 1.0), (0.0, 1.1), (-1.0, 0.9)])
def test_stretch_moves_pitch_and_length_apart(semitones: float, tempo: float) -> None:
    pytest.importorskip("python_stretch")
    sound = np.repeat(tone(440, 2.0).T, 1, axis=0)
    found = stretch(sound, RATE, semitones, tempo)
    assert found.shape[1] == pytest.approx(2 * RATE / tempo, abs=2)
    assert peak_hz(found) == pytest.approx(440 * 2 ** (semitones / 12), abs=4)


def peak_hz(sound: np.ndarray) -> float:
    middle = sound[0, RATE // 2 : RATE // 2 + RATE // 2]
    return float(np.argmax(np.abs(np.fft.rfft(middle * np.hanning(len(middle)), 8 * RATE))) / 8)


def test_an_equalizer_has_its_gains_at_its_corners() -> None:
    rate, click = 44100, np.zeros((1, 4096), np.float32)
    click[0, 2048] = 1.0
    corners, gains = np.array([400.0, 2000.0, 8000.0]), np.array([-6.0, 3.0, 6.0])
    response = np.abs(np.fft.rfft(equalize(click, rate, corners, gains)[0]))
    found = 20 * np.log10(response[np.round(corners / rate * 4096).astype(int)])
    np.testing.assert_allclose(found, gains, atol=0.5)


def test_a_room_adds_its_level_and_dies_away() -> None:
    rate, click = 44100, np.zeros((2, 44100), np.float32)
    click[:, 0] = 1.0
    tail = reverberate(click, rate, 0.5, -12.0, seed=3) - click
    np.testing.assert_allclose(10 * np.log10(np.square(tail).sum(1)), -12.0, atol=0.1)
    early, late = np.square(tail[:, :2205]).mean(), np.square(tail[:, 19845:22050]).mean()
    assert 10 * np.log10(early / late) == pytest.approx(54, abs=3)
    assert np.abs(tail[:, 22050:]).max() < 1e-6 and not np.array_equal(tail[0], tail[1])


def test_stretch_without_its_package_is_a_sentence(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import sys

    from hearsim.core.errors import HearsimError

    monkeypatch.setitem(sys.modules, "python_stretch", None)
    with pytest.raises(HearsimError, match=r"hearsim\[augment\]"):
        stretch(tone(440).T, RATE, 1.0, 1.0)


def test_a_bus_keeps_the_sum_of_the_stems(tracks: list[Track]) -> None:
    """The compressed or saturated mixture is the sum of the stems, each with the mixture's gain."""
    plain = example(tracks, 5)
    for change in ("compress", "saturate"):
        found = example(tracks, 5, **{change: 1.0})
        audible = np.abs(plain[:3]) > 1e-3  # where there is a gain to see
        gains = [found[i][audible[i]] / plain[i][audible[i]] for i in range(3)]
        whole = found.sum(0) / np.where(np.abs(plain.sum(0)) > 1e-2, plain.sum(0), np.nan)
        both = audible[0] & np.isfinite(whole)
        np.testing.assert_allclose((found[0] / np.where(plain[0] == 0, 1, plain[0]))[both], whole[both], rtol=1e-3)
        assert all(gain.min() > 0 and gain.max() <= 1.0001 and gain.min() < 0.99 for gain in gains)
    mono = example(tracks, 5, mono=1.0)
    np.testing.assert_array_equal(mono[:, 0], mono[:, 1])
    np.testing.assert_allclose(mono[:, 0], plain.mean(1), atol=1e-7)


def test_the_compressor_has_its_ratio_above_its_threshold() -> None:
    """A step of 12 dB in steady sound, long after it: 3:1 leaves 4 dB of what is above the threshold."""
    sound = np.ones((2, 40000), np.float32)
    sound[:, 20000:] *= 4.0
    mean_db = 10 * np.log10(np.square(sound).mean())
    low_db, high_db = -mean_db, 12.04 - mean_db
    gain_db = 20 * np.log10(compressor_gain(sound, 8000, 3.0, low_db, 0.02))
    assert gain_db[19000] == pytest.approx(0.0, abs=0.01)
    assert gain_db[39000] == pytest.approx(-(high_db - low_db) * 2 / 3, abs=0.01)
    gain_db = 20 * np.log10(compressor_gain(sound, 8000, 3.0, low_db - 6.0, 0.02))
    assert gain_db[19000] == pytest.approx(-4.0, abs=0.01)
    np.testing.assert_array_equal(compressor_gain(0 * sound, 8000, 3.0, 0.0, 0.02), 1.0)


def test_saturation_is_tanh_with_the_knee_below_the_peak() -> None:
    sound = np.linspace(-0.5, 0.5, 1001, dtype=np.float32)[None]
    knee = 0.5 / 10 ** (6 / 20)
    np.testing.assert_allclose(sound * saturation_gain(sound, 6.0), knee * np.tanh(sound / knee), atol=1e-6)
    np.testing.assert_array_equal(saturation_gain(0 * sound, 6.0), 1.0)
