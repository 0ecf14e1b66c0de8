"""Is an audio file whole? What its container promises of its length, against what is there.

libsndfile shortens a cut WAV, AIFF or AU to what it finds, and says so in its log only; an Ogg stream just ends.
"""

import re
from pathlib import Path
from typing import Protocol

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
