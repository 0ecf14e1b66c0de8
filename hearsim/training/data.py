"""A folder of tracks with stems, decoded once into memory-mapped int16, and the examples mixed from it.

Layout: <root>/<track>/{vocals,drums,bass,other}.<ogg|wav|flac>, equally long; a silent or missing file is a track
that lacks the stem.
"""

import hashlib
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile
import soxr
from pydantic import BaseModel, ConfigDict
from scipy import signal

from hearsim.errors import HearsimError
from hearsim.paths import write_atomically
from hearsim.separation.net import STEMS
from hearsim.units import FloatArray, db_to_gain

SILENT_PEAK = 1e-3
"""A stem whose peak stays under -60 dBFS is not there."""

Pcm = npt.NDArray[np.int16]


@dataclass(frozen=True)
class Track:
    """One track: its name, its length, and the stems it has as memory-mapped int16 (frames, channels)."""

    name: str
    frames: int
    stems: dict[str, Pcm]

    def read(self, stem: str, start: int, frames: int) -> FloatArray:
        """Return (channels, frames) of a stem, zeros where the track lacks it or has ended."""
        out = np.zeros((2, frames), np.float32)
        if stem in self.stems:
            piece = self.stems[stem][start : start + frames]
            out[:, : len(piece)] = piece.T * np.float32(1 / 32768)
        return out


def _decode(source: Path, rate: int, cache: Path) -> Pcm | None:
    """Return a stem's samples from the cache, decoding it first where needed; None where it is silent."""
    stat = source.stat()
    key = hashlib.sha256(f"{source.resolve()} {stat.st_size} {stat.st_mtime_ns} {rate}".encode()).hexdigest()[:24]
    cached, silent = cache / f"{key}.npy", cache / f"{key}.silent"
    if silent.exists():
        return None
    if not cached.exists():
        samples, found_rate = soundfile.read(source, dtype="float32", always_2d=True)
        if found_rate != rate:
            samples = soxr.resample(samples, found_rate, rate)
        if samples.size == 0 or np.abs(samples).max() < SILENT_PEAK:
            silent.touch()
            return None
        samples = np.repeat(samples, 2, axis=1) if samples.shape[1] == 1 else samples[:, :2]
        with write_atomically(cached) as part, part.open("wb") as file:
            np.save(file, np.clip(np.round(samples * 32768), -32768, 32767).astype(np.int16))
    mapped: Pcm = np.load(cached, mmap_mode="r")
    return mapped


def read_tracks(root: Path, cache: Path, rate: int = 44100) -> list[Track]:
    """Return all tracks under a folder; raises `HearsimError` where there is none or a file can't be read."""
    cache.mkdir(parents=True, exist_ok=True)
    tracks = []
    for folder in sorted(path for path in root.iterdir() if path.is_dir()) if root.is_dir() else []:
        stems: dict[str, Pcm] = {}
        for stem in STEMS:
            for source in sorted(folder.glob(f"{stem}.*")):
                try:
                    samples = _decode(source, rate, cache)
                except soundfile.LibsndfileError as error:
                    raise HearsimError(f"{source} can't be decoded ({error}): replace or remove it") from error
                if samples is not None:
                    stems[stem] = samples
        if stems:
            tracks.append(Track(folder.name, max(map(len, stems.values())), stems))
    if not tracks:
        raise HearsimError(f"{root} holds no track: it needs folders with vocals, drums, bass and other as ogg or wav")
    return tracks


class Augmentation(BaseModel):
    """How examples are varied; every draw comes from the generator that `Mixer.example` is given."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    whole_songs: float = 0.5  # share of examples whose stems belong together
    gain_db: tuple[float, float] = (-8.0, 4.0)  # per stem
    level_db: tuple[float, float] = (-10.0, 4.0)  # of the whole mixture
    mute: float = 0.1  # chance of each stem to be left out
    swap: float = 0.5  # chance of left and right changing places
    speed: float = 0.3  # chance of a stem of a made-up mixture being played faster or slower
    speed_range: tuple[float, float] = (0.85, 1.18)
    low_pass: float = 0.1  # chance of the whole example being cut off at 6 .. 16 kHz


class Mixer:
    """Makes training examples out of tracks, each from a seed alone, so a run can be resumed exactly."""

    def __init__(
        self,
        tracks: list[Track],
        frames: int,
        augmentation: Augmentation,
        weights: dict[str, float],
        rate: int,
    ) -> None:
        self.frames, self.augmentation, self.rate = frames, augmentation, rate
        self._pools = {stem: self._pool([t for t in tracks if stem in t.stems], weights) for stem in STEMS}
        self._songs = self._pool([t for t in tracks if len(t.stems) >= 3], weights)

    @staticmethod
    def _pool(tracks: list[Track], weights: dict[str, float]) -> tuple[list[Track], npt.NDArray[np.float64]]:
        """Return tracks with their chances: length times the weight of the last pattern that fits the name."""
        chances = np.array(
            [
                t.frames * ([w for pattern, w in weights.items() if fnmatch(t.name, pattern)] or [1.0])[-1]
                for t in tracks
            ]
        )
        return tracks, chances / chances.sum()

    def _draw(self, pool: tuple[list[Track], npt.NDArray[np.float64]], rng: np.random.Generator) -> Track:
        tracks, chances = pool
        return tracks[int(rng.choice(len(tracks), p=chances))]

    def _piece(self, stem: str, rng: np.random.Generator) -> FloatArray:
        """Return one stem of any track, where it plays, sometimes at another speed (and so another pitch)."""
        track, chosen = self._draw(self._pools[stem], rng), self.augmentation
        speed = float(rng.uniform(*chosen.speed_range)) if rng.random() < chosen.speed else 1.0
        frames = int(np.ceil(self.frames * speed)) + 64
        for _ in range(4):  # a few tries to find a place where the stem plays
            start = int(rng.integers(0, max(1, track.frames - frames)))
            piece = track.read(stem, start, frames)
            if np.abs(piece[:, ::64]).max() > 0.02:
                break
        if speed != 1.0:
            piece = soxr.resample(piece.T, speed * self.rate, self.rate, quality="LQ").T
        return piece[:, : self.frames]

    def example(self, rng: np.random.Generator) -> FloatArray:
        """Return stems (stems, channels, frames); their sum is the mixture."""
        chosen = self.augmentation
        stems = np.zeros((len(STEMS), 2, self.frames), np.float32)
        if rng.random() < chosen.whole_songs:
            song = self._draw(self._songs, rng)
            start = int(rng.integers(0, max(1, song.frames - self.frames)))
            for index, stem in enumerate(STEMS):
                stems[index] = song.read(stem, start, self.frames)
        else:
            for index, stem in enumerate(STEMS):
                piece = self._piece(stem, rng)
                stems[index, :, : piece.shape[-1]] = piece
        level = rng.uniform(*chosen.level_db)
        for index in range(len(STEMS)):
            gain = db_to_gain(level + rng.uniform(*chosen.gain_db)) * (rng.random() >= chosen.mute)
            stems[index] *= np.float32(gain * rng.choice((-1.0, 1.0)))
        if rng.random() < chosen.swap:
            stems = stems[:, ::-1]
        if rng.random() < chosen.low_pass:
            sos = signal.butter(8, rng.uniform(6000, 16000), fs=self.rate, output="sos")
            stems = signal.sosfilt(sos, stems).astype(np.float32)
        return np.ascontiguousarray(stems)

    def batch(self, size: int, seed: int, step: int) -> FloatArray:
        """Return (size, stems, channels, frames), the same for the same seed and step."""
        return np.stack([self.example(np.random.default_rng((seed, step, item))) for item in range(size)])
