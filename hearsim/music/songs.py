"""Songs of an experiment: made by hearsim's generator, or excerpts of a folder of tracks with stems."""

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import Field

from hearsim.core.audio import Audio
from hearsim.core.audio_files import AID_RATE_HZ, Source, open_source, write
from hearsim.core.errors import HearsimError
from hearsim.core.files import cache_folder, make_folder
from hearsim.core.validation import Settings
from hearsim.music.demo_song import check_song, demo_song, mixture
from hearsim.music.stem_files import ACCOMPANIMENT, stem_files
from hearsim.profile.schema import STEMS, Number

if TYPE_CHECKING:
    from hearsim.music.tracks import Track


def write_demo(folder: Path) -> Path:
    """Write the demo song and its true stems into a folder; return the path of the song."""
    make_folder(folder)
    stems = demo_song()
    write(folder / "song.wav", mixture(stems))
    for name, samples in zip(STEMS, stems.samples, strict=True):
        write(folder / f"{name}.wav", type(stems)(samples, stems.rate))
    return folder / "song.wav"


def open_stems(folder: Path, song: Source) -> dict[str, Source]:
    """Return the true stems in a folder, by name.

    Raises `HearsimError` for none, for two files of one stem, for sound that fits none while a stem is missing, and
    for a stem that is not as long as the song.
    """
    stems = {}
    for name, path in stem_files(folder, song.path).items():
        if name == ACCOMPANIMENT:
            raise HearsimError(f"{path} is several stems in one: give {', '.join(STEMS)} or some of them alone")
        stems[name] = open_source(path, song.rate)
        if stems[name].frames != song.frames:
            raise HearsimError(
                f"{path} is {stems[name].frames} samples long and {song.path} {song.frames}: stems must be as long "
                "as the song"
            )
    return stems


class MadeSong(Settings):
    """A song of the generator; each seed of the experiment makes another one."""

    style: str = "pop"
    key: str | None = None
    seconds: Number = 10.0
    name: str = ""

    def named(self, where: str) -> dict[str, "MadeSong"]:
        """Return the song by its name; raises `HearsimError` for unknown styles and keys."""
        try:
            check_song(self.seconds, self.style, self.key)
        except HearsimError as error:
            raise HearsimError(f"{where}: {error}") from None
        return {self.name or " in ".join(filter(None, (self.style, self.key))): self}

    def identity(self, seed: int) -> dict[str, Any]:
        """Return the settings that determine the samples."""
        return {"made": self.model_dump(exclude={"name"}), "seed": seed}

    @property
    def length_s(self) -> float:
        """The song's length in seconds."""
        return self.seconds

    def excerpt(self, seconds: float) -> "MadeSong":
        """Return a song of that style and length, at most as long as this one."""
        return self.model_copy(update={"seconds": min(seconds, self.seconds)})

    def stems(self, seed: int) -> Audio:
        """Return the true stems (4, 2, frames)."""
        return demo_song(self.seconds, AID_RATE_HZ, seed, self.style, self.key)


class FolderSongs(Settings):
    """The tracks of a folder, in any layout that `hearsim train` reads; each seed draws another excerpt of them."""

    folder: str
    tracks: tuple[str, ...] = ("*",)
    ignore: tuple[str, ...] = ()  # patterns of skipped files
    seconds: Number | None = Field(default=None, ge=3)  # None: the whole song

    def named(self, where: str, base: Path) -> dict[str, "TrackSong"]:
        """Return the songs by name; raises `HearsimError` where the folder or a pattern gives none."""
        from hearsim.music.tracks import matching, warn_of_short

        root = (base / self.folder).resolve()
        try:
            tracks = _tracks(root, self.ignore)
        except HearsimError as error:
            raise HearsimError(f"{where}: {error}") from None
        chosen = matching(tracks, self.tracks, f"{where}: {root}")
        if self.seconds is not None:
            warn_of_short(
                (tracks[name] for name in tracks if name in chosen), self.seconds, AID_RATE_HZ, f"{where}: seconds"
            )
        return {
            name: TrackSong(root=str(root), track=name, seconds=self.seconds, ignore=self.ignore)
            for name in tracks
            if name in chosen
        }


class TrackSong(Settings):
    """One track of a folder."""

    root: str
    track: str
    seconds: float | None
    ignore: tuple[str, ...] = ()

    def identity(self, seed: int) -> dict[str, Any]:
        """Return what determines the samples: the checksum of the track's stems and the excerpt, not their path."""
        start, frames = self._excerpt_frames(seed)
        return {"sha256": _checksum(Path(self.root), self.track, self.ignore), "start": start, "frames": frames}

    @property
    def length_s(self) -> float:
        """The length of the excerpt in seconds."""
        whole = _tracks(Path(self.root), self.ignore)[self.track].frames / AID_RATE_HZ
        return whole if self.seconds is None else min(whole, self.seconds)

    def excerpt(self, seconds: float) -> "TrackSong":
        """Return an excerpt of the track of that length, at most as long as this one."""
        return self.model_copy(update={"seconds": min(seconds, self.length_s)})

    def stems(self, seed: int) -> Audio:
        """Return the true stems (4, 2, frames) of the excerpt that a seed draws; missing ones are silent."""
        track = _tracks(Path(self.root), self.ignore)[self.track]
        return Audio(track.read_stems(*self._excerpt_frames(seed)), AID_RATE_HZ)

    def _excerpt_frames(self, seed: int) -> tuple[int, int]:
        """Return the first sample and the length of the excerpt that a seed draws; of a whole song always the same."""
        track = _tracks(Path(self.root), self.ignore)[self.track]
        frames = track.frames if self.seconds is None else min(track.frames, round(self.seconds * AID_RATE_HZ))
        return int(np.random.default_rng(seed).integers(track.frames - frames + 1)), frames


Song = MadeSong | TrackSong


@lru_cache(maxsize=8)
def _tracks(root: Path, ignore: tuple[str, ...]) -> dict[str, "Track"]:
    from hearsim.music.tracks import read_tracks

    return {track.name: track for track in read_tracks(root, cache_folder() / "stems", ignore=ignore)}


@lru_cache(maxsize=4096)
def _checksum(root: Path, track: str, ignore: tuple[str, ...]) -> str:
    from hearsim.music.tracks import fingerprint

    return fingerprint(_tracks(root, ignore)[track])
