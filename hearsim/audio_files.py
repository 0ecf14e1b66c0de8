"""Reading and writing audio files: whole (`read`, `write`) or streamed from disk to disk (`Source`, `open_wave`)."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import soxr

from hearsim.audio import Audio
from hearsim.errors import HearsimError
from hearsim.paths import write_atomically
from hearsim.units import FloatArray

AID_RATE_HZ = 44100
"""The rate at which the aid runs; files of other rates are resampled (soxr, very high quality)."""

CHUNK = 1 << 16


@dataclass(frozen=True)
class Source:
    """A checked audio file, streamed as stereo at `rate`. Made by `open_source`, which has read it to its end."""

    path: Path
    sha256: str
    file_rate: int
    file_channels: int
    file_frames: int
    rate: int

    @property
    def frames(self) -> int:
        """Length at `rate`."""
        return round(self.file_frames * self.rate / self.file_rate)

    def blocks(self, size: int) -> Iterator[FloatArray]:
        """Yield (2, size) blocks to the end of the file; the last is padded with zeros."""
        waiting = np.zeros((2, 0), np.float32)
        left = self.frames
        for chunk in self._resampled():
            chunk = chunk[:, : left - waiting.shape[1]]  # noqa: PLW2901
            waiting = np.concatenate((waiting, chunk), axis=1)
            whole = waiting.shape[1] // size * size
            for start in range(0, whole, size):
                yield waiting[:, start : start + size]
            waiting, left = waiting[:, whole:], left - whole
        while left > 0:  # the rest, and what rounding of the length leaves
            block = np.zeros((2, size), np.float32)
            block[:, : waiting.shape[1]] = waiting
            yield block
            waiting, left = waiting[:, :0], left - size

    def _resampled(self) -> Iterator[FloatArray]:
        chunks = _chunks(self.path)
        if self.file_rate == self.rate:
            for samples in chunks:
                yield _stereo(samples).T
            return
        stream = soxr.ResampleStream(self.file_rate, self.rate, 2, dtype="float32", quality="VHQ")
        for samples in chunks:
            yield stream.resample_chunk(_stereo(samples)).T
        yield stream.resample_chunk(np.zeros((0, 2), np.float32), last=True).T

    def read(self) -> Audio:
        """Return the whole file as stereo at `rate`."""
        blocks = list(self.blocks(CHUNK))
        return Audio(np.ascontiguousarray(np.concatenate(blocks, axis=1)[:, : self.frames]), self.rate)


def _chunks(path: Path) -> Iterator[FloatArray]:
    with soundfile.SoundFile(path) as file:
        while len(samples := file.read(CHUNK, dtype="float32", always_2d=True)):
            yield samples


def _stereo(samples: FloatArray) -> FloatArray:
    return np.repeat(samples, 2, axis=1) if samples.shape[1] == 1 else np.ascontiguousarray(samples)


def open_source(path: str | Path, rate: int | None = AID_RATE_HZ) -> Source:
    """Check an audio file from its first to its last sample and return it as a source at `rate` (None: its own).

    Raises `HearsimError` for a file that is missing, not audio, damaged, empty, not mono or stereo, or that holds
    NaN or infinite samples.
    """
    path = Path(path)
    if not path.is_file():
        raise HearsimError(f"{path} is a folder: give a file" if path.is_dir() else f"{path}: there is no such file")
    try:
        header = soundfile.info(path)
        if header.channels > 2:
            raise HearsimError(f"{path} has {header.channels} channels: fold it down to stereo first")
        if not 8000 <= header.samplerate <= 384000:
            raise HearsimError(f"{path} is sampled at {header.samplerate} Hz: hearsim takes 8000 to 384000")
        found = 0
        for samples in _chunks(path):
            if not np.isfinite(samples).all():
                second = (found + int(np.argmin(np.isfinite(samples).all(axis=1)))) / header.samplerate
                raise HearsimError(f"{path} holds NaN or infinite samples, the first at {second:.3f} s: export it anew")
            found += len(samples)
    except soundfile.LibsndfileError as error:
        raise HearsimError(
            f"{path} can't be read as audio ({error.error_string}): is it damaged, or not audio?"
        ) from None
    if found == 0:
        raise HearsimError(f"{path} holds no sound (0 frames): choose another file")
    if found < header.frames:
        raise HearsimError(f"{path} is cut off: {found} of {header.frames} frames can be read; copy it anew")
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while data := file.read(1 << 20):
            digest.update(data)
    return Source(path, digest.hexdigest(), header.samplerate, header.channels, found, rate or header.samplerate)


def read(path: str | Path, rate: int | None = AID_RATE_HZ) -> Audio:
    """Read a music file as stereo float32 (2, frames), resampled to the aid's rate (`rate=None` keeps its own).

    Raises `HearsimError` as `open_source` does.
    """
    return open_source(path, rate).read()


@contextmanager
def open_wave(path: Path, rate: int, channels: int = 2) -> Iterator[soundfile.SoundFile]:
    """Yield a float32 WAV file to write to; it takes its name when whole, and vanishes on any error."""
    with (
        write_atomically(path) as part,
        soundfile.SoundFile(part, "w", rate, channels, "FLOAT", format="WAV") as file,
    ):
        yield file


def write(path: str | Path, audio: Audio) -> None:
    """Write audio (channels, frames) as a float32 WAV, whole or not at all."""
    with open_wave(Path(path), audio.rate, audio.channels) as file:
        file.write(audio.samples.T)
