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
    speed: float = 0.3  # chance of a stem (or a whole song) being played faster or slower, and so higher or lower
    speed_range: tuple[float, float] = (0.85, 1.18)
    equalize: float = 0.3  # chance of a stem to pass a random low shelf, bell and high shelf
    equalize_db: float = 6.0  # the most each of them raises or lowers
    reverberate: float = 0.15  # chance of a stem to get a tail of decaying noise, -20 .. -8 dB under it
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

    def _speed(self, rng: np.random.Generator) -> float:
        chosen = self.augmentation
        return float(rng.uniform(*chosen.speed_range)) if rng.random() < chosen.speed else 1.0

    def _read(self, track: Track, stem: str, start: int, speed: float) -> FloatArray:
        """Return (2, frames) of a stem from `start` on, zeros after its end."""
        piece = track.read(stem, start, int(np.ceil(self.frames * speed)) + 64)
        if speed != 1.0:
            piece = soxr.resample(piece.T, speed * self.rate, self.rate, quality="LQ").T
        return piece[:, : self.frames]

    def _start(self, track: Track, stem: str | None, speed: float, rng: np.random.Generator) -> int:
        """Return where to begin; after a few tries, where the stem plays."""
        last = max(1, track.frames - int(self.frames * speed))
        for _ in range(4):
            start = int(rng.integers(0, last))
            if stem is None or np.abs(track.read(stem, start, self.rate)[:, ::64]).max() > 0.02:
                break
        return start

    def _colour(self, stem: FloatArray, rng: np.random.Generator) -> FloatArray:
        """Return a stem (2, frames) with a random equalizer and a random reverberation, or as it was."""
        chosen = self.augmentation
        if rng.random() < chosen.equalize:
            gain_db = rng.uniform(-chosen.equalize_db, chosen.equalize_db, 3)
            corners = np.exp(rng.uniform(np.log([80, 400, 3000]), np.log([400, 3000, 10000])))
            frequencies = np.array([0, *corners, self.rate / 2])
            curve = np.interp(frequencies, corners, gain_db)
            taps = signal.firwin2(511, frequencies, 10 ** (curve / 20), fs=self.rate)
            stem = signal.oaconvolve(stem, taps[None], mode="same", axes=1).astype(np.float32)
        if rng.random() < chosen.reverberate:
            seconds = rng.uniform(0.1, 0.6)
            frames = int(seconds * self.rate)
            tail = rng.standard_normal((2, frames)) * np.exp(-6.9 * np.arange(frames) / frames)
            tail *= db_to_gain(rng.uniform(-20, -8)) / np.sqrt(np.square(tail).sum(1, keepdims=True))
            wet = signal.oaconvolve(stem, tail, axes=1)[:, : stem.shape[1]]
            stem = stem + wet.astype(np.float32)
        return stem

    def example(self, rng: np.random.Generator) -> FloatArray:
        """Return stems (stems, channels, frames); their sum is the mixture."""
        chosen = self.augmentation
        stems = np.zeros((len(STEMS), 2, self.frames), np.float32)
        whole = rng.random() < chosen.whole_songs
        song, speed = self._draw(self._songs, rng), self._speed(rng)
        start = self._start(song, None, speed, rng)
        level = rng.uniform(*chosen.level_db)
        for index, stem in enumerate(STEMS):
            if not whole:
                song, speed = self._draw(self._pools[stem], rng), self._speed(rng)
                start = self._start(song, stem, speed, rng)
            gain = db_to_gain(level + rng.uniform(*chosen.gain_db)) * rng.choice((-1.0, 1.0))
            if rng.random() < chosen.mute or stem not in song.stems:
                continue
            piece = self._colour(self._read(song, stem, start, speed), rng)
            stems[index, :, : piece.shape[1]] = np.float32(gain) * piece
        if rng.random() < chosen.swap:
            stems = stems[:, ::-1]
        if rng.random() < chosen.low_pass:
            sos = signal.butter(8, rng.uniform(6000, 16000), fs=self.rate, output="sos")
            stems = signal.sosfilt(sos, stems).astype(np.float32)
        return np.ascontiguousarray(stems)


class Stretches:
    """Batches in which every lane plays a long example piece by piece, so that a network can carry its state.

    Lanes begin their examples at different steps. Everything follows from the seed and the step.
    """

    def __init__(self, mixer: Mixer, lanes: int, pieces: int, context: int, seed: int) -> None:
        if mixer.frames % pieces:
            raise ValueError(f"{mixer.frames} samples are not {pieces} equal pieces")
        self._mixer, self._lanes, self._pieces, self._context = mixer, lanes, pieces, context
        self._seed, self._frames = seed, mixer.frames // pieces
        self._playing: dict[int, tuple[int, FloatArray]] = {}  # lane: number of its example, the example

    def batch(self, step: int) -> tuple[FloatArray, npt.NDArray[np.bool_]]:
        """Return (lanes, stems, channels, context + piece), and which lanes begin an example here.

        The first `context` samples are those before the piece; zeros at the beginning of an example.
        """
        out = np.zeros((self._lanes, len(STEMS), 2, self._context + self._frames), np.float32)
        fresh = np.zeros(self._lanes, np.bool_)
        for lane in range(self._lanes):
            number, piece = divmod(step + lane * self._pieces // self._lanes, self._pieces)
            if self._playing.get(lane, (-1, None))[0] != number:
                rng = np.random.default_rng((self._seed, number, lane))
                self._playing[lane] = number, self._mixer.example(rng)
            fresh[lane] = piece == 0
            begin = piece * self._frames - self._context
            part = self._playing[lane][1][..., max(0, begin) : (piece + 1) * self._frames]
            out[lane, ..., -part.shape[-1] :] = part
        return out, fresh
