"""Songs of a folder: their lengths and excerpts, with folders that are left out."""

from pathlib import Path

import numpy as np

from hearsim.core.audio import Audio
from hearsim.core.audio_files import write
from hearsim.music.songs import FolderSongs
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
