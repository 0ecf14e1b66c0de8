"""Data sets with stems, recognised by their layout, as tracks whose stems are lists of files to be summed.

| layout | recognised by |
|---|---|
| DSD100 | Sources/{Dev,Test}/<track>/{vocals,drums,bass,other}.wav |
| folders of tracks (also MUSDB18-HQ) | .../<track>/{vocals,drums,bass,other}.*, at any depth: train/, valid/, test/ |
| MUSDB18 | *.stem.mp4, at any depth |
| MoisesDB | <track>/data.json, <track>/<stem>/<source>.wav |
| MedleyDB | *_METADATA.yaml beside <track>_STEMS/ or in Metadata/ |

A track may have two stems: vocals and accompaniment. MoisesDB and MedleyDB are folded to four stems by the tables of
stems.toml. Hidden folders, and those of operating systems, are skipped.
"""

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hearsim.core.errors import HearsimError
from hearsim.core.files import read_json, read_text, read_toml
from hearsim.music.stem_files import ACCOMPANIMENT, is_ignored, no_stem_error, sound_files
from hearsim.profile.schema import STEMS

_SYSTEM_FOLDERS = {"__MACOSX", "$RECYCLE.BIN", "System Volume Information", "@eaDir", "lost+found"}
_SPLITS = ("train", "valid", "validation", "val", "dev", "test")  # in this order, after all others by name
MUSDB_STREAMS = {"drums": 1, "bass": 2, "other": 3, "vocals": 4}
"""Streams of a *.stem.mp4 (sigsep's musdb); stream 0 is the mixture."""


@dataclass(frozen=True)
class Part:
    """One file of a stem, or one stream of a file."""

    path: Path
    stream: int | None = None


@dataclass(frozen=True)
class Source:
    """A track on disk: a stem is the sum of its parts."""

    name: str
    stems: dict[str, tuple[Part, ...]]


@dataclass(frozen=True)
class Skipped:
    """A file or track that is not used, with the reason."""

    path: Path
    why: str


Found = Iterator[Source | Skipped]


def find_sources(root: Path, ignore: Iterable[str] = ()) -> list[Source | Skipped]:
    """Return the tracks under a folder, of the first layout that fits.

    `ignore` are patterns of files (their names, or paths relative to `root`) that are skipped. Raises
    `HearsimError` where no layout fits, for two files of one stem, and for sound beside stems that fits none.
    """
    if not root.is_dir():
        raise HearsimError(f"{root} is not a folder: give one of tracks with stems")
    ignore = tuple(ignore)
    for layout in LAYOUTS:
        if sources := list(layout(root, ignore)):
            return [_without_ignored(one, root, ignore) for one in sources]
    direct, _ = sound_files(root, root, ignore)
    cure = (
        f"; it holds {', '.join(path.name for path in direct.values())} itself: give the folder above it"
        if direct
        else ""
    )
    raise HearsimError(
        f"{root} holds no tracks: it needs a folder for each, with vocals, drums, bass and other as wav, flac or ogg; "
        f"or MUSDB18 (HQ or not), DSD100, MoisesDB or MedleyDB as they are distributed{cure}"
    )


def _without_ignored(source: Source | Skipped, root: Path, ignore: tuple[str, ...]) -> Source | Skipped:
    """Return a track, or `Skipped` where one of its files is ignored."""
    if isinstance(source, Source):
        for part in (part for parts in source.stems.values() for part in parts):
            if is_ignored(part.path, root, ignore):
                return Skipped(part.path, "it is ignored, and its track with it")
    return source


def _walk(root: Path) -> Iterator[Path]:
    """Yield a folder and those under it, the splits of a data set in their order; hidden ones are skipped."""
    yield root
    folders = [
        Path(entry.path)
        for entry in os.scandir(root)
        if entry.is_dir() and not entry.name.startswith(".") and entry.name not in _SYSTEM_FOLDERS
    ]
    for folder in sorted(folders, key=_split_order):
        yield from _walk(folder)


def _split_order(folder: Path) -> tuple[int, str]:
    name = folder.name.lower()
    return _SPLITS.index(name) if name in _SPLITS else -1, folder.name


def _tracks_under(parent: Path, root: Path, ignore: tuple[str, ...], prefix: str = "") -> Found:
    """Find the folders with stems under a folder; yield nothing without any."""
    tracks: list[Source | Skipped] = []
    folders: set[Path] = set()
    strangers: dict[Path, list[Path]] = {}  # folders with sound but no stem
    for folder in _walk(parent):
        if folder == parent or not folders.isdisjoint(folder.parents):
            continue
        stems, others = sound_files(folder, root, ignore)
        if not stems:
            strangers[folder] = others
            continue
        if others:
            raise no_stem_error(folder, stems, others)
        folders.add(folder)
        name = prefix + folder.relative_to(parent).as_posix()
        tracks.append(Source(name, {stem: (Part(stems[stem]),) for stem in (*STEMS, ACCOMPANIMENT) if stem in stems}))
    if not tracks:
        return
    above = {parent for folder in folders for parent in folder.parents}
    for folder, others in strangers.items():
        if others and folder not in above:
            raise no_stem_error(folder, {}, others)
    yield from tracks
    for folder in (parent, *(folder for folder in strangers if folder in above)):
        stems, others = sound_files(folder, root, ignore)
        for path in (*stems.values(), *others):
            yield Skipped(path, "it lies in no folder of a track")


def _stem_folders(root: Path, ignore: tuple[str, ...]) -> Found:
    return _tracks_under(root, root, ignore)


def _musdb(root: Path, ignore: tuple[str, ...]) -> Found:
    for folder in _walk(root):
        for path in sorted(folder.glob("[!.]*.stem.mp4")):
            if not is_ignored(path, root, ignore):
                name = path.relative_to(root).as_posix().removesuffix(".stem.mp4")
                yield Source(name, {stem: (Part(path, MUSDB_STREAMS[stem]),) for stem in STEMS})


def _dsd(root: Path, ignore: tuple[str, ...]) -> Found:
    for prefix, folder in {"dev/": root / "Sources" / "Dev", "test/": root / "Sources" / "Test"}.items():
        if folder.is_dir():
            yield from _tracks_under(folder, root, ignore, prefix)


class _Folding:
    """The mapping from kinds of sources to the four stems."""

    def __init__(self, data_set: str) -> None:
        table = read_toml(Path(__file__).parent / "stems.toml")[data_set]
        self._stem_of = {kind: stem for stem, kinds in table.items() for kind in kinds}

    def __call__(self, *kinds: str) -> str:
        """Return the stem of the first kind that is listed."""
        stems = (self._stem_of.get(kind.lower().replace("_", " ")) for kind in kinds)
        return next((stem for stem in stems if stem is not None), "other")

    def of_all(self, kinds: str | list[str]) -> str:
        """Return the common stem of all kinds of a source; "leave_out" for several stems."""
        owners = {self(kind) for kind in ([kinds] if isinstance(kinds, str) else kinds)}
        return owners.pop() if len(owners) == 1 else "leave_out"


def _fold(name: str, where: Path, parts: list[tuple[str, Part]]) -> Source | Skipped:
    """Return a track of (stem, part) pairs; `Skipped` where one belongs to no stem."""
    if any(stem == "leave_out" for stem, _ in parts):
        return Skipped(where, "one of its sources belongs to no stem")
    stems = {stem: tuple(part for owner, part in parts if owner == stem) for stem in STEMS}
    return Source(name, {stem: parts for stem, parts in stems.items() if parts})


def _moises(root: Path, ignore: tuple[str, ...]) -> Found:
    stem_of = _Folding("moisesdb")
    for path in (folder / "data.json" for folder in _walk(root) if (folder / "data.json").is_file()):
        if is_ignored(path, root, ignore):
            continue
        try:
            metadata = read_json(path)
            sources = [(stem["stemName"], source) for stem in metadata["stems"] for source in stem["tracks"]]
            parts = [
                (
                    stem_of(source["trackType"], name),
                    Part(path.parent / name / f"{source['id']}.{source.get('extension', 'wav')}"),
                )
                for name, source in sources
            ]
        except (HearsimError, KeyError, TypeError) as error:
            yield Skipped(path, f"it is not as MoisesDB writes it ({error!r})")
            continue
        if any(source.get("has_bleed", False) for _, source in sources):
            yield Skipped(path, "its sources bleed into each other")
            continue
        yield _fold(path.parent.name, path, parts)


def _medley(root: Path, ignore: tuple[str, ...]) -> Found:
    stem_of = _Folding("medleydb")
    for path in sorted(path for folder in _walk(root) for path in folder.glob("[!.]*_METADATA.yaml")):
        if is_ignored(path, root, ignore):
            continue
        name = path.name.removesuffix("_METADATA.yaml")
        folders = [path.parent, *(parent / name for parent in (root, root / "Audio", root / "V1", root / "V2"))]
        folder = next((f for f in folders if (f / f"{name}_STEMS").is_dir()), None)
        if folder is None:
            yield Skipped(path, f"there is no {name}_STEMS")
            continue
        metadata = _yaml(path)
        try:
            parts = [
                (stem_of.of_all(stem["instrument"]), Part(folder / f"{name}_STEMS" / stem["filename"]))
                for stem in metadata["stems"].values()
            ]
        except (KeyError, TypeError, AttributeError) as error:
            yield Skipped(path, f"it is not as MedleyDB writes it ({error!r})")
            continue
        if metadata.get("has_bleed") in (True, "yes"):
            yield Skipped(path, "its stems bleed into each other")
            continue
        yield _fold(name, path, parts)


def _yaml(path: Path) -> Any:
    try:
        import yaml
    except ImportError:
        raise HearsimError(f"{path} needs a package to be read: pip install 'hearsim[datasets]'") from None
    try:
        return yaml.safe_load(read_text(path))
    except (yaml.YAMLError, HearsimError):
        return None


LAYOUTS: tuple[Callable[[Path, tuple[str, ...]], Found], ...] = (_dsd, _stem_folders, _musdb, _moises, _medley)
