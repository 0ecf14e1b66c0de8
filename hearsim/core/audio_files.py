"""Reading and writing audio files: whole (`read`, `write`) or streamed from disk to disk (`Source`, `open_wave`)."""

import hashlib
import os
import re
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import soundfile
import soxr

from hearsim.core.audio import Audio
from hearsim.core.errors import HearsimError, WriteError
from hearsim.core.files import write_atomically, writes
from hearsim.core.units import FloatArray

_SIZES = re.compile(r"^\s*(?:data|SSND|Data Size|riff|Riff size)\s*: (\d+) \(should be (\d+)\)", re.MULTILINE)
_STREAMED = {0xFFFFFFFF, 0x7FFFF000}  # what ffmpeg and SoX write where they can't know the size: into a pipe
_OGG_PAGE_MOST = 27 + 255 + 255 * 255  # RFC 3533, section 6: header, segment table, segments


class Header(Protocol):
    """What soundfile.info returns, as far as it tells a length."""

    format: str
    frames: int
    extra_info: str  # libsndfile's log


def shortfall(path: Path, header: Header, frames: int) -> str:
    """Return in words what an audio file lacks, "" for a whole one; `frames` of it could be decoded."""
    told = header.format != "MP3" or _mp3_tells_its_length(path)
    if told and frames < header.frames:
        return f"{frames} of {header.frames} frames can be read"
    if not told and frames == header.frames:  # libsndfile stops where it guessed that the end is
        return "it is an MP3 without a length in its header, which may go on"
    for size, there in ((int(a), int(b)) for a, b in _SIZES.findall(header.extra_info)):
        if there < size and size not in _STREAMED:
            return f"{there} of {size} bytes are there"
    if header.format == "OGG" and not _last_ogg_page_is_whole(path):
        return "its last page is not whole"
    return ""


def _mp3_tells_its_length(path: Path) -> bool:
    """Whether the first frame counts the others: a Xing, Info or VBRI header."""
    with path.open("rb") as file:
        tag = file.read(10)
        if tag[:3] == b"ID3":  # its size has seven bits a byte
            file.seek(10 + sum(byte << shift for byte, shift in zip(tag[6:], (21, 14, 7, 0), strict=True)))
        else:
            file.seek(0)
        frame = file.read(1024)
    return any(mark in frame for mark in (b"Xing", b"Info", b"VBRI"))


def _last_ogg_page_is_whole(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - _OGG_PAGE_MOST))
        tail = file.read()
    start = tail.rfind(b"OggS\0")
    if start < 0 or len(tail) < start + 27:
        return False
    segments = tail[start + 27 : start + 27 + tail[start + 26]]
    return len(tail) >= start + 27 + tail[start + 26] + sum(segments)


AID_RATE_HZ = 44100
"""The rate at which the aid runs; files of other rates are resampled (soxr, very high quality)."""

CHUNK = 1 << 16
_UNKNOWN_FRAMES = 2**63 - 1  # libsndfile's word for a length that a FLAC written into a pipe lacks; it can't read on
_ROUNDING = 16  # samples: more than any rounding of a resampled length
HIGHEST = 100.0
"""Full scale is 1; float files of good recordings reach a few times that. 40 dB over it, the samples are in other units
(whole numbers of 16 bits, say) or damaged."""


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

    @property
    def seconds(self) -> float:
        """Duration in seconds."""
        return self.file_frames / self.file_rate

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
        if left - waiting.shape[1] > _ROUNDING:
            raise HearsimError(f"{self.path} has changed while it was read: render it again")
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
    try:
        file = soundfile.SoundFile(path)
    except soundfile.LibsndfileError as error:
        raise _unreadable(path, error) from None
    with file:
        try:
            while len(samples := file.read(CHUNK, dtype="float32", always_2d=True)):
                yield samples
        except soundfile.LibsndfileError:  # its words are about its own insides
            why = f"{path} is damaged or cut off and its end can't be read: copy or export it anew"
            raise HearsimError(why) from None


def _unreadable(path: Path, error: soundfile.LibsndfileError) -> HearsimError:
    return HearsimError(f"{path} can't be read as audio ({error.error_string}): is it damaged, or not audio?")


def _stereo(samples: FloatArray) -> FloatArray:
    return np.repeat(samples, 2, axis=1) if samples.shape[1] == 1 else np.ascontiguousarray(samples)


def open_source(path: str | Path, rate: int | None = AID_RATE_HZ) -> Source:
    """Check an audio file from its first to its last sample and return it as a source at `rate` (None: its own).

    Raises `HearsimError` for a file that is missing, not audio, damaged, cut off, empty, not mono or stereo, or that
    holds samples that are no numbers or higher than 100 times full scale.
    """
    path = Path(path)
    if not os.path.exists(path):  # pathlib raises for some names that can't be
        raise HearsimError(f"{path}: there is no such file: check its name and folder")
    if not path.is_file():
        raise HearsimError(f"{path} is a {'folder' if path.is_dir() else 'device'}: give a music file")
    if path.suffix.lower() == ".raw":  # libsndfile goes by the name here
        raise HearsimError(f"{path} has no header to tell rate and channels: convert it to WAV or FLAC")
    try:
        header = soundfile.info(path)
    except soundfile.LibsndfileError as error:
        raise _unreadable(path, error) from None
    if header.channels > 2:
        raise HearsimError(f"{path} has {header.channels} channels: fold it down to stereo first")
    if not 8000 <= header.samplerate <= 384000:
        raise HearsimError(f"{path} is sampled at {header.samplerate} Hz: hearsim takes 8000 to 384000")
    if header.frames == _UNKNOWN_FRAMES:
        raise HearsimError(f"{path} was streamed and does not tell its length: convert it from file to file")
    found = 0
    for samples in _chunks(path):
        _check(path, samples, found, header.samplerate)
        found += len(samples)
    if lack := shortfall(path, header, found):
        raise HearsimError(f"{path} is cut off ({lack}): copy or export it anew")
    if found == 0:
        raise HearsimError(f"{path} holds no sound (0 frames): choose another file")
    return Source(path, sha256_of(path), header.samplerate, header.channels, found, rate or header.samplerate)


def _check(path: Path, samples: FloatArray, start: int, rate: int) -> None:
    """Refuse samples (frames, channels) that are no numbers or out of all scale; `start` is the first one's place."""
    peaks = np.abs(samples).max(axis=1)
    good = peaks <= HIGHEST  # false for NaN too
    if good.all():
        return
    first = int(np.argmin(good))
    second = f"the first at {(start + first) / rate:.3f} s"
    if np.isfinite(peaks[first]):
        raise HearsimError(
            f"{path} holds samples over {HIGHEST:g} times full scale, {second} ({peaks[first]:.3g}): export it anew, "
            "scaled to -1 .. 1"
        )
    raise HearsimError(f"{path} holds NaN or infinite samples, {second}: export it anew")


def sha256_of(path: Path) -> str:
    """Return the checksum of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read(path: str | Path, rate: int | None = AID_RATE_HZ) -> Audio:
    """Read a music file as stereo float32 (2, frames), resampled to the aid's rate (`rate=None` keeps its own).

    Raises `HearsimError` as `open_source` does.
    """
    return open_source(path, rate).read()


class WaveWriter:
    """A float32 WAV file that is being written into `part`; raises `WriteError`, which names it `path`."""

    def __init__(self, path: Path, part: Path, rate: int, channels: int) -> None:
        self._path = path
        with writes(path):
            part.touch()  # the system's own words, where libsndfile has only "System error"
        with self._said():
            self._file = soundfile.SoundFile(part, "w", rate, channels, "FLOAT", format="WAV")

    def write(self, samples: FloatArray) -> None:
        """Append samples (channels, frames)."""
        with self._said():
            self._file.write(samples.T)

    def close(self) -> None:
        """Write what is still held back, and the length."""
        with self._said():
            self._file.close()

    @contextmanager
    def _said(self) -> Iterator[None]:
        try:
            yield
        except soundfile.LibsndfileError as error:
            raise WriteError(self._path, f"{error.error_string.rstrip('.')}; is the disk full?") from error


@contextmanager
def open_wave(path: Path, rate: int, channels: int = 2) -> Iterator[WaveWriter]:
    """Yield a float32 WAV file to write to; it takes its name when whole, and vanishes on any error."""
    with write_atomically(path) as part, closing(WaveWriter(path, part, rate, channels)) as file:
        yield file


def write(path: str | Path, audio: Audio) -> None:
    """Write audio (channels, frames) as a float32 WAV, whole or not at all."""
    with open_wave(Path(path), audio.rate, audio.channels) as file:
        file.write(audio.samples)
