"""Tracks that several tests read."""

import pytest
from trees import RATE, noise_song

from hearsim.music.tracks import Track, read_tracks


@pytest.fixture(scope="session")
def tracks(tmp_path_factory: pytest.TempPathFactory) -> list[Track]:
    """Return three songs of noise."""
    root = tmp_path_factory.mktemp("songs")
    for number in range(3):
        noise_song(root / f"song{number}", number)
    return read_tracks(root, root / "cache", RATE)
