"""Reading and writing audio files: whole (`read`, `write`) or streamed from disk to disk (`Source`, `open_wave`)."""

import hashlib
import os
import warnings
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import soxr

from hearsim.core.arguments import check_count, check_kind
from hearsim.core.audio import Audio
from hearsim.core.audio_formats import CHUNK, open_decoder
from hearsim.core.errors import HearsimError, HearsimWarning, WriteError
from hearsim.core.files import write_atomically, writes
from hearsim.core.units import FloatArray

AID_RATE_HZ = 44100
"""The rate at which the aid runs; files of other rates are resampled (soxr, very high quality)."""

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
        remaining = self.frames
        for chunk in self._resampled():
            chunk = chunk[:, : remaining - waiting.shape[1]]  # noqa: PLW2901
            waiting = np.concatenate((waiting, chunk), axis=1)
            complete = waiting.shape[1] // size * size
            for start in range(0, complete, size):
                yield waiting[:, start : start + size]
            waiting, remaining = waiting[:, complete:], remaining - complete
        if remaining - waiting.shape[1] > _ROUNDING:
            raise HearsimError(f"{self.path} has changed while it was read: render it again")
        while remaining > 0:  # the rest, and rounding of the length
            block = np.zeros((2, size), np.float32)
            block[:, : waiting.shape[1]] = waiting
            yield block
            waiting, remaining = waiting[:, :0], remaining - size

    def _resampled(self) -> Iterator[FloatArray]:
        chunks = open_decoder(self.path).chunks()
        if self.file_rate == self.rate:
            for samples in chunks:
                yield _stereo(samples).T
            return
        stream = soxr.ResampleStream(self.file_rate, self.rate, 2, dtype="float32", quality="VHQ")
        for samples in chunks:
            yield stream.resample_chunk(_stereo(samples)).T
        yield stream.resample_chunk(np.zeros((0, 2), np.float32), last=True).T

    def read(self, first: int = 0, last: int | None = None) -> Audio:
        """Return the file as stereo at `rate`, from sample `first` to `last` or the end; it is decoded no further."""
        last = self.frames if last is None else min(last, self.frames)
        pieces, start = [], 0
        for block in self.blocks(CHUNK):
            pieces.append(block[:, max(0, first - start) : max(0, last - start)])
            start += CHUNK
            if start >= last:
                break
        return Audio(np.ascontiguousarray(np.concatenate(pieces, axis=1)), self.rate)


def _stereo(samples: FloatArray) -> FloatArray:
    return np.repeat(samples, 2, axis=1) if samples.shape[1] == 1 else np.ascontiguousarray(samples)


def check_is_file(path: Path) -> None:
    """Raise `HearsimError` for a path that leads to no file, or to one whose format has no header."""
    if not os.path.exists(path):  # pathlib raises for some invalid names
        raise HearsimError(f"{path}: there is no such file: check its name and folder")
    if not path.is_file():
        raise HearsimError(f"{path} is a {'folder' if path.is_dir() else 'device'}: give a music file")
    if path.suffix.lower() == ".raw":  # libsndfile decides by the suffix here
        raise HearsimError(f"{path} has no header to tell rate and channels: convert it to WAV or FLAC")


def open_source(path: str | Path, rate: int | None = AID_RATE_HZ) -> Source:
    """Check an audio file from its first to its last sample and return it as a source at `rate` (None: its own).

    Raises `HearsimError` for a file that is missing, not audio, damaged, cut off, empty, not mono or stereo, or that
    has NaN, infinite samples, or samples higher than 100 times full scale.
    """
    path = Path(path)
    check_is_file(path)
    decoder = open_decoder(path)
    if decoder.channels > 2:
        raise HearsimError(f"{path} has {decoder.channels} channels: fold it down to stereo first")
    if not 8000 <= decoder.rate <= 384000:
        raise HearsimError(f"{path} is sampled at {decoder.rate} Hz: hearsim takes 8000 to 384000")
    frames = 0
    for samples in decoder.chunks():
        _check(path, samples, frames, decoder.rate)
        frames += len(samples)
    if lack := decoder.shortfall(frames):
        raise HearsimError(f"{path} is cut off or damaged ({lack}): copy or export it anew")
    if frames == 0:
        raise HearsimError(f"{path} holds no sound (0 frames): choose another file")
    if decoder.note:
        warnings.warn(f"{path} {decoder.note}", HearsimWarning, stacklevel=2)
    return Source(path, sha256_of(path), decoder.rate, decoder.channels, frames, rate or decoder.rate)


def _check(path: Path, samples: FloatArray, start: int, rate: int) -> None:
    """Refuse samples (frames, channels) that are NaN, infinite or far over full scale; the first is number `start`."""
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
    """Read a music file.

    Parameters
    ----------
    path : str or Path
        WAV, FLAC, AIFF, Ogg, MP3 and others that libsndfile reads, mono or stereo.
    rate : int
        The rate in Hz to resample to (soxr, very high quality). Default: the aid's; None keeps the file's own.

    Returns
    -------
    Audio
        Stereo samples (2, frames) in full scale; a mono file is in both channels.

    Raises
    ------
    HearsimError
        For a file that is missing, no audio, damaged, cut off, empty, of more than two channels, or with NaN,
        infinite samples, or samples higher than 100 times full scale.

    Examples
    --------
    >>> read("no-such-song.flac")
    Traceback (most recent call last):
    hearsim.core.errors.HearsimError: no-such-song.flac: there is no such file: check its name and folder
    """
    if rate is not None:
        check_count("read: rate", rate)
    check_kind("read takes a path", path, (str, os.PathLike), "give the name of a music file")
    return open_source(path, rate).read()


_SET_ADD_PEAK_CHUNK = 0x1050  # SFC_SET_ADD_PEAK_CHUNK of libsndfile's sf_command, which soundfile has no name for


class WaveWriter:
    """An audio file (a float32 WAV) that is being written into `part`; raises `WriteError`, with its name `path`."""

    def __init__(
        self, path: Path, part: Path, rate: int, channels: int, form: str = "WAV", subtype: str = "FLOAT"
    ) -> None:
        self._path = path
        with writes(path):
            part.touch()  # for the system's reason, where libsndfile has only "System error"
        with self._naming_errors():
            self._file = soundfile.SoundFile(part, "w", rate, channels, subtype, format=form)
        no_peak = (_SET_ADD_PEAK_CHUNK, soundfile._ffi.NULL, 0)  # it would hold the time: equal sounds, other files
        soundfile._snd.sf_command(self._file._file, *no_peak)

    def write(self, samples: FloatArray) -> None:
        """Append samples (channels, frames)."""
        with self._naming_errors():
            self._file.write(samples.T)

    def close(self) -> None:
        """Write buffered samples, and the length."""
        with self._naming_errors():
            self._file.close()

    @contextmanager
    def _naming_errors(self) -> Iterator[None]:
        try:
            yield
        except soundfile.LibsndfileError as error:
            raise WriteError(self._path, f"{error.error_string.rstrip('.')}; is the disk full?") from error


@contextmanager
def open_wave(path: Path, rate: int, channels: int = 2) -> Iterator[WaveWriter]:
    """Yield a float32 WAV file to write to; it gets its name at the end, and is deleted on any error."""
    with open_audio(path, rate, channels, "WAV", "FLOAT") as file:
        yield file


@contextmanager
def open_audio(path: Path, rate: int, channels: int, form: str, subtype: str) -> Iterator[WaveWriter]:
    """Yield an audio file of one of libsndfile's formats, as `open_wave` does."""
    if not soundfile.check_format(form, subtype):
        raise HearsimError(f"{path}: this libsndfile can't write {form}: write .wav")
    with write_atomically(path) as part, closing(WaveWriter(path, part, rate, channels, form, subtype)) as file:
        yield file


WRITTEN = {  # suffix -> libsndfile's format and subtype
    ".wav": ("WAV", "FLOAT"),
    ".flac": ("FLAC", "PCM_24"),
    ".aiff": ("AIFF", "FLOAT"),
    ".aif": ("AIFF", "FLOAT"),
    ".ogg": ("OGG", "VORBIS"),
    ".mp3": ("MP3", "MPEG_LAYER_III"),
}


def write(path: str | Path, audio: Audio) -> None:
    """Write audio (channels, frames) in the format of the path's suffix, whole or not at all.

    Parameters
    ----------
    path : str or Path
        The file. .wav and .aiff hold float32, .flac 24 bits; .ogg (Vorbis) and .mp3 lose some sound.
    audio : Audio
        Samples (channels, frames) in full scale.

    Raises
    ------
    HearsimError
        For any other suffix, for samples over full scale where the format would clip them, for a rate that the format
        doesn't know, and (`WriteError`) where the file can't be written.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write(f"{folder}/silence.flac", Audio(np.zeros((2, 44100), np.float32), 44100))
    ...     read(f"{folder}/silence.flac")
    <Audio: 2 channels, 1.000 s at 44100 Hz>
    """
    check_kind("write takes a path first", path, (str, os.PathLike), "give write(path, audio)")
    path = Path(path)
    check_kind(f"{path}: write takes an Audio", audio, Audio, "make one with Audio.from_array(array, rate)")
    if audio.samples.ndim != 2:
        raise HearsimError(f"{path}: these are {len(audio.samples)} stems: write each to a file of its own")
    suffix = path.suffix.lower()
    if suffix not in WRITTEN:
        raise HearsimError(f"{path} has no suffix of a format that can be written: give {', '.join(WRITTEN)}")
    form, subtype = WRITTEN[suffix]
    if subtype != "FLOAT" and (peak := float(np.abs(audio.samples).max(initial=0.0))) > 1.0:
        raise HearsimError(f"{path} would be clipped: the sound reaches {peak:.3g}, {suffix} holds 1: write .wav")
    with open_audio(path, audio.rate, audio.channels, form, subtype) as file:
        file.write(audio.samples)
