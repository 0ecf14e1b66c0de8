"""The demo song: stems that sum to the mixture, the same bytes for the same seed, a voice with its formants."""

import hashlib
import subprocess
import sys

import numpy as np

from hearsim.music.demo_song import demo_song, mixture

CODE = """import hashlib, hearsim
print(hashlib.sha256(hearsim.demo_song(3.0, seed=4).samples.tobytes()).hexdigest())"""


def test_same_seed_same_bytes_in_another_process() -> None:
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True)
    song = demo_song(3.0, seed=4)
    assert done.stdout.strip() == hashlib.sha256(song.samples.tobytes()).hexdigest()
    assert not np.array_equal(song.samples, demo_song(3.0, seed=5).samples)


def test_levels_and_spectra() -> None:
    song = demo_song(8.0)
    mix = mixture(song).samples
    assert song.samples.shape == (4, 2, 8 * 44100) and song.samples.dtype == np.float32
    np.testing.assert_array_equal(mix, song.samples.sum(0))
    assert 0.88 < np.abs(mix).max() < 0.9  # -1 dBFS
    hz = np.fft.rfftfreq(song.frames, 1 / 44100)
    for stem in song.samples:
        power = np.abs(np.fft.rfft(stem.mean(0))) ** 2
        assert power[hz > 20000].sum() < 1e-5 * power.sum()
        assert abs(stem.mean()) < 1e-3
        assert np.sqrt(np.mean(stem**2)) > 0.02
    bass, voice = (np.abs(np.fft.rfft(song.samples[k].mean(0))) ** 2 for k in (2, 0))
    assert (bass * hz).sum() / bass.sum() < 150
    assert (voice * hz).sum() / voice.sum() > 300
