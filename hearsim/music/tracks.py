"""Tracks with stems, of any layout that `readers.py` knows, decoded once into memory-mapped int16.

What can't be used is reported (which, why) and left out: a file that can't be decoded, a track without any stem. A
silent file is a stem that the track lacks.
"""

import hashlib
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile
import soxr

from hearsim.core.errors import HearsimError
from hearsim.core.files import write_atomically
from hearsim.core.units import FloatArray
from hearsim.music.datasets import Part, Skipped, Source, find_sources

SILENT_PEAK = 1e-3
"""A stem whose peak stays under -60 dBFS is not there."""

Pcm = npt.NDArray[np.int16]


@dataclass(frozen=True)
class Track:
    """One track: its name, its length, and the stems it has as memory-mapped int16 (frames, channels)."""

    name: str
    frames: int
    stems: dict[str, Pcm]

    def fits(self, patterns: Iterable[str]) -> bool:
        """Tell whether its name fits one of the patterns (as of file names: `r0*`)."""
        return _fits(self.name, patterns)

    def read(self, stem: str, start: int, frames: int) -> FloatArray:
        """Return (channels, frames) of a stem, zeros where the track lacks it or has ended."""
        out = np.zeros((2, frames), np.float32)
        if stem in self.stems:
            piece = self.stems[stem][start : start + frames]
            np.multiply(piece.T, np.float32(1 / 32768), out=out[:, : len(piece)])
        return out


def _fits(name: str, patterns: Iterable[str]) -> bool:
    return any(fnmatch(name, pattern) for pattern in patterns)


def _say(line: str) -> None:
    print(line, file=sys.stderr)


def read_tracks(
    root: Path,
    cache: Path,
    rate: int = 44100,
    say: Callable[[str], None] = _say,
    load: bool = False,
    patterns: tuple[str, ...] = ("*",),
) -> list[Track]:
    """Return the tracks under a folder whose names fit a pattern, their stems decoded into `cache` at a rate in Hz.

    With `load` they are read into memory, else the files of the cache are mapped.
    `say` is told what is left out, and why, a line each, and how many files are silent. Raises `HearsimError` where
    no track can be used, where none fits one of the patterns, and where the cache can't be written.
    """
    try:
        cache.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise HearsimError(f"the cache {cache} can't be made ({error.strerror}): give another in the spec") from None
    tracks: list[Track] = []
    skipped: list[Skipped] = []
    silent: list[Path] = []
    for source in _fitting(root, patterns):
        if isinstance(source, Skipped):
            skipped.append(source)
            continue
        stems: dict[str, Pcm] = {}
        for stem, parts in source.stems.items():
            samples = _stem(parts, rate, cache, load)
            if isinstance(samples, Skipped):
                skipped.append(samples)
            elif samples is None:
                silent.append(parts[0].path)
            else:
                stems[stem] = samples
        if stems:
            tracks.append(Track(source.name, max(map(len, stems.values())), stems))
    for found in skipped:
        say(f"left out: {found.path}: {found.why}")
    if silent:
        say(f"{len(silent)} silent files are stems that their tracks lack: {_names(silent, root)}")
    if not tracks:
        first = f"{skipped[0].path}: {skipped[0].why}" if skipped else f"{silent[0]} is silent"
        raise HearsimError(f"{root} holds no track that can be used: {len(skipped) + len(silent)} are not, {first}")
    return tracks


def _fitting(root: Path, patterns: tuple[str, ...]) -> list[Source | Skipped]:
    """Return the sources whose names fit a pattern, and what was left out before there were names."""
    found = find_sources(root)
    names = [source.name for source in found if isinstance(source, Source)]
    for pattern in patterns:
        if names and not any(_fits(name, [pattern]) for name in names):
            raise HearsimError(f"{root} holds no track that fits {pattern!r}: it has {names[0]} and so on")
    return [source for source in found if isinstance(source, Skipped) or _fits(source.name, patterns)]


def _names(paths: list[Path], root: Path) -> str:
    shown = ", ".join(str(path.relative_to(root)) for path in paths[:3])
    return shown if len(paths) <= 3 else f"{shown}, ..."


def _key(part: Part, rate: int) -> str:
    stat = part.path.stat()
    stream = "" if part.stream is None else f" stream {part.stream}"
    return f"{part.path.resolve()} {stat.st_size} {stat.st_mtime_ns} {rate}{stream}"


def _stem(parts: tuple[Part, ...], rate: int, cache: Path, load: bool) -> Pcm | Skipped | None:
    """Return a stem's samples from the cache, decoding it first where needed; None where it is silent."""
    missing = next((part.path for part in parts if not part.path.is_file()), None)
    if missing is not None:
        return Skipped(missing, "it does not exist")
    key = hashlib.sha256(" + ".join(_key(part, rate) for part in parts).encode()).hexdigest()[:24]
    cached, silent = cache / f"{key}.npy", cache / f"{key}.silent"
    if silent.exists():
        return None
    if not cached.exists():
        total = np.zeros((0, 2), np.float32)
        for part in parts:
            decoded = _decode(part, rate)
            if isinstance(decoded, Skipped):
                return decoded
            longer, shorter = (total, decoded) if len(total) >= len(decoded) else (decoded, total)
            longer[: len(shorter)] += shorter
            total = longer
        try:
            if np.abs(total).max(initial=0.0) < SILENT_PEAK:
                silent.touch()
                return None
            with write_atomically(cached) as unfinished, unfinished.open("wb") as file:
                np.save(file, np.clip(np.round(total * 32768), -32768, 32767).astype(np.int16))
        except OSError as error:
            raise HearsimError(
                f"the cache {cache} can't be written ({error.strerror}): make room, or move it"
            ) from None
    samples: Pcm = np.load(cached, mmap_mode=None if load else "r")
    return samples


def _decode(part: Part, rate: int) -> FloatArray | Skipped:
    """Return a file's samples (frames, 2) at a rate."""
    try:
        if part.stream is None:
            samples, found_rate = soundfile.read(part.path, dtype="float32", always_2d=True)
        else:
            samples, found_rate = _stempeg(part.path)(str(part.path), stem_id=part.stream, dtype=np.float32)
    except Exception as error:  # whatever a decoder meets in a damaged file
        if isinstance(error, HearsimError | MemoryError):
            raise
        return Skipped(part.path, f"it can't be decoded ({_last_line(error)})")
    if samples.ndim != 2 or not np.isfinite(samples).all():
        return Skipped(part.path, "it holds numbers that are not finite")
    samples = np.repeat(samples, 2, axis=1) if samples.shape[1] == 1 else samples[:, :2]
    if found_rate != rate:
        samples = soxr.resample(samples, found_rate, rate)
    return np.array(samples, np.float32)


def _last_line(error: Exception) -> str:
    return (str(error).strip() or repr(error)).splitlines()[-1]


def _stempeg(path: Path) -> Callable[..., tuple[FloatArray, float]]:
    try:
        import stempeg
    except ImportError:
        raise HearsimError(f"{path} needs a package to be decoded: pip install 'hearsim[datasets]'") from None
    except RuntimeError as error:  # raised by its import where ffmpeg is missing
        raise HearsimError(f"{path} needs ffmpeg to be decoded: {_last_line(error)}") from None
    read: Callable[..., tuple[FloatArray, float]] = stempeg.read_stems
    return read


def fingerprint(track: Track) -> str:
    """Return the checksum of the samples of a track's stems."""
    digest = hashlib.sha256(f"{track.frames}".encode())
    for name, samples in sorted(track.stems.items()):
        digest.update(f" {name} {samples.shape} {samples.dtype} ".encode())
        digest.update(np.ascontiguousarray(samples).data)
    return digest.hexdigest()
