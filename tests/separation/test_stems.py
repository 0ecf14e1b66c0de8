"""`hearsim.separate`: the stems of a song by name, those of the aid's separator."""

from pathlib import Path

import numpy as np
import pytest
from cases import quick_profile, tiny_net

import hearsim as hs

NET = tiny_net()
NOISE = hs.Audio((0.1 * np.random.default_rng(0).standard_normal((2, 5003))).astype(np.float32), 44100)


def test_the_stems_are_those_of_the_aid() -> None:
    stems = hs.separate(NOISE, NET)
    assert list(stems) == ["vocals", "drums", "bass", "other"]
    aided = hs.listen(quick_profile("flat"), NOISE).stems.samples
    for stem, expected in zip(stems.values(), aided, strict=True):
        assert stem.rate == 44100 and np.abs(expected).max() > 1e-3
        np.testing.assert_allclose(stem.samples, expected, atol=1e-6)
    np.testing.assert_allclose(stems.sum().samples, aided.sum(axis=0), atol=1e-6)


def test_mono_songs_and_files(tmp_path: Path) -> None:
    mono = hs.Audio(NOISE.samples[:1], 44100)
    both = hs.Audio(np.repeat(mono.samples, 2, axis=0), 44100)
    vocals = hs.separate(mono, NET)["vocals"]
    assert vocals.samples.shape == (1, 5003)
    np.testing.assert_allclose(vocals.samples[0], hs.separate(both, NET)["vocals"].samples.mean(axis=0), atol=1e-7)
    hs.write(tmp_path / "song.wav", NOISE)
    np.testing.assert_array_equal(
        hs.separate(tmp_path / "song.wav", NET)["bass"].samples, hs.separate(NOISE, NET)["bass"].samples
    )


def test_stems_show_as_players() -> None:
    page = hs.separate(NOISE, NET)._repr_html_()
    assert page.count("<audio controls") == 4 and "<td>drums</td>" in page


@pytest.mark.parametrize(
    ("song", "sentence"),
    [
        (NOISE.samples, r"separate takes an Audio or a path, not an array of float32 \(2, 5003\)"),
        (hs.Audio(NOISE.samples, 48000), "separate needs 44100 Hz, got 48000 Hz: resample"),
        (hs.Audio(np.zeros((4, 2, 9), np.float32), 44100), r"the song has the shape \(4, 2, 9\): give a mixture"),
        ("no-such.wav", "no-such.wav: there is no such file"),
    ],
)
def test_what_is_no_song_is_refused(song: object, sentence: str) -> None:
    with pytest.raises(hs.HearsimError, match=sentence):
        hs.separate(song, NET)  # type: ignore[arg-type]
