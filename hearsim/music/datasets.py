"""Data sets with stems, recognised by their layout, as tracks whose four stems are lists of files to be summed.

| layout | recognised by |
|---|---|
| folder of tracks (also MUSDB18-HQ) | <track>/{vocals,drums,bass,other}.*, perhaps under train/ and test/ |
| MUSDB18 | *.stem.mp4, perhaps under train/ and test/ |
| DSD100 | Sources/{Dev,Test}/<track>/{vocals,drums,bass,other}.wav |
| MoisesDB | <track>/data.json, <track>/<stem>/<source>.wav |
| MedleyDB | *_METADATA.yaml beside <track>_STEMS/ or in Metadata/ |

MoisesDB and MedleyDB are folded to four stems by the tables of stems.toml.
"""

import json
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hearsim.core.errors import HearsimError
from hearsim.separation.net import STEMS

SUFFIXES = (".wav", ".flac", ".aiff", ".aif", ".ogg", ".mp3")  # the first that is there counts
MUSDB_STREAMS = {"drums": 1, "bass": 2, "other": 3, "vocals": 4}
"""Streams of a *.stem.mp4 (sigsep's musdb); stream 0 is the mixture."""


@dataclass(frozen=True)
class Part:
    """One file, or one stream of it, that belongs to a stem."""

    path: Path
    stream: int | None = None


@dataclass(frozen=True)
class Source:
    """A track as it lies on disk: a stem is the sum of its parts."""

    name: str
    stems: dict[str, tuple[Part, ...]]


@dataclass(frozen=True)
class Skipped:
    """What is not used, and why."""

    path: Path
    why: str


Found = Iterator[Source | Skipped]


def find_sources(root: Path) -> list[Source | Skipped]:
    """Return the tracks under a folder, of the first layout that fits; raises `HearsimError` where none does."""
    if not root.is_dir():
        raise HearsimError(f"{root} is no folder: give one of tracks with stems")
    for layout in LAYOUTS:
        if found := list(layout(root)):
            return found
    raise HearsimError(
        f"{root} holds no tracks: it needs a folder for each, with vocals, drums, bass and other as wav, flac or ogg; "
        f"or MUSDB18 (HQ or not), DSD100, MoisesDB or MedleyDB as they are distributed"
    )


def _folders(root: Path) -> list[Path]:
    return sorted(path for path in root.iterdir() if path.is_dir())


def _stem_files(folder: Path) -> dict[str, tuple[Part, ...]]:
    stems: dict[str, tuple[Part, ...]] = {}
    for stem in STEMS:
        files = [path for path in sorted(folder.glob(f"{stem}.*")) if path.suffix.lower() in SUFFIXES]
        if files:
            stems[stem] = (Part(min(files, key=lambda path: SUFFIXES.index(path.suffix.lower()))),)
    return stems


def _folder_a_track(parents: dict[str, Path]) -> Found:
    """Find tracks that are folders in one of the `parents`, by the prefix of their names."""
    for prefix, parent in parents.items():
        for folder in _folders(parent) if parent.is_dir() else []:
            if stems := _stem_files(folder):
                yield Source(prefix + folder.name, stems)


def _parts_of_a_set(root: Path) -> dict[str, Path]:
    """Return where tracks may lie, by the prefix of their names: "train/<track>" is one under train/."""
    return {"": root, "train/": root / "train", "test/": root / "test"}


def _stem_folders(root: Path) -> Found:
    return _folder_a_track(_parts_of_a_set(root))


def _musdb(root: Path) -> Found:
    for prefix, parent in _parts_of_a_set(root).items():
        for path in sorted(parent.glob("*.stem.mp4")):
            name = path.name.removesuffix(".stem.mp4")
            yield Source(prefix + name, {stem: (Part(path, MUSDB_STREAMS[stem]),) for stem in STEMS})


def _dsd(root: Path) -> Found:
    return _folder_a_track({"dev/": root / "Sources" / "Dev", "test/": root / "Sources" / "Test"})


class _Folding:
    """Which of the four stems a kind of source belongs to."""

    def __init__(self, data_set: str) -> None:
        table = tomllib.loads((Path(__file__).parent / "stems.toml").read_text(encoding="utf-8"))[data_set]
        self._stem_of = {kind: stem for stem, kinds in table.items() for kind in kinds}

    def __call__(self, *kinds: str) -> str:
        """Return the stem of the first kind that is listed."""
        known = (self._stem_of.get(kind.lower().replace("_", " ")) for kind in kinds)
        return next((stem for stem in known if stem is not None), "other")

    def of_all(self, kinds: str | list[str]) -> str:
        """Return the stem that all kinds of a source belong to; "leave_out" where they belong to several."""
        owners = {self(kind) for kind in ([kinds] if isinstance(kinds, str) else kinds)}
        return owners.pop() if len(owners) == 1 else "leave_out"


def _fold(name: str, where: Path, parts: list[tuple[str, Part]]) -> Source | Skipped:
    """Return a track of (stem, part) pairs; leave it out where one is of no stem."""
    if any(stem == "leave_out" for stem, _ in parts):
        return Skipped(where, "one of its sources belongs to no stem")
    stems = {stem: tuple(part for owner, part in parts if owner == stem) for stem in STEMS}
    return Source(name, {stem: found for stem, found in stems.items() if found})


def _moises(root: Path) -> Found:
    stem_of = _Folding("moisesdb")
    for path in sorted((*root.glob("*/data.json"), *root.glob("*/*/data.json"))):
        try:
            said = json.loads(path.read_text(encoding="utf-8"))
            sources = [(stem["stemName"], source) for stem in said["stems"] for source in stem["tracks"]]
            parts = [
                (
                    stem_of(source["trackType"], name),
                    Part(path.parent / name / f"{source['id']}.{source.get('extension', 'wav')}"),
                )
                for name, source in sources
            ]
        except (ValueError, KeyError, TypeError) as error:
            yield Skipped(path, f"it is not as MoisesDB writes it ({error!r})")
            continue
        if any(source.get("has_bleed", False) for _, source in sources):
            yield Skipped(path, "its sources bleed into each other")
            continue
        yield _fold(path.parent.name, path, parts)


def _medley(root: Path) -> Found:
    stem_of = _Folding("medleydb")
    for path in sorted(root.rglob("*_METADATA.yaml")):
        name = path.name.removesuffix("_METADATA.yaml")
        folders = [path.parent, *(parent / name for parent in (root, root / "Audio", root / "V1", root / "V2"))]
        folder = next((f for f in folders if (f / f"{name}_STEMS").is_dir()), None)
        if folder is None:
            yield Skipped(path, f"there is no {name}_STEMS")
            continue
        said = _yaml(path)
        try:
            parts = [
                (stem_of.of_all(stem["instrument"]), Part(folder / f"{name}_STEMS" / stem["filename"]))
                for stem in said["stems"].values()
            ]
        except (KeyError, TypeError, AttributeError) as error:
            yield Skipped(path, f"it is not as MedleyDB writes it ({error!r})")
            continue
        if said.get("has_bleed") in (True, "yes"):
            yield Skipped(path, "its stems bleed into each other")
            continue
        yield _fold(name, path, parts)


def _yaml(path: Path) -> Any:
    try:
        import yaml
    except ImportError:
        raise HearsimError(f"{path} needs a package to be read: pip install 'hearsim[datasets]'") from None
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError):
        return None


LAYOUTS: tuple[Callable[[Path], Found], ...] = (_stem_folders, _musdb, _dsd, _moises, _medley)
