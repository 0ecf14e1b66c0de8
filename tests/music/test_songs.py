"""Songs of a folder: their lengths and excerpts, with folders that are left out."""

from pathlib import Path

import numpy as np
import pytest

from hearsim.core.audio import Audio
from hearsim.core.audio_files import write
from hearsim.music.songs import FolderSongs
from hearsim.music.tracks import read_tracks
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
