"""The one finder of delays: what it finds is true, and where there is nothing to find it says so."""

import numpy as np
import pytest
from scipy import signal

from hearsim.core.alignment import DelayFinder, find_delay, onset, template_lag, whitened_lag
from hearsim.music.demo_song import demo_song

RATE = 44100


@pytest.fixture(scope="module")
def stems() -> np.ndarray:
    return demo_song(8.0).samples


@pytest.fixture(scope="module")
def song(stems: np.ndarray) -> np.ndarray:
    return stems.sum(axis=0)


def shifted(sound: np.ndarray, late: int) -> np.ndarray:
    return np.concatenate((np.zeros((2, late), np.float32), sound[:, : sound.shape[1] - late]), axis=1)


@pytest.mark.parametrize("late", [7, 2857, 30000, 5 * RATE])  # 2857: a period of the song's
def test_the_delay_of_a_filtered_and_noisy_copy(song: np.ndarray, late: int) -> None:
    """A shelf of 20 dB, whose phase is a third of a sample, and noise as strong as the song; sooner is negative."""
    shelf = signal.lfilter([1.0, -0.8], [1.0], song, axis=1)
    noisy = shelf + shelf.std() * np.random.default_rng(0).standard_normal(song.shape)
    copy = shifted(noisy.astype(np.float32), late)
    found, back = find_delay(song, copy, RATE), find_delay(copy, song, RATE)
    assert found is not None and back is not None
    assert found.samples == pytest.approx(late, abs=0.4) and not found.drifts
    assert back.samples == pytest.approx(-late, abs=0.4)


@pytest.mark.parametrize("late", [0, 12000])
def test_an_inverted_copy_has_the_delay_of_the_copy(song: np.ndarray, late: int) -> None:
    found = find_delay(song, -np.roll(song, late, axis=1), RATE)
    assert found is not None and found.inverted and not found.drifts
    assert found.samples == pytest.approx(late, abs=0.1)
    copy = find_delay(song, np.roll(song, late, axis=1), RATE)
    assert copy is not None and not copy.inverted


def test_a_voice_is_found_in_its_mix(stems: np.ndarray, song: np.ndarray) -> None:
    found = find_delay(stems[0], shifted(song, 12000), RATE)
    assert found is not None and found.samples == pytest.approx(12000, abs=0.1)


def test_another_song_has_no_delay(song: np.ndarray) -> None:
    assert find_delay(song, demo_song(8.0, seed=1).samples.sum(axis=0), RATE) is None
    assert find_delay(song, np.zeros_like(song), RATE) is None
    noise = np.random.default_rng(0).standard_normal((2, *song.shape)).astype(np.float32)
    assert find_delay(noise[0], noise[1], RATE) is None


def test_two_seconds_in_common_are_no_delay() -> None:
    """They stand out of the whole correlation; the other six seconds don't confirm it."""
    ours, theirs = np.random.default_rng(0).standard_normal((2, 2, 8 * RATE)).astype(np.float32)
    theirs[:, 2 * RATE + 900 : 4 * RATE + 900] = ours[:, 2 * RATE : 4 * RATE]
    assert find_delay(ours, theirs, RATE) is None


def test_fractions_of_a_sample() -> None:
    noise = np.random.default_rng(0).standard_normal((2, 4 * RATE)).astype(np.float32)
    turned = np.fft.rfft(noise) * np.exp(-2j * np.pi * np.fft.rfftfreq(4 * RATE) * 700.3)
    found = find_delay(noise, np.fft.irfft(turned, 4 * RATE).astype(np.float32), RATE)
    assert found is not None and found.samples == pytest.approx(700.3, abs=0.05)


def test_lost_samples_are_no_constant_delay(song: np.ndarray) -> None:
    cut = np.concatenate((song[:, : 4 * RATE], song[:, 4 * RATE + 500 :], np.zeros((2, 500), np.float32)), axis=1)
    found = find_delay(song, cut, RATE)
    assert found is not None and found.drifts


def test_the_channels_have_delays_of_their_own(song: np.ndarray) -> None:
    finder = DelayFinder(RATE, song.shape[1])
    finder.add(song, np.stack([song[0], -np.roll(song[1], 220)]))
    left, right = finder.by_channel()
    assert left is not None and right is not None
    assert (left.samples, left.inverted) == (pytest.approx(0, abs=0.1), False)
    assert (right.samples, right.inverted) == (pytest.approx(220, abs=0.1), True)


def test_a_low_pass_has_no_drift(song: np.ndarray) -> None:
    """Its group delay is 37 samples far below its cutoff: the sum of its poles' 2 cos, 2.613, over 2 pi 500 Hz."""
    sections = signal.butter(4, 500 / 22050, output="sos")
    found = find_delay(song, signal.sosfilt(sections, song, axis=1).astype(np.float32), RATE)
    assert found is not None and found.scatter is not None and not found.drifts
    assert found.samples == pytest.approx(2.613 / (2 * np.pi * 500) * RATE, abs=3)


def test_a_long_sound_is_compared_in_excerpts() -> None:
    """30 ppm over 100 s at 8 kHz: 24 samples."""
    rate, frames = 8000, 800_000
    sound = np.random.default_rng(0).standard_normal((1, frames)).astype(np.float32)
    sound = signal.sosfilt(signal.butter(4, 0.4, output="sos"), sound).astype(np.float32)
    t = np.arange(frames)
    slow = np.interp(t * (1 - 3e-5) - 4000, t, sound[0])[None].astype(np.float32)
    finder = DelayFinder(rate, frames)
    for start in range(0, frames, 65536):
        finder.add(sound[:, start : start + 65536], slow[:, start : start + 65536])
    found = finder.result()
    assert found is not None and found.drifts
    assert [found.first, found.last] == pytest.approx([4000, 4024], abs=1)


def test_probes_of_a_chain() -> None:
    sweep = np.sin(0.5 * np.pi * np.arange(4096) ** 2 / 4096)
    probe = np.concatenate((np.zeros(100), sweep, np.zeros(1000)))
    assert whitened_lag(probe, 0.1 * np.roll(probe, 321)) == 321
    assert onset(np.array([0.0, 0.05, -0.2, 1.0, 0.5])) == 2
    sound = np.concatenate((np.zeros(777), -0.5 * sweep, np.zeros(500)))
    assert template_lag(sound, sweep) == (777, pytest.approx(1.0))
