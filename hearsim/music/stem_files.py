"""The files of a song's stems in a folder, by their names: vocals, drums, bass, other, or the accompaniment in one."""

from fnmatch import fnmatch
from pathlib import Path

from hearsim.core.audio_formats import SUFFIXES
from hearsim.core.errors import HearsimError
from hearsim.core.validation import nearest
from hearsim.profile.schema import STEMS

ACCOMPANIMENT = "accompaniment"
"""The stem beside the vocals in a track of two: drums, bass and other in one."""
_ACCOMPANIMENTS = {ACCOMPANIMENT, "instrumental", "no_vocals"}
_MIXTURES = {"mixture", "mix", "song"}  # names of files that hold the sum of the stems


def stem_files(folder: Path, song: Path | None = None) -> dict[str, Path]:
    """Return the files of the stems in a folder, by stem: in any case, with any readable suffix.

    `song` may be in the same folder. Raises `HearsimError` without stems, for two files of one stem, and for other
    sound where a stem is missing.
    """
    if not folder.is_dir():
        raise HearsimError(f"no folder {folder}: give the folder of the true stems")
    beside = (song.name,) if song is not None and song.stem.lower() not in STEMS else ()
    stems, others = sound_files(folder, folder, beside)
    if others and len(stems) < len(STEMS):
        raise no_stem_error(folder, stems, others, "move other sound away")
    if not stems:
        raise HearsimError(
            f"{folder} holds none of {', '.join(f'{name}.wav' for name in STEMS)}: give the folder of the true stems"
        )
    return {stem: stems[stem] for stem in (*STEMS, ACCOMPANIMENT) if stem in stems}


def sound_files(folder: Path, root: Path, ignore: tuple[str, ...]) -> tuple[dict[str, Path], list[Path]]:
    """Return the sound files of a folder: those of stems, and those that fit no stem and are no mixture."""
    stems: dict[str, Path] = {}
    others = []
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".") or path.suffix.lower() not in SUFFIXES or not path.is_file():
            continue
        if is_ignored(path, root, ignore):
            continue
        name = path.stem.lower()
        name = ACCOMPANIMENT if name in _ACCOMPANIMENTS else name
        if name in stems:
            raise HearsimError(f"{folder} holds {stems[name].name} and {path.name}: leave one of them there")
        if name in (*STEMS, ACCOMPANIMENT):
            stems[name] = path
        elif name not in _MIXTURES:
            others.append(path)
    parts_of_it = [stem for stem in STEMS if stem != "vocals" and stem in stems]
    if ACCOMPANIMENT in stems and parts_of_it:
        path = stems.pop(ACCOMPANIMENT)  # their sum
        if len(parts_of_it) < len(STEMS) - 1:
            others.append(path)
    return stems, others


def is_ignored(path: Path, root: Path, ignore: tuple[str, ...]) -> bool:
    """Whether a file fits one of the patterns, by its name or by its path under `root`."""
    names = (path.name, path.relative_to(root).as_posix()) if path.is_relative_to(root) else (path.name,)
    return any(name == pattern or fnmatch(name, pattern) for pattern in ignore for name in names)


def no_stem_error(
    folder: Path, stems: dict[str, Path], others: list[Path], cure: str = "have other sound passed over by `ignore`"
) -> HearsimError:
    """Return the error for sound that fits no stem, with the stem that it may be meant for."""
    missing = [stem for stem in STEMS if stem not in stems and not (ACCOMPANIMENT in stems and stem != "vocals")]
    like = ""
    for path in others:
        name = path.stem.lower()
        looks = [stem for stem in missing if stem in name or nearest(name, [stem])]
        if looks:
            like = f", and the stem {looks[0]} is missing: {path.name} looks like it"
            break
    names = ", ".join(path.name for path in others[:3]) + (", ..." if len(others) > 3 else "")
    return HearsimError(
        f"{folder} holds {names}, which fits no stem{like}: name the stems {', '.join(STEMS)}, and {cure}"
    )
