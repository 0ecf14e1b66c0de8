"""Loading profiles and their parts: TOML from `profiles/` or from the user's own files, and Clarity's JSON.

A part is named (`listener = "N3"`), pointed at (`listener = "mine/anna.toml"`, relative to the profile) or picked
out of a Clarity or Cadenza file (`listener = "listeners.json#L0001"`, `mix = "gains.json#vocals_up"`).
"""

import difflib
import json
import tomllib
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from hearsim.errors import HearsimError
from hearsim.listener import Aid, Listener, Mix, Profile, Rig, Settings
from hearsim.paths import data_folder

Part = TypeVar("Part", bound=Settings)
FOLDERS: dict[type[Settings], str] = {
    Listener: "listeners",
    Mix: "mixes",
    Aid: "aids",
    Rig: "rigs",
    Profile: ".",
}


def profile_names() -> list[str]:
    """Return the names of the shipped profiles."""
    return _names(data_folder("profiles"))


def load_profile(name: str | Path) -> Profile:
    """Load a profile by name or path; raises `HearsimError` with file, key and cure."""
    path = _find(name, Profile, Path.cwd())
    table = _read_toml(path)
    _check_keys(path, Profile, table)
    parts: dict[str, Any] = {"name": path.stem}
    for key, kind in (("listener", Listener), ("mix", Mix), ("aid", Aid), ("rig", Rig)):
        value = table.get(key)
        if not isinstance(value, str):
            raise HearsimError(f"{path}: {key} = {value!r}: name one of {', '.join(_shipped(kind))}, or a file")
        parts[key] = _load(value, kind, path.parent)
    return _check(path, Profile, {**table, **parts})


def load_listener(name: str | Path) -> Listener:
    """Load a listener by name, path, or `listeners.json#ID`."""
    return _load(name, Listener, Path.cwd())


def load_mix(name: str | Path) -> Mix:
    """Load a mix by name, path, or `gains.json#NAME`."""
    return _load(name, Mix, Path.cwd())


def load_aid(name: str | Path) -> Aid:
    """Load an aid by name or path."""
    return _load(name, Aid, Path.cwd())


def load_rig(name: str | Path) -> Rig:
    """Load a rig by name or path."""
    return _load(name, Rig, Path.cwd())


def load_listeners(path: Path) -> dict[str, Listener]:
    """Load a Clarity or Cadenza listeners.json as it is."""
    return {name: _clarity_listener(path, name, row) for name, row in _read_json(path).items()}


def load_mixes(path: Path) -> dict[str, Mix]:
    """Load a Cadenza gains.json ({mix: {stem: dB}}) as it is."""
    return {name: _check(path, Mix, {"name": name, "gains_db": row}) for name, row in _read_json(path).items()}


def _load(name: str | Path, kind: type[Part], base: Path) -> Part:
    text = str(name)
    if ".json" in text and kind in (Listener, Mix):
        file, _, row = text.partition("#")
        path = base / file
        rows = _read_json(path)
        if row not in rows:
            near = _near(row, list(rows)) or f"it holds {', '.join(list(rows)[:5])}"
            raise HearsimError(f"{path} has no entry {row!r}: {near}; write {file}#NAME")
        found = _clarity_listener(path, row, rows[row]) if kind is Listener else load_mixes(path)[row]
        return found  # type: ignore[return-value]
    path = _find(name, kind, base)
    return _check(path, kind, {"name": path.stem, **_read_toml(path)})


def _clarity_listener(path: Path, name: str, row: Any) -> Listener:
    if not isinstance(row, dict):
        raise HearsimError(f"{path}: listener {name} is {row!r}: it needs audiogram_cfs and the two audiogram_levels")
    ears = {}
    for ear, key in (("left", "audiogram_levels_l"), ("right", "audiogram_levels_r")):
        for wanted in ("audiogram_cfs", key):
            if wanted not in row:
                raise HearsimError(f"{path}: listener {name} lacks {wanted}: add it, or remove the listener")
        ears[ear] = {"frequencies_hz": row["audiogram_cfs"], "thresholds_db_hl": row[key]}
    return _check(path, Listener, {"name": name, **ears}, f"listener {name}: ")


def _find(name: str | Path, kind: type[Settings], base: Path) -> Path:
    folder = data_folder("profiles") / FOLDERS[kind]
    shipped = folder / f"{name}.toml"
    if isinstance(name, str) and "/" not in name and shipped.is_file():
        return shipped.resolve()
    path = base / name
    if path.is_file():
        return path
    names = _names(folder)
    near = _near(str(name), names) or f"there are {', '.join(names)}"
    raise HearsimError(f"no {kind.__name__.lower()} is called {name!r} and no file {path} is there: {near}")


def _names(folder: Path) -> list[str]:
    return sorted(path.stem for path in folder.glob("*.toml"))


def _shipped(kind: type[Settings]) -> list[str]:
    return _names(data_folder("profiles") / FOLDERS[kind])


def _near(name: str, names: list[str]) -> str:
    near = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
    return f"did you mean {' or '.join(near)}?" if near else ""


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise HearsimError(f"{path} is not TOML: {error}") from None


def _read_json(path: Path) -> dict[str, Any]:
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise HearsimError(f"{path}: there is no such file") from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise HearsimError(f"{path} is not JSON: {error}") from None
    if not isinstance(rows, dict):
        raise HearsimError(f"{path} holds a {type(rows).__name__}: it needs one object with an entry per name")
    return rows


def _check(path: Path, kind: type[Part], table: dict[str, Any], where: str = "") -> Part:
    """Validate a table; turn pydantic's first complaint into one sentence with file, key, value and cure."""
    try:
        return kind.model_validate(table)
    except ValidationError as error:
        first = min(error.errors(), key=lambda one: one["type"] != "extra_forbidden")  # a misspelt key comes first
        key = ".".join(map(str, first["loc"])) or "the whole"
        if first["type"] == "extra_forbidden":
            level: Any = kind
            for step in first["loc"][:-1]:
                level = level.model_fields[str(step)].annotation
                level = next((t for t in getattr(level, "__args__", (level,)) if hasattr(t, "model_fields")), level)
            raise _unknown(path, f"{where}{key}", str(first["loc"][-1]), list(level.model_fields)) from None
        message = first["msg"].removeprefix("Value error, ")
        if first["type"] == "missing":
            raise HearsimError(f"{path}: {where}the key {key} is missing: add it") from None
        shown = "" if isinstance(first["input"], dict | Settings) else f" = {first['input']!r}"
        raise HearsimError(f"{path}: {where}{key}{shown}: {message[0].lower()}{message[1:]}") from None


def _check_keys(path: Path, kind: type[Settings], table: dict[str, Any]) -> None:
    for key in table:
        if key not in kind.model_fields:
            raise _unknown(path, key, key, list(kind.model_fields))


def _unknown(path: Path, where: str, key: str, known: list[str]) -> HearsimError:
    return HearsimError(f"{path}: the key {where} is not known: {_near(key, known) or 'known are ' + ', '.join(known)}")
