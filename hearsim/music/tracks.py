"""Tracks with stems, of any layout that `datasets.py` knows, decoded once into memory-mapped arrays.

The cache holds 16 bits; 32-bit floats where a stem goes over full scale. A file that can't be fully decoded is refused
by name, as in `hearsim render`; a track that its data set marks as unusable is skipped and reported. A silent file
counts as a missing stem.
"""

import hashlib
import math
import sys
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soxr

from hearsim.core.audio_containers import missing_bytes
from hearsim.core.audio_files import open_source
from hearsim.core.errors import HearsimError, HearsimWarning
from hearsim.core.files import write_atomically
from hearsim.core.units import FloatArray, counted
from hearsim.core.validation import nearest
from hearsim.music.datasets import Part, Skipped, Source, find_sources
from hearsim.music.stem_files import ACCOMPANIMENT
from hearsim.profile.schema import STEMS

SILENT_PEAK = 1e-3
"""A stem with a peak under -60 dBFS counts as missing."""
LARGE_BYTES = 100e6
"""Files that are decoded for the first time are announced from this size on, all together."""
_CACHE_VERSION = 2

Samples = npt.NDArray[np.int16] | FloatArray
"""(frames, channels): whole numbers of 16 bits, or 32-bit floats of full scale."""


@dataclass(frozen=True)
class Track:
    """One track: its name, its length, and the stems it has as memory-mapped `Samples`."""

    name: str
    frames: int
    stems: dict[str, Samples]

    def read(self, stem: str, start: int, frames: int) -> FloatArray:
        """Return (channels, frames) of a stem, zeros where the track lacks it or has ended."""
        out = np.zeros((2, frames), np.float32)
        if stem in self.stems:
            piece = self.stems[stem][start : start + frames]
            np.multiply(piece.T, np.float32(1 / 32768 if piece.dtype == np.int16 else 1), out=out[:, : len(piece)])
        return out

    def read_stems(self, start: int, frames: int) -> FloatArray:
        """Return all stems (4, channels, frames), as `read`; raises `HearsimError` for a track of two stems."""
        if ACCOMPANIMENT in self.stems:
            raise HearsimError(
                f"{self.name} has its {ACCOMPANIMENT} in one stem: choose tracks with {', '.join(STEMS)} here"
            )
        return np.stack([self.read(stem, start, frames) for stem in STEMS])

    def peak(self, stem: str, start: int, frames: int, step: int = 1) -> float:
        """Return the peak of a stem in a piece of it, of every `step`-th sample; full scale is 1."""
        piece = self.stems[stem][start : start + frames : step]
        return float(np.abs(piece).max(initial=0)) / (32768 if piece.dtype == np.int16 else 1)


def matching(names: Iterable[str], patterns: Iterable[str], where: str, key: str = "") -> set[str]:
    """Return the names that fit one of the patterns: see `fits`.

    Raises `HearsimError` for a pattern that fits none, with the nearest names; `where` names the folder of the tracks,
    `key` the setting that holds the patterns.
    """
    names, chosen = list(names), set[str]()
    for pattern in patterns:
        matches = fits(names, pattern)
        if not matches:
            cure = f"it has {', '.join(names[:3])}{' and so on' if len(names) > 3 else ''}"
            if near := nearest(pattern, names):
                cure += f"; {near}"
            of = f" of {key}" if key else ""
            raise HearsimError(f"{where} holds no track that fits {pattern!r}{of}: {cure}")
        chosen |= matches
    return chosen


def fits(names: Iterable[str], pattern: str) -> set[str]:
    """Return the names that fit a pattern: itself if it is a name, else those that match (`r0*`)."""
    names = set(names)
    return {pattern} if pattern in names else {name for name in names if fnmatch(name, pattern)}


def to_stderr(line: str) -> None:
    """Print a line on stderr."""
    print(line, file=sys.stderr)


def read_tracks(
    root: Path,
    cache: Path,
    rate: int = 44100,
    say: Callable[[str], None] = to_stderr,
    load: bool = False,
    patterns: tuple[str, ...] = ("*",),
    ignore: tuple[str, ...] = (),
) -> list[Track]:
    """Return the tracks under a folder whose names fit a pattern, their stems decoded into `cache` at a rate in Hz.

    With `load` they are read into memory, else the files of the cache are mapped. `ignore` are patterns of files that
    are skipped. `say` gets a line before a large folder is decoded for the first time, a line with the reason for each
    skipped file, and the number of silent files. Raises
    `HearsimError` for files that can't be fully decoded, without usable tracks, for a pattern without tracks, and where
    the cache can't be written.
    """
    try:
        cache.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise HearsimError(f"the cache {cache} can't be made ({error.strerror}): give another in the spec") from None
    entries = find_sources(root, ignore)
    sources = [source for source in entries if isinstance(source, Source)]
    skipped = [source for source in entries if isinstance(source, Skipped)]
    chosen = matching((source.name for source in sources), patterns, str(root)) if sources else set()
    _announce([source for source in sources if source.name in chosen], root, rate, cache, say)
    tracks: list[Track] = []
    silent: list[Path] = []
    refused: list[HearsimError] = []
    for source in (source for source in sources if source.name in chosen):
        stems: dict[str, Samples] = {}
        for stem, parts in source.stems.items():
            try:
                samples = _stem(parts, rate, cache, load)
            except HearsimError as error:
                refused.append(error)
                continue
            if samples is None:
                silent.append(parts[0].path)
            else:
                stems[stem] = samples
        if stems:
            tracks.append(Track(source.name, max(map(len, stems.values())), stems))
    if refused:
        rest = len(refused) - 1
        more = f" ({rest} more {'file' if rest == 1 else 'files'} can't be used)" if rest else ""
        raise HearsimError(f"{refused[0]}, or have it passed over by `ignore`{more}")
    for each in skipped:
        say(f"left out: {each.path}: {each.why}")
    if silent:
        say(f"{len(silent)} silent files are stems that their tracks lack: {_names(silent, root)}")
    if not tracks:
        first = f"{skipped[0].path}: {skipped[0].why}" if skipped else f"{silent[0]} is silent"
        raise HearsimError(f"{root} holds no track that can be used: {len(skipped) + len(silent)} are not, {first}")
    return tracks


def _announce(sources: list[Source], root: Path, rate: int, cache: Path, say: Callable[[str], None]) -> None:
    """Announce the files of `sources` that the cache lacks, if they are large."""
    stems = [stem for source in sources for stem in source.stems.values() if all(part.path.is_file() for part in stem)]
    new = {part.path for stem in stems if not any(map(Path.exists, _cached(stem, rate, cache))) for part in stem}
    size = sum(path.stat().st_size for path in new)
    if size >= LARGE_BYTES:
        say(f"decoding {len(new)} files ({size / 1e6:.0f} MB) of {root} for the first time, into {cache} ...")


def _names(paths: list[Path], root: Path) -> str:
    listed = ", ".join(str(path.relative_to(root)) for path in paths[:3])
    return listed if len(paths) <= 3 else f"{listed}, ..."


def warn_of_short(tracks: Iterable[Track], seconds: float, rate: int, where: str) -> None:
    """Warn of tracks shorter than the excerpt that is taken of each; `where` names the setting of its length."""
    tracks = list(tracks)
    if short := [track for track in tracks if track.frames < round(seconds * rate)]:
        name, length_s = short[0].name, math.floor(10 * short[0].frames / rate) / 10
        text = f"the track {name} is only {length_s:.1f} s long and is taken whole"
        if len(short) > 1:
            text = f"{len(short)} of {len(tracks)} tracks are shorter and taken whole, {name} ({length_s:.1f} s) first"
        warnings.warn(f"{where} = {seconds:g}: {text}", HearsimWarning, stacklevel=2)


def summary(tracks: list[Track]) -> list[str]:
    """Return a line for each set of stems, with the tracks that have it."""
    groups: dict[str, list[str]] = {}
    for track in tracks:
        groups.setdefault(", ".join(track.stems), []).append(track.name)
    return [
        f"{counted(len(names), 'track')} with {stems}: {', '.join(names[:4])}" + (", ..." if len(names) > 4 else "")
        for stems, names in groups.items()
    ]


def _key(part: Part, rate: int) -> str:
    stat = part.path.stat()
    stream = "" if part.stream is None else f" stream {part.stream}"
    return f"{_CACHE_VERSION} {part.path.resolve()} {stat.st_size} {stat.st_mtime_ns} {rate}{stream}"


def _cached(parts: tuple[Part, ...], rate: int, cache: Path) -> tuple[Path, Path]:
    """Return the file of a stem's samples in the cache, and its marker file for silence."""
    key = hashlib.sha256(" + ".join(_key(part, rate) for part in parts).encode()).hexdigest()[:24]
    return cache / f"{key}.npy", cache / f"{key}.silent"


def _stem(parts: tuple[Part, ...], rate: int, cache: Path, load: bool) -> Samples | None:
    """Return a stem's samples from the cache, decoded first if needed; None if it is silent.

    Raises `HearsimError` where a file can't be decoded whole, or the cache not be written.
    """
    for part in parts:
        if not part.path.is_file():
            raise HearsimError(f"{part.path} does not exist: copy the data set anew")
    cached, silent = _cached(parts, rate, cache)
    if silent.exists():
        return None
    if not cached.exists():
        total = np.zeros((0, 2), np.float32)
        for part in parts:
            decoded = _decode(part, rate)
            longer, shorter = (total, decoded) if len(total) >= len(decoded) else (decoded, total)
            longer[: len(shorter)] += shorter
            total = longer
        try:
            if np.abs(total).max(initial=0.0) < SILENT_PEAK:
                silent.touch()
                return None
            with write_atomically(cached) as unfinished, unfinished.open("wb") as file:
                whole = np.round(total * 32768)
                np.save(file, total if np.abs(whole + 0.5).max() > 32767.5 else whole.astype(np.int16))
        except OSError as error:
            raise HearsimError(
                f"the cache {cache} can't be written ({error.strerror}): make room, or move it"
            ) from None
    samples: Samples = np.load(cached, mmap_mode=None if load else "r")
    return samples


def _decode(part: Part, rate: int) -> FloatArray:
    """Return a file's samples (frames, 2) at a rate; raises `HearsimError` for incomplete ones."""
    if part.stream is None:
        return open_source(part.path, rate).read().samples.T
    if lack := missing_bytes(part.path, "MP4"):
        raise HearsimError(f"{part.path} is cut off ({lack}): copy it anew")
    read = _stempeg(part.path)
    try:
        samples, file_rate = read(str(part.path), stem_id=part.stream, dtype=np.float32)
    except Exception as error:  # any error of FFmpeg in a damaged file
        raise HearsimError(f"{part.path} can't be decoded ({_last_line(error)}): copy it anew") from None
    if file_rate != rate:
        samples = soxr.resample(samples, file_rate, rate)
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
