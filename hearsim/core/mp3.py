"""The frames of an MP3, counted: libsndfile trusts the first header, and stops at the length that it states."""

import struct
from dataclasses import dataclass
from pathlib import Path

# ISO 11172-3 and 13818-3, layer III: kbit/s by index; Hz of MPEG 1, halved for MPEG 2, quartered for 2.5
_KBITS = {
    3: (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    2: (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_RATES = {3: (44100, 48000, 32000), 2: (22050, 24000, 16000), 0: (11025, 12000, 8000)}
_DECODER_DELAY = 529  # samples that a decoder adds, as LAME's tag counts them
_TAG_KBITS_INDEX = 9  # of the inserted first frame: at 72 to 144 bytes a kilosample it holds a Xing header


@dataclass(frozen=True)
class Mp3:
    """The result of a scan: repaired bytes (empty: not needed), a note, and a sentence on missing parts."""

    rebuilt: bytes = b""
    note: str = ""
    lack: str = ""


@dataclass(frozen=True)
class _Frame:
    start: int
    size: int
    version: int  # 3: MPEG 1, 2: MPEG 2, 0: MPEG 2.5
    rate: int
    mono: bool
    side: int  # where the side information ends, and with it a Xing header begins


def _frame(data: bytes, at: int) -> _Frame | None:
    if len(data) < at + 4 or data[at] != 0xFF or data[at + 1] & 0xE6 != 0xE2:
        return None
    version, index, hz = data[at + 1] >> 3 & 3, data[at + 2] >> 4, data[at + 2] >> 2 & 3
    if version == 1 or index in (0, 15) or hz == 3:
        return None
    rate, mono = _RATES[version][hz], data[at + 3] >> 6 == 3
    bits = _KBITS[3 if version == 3 else 2][index] * 1000
    size = (144 if version == 3 else 72) * bits // rate + (data[at + 2] >> 1 & 1)
    side = ((17 if mono else 32) if version == 3 else (9 if mono else 17)) + 4 + (0 if data[at + 1] & 1 else 2)
    return _Frame(at, size, version, rate, mono, side)


def _after_tag(data: bytes, at: int) -> int:
    """Return the end of a tag (ID3, APE) that begins at `at`; `at` without a tag."""
    if data[at : at + 3] == b"ID3" and len(data) >= at + 10:  # its size has seven bits a byte
        size = sum(byte << shift for byte, shift in zip(data[at + 6 : at + 10], (21, 14, 7, 0), strict=True))
        return at + 10 + size + (10 if data[at + 5] & 0x10 else 0)
    if data[at : at + 3] == b"TAG":
        return at + 128
    if data[at : at + 8] == b"APETAGEX" and len(data) >= at + 16:
        return at + int.from_bytes(data[at + 12 : at + 16], "little") + 32
    return at


def _frames(data: bytes) -> list[_Frame]:
    frames: list[_Frame] = []
    at = 0
    while at < len(data):
        frame = _frame(data, at)
        if frame is not None and (
            at + frame.size >= len(data)
            or _frame(data, at + frame.size) is not None
            or _after_tag(data, at + frame.size) > at + frame.size
        ):
            frames.append(frame)
            at += frame.size
        elif (after := _after_tag(data, at)) > at:
            at = after
        else:
            at = next((i for i in range(at + 1, len(data)) if data[i] == 0xFF or data[i : i + 3] == b"ID3"), len(data))
    return frames


def _counted_frames(data: bytes, frame: _Frame) -> int | None:
    """Return how many frames a Xing, Info or VBRI header counts; None for a frame of sound."""
    at = frame.start + frame.side
    if data[at : at + 4] in (b"Xing", b"Info"):
        return int.from_bytes(data[at + 8 : at + 12], "big") if data[at + 7] & 1 else 0
    at = frame.start + 36
    if data[at : at + 4] == b"VBRI":
        return int.from_bytes(data[at + 14 : at + 18], "big")
    return None


def scan_mp3(path: Path) -> Mp3 | None:
    """Count the frames of an MP3 and compare with its headers; None without a frame that can be counted.

    Several MP3s one after the other, and one without a header that counts, are rebuilt under one header that counts
    them all.
    """
    data = path.read_bytes()
    frames = _frames(data)
    if not frames:
        return None
    heads = {frame.start: count for frame in frames if (count := _counted_frames(data, frame)) is not None}
    sound = [frame for frame in frames if frame.start not in heads]
    if not sound:
        return None
    if lack := _lack(len(data), sound, heads):
        return Mp3(lack=lack)
    if len(heads) == 1 and frames[0].start in heads and sum(heads.values()) >= len(sound) - 1:
        return Mp3()
    body = b"".join(data[frame.start : frame.start + frame.size] for frame in sound)
    note = f"holds {len(heads)} MP3s one after the other; all are read" if len(heads) > 1 else ""
    if heads and not note:
        note = "goes on after the end that its header tells; all of it is read"
    first = frames[0]
    if first.start in heads and data[first.start + first.side :][:4] in (b"Xing", b"Info"):
        head = _with_count(data[first.start : first.start + first.size], first.side, len(sound), len(body))
    else:
        head = _header(data[first.start : first.start + 4], len(sound))
    return Mp3(head + body, note)


def _lack(total: int, sound: list[_Frame], heads: dict[int, int]) -> str:
    """Return a sentence on missing parts of an MP3 of `total` bytes, "" for none; `heads`: frames by its headers."""
    last, counted = sound[-1], sum(heads.values())
    if last.start + last.size > total:
        return f"{total - last.start} of {last.size} bytes of its last frame are there"
    if counted > len(sound) + len(heads):  # some encoders count the header too
        return f"{len(sound)} of {counted} MPEG frames are there"
    if len({(frame.version, frame.rate, frame.mono) for frame in sound}) > 1:
        return "its parts, one after the other, differ in rate or channels: the first alone could be read"
    return ""


def _with_count(frame: bytes, at: int, frames: int, size: int) -> bytes:
    """Return a frame with a Xing header that counts other `frames` and trims nothing at their end."""
    head = bytearray(frame)
    flags, place = head[at + 7], at + 8
    for bit, length, value in ((1, 4, frames), (2, 4, size + len(frame)), (4, 100, None), (8, 4, None)):
        if flags & bit:
            if value is not None:
                struct.pack_into(">I", head, place, value)
            place += length
    if len(head) >= place + 24:  # LAME's tag: 12 bits of delay, 12 of padding
        head[place + 22] = head[place + 22] & 0xF0 | _DECODER_DELAY >> 8
        head[place + 23] = _DECODER_DELAY & 0xFF
    return bytes(head)


def _header(four: bytes, frames: int) -> bytes:
    """Return a silent frame like one that begins with `four` bytes, with a Xing header that counts `frames`."""
    start = bytes((four[0], four[1] | 1, _TAG_KBITS_INDEX << 4 | four[2] & 0x0C, four[3]))
    frame = _frame(start, 0)
    assert frame is not None
    head = bytearray(frame.size)
    head[:4] = start
    struct.pack_into(">4sII", head, frame.side, b"Xing", 1, frames)
    return bytes(head)
