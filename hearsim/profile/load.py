"""Loading profiles and their parts: TOML from `profiles/` or from the user's own files, and Clarity's JSON.

A part is named (`listener = "N3"`), pointed at (`listener = "mine/anna.toml"`, relative to the profile), picked out of
a Clarity or Cadenza file (`listener = "listeners.json#L0001"`, `mix = "gains.json#gain_0007"`), or a table of the
profile itself (`[listener.left]`). Where a part's file is expected, a profile's file gives its part (`listener =
"maria.toml"`). The model is named or pointed at.
"""

import reprlib
from pathlib import Path
from typing import Any, TypeVar

from hearsim.core.arguments import check_kind
from hearsim.core.errors import HearsimError
from hearsim.core.files import data_folder, read_json, read_toml
from hearsim.core.networks import resolve_model
from hearsim.core.validation import Settings, check, nearest, unknown_key
from hearsim.profile.clarity import cadenza_mix, clarity_listener
from hearsim.profile.schema import Aid, Listener, Mix, Profile, Rig

Part = TypeVar("Part", bound=Settings)
FOLDERS: dict[type[Settings], str] = {
    Listener: "listeners",
    Mix: "mixes",
    Aid: "aids",
    Rig: "rigs",
    Profile: ".",
}


def profile_names() -> list[str]:
    """Return the names of the shipped profiles.

    Examples
    --------
    >>> "moderate-vocals-up" in profile_names()
    True
    """
    return _names(data_folder("profiles"))


def listener_names() -> list[str]:
    """Return the names of the shipped listeners."""
    return _shipped(Listener)


def mix_names() -> list[str]:
    """Return the names of the shipped mixes."""
    return _shipped(Mix)


def load_profile(name: str | Path) -> Profile:
    """Load a profile by name or path.

    Parameters
    ----------
    name : str or Path
        The name of a shipped profile, or a TOML file. Files that it names lie relative to it.

    Raises
    ------
    HearsimError
        For a profile that does not exist, and for its faults: file, key, value and cure.

    Examples
    --------
    >>> profile = load_profile("moderate-vocals-up")
    >>> profile.listener.name, profile.mix.gains_db.vocals
    ('N3', 6.0)
    """
    check_kind("load_profile takes a name or a path", name, (str, Path), f"there are {', '.join(profile_names())}")
    path = _find(name, Profile, Path.cwd())
    table = read_toml(path)
    _check_keys(path, Profile, table)
    parts: dict[str, Any] = {}
    for key, kind in (("listener", Listener), ("mix", Mix), ("aid", Aid), ("rig", Rig)):
        value = table.get(key)
        if isinstance(value, dict):  # the part itself, in the profile's own file
            parts[key] = check(path, kind, {"name": path.stem, **value}, f"{key}: ")
            continue
        if not isinstance(value, str):
            wrong = f"{key} = {value!r} names nothing" if key in table else f"the key {key} is missing"
            raise HearsimError(f"{path}: {wrong}: name one of {', '.join(_shipped(kind))}, or a file, in quotes")
        parts[key] = load_part(value, kind, path.parent, f"{path}: {key}: ")
    if isinstance(model := table.get("model"), str):
        parts["model"] = resolve_model(model, path.parent, f"{path}: model: ")
    return check(path, Profile, {"name": path.stem, **table, **parts})


def load_listener(name: str | Path) -> Listener:
    """Load a listener by name, path, or `listeners.json#ID`."""
    return load_part(name, Listener, Path.cwd())


def load_mix(name: str | Path) -> Mix:
    """Load a mix by name, path, or `gains.json#NAME`."""
    return load_part(name, Mix, Path.cwd())


def load_aid(name: str | Path) -> Aid:
    """Load an aid by name or path."""
    return load_part(name, Aid, Path.cwd())


def load_rig(name: str | Path) -> Rig:
    """Load a rig by name or path."""
    return load_part(name, Rig, Path.cwd())


def load_part(name: str | Path, kind: type[Part], base: Path, context: str = "") -> Part:
    """Load a part of a profile by name, path (its own or a profile's) or `listeners.json#ID`, relative to `base`.

    `context` (file and key that name the part) is the beginning of an error's sentence.
    """
    file, _, row = str(name).partition("#")
    if file.endswith(".json") and kind in (Listener, Mix):
        path = base / file
        rows = read_json(path)
        if row not in rows:
            near = nearest(row, list(rows)) or f"it holds {', '.join(list(rows)[:5])}"
            raise HearsimError(f"{context}{path} has no entry {row!r}, written {file}#NAME: {near}")
        read = clarity_listener if kind is Listener else cadenza_mix
        return read(path, row, rows[row])  # type: ignore[return-value]
    path = _find(name, kind, base, context)
    table = read_toml(path)
    if (key := kind.__name__.lower()) in table:  # the file of a profile, whose part is meant
        part: Part = getattr(load_profile(path), key)
        return part
    return check(path, kind, {"name": path.stem, **table})


def _find(name: str | Path, kind: type[Settings], base: Path, context: str = "") -> Path:
    folder = data_folder("profiles") / FOLDERS[kind]
    shipped, path = folder / f"{name}.toml", base / name
    try:
        if isinstance(name, str) and "/" not in name and shipped.is_file():
            return shipped.resolve()
        if path.is_file():
            return path
    except OSError as error:  # a name too long for the file system, a folder that may not be entered
        raise HearsimError(f"{context}{reprlib.repr(str(name))} can't be looked up: {error.strerror}") from None
    names = _names(folder)
    near = nearest(str(name), names) or f"there are {', '.join(names)}"
    raise HearsimError(
        f"{context}no {kind.__name__.lower()} is called {str(name)!r} and no file {path} is there: {near}"
    )


def _names(folder: Path) -> list[str]:
    return sorted(path.stem for path in folder.glob("*.toml"))


def _shipped(kind: type[Settings]) -> list[str]:
    return _names(data_folder("profiles") / FOLDERS[kind])


def _check_keys(path: Path, kind: type[Settings], table: dict[str, Any]) -> None:
    for key in table:
        if key not in kind.model_fields:
            raise HearsimError(f"{path}: {unknown_key(key, key, list(kind.model_fields))}")
