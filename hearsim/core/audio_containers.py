"""Containers of audio, byte by byte: chained streams, joined files, WAV without a size, bytes that a file lacks."""

import io
import mmap
import re
import struct
from collections.abc import Iterator
from itertools import takewhile
from pathlib import Path
from typing import IO, Any, BinaryIO, NamedTuple

Part = Path | bytes | tuple[Path, bytes]
"""An input that libsndfile reads as one file: a path, its bytes, or a path with other first bytes."""

STREAMED = {0xFFFFFFFF, 0x7FFFF000}
"""Sizes written by ffmpeg and SoX for a WAV of unknown length, as into a pipe."""

_FLAC_START = re.compile(rb"fLaC[\x00\x80]\x00\x00\x22")  # RFC 9639, section 8: STREAMINFO, 34 bytes
_UNEXPLAINED = 4096  # bytes after the last chunk: players leave tags and padding there, but no music
_OGG_PAGE_MOST = 27 + 255 + 255 * 255  # RFC 3533, section 6: header, segment table, segments


class _PatchedFile(io.RawIOBase):
    """A file whose first bytes are replaced by others of the same number."""

    def __init__(self, path: Path, head: bytes) -> None:
        self._file, self._head = path.open("rb"), head

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def readinto(self, buffer: Any) -> int:
        start = self._file.tell()
        size = self._file.readinto(buffer)
        patched = self._head[start : start + size]
        memoryview(buffer).cast("B")[: len(patched)] = patched
        return size

    def close(self) -> None:
        self._file.close()
        super().close()


def open_part(part: Part) -> Path | IO[bytes] | _PatchedFile:
    """Return a part as libsndfile takes it: a path, or an opened file."""
    if isinstance(part, bytes):
        return io.BytesIO(part)
    return _PatchedFile(*part) if isinstance(part, tuple) else part


def last_ogg_page_is_whole(path: Path) -> bool:
    """Whether an Ogg file ends where a page ends."""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - _OGG_PAGE_MOST))
        tail = file.read()
    start = tail.rfind(b"OggS\0")
    if start < 0 or len(tail) < start + 27:
        return False
    segments = tail[start + 27 : start + 27 + tail[start + 26]]
    return len(tail) >= start + 27 + tail[start + 26] + sum(segments)


def ogg_streams(path: Path) -> tuple[list[Part], str]:
    """Return the streams chained in an Ogg file (RFC 3533, section 4): libsndfile reads the first alone."""
    starts: list[int] = []
    began = False  # the page before opened a stream: streams side by side open together
    with path.open("rb") as file:
        at = 0
        while len(header := file.read(27)) == 27 and header[:5] == b"OggS\0":
            begins = bool(header[5] & 2)
            if begins and not began:
                starts.append(at)
            began = begins
            at += 27 + header[26] + sum(file.read(header[26]))
            file.seek(at)
    return _parts(path, starts, "Ogg streams")


def flac_streams(path: Path) -> tuple[list[Part], str]:
    """Return the streams of a file of joined FLACs: libsndfile reads the first alone."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        starts = [0, *(found.start() for found in _FLAC_START.finditer(data, 8))]
    return _parts(path, starts, "FLAC files")


def chunk_files(path: Path) -> tuple[list[Part], str]:
    """Return the files of joined WAVs or AIFFs (each a RIFF, RIFX or FORM chunk): libsndfile reads the first alone."""
    with path.open("rb") as file:
        magic = file.read(4)
        files = takewhile(lambda chunk: chunk.name == magic, _chunks(file, 0))
        starts = [chunk.start - 8 for chunk in files]
    return _parts(path, starts, "WAV files" if magic.startswith(b"RIF") else "AIFF files")


def _parts(path: Path, starts: list[int], kind: str) -> tuple[list[Part], str]:
    if len(starts) < 2:
        return [path], ""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        ends = (*starts[1:], len(data))
        parts: list[Part] = [data[start:end] for start, end in zip(starts, ends, strict=True)]
    return parts, f"holds {len(parts)} {kind} one after the other; all are read"


class _Chunk(NamedTuple):
    """A chunk of a RIFF, RIFX or FORM file: its name, where its body starts, its size, and where the next begins."""

    name: bytes
    start: int
    size: int
    end: int


def _byte_order(file: BinaryIO) -> str:
    file.seek(0)
    return "<" if file.read(4) == b"RIFF" else ">"


def _chunks(file: BinaryIO, at: int) -> Iterator[_Chunk]:
    """Yield the chunks from a place on, as long as their names are printable."""
    unpack = struct.Struct(f"{_byte_order(file)}4sI").unpack
    file.seek(at)
    while len(head := file.read(8)) == 8:
        name, size = unpack(head)
        if not (name.isascii() and name.decode("ascii").isprintable()):
            return
        start, at = at + 8, at + 8 + size
        if size % 2:  # padded, by most programs
            file.seek(at)
            at += not file.read(4).isalnum()
        yield _Chunk(name, start, size, at)
        file.seek(at)


def bytes_after_chunks(path: Path) -> tuple[int, int]:
    """Return the size of a WAV's data chunk, and the number of bytes after the last chunk."""
    with path.open("rb") as file:
        total = file.seek(0, io.SEEK_END)
        end, data = 12, 0
        for chunk in _chunks(file, 12):
            if data and chunk.start + chunk.size > total:
                break
            data = chunk.size if chunk.name == b"data" else data
            end = chunk.end
        file.seek(min(end, total))
        rest = file.read()
    return data, len(rest) if len(rest) > _UNEXPLAINED and any(rest) else 0


def wav_without_size(path: Path) -> tuple[Part, str] | None:
    """Return a WAV's file with the right sizes and a note, where its header holds no or too high a size of the data.

    The size is 0 where a program wrote into a pipe, or counts the header too. A WAV that lacks more data is
    truncated, and is not changed.
    """
    with path.open("rb") as file:
        total = file.seek(0, io.SEEK_END)
        order, align = _byte_order(file), 0
        for name, start, size, _ in _chunks(file, 12):
            if name == b"data":
                break
            if name == b"fmt " and size >= 14:
                file.seek(start + 12)
                align = int.from_bytes(file.read(2), "little" if order == "<" else "big")
        else:
            return None
        there = total - start
        if align == 0 or there <= 0 or total >= 2**32:
            return None
        file.seek(start)
        empty = size == 0 and file.read(4) not in (b"LIST", b"fact", b"id3 ", b"bext", b"JUNK")
        unsized = empty or size in STREAMED
        whole = there - there % align
        if not unsized and not (there < size <= there + start and whole == there):
            return None
        file.seek(0)
        head = bytearray(file.read(start))
    struct.pack_into(f"{order}I", head, 4, start - 8 + whole)
    struct.pack_into(f"{order}I", head, start - 4, whole)
    sizes = "no size of its data" if unsized else f"{size} bytes of data, {there} are there"
    return (path, bytes(head)), f"was streamed: its header tells {sizes}; all that is there is read"


def missing_bytes(path: Path, name: str) -> str:
    """Return a sentence on missing bytes of an AAC stream, a WMA or an MP4, by its stated sizes; "" for none."""
    total = path.stat().st_size
    with path.open("rb") as file:
        if name == "AAC":
            end = _end_of_adts(file.read())
        elif name == "WMA":
            end = _size_of_asf(file.read(1 << 16))
        elif name.startswith("MP4"):
            end = _end_of_boxes(file, total)
        else:
            return ""
    return f"{total} of {end} bytes are there" if end > total else ""


def _end_of_adts(data: bytes) -> int:
    """Return where the last frame of an AAC stream ends (ISO 13818-7, 6.2)."""
    at = 0
    while len(data) >= at + 7 and data[at] == 0xFF and data[at + 1] & 0xF6 == 0xF0:
        size = (data[at + 3] & 3) << 11 | data[at + 4] << 3 | data[at + 5] >> 5
        if size < 7:
            break
        at += size
    return at


def _size_of_asf(head: bytes) -> int:
    """Return the size in the file properties of a WMA (ASF specification, 3.2); 0 without one."""
    at = head.find(b"\xa1\xdc\xab\x8c\x47\xa9\xcf\x11\x8e\xe4\x00\xc0\x0c\x20\x53\x65")
    return int.from_bytes(head[at + 40 : at + 48], "little") if at >= 0 else 0


def _end_of_boxes(file: io.BufferedReader, total: int) -> int:
    """Return where the last box of an MP4 ends (ISO 14496-12, 4.2)."""
    at = 0
    while at < total:
        file.seek(at)
        head = file.read(16)
        size = int.from_bytes(head[:4], "big")
        if size == 1:
            size = int.from_bytes(head[8:16], "big")
        if size < 8:  # 0: to the end of the file
            break
        at += size
    return at
