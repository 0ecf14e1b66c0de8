"""Songs of an experiment: made by the project's own generator, or excerpts of a folder of tracks with stems."""

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import Field

from hearsim.audio import Audio
from hearsim.audio_files import AID_RATE_HZ
from hearsim.demo_song import check_song, demo_song
from hearsim.errors import HearsimError
from hearsim.listener import STEMS, Number, Settings

if TYPE_CHECKING:
    from hearsim.training.data import Track

CACHE = Path("~/.cache/hearsim/stems")


class MadeSong(Settings):
    """A song of the generator; each seed of the experiment makes another one."""

    style: str = "pop"
    key: str | None = None
    seconds: Number = 10.0
    name: str = ""

    def named(self, where: str) -> dict[str, "MadeSong"]:
        """Return the song by its name; raises `HearsimError` for what the generator doesn't know."""
        try:
            check_song(self.seconds, self.style, self.key)
        except HearsimError as error:
            raise HearsimError(f"{where}: {error}") from None
        return {self.name or " in ".join(filter(None, (self.style, self.key))): self}

    def identity(self, seed: int) -> dict[str, Any]:
        """Return what decides the samples."""
        return {"made": self.model_dump(exclude={"name"}), "seed": seed}

    def stems(self, seed: int) -> Audio:
        """Return the true stems (4, 2, frames)."""
        return demo_song(self.seconds, AID_RATE_HZ, seed, self.style, self.key)


class FolderSongs(Settings):
    """The tracks of a folder, in any layout that `hearsim train` reads; each seed draws another excerpt of them."""

    folder: str
    tracks: tuple[str, ...] = ("*",)
    seconds: Number | None = Field(default=None, ge=3)  # None: the whole song

    def named(self, where: str, base: Path) -> dict[str, "TrackSong"]:
        """Return the songs by name; raises `HearsimError` where the folder or a pattern gives none."""
        root = (base / self.folder).resolve()
        try:
            tracks = _tracks(root)
        except HearsimError as error:
            raise HearsimError(f"{where}: {error}") from None
        for pattern in self.tracks:
            if not any(track.fits((pattern,)) for track in tracks.values()):
                some = ", ".join(list(tracks)[:4])
                raise HearsimError(f"{where}: {root} holds no song that fits {pattern!r}: it has {some}")
        chosen = [name for name, track in tracks.items() if track.fits(self.tracks)]
        return {name: TrackSong(root=str(root), track=name, seconds=self.seconds) for name in chosen}


class TrackSong(Settings):
    """One track of a folder."""

    root: str
    track: str
    seconds: float | None

    def identity(self, seed: int) -> dict[str, Any]:
        """Return what decides the samples: the checksum of the track's stems and the excerpt, not where they lie."""
        return {"sha256": _checksum(Path(self.root), self.track), "seconds": self.seconds, "seed": seed}

    def stems(self, seed: int) -> Audio:
        """Return the true stems (4, 2, frames) of the excerpt that a seed draws; those it lacks are silent."""
        track = _tracks(Path(self.root))[self.track]
        frames = track.frames if self.seconds is None else min(track.frames, round(self.seconds * AID_RATE_HZ))
        start = int(np.random.default_rng(seed).integers(track.frames - frames + 1))
        return Audio(np.stack([track.read(stem, start, frames) for stem in STEMS]), AID_RATE_HZ)


Song = MadeSong | TrackSong


@lru_cache(maxsize=8)
def _tracks(root: Path) -> dict[str, "Track"]:
    from hearsim.training.data import read_tracks

    return {track.name: track for track in read_tracks(root, CACHE.expanduser())}


@lru_cache(maxsize=4096)
def _checksum(root: Path, track: str) -> str:
    from hearsim.training.scoring import fingerprint

    return fingerprint(_tracks(root)[track])
