"""Batch rendering: several songs, or the songs of a folder, each into its own folder."""

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
    """Return the songs of files and folders by name: the file's name without suffix.

    Of a folder all sound files count, sorted, but not those in subfolders, hidden files, and files with a stem's name.
    Raises `HearsimError` for a path that does not exist, a folder without songs, and two songs of one name.
    """
    songs: dict[str, Path] = {}
    lower: dict[str, Path] = {}  # some file systems ignore case
    for path in (song for one in paths for song in (_songs_in(one) if one.is_dir() else [one])):
        check_is_file(path)
        if other := lower.get(path.stem.lower()):
            raise HearsimError(f"{other} and {path} would have one output folder: rename one, or render it separately")
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
    """Render songs by name, each into `out` / name; yield name and report, or the error of a song.

    `stems` is a folder with a subfolder of true stems for each song, named like the song. Raises `HearsimError` before
    the first song where an output folder holds results without `force`, and where a subfolder of stems is missing.
    """
    check_is_folder(out)
    for name in songs:
        check_free(out / name, OUTPUTS, force)
        if stems is not None and not (stems / name).is_dir():
            raise HearsimError(f"{stems / name} is not a folder: --stems needs one of stems for each song, of its name")

    def render_each() -> Iterator[tuple[str, dict[str, Any] | HearsimError]]:
        for name, song in songs.items():
            song_stems = stems / name if stems is not None else None
            try:
                yield name, render_song(song, profile, out / name, song_stems, save_stems, force, progress)
            except HearsimError as error:
                yield name, error

    return render_each()
