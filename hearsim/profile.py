"""Loading profiles and their parts: TOML from `profiles/` or from the user's own files, and Clarity's JSON.

A part is named (`listener = "N3"`), pointed at (`listener = "mine/anna.toml"`, relative to the profile) or picked
out of a Clarity or Cadenza file (`listener = "listeners.json#L0001"`, `mix = "gains.json#gain_0007"`). So is the model,
by name or by its folder.
"""

import difflib
import json
import reprlib
import tomllib
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from hearsim.errors import HearsimError
from hearsim.listener import Aid, Listener, Mix, Profile, Rig, Settings
from hearsim.paths import data_folder, find_model, model_names

Part = TypeVar("Part", bound=Settings)
FOLDERS: dict[type[Settings], str] = {
    Listener: "listeners",
    Mix: "mixes",
    Aid: "aids",
    Rig: "rigs",
    Profile: ".",
}
CLARITY_EARS = {"left": "audiogram_levels_l", "right": "audiogram_levels_r"}
CURES = {  # pydantic's name of a complaint -> what is wrong and what to do; the braces are pydantic's own context
    "less_than_equal": "is too high: give {le:g} or less",
    "greater_than_equal": "is too low: give {ge:g} or more",
    "literal_error": "is not known: give {expected}",
    "float_type": "is not a number: give one, without quotes",
    "finite_number": "is not a finite number: give one",
    "int_type": "is not a whole number: give one, without quotes",
    "string_type": "is not a text: put it in quotes",
    "tuple_type": "is not a list: put the values in square brackets",
    "too_short": "is empty: give at least {min_length} value",
    "model_type": "is not a table: give its keys and values",
}


def profile_names() -> list[str]:
    """Return the names of the shipped profiles."""
    return _names(data_folder("profiles"))


def mix_names() -> list[str]:
    """Return the names of the shipped mixes."""
    return _shipped(Mix)


def load_profile(name: str | Path) -> Profile:
    """Load a profile by name or path; raises `HearsimError` with file, key and cure."""
    path = _find(name, Profile, Path.cwd())
    table = read_toml(path)
    _check_keys(path, Profile, table)
    parts: dict[str, Any] = {}
    for key, kind in (("listener", Listener), ("mix", Mix), ("aid", Aid), ("rig", Rig)):
        value = table.get(key)
        if not isinstance(value, str):
            wrong = f"{key} = {value!r} names nothing" if key in table else f"the key {key} is missing"
            raise HearsimError(f"{path}: {wrong}: name one of {', '.join(_shipped(kind))}, or a file, in quotes")
        parts[key] = load_part(value, kind, path.parent, f"{path}: {key}: ")
    if isinstance(model := table.get("model"), str) and model not in model_names():
        parts["model"] = str(find_model(model, path.parent, f"{path}: model: "))
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


def load_listeners(path: str | Path) -> dict[str, Listener]:
    """Load a Clarity or Cadenza listeners.json as it is."""
    path = Path(path)
    return {name: _clarity_listener(path, name, row) for name, row in _read_json(path).items()}


def load_mixes(path: str | Path) -> dict[str, Mix]:
    """Load a Cadenza gains.json ({mix: {stem: dB}}) as it is."""
    path = Path(path)
    return {name: _cadenza_mix(path, name, row) for name, row in _read_json(path).items()}


def load_part(name: str | Path, kind: type[Part], base: Path, asker: str = "") -> Part:
    """Load a part of a profile by name, path or `listeners.json#ID`, relative to `base`.

    `asker` (file and key that name the part) comes first in what `HearsimError` says.
    """
    file, _, row = str(name).partition("#")
    if file.endswith(".json") and kind in (Listener, Mix):
        path = base / file
        rows = _read_json(path)
        if row not in rows:
            near = nearest(row, list(rows)) or f"it holds {', '.join(list(rows)[:5])}"
            raise HearsimError(f"{asker}{path} has no entry {row!r}, written {file}#NAME: {near}")
        read = _clarity_listener if kind is Listener else _cadenza_mix
        return read(path, row, rows[row])  # type: ignore[return-value]
    path = _find(name, kind, base, asker)
    return check(path, kind, {"name": path.stem, **read_toml(path)})


def _clarity_listener(path: Path, name: str, row: Any) -> Listener:
    if not isinstance(row, dict):
        raise HearsimError(f"{path}: listener {name} is {row!r}: it needs audiogram_cfs and the two audiogram_levels")
    ears = {}
    for ear, key in CLARITY_EARS.items():
        for wanted in ("audiogram_cfs", key):
            if wanted not in row:
                raise HearsimError(f"{path}: listener {name} lacks {wanted}: add it, or remove the listener")
        ears[ear] = {"frequencies_hz": row["audiogram_cfs"], "thresholds_db_hl": row[key]}
    theirs = {f"{ear}.frequencies_hz": "audiogram_cfs" for ear in CLARITY_EARS}
    theirs |= {f"{ear}.thresholds_db_hl": key for ear, key in CLARITY_EARS.items()}
    return check(path, Listener, {"name": name, **ears}, f"listener {name}: ", theirs)


def _cadenza_mix(path: Path, name: str, row: Any) -> Mix:
    return check(
        path, Mix, {"name": name, "gains_db": row}, f"mix {name}: ", {"gains_db.": "", "gains_db": "its gains"}
    )


def _find(name: str | Path, kind: type[Settings], base: Path, asker: str = "") -> Path:
    folder = data_folder("profiles") / FOLDERS[kind]
    shipped, path = folder / f"{name}.toml", base / name
    try:
        if isinstance(name, str) and "/" not in name and shipped.is_file():
            return shipped.resolve()
        if path.is_file():
            return path
    except OSError as error:  # a name too long for the file system, a folder that may not be entered
        raise HearsimError(f"{asker}{reprlib.repr(str(name))} can't be looked up: {error.strerror}") from None
    names = _names(folder)
    near = nearest(str(name), names) or f"there are {', '.join(names)}"
    raise HearsimError(f"{asker}no {kind.__name__.lower()} is called {str(name)!r} and no file {path} is there: {near}")


def _names(folder: Path) -> list[str]:
    return sorted(path.stem for path in folder.glob("*.toml"))


def _shipped(kind: type[Settings]) -> list[str]:
    return _names(data_folder("profiles") / FOLDERS[kind])


def nearest(name: str, names: list[str]) -> str:
    """Return a question after the names most like this one, "" where none is."""
    near = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
    return f"did you mean {' or '.join(near)}?" if near else ""


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")  # Windows' editors put a byte order mark in front
    except UnicodeDecodeError as error:
        raise HearsimError(f"{path} is not a text in UTF-8 ({error.reason}): save it as UTF-8") from None
    except OSError as error:
        raise HearsimError(f"{path} can't be read ({error.strerror}): give the name of a file") from None


def read_toml(path: Path) -> dict[str, Any]:
    """Read a TOML; raises `HearsimError` for a file that can't be read or isn't one."""
    text = _read(path)
    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        last = f"at line {len(text.splitlines())}, the end of the file"
        raise HearsimError(f"{path} is not TOML: {str(error).replace('at end of document', last)}") from None


def _read_json(path: Path) -> dict[str, Any]:
    try:
        rows = json.loads(_read(path))
    except (json.JSONDecodeError, RecursionError) as error:
        raise HearsimError(f"{path} is not JSON: {error}") from None
    if not isinstance(rows, dict):
        raise HearsimError(f"{path} holds a {type(rows).__name__}: it needs one object with an entry per name")
    return rows


def check(
    path: Path, kind: type[Part], table: dict[str, Any], where: str = "", theirs: dict[str, str] | None = None
) -> Part:
    """Validate a table; turn pydantic's first complaint into one sentence with file, key, value and cure.

    `where` is the row of the file, `theirs` its own names for our keys.
    """
    try:
        return kind.model_validate(table)
    except ValidationError as error:
        first = min(error.errors(), key=lambda one: not _misspelt(one))  # a misspelt key explains a missing one
    raise HearsimError(f"{path}: {where}{_sentence(kind, first, theirs or {})}")


def _sentence(kind: type[Settings], complaint: ErrorDetails, theirs: dict[str, str]) -> str:
    loc = complaint["loc"]
    key = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in loc).removeprefix(".")
    for ours, name in theirs.items():
        key = name + key.removeprefix(ours) if key.startswith(ours) else key
    if _misspelt(complaint):
        return _unknown(key, str(loc[-1]), _keys_beside(kind, loc))
    if complaint["type"] == "missing":
        return f"the key {key} is missing: add it"
    given = complaint["input"]
    value = "" if isinstance(given, dict | Settings) else f" = {reprlib.repr(given)}"
    cure = CURES.get(complaint["type"])
    if cure:
        return f"{key}{value} {cure.format(**complaint.get('ctx', {}))}"
    message = complaint["msg"].removeprefix("Value error, ")  # our own, from hearsim.listener
    return f"{key}{value}: {message}" if key else message


def _misspelt(complaint: ErrorDetails) -> bool:
    return complaint["type"] == "extra_forbidden"


def _keys_beside(kind: type[Settings], loc: tuple[int | str, ...]) -> list[str]:
    """Return the keys that the table at `loc`, less its last step, may hold."""
    level: Any = kind
    for step in loc[:-1]:
        if isinstance(step, int):  # a place in a list: its type has been taken a step before
            continue
        level = level.model_fields[str(step)].annotation
        level = next((t for t in getattr(level, "__args__", (level,)) if hasattr(t, "model_fields")), level)
    return list(level.model_fields)


def _check_keys(path: Path, kind: type[Settings], table: dict[str, Any]) -> None:
    for key in table:
        if key not in kind.model_fields:
            raise HearsimError(f"{path}: {_unknown(key, key, list(kind.model_fields))}")


def _unknown(shown: str, key: str, known: list[str]) -> str:
    return f"the key {shown} is not known: {nearest(key, known) or 'known are ' + ', '.join(known)}"
