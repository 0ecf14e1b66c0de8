"""Decoding audio files whole: the format by its first bytes, joined and streamed files repaired, the length checked.

libsndfile decodes most formats; a file that it would read in part only (several Ogg streams or MP3s one after the
other, a WAV whose header has no size) is rearranged so that it reads all of it. Other formats are decoded by PyAV, from
`hearsim[formats]`. The length that a container states must agree with the decoded length.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import soundfile

from hearsim.core.audio_containers import (
    STREAMED,
    Part,
    bytes_after_chunks,
    chunk_files,
    flac_streams,
    last_ogg_page_is_whole,
    missing_bytes,
    ogg_streams,
    open_part,
    wav_without_size,
)
from hearsim.core.errors import HearsimError
from hearsim.core.mp3 import Mp3, scan_mp3
from hearsim.core.units import FloatArray

CHUNK = 1 << 16
"""Frames decoded at a time."""

NOT_SOUND = {  # first bytes -> format
    b"%PDF": "a PDF",
    b"PK\x03\x04": "a ZIP archive",
    b"\x1f\x8b": "a gzip archive",
    b"Rar!": "a RAR archive",
    b"7z\xbc\xaf": "a 7-Zip archive",
    b"\x89PNG": "a PNG image",
    b"\xff\xd8\xff": "a JPEG image",
    b"GIF8": "a GIF image",
    b"MThd": "a MIDI file (notes)",
    b"\x93NUMPY": "a NumPy array",
    b"version https://git-lfs": "a Git LFS pointer, whose content has yet to be fetched",
}
BY_PYAV = {
    b"0&\xb2u\x8ef\xcf\x11": "WMA",
    b"\x1aE\xdf\xa3": "WebM or Matroska",
    b"wvpk": "WavPack",
    b"MAC ": "Monkey's Audio",
    b"TTA1": "True Audio",
    b"DSD ": "DSF",
    b"#!AMR": "AMR",
    b"\x0bw": "AC-3",
}
SUFFIXES = (
    ".wav", ".flac", ".aiff", ".aif", ".ogg", ".oga", ".opus", ".mp3", ".w64", ".rf64", ".caf", ".au",
    ".m4a", ".mp4", ".aac", ".wma", ".webm", ".mka", ".wv", ".ape", ".tta", ".dsf", ".amr", ".ac3",
)  # fmt: skip
"""Suffixes of files that `open_decoder` reads, the second line by PyAV."""

_SIZES = re.compile(r"^\s*(?:data|SSND|Data Size|riff|Riff size)\s*: (\d+) \(should be (\d+)\)", re.MULTILINE)
_UNKNOWN_FRAMES = (
    2**63 - 1
)  # libsndfile's value for the missing length of a FLAC written into a pipe; it can't read such a file
_ROUNDING_S, _PRIMING_S = 0.05, 0.1  # of stated durations; an MP4 includes AAC's priming at both ends


class Decoder(Protocol):
    """An audio file, opened: its rate in Hz, its channels, and a sentence on repairs ("" without any)."""

    rate: int
    channels: int
    note: str

    def chunks(self) -> Iterator[FloatArray]:
        """Yield all samples (frames, channels), up to `CHUNK` frames at a time."""

    def shortfall(self, decoded: int) -> str:
        """Return a sentence on the missing part of a file that gave `decoded` frames, "" for a whole file."""


def open_decoder(path: Path) -> Decoder:
    """Return the decoder of an audio file.

    Raises `HearsimError` for a file that is not audio, damaged at its beginning, in a format that no installed
    package reads, or made of parts that differ in rate or channels.
    """
    try:
        with path.open("rb") as file:
            head = file.read(4096)
    except OSError as error:
        raise HearsimError(f"{path} can't be read as audio ({error.strerror}): check its name and folder") from None
    if kind := _not_sound(head):
        raise HearsimError(f"{path} can't be read as audio: it is {kind}, not sound: give a music file")
    if name := _format_of_pyav(head):
        return _AvDecoder(path, name)
    mp3 = None
    parts: list[Part] = [path]
    note = ""
    if head[:4] == b"OggS":
        parts, note = ogg_streams(path)
    elif head[:4] == b"fLaC":
        parts, note = flac_streams(path)
    elif head[:4] in (b"RIFF", b"RIFX") and (repaired := wav_without_size(path)):
        parts, note = [repaired[0]], repaired[1]
    elif head[:4] in (b"RIFF", b"RIFX", b"FORM"):
        parts, note = chunk_files(path)
    elif head[:3] == b"ID3" or (head[:1] == b"\xff" and len(head) > 1 and head[1] & 0xE6 == 0xE2):  # MPEG layer III
        mp3 = scan_mp3(path)
        if mp3 is not None and mp3.rebuilt:
            parts, note = [mp3.rebuilt], mp3.note
    return _SndfileDecoder(path, parts, note, mp3)


def _not_sound(head: bytes) -> str:
    """Return the format of a file that holds no sound, by its first bytes; "" where it may be audio."""
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if text[:9].lower() == b"<!doctype" or text[:5].lower() == b"<html":
        return "an HTML page"
    if text[:5] == b"<?xml":
        return "an XML file"
    for start, kind in NOT_SOUND.items():
        if head.startswith(start):
            return kind
    if len(head) and not any(byte < 9 for byte in head):
        try:
            head[: -4 if len(head) == 4096 else None].decode("utf-8")  # a character may be cut in two
        except UnicodeDecodeError:
            return ""
        return "a text"
    return ""


def _format_of_pyav(head: bytes) -> str:
    if head[4:8] == b"ftyp":
        return "MP4 (m4a: AAC or ALAC)"
    if len(head) > 1 and head[0] == 0xFF and head[1] & 0xF6 == 0xF0:  # ISO 13818-7: ADTS, layer 0
        return "AAC"
    return next((name for start, name in BY_PYAV.items() if head.startswith(start)), "")


class _SndfileDecoder:
    """A decoder for files that libsndfile reads, in one part or in several, one after the other."""

    def __init__(self, path: Path, parts: list[Part], note: str, mp3: Mp3 | None) -> None:
        self._path, self._parts, self.note, self._mp3 = path, parts, note, mp3
        try:
            self._headers = [soundfile.info(open_part(part)) for part in parts]
        except soundfile.LibsndfileError as error:
            raise _unreadable(path, error) from None
        shapes = {(header.samplerate, header.channels) for header in self._headers}
        if len(shapes) > 1:
            raise HearsimError(
                f"{path} holds {len(parts)} streams one after the other that differ in rate or channels: cut it apart"
            )
        if any(header.frames == _UNKNOWN_FRAMES for header in self._headers):
            raise HearsimError(f"{path} was streamed and does not tell its length: convert it from file to file")
        self.rate, self.channels = shapes.pop()

    def chunks(self) -> Iterator[FloatArray]:
        for part in self._parts:
            try:
                file = soundfile.SoundFile(open_part(part))
            except soundfile.LibsndfileError as error:
                raise _unreadable(self._path, error) from None
            with file:
                try:
                    while len(samples := file.read(CHUNK, dtype="float32", always_2d=True)):
                        yield samples
                except soundfile.LibsndfileError:  # its message is about its internals
                    raise HearsimError(
                        f"{self._path} is damaged or cut off and its end can't be read: copy or export it anew"
                    ) from None

    def shortfall(self, decoded: int) -> str:
        if self._mp3 is not None and self._mp3.lack:
            return self._mp3.lack
        frames = sum(header.frames for header in self._headers)
        if decoded < frames:
            return f"{decoded} of {frames} frames can be read"
        if self._headers[0].format == "MP3" and self._mp3 is None and not _tells_its_length(self._path):
            return "it is an MP3 without a length in its header, which may go on"
        for size, there in ((int(a), int(b)) for h in self._headers for a, b in _SIZES.findall(h.extra_info)):
            if there < size and size not in STREAMED:
                return f"{there} of {size} bytes are there"
        return self._end_lacks()

    def _end_lacks(self) -> str:
        if self._parts == [self._path] and self._headers[0].format in ("WAV", "WAVEX"):
            size, more = bytes_after_chunks(self._path)
            return (
                f"its header tells {size} bytes of sound, and {more} bytes follow that it does not name" if more else ""
            )
        if self._headers[-1].format == "OGG" and not last_ogg_page_is_whole(self._path):
            return "its last page is not whole"
        return ""


def _unreadable(path: Path, error: soundfile.LibsndfileError) -> HearsimError:
    if path.exists() and path.stat().st_size == 0:
        return HearsimError(f"{path} can't be read as audio: it is empty (0 bytes): choose another file")
    return HearsimError(f"{path} can't be read as audio ({error.error_string}): is it damaged, or not audio?")


def _tells_its_length(path: Path) -> bool:
    """Whether the first frame of an MP3 that could not be scanned counts the others: a Xing, Info or VBRI header."""
    with path.open("rb") as file:
        return any(mark in file.read(1 << 16) for mark in (b"Xing", b"Info", b"VBRI"))


class _AvDecoder:
    """A decoder for files that PyAV (FFmpeg) reads, if it is installed."""

    note = ""

    def __init__(self, path: Path, name: str) -> None:
        try:
            import av
        except ImportError:
            raise HearsimError(
                f"{path} is {name}, which needs a package: pip install 'hearsim[formats]', or convert it to WAV or FLAC"
            ) from None
        self._av, self._path, self._name = av, path, name
        with self._container() as container:
            if not container.streams.audio:
                raise HearsimError(f"{path} is {name} and holds no sound: give a music file")
            stream = container.streams.audio[0]
            first = next(container.decode(stream), None)
            if first is None:
                raise HearsimError(f"{path} is {name} and is cut off or holds no sound (0 frames): choose another file")
            self.rate, self.channels = int(first.sample_rate), len(first.layout.channels)
            self._seconds = 0.0
            if stream.duration is not None and stream.time_base is not None:
                self._seconds = float(stream.duration * stream.time_base)
            elif container.duration is not None:
                self._seconds = container.duration / av.time_base

    @contextmanager
    def _container(self) -> Iterator[Any]:
        """Yield the opened file; FFmpeg's errors become a sentence."""
        try:
            with self._path.open("rb") as file, self._av.open(file) as container:  # a name may look like a protocol
                yield container
        except self._av.error.FFmpegError as error:
            raise HearsimError(
                f"{self._path} can't be read as audio ({self._name}; {error.strerror}): it is damaged or cut off: "
                "copy or export it anew"
            ) from None

    def chunks(self) -> Iterator[FloatArray]:
        with self._container() as container:
            planes = self._av.AudioResampler(format="fltp")
            for frame in container.decode(container.streams.audio[0]):
                frame.pts = None
                for part in planes.resample(frame):
                    yield np.ascontiguousarray(part.to_ndarray().T, np.float32)

    def shortfall(self, decoded: int) -> str:
        if lack := missing_bytes(self._path, self._name):
            return lack
        seconds = decoded / self.rate
        tolerance = _PRIMING_S if self._name.startswith("MP4") else _ROUNDING_S
        if self._name != "AAC" and seconds < self._seconds - tolerance:  # ADTS tells no duration
            return f"{seconds:.2f} of {self._seconds:.2f} s can be read"
        return ""
