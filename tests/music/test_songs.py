"""Songs of a folder: their lengths and excerpts, with folders that are left out."""

import warnings
from pathlib import Path

import numpy as np
import pytest

from hearsim.core.audio import Audio
from hearsim.core.audio_files import read as read_audio
from hearsim.core.audio_files import write
from hearsim.core.errors import HearsimWarning
from hearsim.music.demo_song import demo_song
from hearsim.music.songs import FolderSongs, write_demo
from hearsim.music.tracks import Track, fingerprint, read_tracks
from hearsim.profile.schema import STEMS

RATE_HZ = 44100


def test_a_track_knows_its_length_and_gives_excerpts(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).uniform(-0.1, 0.1, (2, 5 * RATE_HZ)).astype(np.float32)
    for stem in STEMS:
        (tmp_path / "songs" / "one").mkdir(parents=True, exist_ok=True)
        write(tmp_path / "songs" / "one" / f"{stem}.wav", Audio(noise, RATE_HZ))
    (song,) = FolderSongs(folder="songs", seconds=None).named("spec", tmp_path).values()
    assert song.length_s == 5.0
    assert song.excerpt(3.0).length_s == 3.0 and song.excerpt(9.0).length_s == 5.0
    assert song.excerpt(3.0).stems(seed=1).samples.shape == (4, 2, 3 * RATE_HZ)


def tracks_of(folder: Path, seconds: dict[str, float]) -> None:
    """Write tracks of noise of these lengths."""
    for name, length_s in seconds.items():
        noise = np.random.default_rng(0).uniform(-0.1, 0.1, (2, round(length_s * RATE_HZ))).astype(np.float32)
        (folder / name).mkdir(parents=True)
        for stem in STEMS:
            write(folder / name / f"{stem}.wav", Audio(noise, RATE_HZ))


@pytest.mark.parametrize(
    ("seconds", "tracks", "text"),
    [
        (4.5, "*", "2 of 3 tracks are shorter and taken whole, a (4.0 s) first"),
        (5.001, "*", "3 of 3 tracks are shorter and taken whole, a (4.0 s) first"),
        (100, "c", "the track c is only 3.9 s long and is taken whole"),
        (4, "[ab]", ""),
    ],
)
def test_an_excerpt_longer_than_its_track_is_said(tmp_path: Path, seconds: float, tracks: str, text: str) -> None:
    tracks_of(tmp_path / "songs", {"a": 4.0, "b": 5.0, "c": 3.99})
    with warnings.catch_warnings(record=True) as notes:
        warnings.simplefilter("always", HearsimWarning)
        FolderSongs(folder="songs", tracks=(tracks,), seconds=seconds).named("spec: songs[0]", tmp_path)
    assert [str(note.message) for note in notes] == ([f"spec: songs[0]: seconds = {seconds:g}: {text}"] if text else [])


def test_a_large_folder_is_announced_before_it_is_decoded_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    noise = np.random.default_rng(0).uniform(-0.1, 0.1, (2, RATE_HZ)).astype(np.float32)
    (tmp_path / "songs" / "one").mkdir(parents=True)
    for stem in STEMS:
        write(tmp_path / "songs" / "one" / f"{stem}.wav", Audio(noise, RATE_HZ))
    lines: list[tuple[str, int]] = []

    def read(cache: str) -> None:
        folder = tmp_path / cache
        read_tracks(tmp_path / "songs", folder, say=lambda line: lines.append((line, len(list(folder.iterdir())))))

    read("small")
    assert lines == []
    monkeypatch.setattr("hearsim.music.tracks.LARGE_BYTES", 1e6)
    for _ in range(2):
        read("large")
    ((line, decoded),) = lines
    assert line.startswith(f"decoding 4 files (1 MB) of {tmp_path / 'songs'} for the first time, into") and decoded == 0


def test_each_seed_draws_an_excerpt_of_its_own(tmp_path: Path) -> None:
    """Of a song whose samples count up, so that an excerpt tells where it begins."""
    (tmp_path / "songs" / "one").mkdir(parents=True)
    ramp = np.arange(5 * RATE_HZ, dtype=np.float32) / 2**18
    for stem in STEMS:
        write(tmp_path / "songs" / "one" / f"{stem}.wav", Audio(np.stack([ramp, -ramp]), RATE_HZ))
    (song,) = FolderSongs(folder="songs", seconds=3).named("spec", tmp_path).values()
    starts = [song.stems(seed).samples[0, 0, 0] for seed in range(4)]
    assert len(set(starts)) == 4 and song.stems(2).samples[0, 0, 0] == starts[2]
    assert len({song.identity(seed)["start"] for seed in range(4)}) == 4


def test_the_demo_lies_in_files_of_its_stems(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    song = demo_song()
    monkeypatch.setattr("hearsim.music.songs.demo_song", lambda: song)
    path = write_demo(tmp_path / "demo")
    for name, samples in zip(STEMS, song.samples, strict=True):
        np.testing.assert_allclose(read_audio(tmp_path / "demo" / f"{name}.wav").samples, samples, atol=1e-6)
    np.testing.assert_allclose(read_audio(path).samples, song.samples.sum(axis=0), atol=1e-6)


def test_a_fingerprint_is_that_of_the_samples() -> None:
    noise = np.random.default_rng(0).uniform(-0.1, 0.1, (100, 2)).astype(np.float32)
    other = noise.copy()
    other[50, 1] += 1e-3
    first, same, changed = (fingerprint(Track("a", 100, {"vocals": one})) for one in (noise, noise.copy(), other))
    assert first == same != changed
    assert fingerprint(Track("a", 100, {"drums": noise})) != first
