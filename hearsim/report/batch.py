"""Several songs, or the songs of a folder, rendered one after the other, each into a folder of its own."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from hearsim.core.audio_files import check_is_file
from hearsim.core.audio_formats import SUFFIXES
from hearsim.core.errors import HearsimError
from hearsim.core.results import check_free, check_is_folder
from hearsim.music.stem_files import ACCOMPANIMENT
from hearsim.profile.schema import STEMS, Profile
from hearsim.report.run import OUTPUTS, render_song
from hearsim.simulation.streaming import Progress


def songs_of(paths: Sequence[Path]) -> dict[str, Path]:
    """Return the songs of files and folders by name: that of the file without suffix.

    A folder gives its own sound files, sorted, and not those of folders in it; hidden files are passed over, and those
    with the name of a stem. Raises `HearsimError` for a path that does not exist, a folder without songs, and two songs
    of one name.
    """
    songs: dict[str, Path] = {}
    lower: dict[str, Path] = {}  # some file systems know no capitals
    for path in (song for given in paths for song in (_songs_in(given) if given.is_dir() else [given])):
        check_is_file(path)
        if other := lower.get(path.stem.lower()):
            raise HearsimError(f"{other} and {path} would have one output folder: rename one, or render it by itself")
        lower[path.stem.lower()] = songs[path.stem] = path
    return songs


def _songs_in(folder: Path) -> list[Path]:
    sounds = [path for path in sorted(folder.iterdir()) if path.suffix.lower() in SUFFIXES and path.is_file()]
    songs = [path for path in sounds if path.name[0] != "." and path.stem.lower() not in (*STEMS, ACCOMPANIMENT)]
    if not songs:
        stems = ", only stems" if sounds else ""
        raise HearsimError(f"{folder} is a folder and holds no songs{stems}: give a music file, or a folder of them")
    return songs


def render_songs(
    songs: dict[str, Path],
    profile: Profile,
    out: Path,
    stems: Path | None = None,
    save_stems: bool = False,
    force: bool = False,
    progress: Progress = lambda share, seconds: None,
) -> Iterator[tuple[str, dict[str, Any] | HearsimError]]:
    """Render songs by name, each into `out` / name; yield name and report, or the error that a song ended with.

    `stems` is a folder with a folder of true stems for each song, of the song's name. Raises `HearsimError` before the
    first song where an output folder holds results and `force` is not given, and where a folder of stems is missing.
    """
    check_is_folder(out)
    for name in songs:
        check_free(out / name, OUTPUTS, force)
        if stems is not None and not (stems / name).is_dir():
            raise HearsimError(f"{stems / name} is no folder: --stems needs one of stems for each song, of its name")

    def render_each() -> Iterator[tuple[str, dict[str, Any] | HearsimError]]:
        for name, song in songs.items():
            own_stems = stems / name if stems is not None else None
            try:
                yield name, render_song(song, profile, out / name, own_stems, save_stems, force, progress)
            except HearsimError as error:
                yield name, error

    return render_each()
